"""What the ledger says of one release, of its signatures and of what is owed, with real receipts and keys."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from mithaq.exchange import ledger, store
from mithaq.exchange.duties import docket
from mithaq.exchange.duties.store import retained
from mithaq.exchange.errors import UnknownRelease
from mithaq.exchange.ledger import one_release
from mithaq.exchange.ledger.became import went
from mithaq.exchange.ledger.one_release import Signature
from mithaq.exchange.ledger.proof_state import Proof, waiting
from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.nations.keys import rules
from mithaq.nations.keys.model import Revocation
from mithaq.standards.tlp import Tlp
from tests.country import Country, alliance, deliver, fetch
from tests.obliged import keep_books, sweep
from tests.trusting import other_keys, publish_statement
from tests.world import XA, XB, XC, Treaty, first_statement, keys_of, online_of, root_of, signed_statement

DAY = timedelta(days=1)


@pytest.fixture
def three(tmp_path: Path, at: datetime) -> Iterator[list[Country]]:
    countries = alliance(tmp_path, (XA, XB, XC), at, Treaty(at, days=120))
    for country in countries[:2]:
        country.order(Treaty(at), at)
    publish_statement(countries[0], at)
    yield countries
    for country in countries:
        country.db.close()


def sent(country: Country, sequence: int) -> one_release.OneRelease:
    with country.db.read() as connection:
        return one_release.sent(country.context, connection, XB, sequence)


def received(country: Country, sequence: int) -> one_release.OneRelease:
    with country.db.read() as connection:
        return one_release.received(country.context, connection, XB, sequence)


def speak(country: Country, at: datetime, *, compromised_at: datetime | None = None) -> None:
    """XB's officials authorise another key, and perhaps say that the first one is stolen."""
    first, official = first_statement(XB, at), root_of(XB)
    revoked = [Revocation(keys_of(XB).signing.verify_key.key_id, compromised_at)] if compromised_at else []
    made = rules.draft(
        first, nation=XB, roots=[official.root], threshold=1, online=online_of(other_keys()), revoked=revoked, at=at,
        expires_at=at + 90 * DAY,
    )  # fmt: skip
    row = [first.envelope, signed_statement(made, official).envelope]
    country.context.partners.take_statements(XB, row, at=at, actor="nation:XB")


