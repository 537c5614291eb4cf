"""A partner with a true key signs nonsense: refused by name or quarantined, on both databases."""

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from mithaq.exchange import store
from mithaq.exchange.frame import seal_frame, split_frames
from mithaq.exchange.receipts import Receipts
from mithaq.exchange.receiving.service import Receiving
from mithaq.exchange.release_document import RELEASE_TYPE
from mithaq.kernel import canonical
from mithaq.kernel.errors import Error
from mithaq.kernel.signing import read_envelope, sign_with
from tests.country import Country, fetch, indicator
from tests.world import XA, XB, Treaty, keys_of, signer_of

Change = Callable[[dict[str, Any]], object]

PROTOCOL: dict[str, Change] = {
    "an id that is a number": lambda d: d.update(id=7),
    "an id with a zero byte": lambda d: d.update(id="release--\0"),
    "an endless id": lambda d: d.update(id="r" * 100_000),
    "a purpose with a zero byte": lambda d: d.update(purpose="defence\0"),
    "a purpose that is a list": lambda d: d.update(purpose=["defence"]),
    "a newer format": lambda d: d.update(format_version=2),
    "no format": lambda d: d.pop("format_version"),
    "an unknown action": lambda d: d.update(action="erase"),
    "an unknown lane": lambda d: d.update(lane="exercise--1"),
    "a moment that is none": lambda d: d.update(at="yesterday"),
    "a moment without offset": lambda d: d.update(at="2026-11-23T12:00:00"),
    "a moment before the calendar": lambda d: d.update(at="0001-01-01T00:00:00+14:00"),
    "terms that are missing": lambda d: d.update(terms=[]),
    "terms that are text": lambda d: d.update(terms=["free for all"]),
    "terms with a moment beyond the calendar": lambda d: d["terms"][0].update(delete_after="9999-12-31T23:59:59-14:00"),
    "a body that is no text": lambda d: d["objects"][0].update(body={"type": "indicator"}),
    "a reference to terms below zero": lambda d: d["objects"][0].update(terms=-1),
    "objects that are none": lambda d: d.update(objects={"0": 1}),
    "too many objects": lambda d: d.update(objects=d["objects"] * 501),
    "an agreement without a hash": lambda d: d["agreement"].pop("hash"),
    "an agreement with a zero byte": lambda d: d["agreement"].update(id="agreement--\0"),
    "an agreement of an endless version": lambda d: d["agreement"].update(version=2**52),
    "another recipient": lambda d: d.update(recipient="XC"),
    "another sender": lambda d: d.update(sender="XC"),
    "another number": lambda d: d.update(sequence=2),
    "a withdrawal of a zero byte": lambda d: d.update(action="withdraw", objects=[], withdrawn=["indicator--\0"]),
}
"""What breaks the protocol: refused as a whole, and the channel stands where it stood."""

CONTENT: dict[str, Change] = {
    "no object": lambda d: d["objects"][0].update(body=""),
    "broken": lambda d: d["objects"][0].update(body='{"type":'),
    "deep": lambda d: d["objects"][0].update(body="[" * 100_000),
    "without an id": lambda d: d["objects"][0].update(body='{"type":"indicator"}'),
    "a name of zero bytes": lambda d: d["objects"][0].update(body=indicator(1, name="\0<script>").decode()),
    "an agreement that is unknown": lambda d: d["agreement"].update(id="agreement--" + "0" * 36),
    "an agreement of another version": lambda d: d["agreement"].update(version=9),
    "another hash": lambda d: d["agreement"].update(hash="0" * 64),
    "a purpose that is unknown": lambda d: d.update(purpose="gossip"),
    "labels that are unknown": lambda d: d["terms"][0].update(tlp="TLP:MAUVE"),
    "a moment far ahead": lambda d: d.update(at="9999-12-31T23:59:59.999Z"),
    "a moment long ago": lambda d: d.update(at="1970-01-01T00:00:00.000Z"),
}
"""What the protocol carries and the agreement or the standard forbids: taken, quarantined with reasons, receipted."""


