"""The signed releases that a nation keeps of what it gave: what retention does to them, and what is left to show."""

import base64
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select

from mithaq.agreements.terms import Audit, Onward
from mithaq.exchange import impact
from mithaq.exchange import store as exchange
from mithaq.exchange.audit import evidence
from mithaq.exchange.audit.export import export_log
from mithaq.exchange.audit.reconcile import reconcile
from mithaq.exchange.audit.verify import verify_folder
from mithaq.exchange.errors import Erased
from mithaq.exchange.ledger import one_release
from mithaq.exchange.log import store as log_store
from mithaq.exchange.orders import Orders
from mithaq.exchange.receipt import RECEIPT_TYPE, Receipt
from mithaq.exchange.receipts import Receipts
from mithaq.exchange.receiving.service import Receiving
from mithaq.exchange.sending.service import Sending
from mithaq.intelligence.model import ReleaseInstruction
from mithaq.kernel.reason import Reason
from mithaq.kernel.signing import read_envelope
from mithaq.kernel.tlog.errors import BadProof
from mithaq.standards.tlp import Tlp
from tests.country import Country, alliance, deliver, fetch, give_receipts
from tests.obliged import attest, duties, keep_books, rows, sweep
from tests.world import DEFAULT_TERMS, XA, XB, XC, Treaty, card_of, signer_of

DAY = timedelta(days=1)
MARKER = "verbatim-marker-7f3a.example"
TO_B = ReleaseInstruction("agreement--11111111-1111-4111-8111-111111111111", (XB,), "defence")


@pytest.fixture
def treaty(at: datetime) -> Treaty:
    terms = msgspec.structs.replace(DEFAULT_TERMS, onward=Onward("parties"), audit=Audit(notice_days=20))
    return Treaty(at, terms=terms, days=400)


@pytest.fixture
def three(tmp_path: Path, at: datetime, treaty: Treaty) -> Iterator[list[Country]]:
    countries = alliance(tmp_path, (XA, XB, XC), at, treaty)
    yield countries
    for country in countries:
        country.db.close()


def pass_days(country: Country, start: datetime, first: int, last: int) -> None:
    """Let days pass as they do on a node that runs."""
    for day in sorted({*range(first, last, 2), last}):
        sweep(country, start + day * DAY)


def give(a: Country, at: datetime, number: int = 1, **changes: object) -> str:
    """Store an object with the marker in it, for XB."""
    named = {"name": f"beacon {MARKER}", "pattern": f"[domain-name:value = '{MARKER}']"}
    return a.add(number, at, to=TO_B, **(named | changes))