def test_a_receipt_is_checked_anew_against_every_key_its_nation_ever_had(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    a.add(1, at)
    assert deliver(a, b, at) == ["admitted"]
    release = sent(a, 1)
    assert release.receipt is not None
    assert release.receipt.checked is not None
    assert release.receipt.checked.signature is Signature.HOLDS
    assert release.checked.signature is Signature.HOLDS
    assert release.objects == [("indicator--00000000-0000-4000-8000-000000000001", "2026-11-23T11:00:00.000Z")]
    speak(a, at + DAY)
    checked = sent(a, 1).receipt
    assert checked is not None
    assert checked.checked is not None
    assert (checked.checked.signature, checked.checked.since) == (Signature.RETIRED, at + DAY)


def test_a_receipt_under_a_stolen_key_says_since_when(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    a.add(1, at)
    deliver(a, b, at)
    speak(a, at + DAY, compromised_at=at + DAY / 2)
    receipt = sent(a, 1).receipt
    assert receipt is not None
    assert receipt.checked is not None
    assert (receipt.checked.signature, receipt.checked.since) == (Signature.COMPROMISED, at + DAY / 2)


def test_a_receipt_that_was_tampered_with_in_the_database_does_not_hold(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    a.add(1, at)
    deliver(a, b, at)
    for tampered in (b"{}", b"not json", bytes(reversed(b'{"payload":""}'))):
        with a.db.write(at) as tx:
            tx.execute(update(store.sent).values(receipt=tampered))
        receipt = sent(a, 1).receipt
        assert receipt is not None
        assert receipt.checked is not None
        assert receipt.checked.signature is Signature.BROKEN


def test_a_received_release_keeps_its_head_digest_and_agreement_once_its_bytes_are_erased(
    three: list[Country], at: datetime
) -> None:
    a, b, _ = three
    b.add(1, at)
    deliver(b, a, at)
    before = received(a, 1)
    assert before.checked.signature is Signature.HOLDS
    assert [name for name, _ in before.objects] == ["indicator--00000000-0000-4000-8000-000000000001"]
    for day in range(1, 92):
        sweep(a, at + day * DAY)
    after = received(a, 1)
    assert (after.digest, after.agreement_id, after.purpose) == (before.digest, before.agreement_id, before.purpose)
    assert (after.objects, after.checked.signature) == ([], Signature.ERASED)


def test_what_is_not_there_is_an_unknown_release(three: list[Country], at: datetime) -> None:
    a, *_ = three
    for read in (sent, received):
        with pytest.raises(UnknownRelease):
            read(a, 1)
    with a.db.read() as connection, pytest.raises(UnknownRelease):
        one_release.place_of(connection, XB, "release--1")


def test_a_release_that_waits_names_its_witness_and_no_longer_once_it_has_left(
    three: list[Country], at: datetime
) -> None:
    a, b, c = three
    a.neighbours.clear()
    object_id = a.add(1, at, tlp=Tlp.AMBER)
    fetch(a, b, at)
    with a.db.read() as connection:
        (each,) = waiting(a.context, connection)
        (gone,) = went(a.context, connection, object_id, ACTUAL)
        assert went(a.context, connection, object_id, Lane("test")) == []
    assert (each.recipient, each.since, each.proof.missing, each.proof.awaited) == (XB, at, 1, [XB, XC])
    assert set(each.troubles) == {XB, XC}
    assert gone.proof.stage is Proof.WAITING
    a.neighbours |= {XB: b, XC: c}
    a.context.flusher.forget_failures()
    assert deliver(a, b, at) == ["admitted"]
    with a.db.read() as connection:
        assert waiting(a.context, connection) == []
        (gone,) = went(a.context, connection, object_id, ACTUAL)
        (row,) = ledger.sent_to(connection, XB, before=None, limit=10)
    assert gone.proof.stage is Proof.PROVEN
    assert gone.proof.checkpoint_size == 1
    assert (row.label, row.waits, row.emergency) == ("TLP:AMBER", False, False)


def test_what_is_to_be_deleted_is_counted_by_release_and_narrowed(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    for number in range(1, 4):
        b.add(number, at)
    deliver(b, a, at)
    sweep(a, at)
    with a.db.read() as connection:
        (found,) = docket.deletions(connection)
        assert docket.deletions(connection, docket.Asked(nation="XC")) == []
        assert docket.deletions(connection, docket.Asked(lane=Lane("test"))) == []
    assert (found.nation, found.copies, found.due_at) == (XB, 3, at + 90 * DAY)
    with a.db.write(at) as tx:
        tx.execute(update(retained).values(term="leaving.on_exit"))
    with a.db.read() as connection:
        assert docket.deletions(connection)[0].term == "leaving.on_exit"


def test_a_deletion_that_was_not_attested_is_owed_by_its_recipient_once_it_is_late(
    three: list[Country], at: datetime
) -> None:
    a, b, _ = three
    b.add(1, at)
    deliver(b, a, at)
    keep_books(b, at)
    late = at + 92 * DAY
    with b.db.read() as connection:
        before, after = docket.docket(connection, XB, at), docket.docket(connection, XB, late)
        counted = docket.tally(connection, XB, late)
    assert (before.others.overdue, before.others.running) == ([], [])
    assert [(each.kind, each.owed_by) for each in after.others.overdue] == [("retention", XA)]
    assert after.own.overdue == []
    assert [(each.kind, each.partner, each.open, each.overdue) for each in after.balances] == [("retention", XA, 1, 1)]
    assert (counted.own_overdue, counted.own_running, counted.others_overdue, counted.others_running) == (0, 0, 1, 0)