@pytest.fixture
def two(tmp_path: Path, db_url: str, at: datetime) -> Iterator[list[Country]]:
    treaty = Treaty(at, nations=(XA, XB))
    countries = [Country.found(XA, tmp_path / XA), Country.found(XB, tmp_path / XB, db_url)]
    for country in countries:
        country.befriend(countries, at)
        country.context.agreements.receive(treaty.envelope.encode(), at=at, actor="person--1")
    countries[0].order(treaty, at)
    yield countries
    for country in countries:
        country.db.close()


def state(country: Country) -> tuple[int, int]:
    with country.db.read() as connection:
        return len(connection.execute(select(store.received)).all()), len(
            connection.execute(select(store.quarantine)).all()
        )


def test_a_signed_release_that_breaks_the_protocol_is_refused_by_name(two: list[Country], at: datetime) -> None:
    a, b = two
    a.add(1, at)
    (true,) = fetch(a, b, at)
    payload = read_envelope(true.open(signer_of(XB))[0]).payload
    for name, change in PROTOCOL.items():
        document = canonical.loads(payload)
        change(document)
        with pytest.raises(Error) as caught:
            Receiving(b.context).take(XA, _sealed(canonical.dumps(document)), at)
        assert caught.value.code in ("bad-release", "bad-json", "bad-frame", "bad-lane"), name
        assert str(caught.value).isprintable(), name
        assert state(b) == (0, 0), name
    assert Receiving(b.context).take(XA, true, at) == "admitted"


@pytest.mark.parametrize(
    "payload", [b"", b"null", b"[]", b"\xff", b'{"\\ud800":1}', b'{"a":1,"a":2}', b'{ "a":1}', b"[" * 99_999]
)
def test_a_signed_payload_that_is_no_release_is_refused_by_name(
    two: list[Country], at: datetime, payload: bytes
) -> None:
    with pytest.raises(Error) as caught:
        Receiving(two[1].context).take(XA, _sealed(payload), at)
    assert caught.value.code in ("bad-release", "bad-json")


@pytest.mark.parametrize("name", CONTENT)
def test_what_a_release_may_not_carry_is_quarantined_with_reasons(two: list[Country], at: datetime, name: str) -> None:
    a, b = two
    a.add(1, at)
    (true,) = fetch(a, b, at)
    document = canonical.loads(read_envelope(true.open(signer_of(XB))[0]).payload)
    CONTENT[name](document)
    outcome = Receiving(b.context).take(XA, _sealed(canonical.dumps(document)), at)
    if name == "a name of zero bytes":
        assert outcome == "admitted"
        return
    assert outcome == "quarantined"
    assert state(b) == (1, 1)
    with b.db.read() as connection:
        (row,) = connection.execute(select(store.quarantine)).all()
    assert row.reasons
    assert all(reason["message"] for reason in row.reasons)


def test_a_receipt_says_what_was_wrong_and_quotes_no_value(two: list[Country], at: datetime) -> None:
    """The receipt stays with the sender when the object is deleted; people here read all of it in the quarantine."""
    a, b = two
    a.add(1, at)
    (true,) = fetch(a, b, at)
    document = canonical.loads(read_envelope(true.open(signer_of(XB))[0]).payload)
    document["objects"][0].update(body=indicator(1, valid_from="marker-7f3a.example").decode())
    assert Receiving(b.context).take(XA, _sealed(canonical.dumps(document)), at) == "quarantined"
    with b.db.read() as connection:
        (row,) = connection.execute(select(store.quarantine)).all()
    assert row.reasons[0]["params"] == {"key": "valid_from", "value": "marker-7f3a.example"}
    (receipt,) = Receipts(b.context).due(XA)
    ((name, reasons),) = receipt.refused
    assert name == row.object_id
    assert reasons[0].params == {"key": "valid_from", "value": "…"}
    assert "marker" not in str(reasons)


def _sealed(payload: bytes) -> Any:
    envelope = sign_with(keys_of(XA).signing, RELEASE_TYPE, payload)
    return split_frames(seal_frame(envelope, b"", XA, XB, 1, keys_of(XB).opening[0].seal_key))[0]