def found_in(country: Country, marker: str = MARKER) -> set[str]:
    """How the marker is spelled in any file of a country's folder: plainly, or inside a signed envelope's base64."""
    spellings = {marker.encode(): "plain"}
    for shift in range(3):
        whole = base64.b64encode(b"x" * shift + marker.encode())
        spellings[whole[(shift * 8 + 5) // 6 : len(whole) - 4]] = "signed"
    folder = Path(country.db.engine.url.database or "").parent
    files = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    return {name for data in files for text, name in spellings.items() if text in data}


def envelopes(country: Country) -> list[bool]:
    """For each release that a country sent, whether its signed bytes are still kept."""
    return [row.envelope is not None for row in rows(country, exchange.sent)]


def test_what_was_passed_on_is_gone_from_every_byte_when_its_originator_s_time_is_over(
    three: list[Country], at: datetime, treaty: Treaty
) -> None:
    a, b, c = three
    b.order(treaty, at)
    give(a, at)
    deliver(a, b, at)
    assert deliver(b, c, at) == ["admitted"]
    assert found_in(b) == {"plain", "signed"}
    pass_days(b, at, 1, 90)
    assert attest(b, a, at + 90 * DAY) == 1
    assert found_in(b) == set()
    (sent,) = rows(b, exchange.sent)
    assert sent.digest
    assert sent.receipt
    assert duties(b)[-1] == ("retention", XC, XB, "open")


def test_a_value_that_a_recipient_quoted_in_its_receipt_is_gone_from_every_byte_with_the_object(
    three: list[Country], at: datetime, treaty: Treaty
) -> None:
    """Other programs may quote what they refuse: what is kept of it leaves values out, and the receipt itself goes."""
    a, b, c = three
    b.order(treaty, at)
    object_id = give(a, at)
    deliver(a, b, at)
    fetch(b, c, at)
    (sent,) = rows(b, exchange.sent)
    reason = Reason(
        "bad-object", "%(key)s is none: %(value)s", {"key": "pattern", "value": MARKER[:20]}, f"see {MARKER}"
    )
    receipt = Receipt(XB, XC, sent.release_id, sent.sequence, sent.digest, "quarantined", at, ((object_id, (reason,)),))
    Receipts(b.context).accept(XC, signer_of(XC).sign(RECEIPT_TYPE, receipt.encode()), at)
    (sent,) = rows(b, exchange.sent)
    (refused,) = sent.refused
    assert refused["object"] == object_id
    assert [(each["code"], each["params"], each["remedy"]) for each in refused["reasons"]] == [
        ("bad-object", {"key": "pattern", "value": "…"}, "…")
    ]
    assert MARKER.encode() in read_envelope(sent.receipt).payload, "as it was signed, until the object goes"
    pass_days(b, at, 1, 90)
    attest(b, a, at + 90 * DAY)
    assert found_in(b) == found_in(b, MARKER[:20]) == set()
    (sent,) = rows(b, exchange.sent)
    assert (sent.outcome, sent.receipt) == ("quarantined", b"")
    with b.db.read() as connection:
        shown = one_release.sent(b.context, connection, XC, sent.sequence)
    assert shown.receipt is not None
    assert shown.receipt.checked == one_release.Checked(one_release.Signature.ERASED)


def test_an_answer_that_a_void_number_overtook_is_erased_as_well(
    three: list[Country], at: datetime, treaty: Treaty
) -> None:
    a, b, c = three
    b.order(treaty, at)
    object_id = give(a, at)
    deliver(a, b, at)
    slow = fetch(b, c, at)
    Orders(b.context).veto(object_id, str(XC), at=at, actor="person--1")
    assert len(fetch(b, c, at)) == 1, "the number is void"
    assert [row.envelope is not None for row in rows(b, exchange.overtaken)] == [True]
    pass_days(b, at, 1, 90)
    attest(b, a, at + 90 * DAY)
    assert found_in(b) == set()
    assert Receiving(c.context).take(XB, slow[0], at) == "admitted"
    give_receipts(b, c, at + 90 * DAY)
    assert [(row.action, row.envelope) for row in rows(b, exchange.sent)] == [("release", None)]


def test_a_release_of_own_objects_beside_a_foreign_one_goes_with_it_and_one_without_stays(
    three: list[Country], at: datetime, treaty: Treaty
) -> None:
    """A signature covers all of a release: the own objects stay with their nation, this copy of them does not."""
    a, b, c = three
    b.order(treaty, at)
    give(a, at)
    deliver(a, b, at)
    own = b.add(7, at)
    assert deliver(b, c, at) == ["admitted"]
    b.add(8, at)
    assert deliver(b, c, at) == ["admitted"]
    assert len(rows(b, exchange.sent_objects)) == 3
    pass_days(b, at, 1, 90)
    assert envelopes(b) == [False, True]
    assert b.held(own)


def test_the_own_copy_stays_until_the_deletion_is_attested_and_the_time_for_an_audit_is_over(
    three: list[Country], at: datetime
) -> None:
    a, b, _ = three
    object_id = give(a, at)
    deliver(a, b, at)
    keep_books(a, at)
    pass_days(b, at, 1, 90)
    attest(b, a, at + 90 * DAY)
    pass_days(a, at, 1, 110)
    assert envelopes(a) == [True], "a day of grace and twenty of notice after ninety"
    pass_days(a, at, 111, 111)
    assert envelopes(a) == [False]
    assert found_in(a) == {"plain"}, "the object is its originator's own and stays"
    assert a.held(object_id)
    (sent,) = rows(a, exchange.sent)
    assert sent.digest
    assert sent.receipt


def test_the_own_copy_of_what_nobody_attested_stays_as_evidence(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    give(a, at)
    deliver(a, b, at)
    pass_days(a, at, 1, 200)
    assert duties(a) == [("retention", XB, XA, "open")]
    assert envelopes(a) == [True]
    pass_days(b, at, 1, 200)
    attest(b, a, at + 200 * DAY)
    sweep(a, at + 201 * DAY)
    assert envelopes(a) == [False], "attested late, and the time for an audit is over"


def closed(a: Country, b: Country, at: datetime) -> None:
    """Let a release from XA to XB come to its end on both sides."""
    keep_books(a, at)
    pass_days(b, at, 1, 90)
    attest(b, a, at + 90 * DAY)
    pass_days(a, at, 1, 111)


def test_audits_say_what_was_erased_and_still_compare_it(three: list[Country], at: datetime, tmp_path: Path) -> None:
    a, b, c = three
    for day in (0, 1):
        give(a, at + day * DAY, 1 + day, tlp=Tlp.AMBER)
        deliver(a, b, at + day * DAY)
    a.add(3, at + DAY, to=replace(TO_B, recipients=(XC,)), tlp=Tlp.AMBER)  # its checkpoint covers the receipts
    deliver(a, c, at + DAY)
    closed(a, b, at)
    folders = {country.nation: tmp_path / f"audit-{country.nation}" for country in (a, b)}
    for country in (a, b):
        log = f"cert.{country.nation.lower()}.example/releases/2026"
        export_log(country.context, card_of(country.nation, at), folders[country.nation], log)
    verdict = verify_folder(folders[XA])
    assert verdict.wrong == []
    assert verdict.checked["erased"] == 1
    assert verdict.checked["records"] == verdict.size - 1
    found = reconcile(folders[XA], folders[XB])
    assert (found.compared, found.erased, found.differences) == (2, 1, ())
    erased = folders[XA] / "erased.ndjson"
    (line,) = erased.read_text("utf-8").splitlines()
    value = msgspec.json.decode(line)
    erased.write_bytes(msgspec.json.encode(value | {"digest": "0" * 64}) + b"\n")
    assert [each.kind for each in reconcile(folders[XA], folders[XB]).differences] == ["other-content"]
    for lie in ({"leaf": 2}, {"leaf": 10_000}):
        erased.write_bytes(msgspec.json.encode(value | lie) + b"\n")
        assert [what for what, _ in verify_folder(folders[XA]).wrong] == [f"erased record of leaf {lie['leaf']}"]
    erased.unlink()
    assert [each.kind for each in reconcile(folders[XA], folders[XB]).differences] == ["not-sent"]


def test_evidence_and_proof_of_an_erased_release_say_so(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    give(a, at)
    deliver(a, b, at)
    closed(a, b, at)
    (sent,), (received,) = rows(a, exchange.sent), rows(b, exchange.received)
    for country in (a, b):
        with pytest.raises(Erased, match=sent.digest):
            evidence.gather(country.context, card_of(country.nation, at), received.release_id, at)
    with pytest.raises(BadProof, match="erased"):
        Sending(a.context)._proving.later(XB, 1, 1, at)
    with b.db.read() as connection:
        assert connection.scalar(select(log_store.proofs.c.sequence).where(log_store.proofs.c.proof.is_(None))) is None
        (touched,) = impact.received_since(connection, XA, at)
    assert (touched.release_id, touched.objects) == (received.release_id, ())


def test_a_release_that_still_waits_for_witnesses_becomes_void_when_its_bytes_are_gone(
    tmp_path: Path, at: datetime, treaty: Treaty
) -> None:
    """Its object may stay here under this nation's own word: that goes under the next number."""
    soon = replace(treaty, terms=msgspec.structs.replace(treaty.terms, retention_days=5))
    a, b, c = alliance(tmp_path, (XA, XB, XC), at, soon)
    object_id = give(a, at, tlp=Tlp.AMBER)
    deliver(a, b, at)
    b.neighbours.clear()
    b.order(soon, at)
    assert fetch(b, c, at) == []
    named = {"name": f"beacon {MARKER}", "pattern": f"[domain-name:value = '{MARKER}']"}
    b.add(1, at + DAY, tlp=Tlp.AMBER, **named)
    pass_days(b, at, 1, 5)
    assert envelopes(b) == [False]
    assert b.held(object_id)
    later = at + 5 * DAY
    Orders(b.context).begin_log_anew(at=later, actor="person--1")
    b.neighbours[XC] = c
    b.context.flusher.forget_failures()
    assert deliver(b, c, later) == ["void"]
    assert deliver(b, c, later) == ["admitted"]
    assert c.held(object_id)
    for country in (a, b, c):
        country.db.close()
