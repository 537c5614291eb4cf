"""A proposal carries the object it would change: what erases that object erases the proposal, and it is withdrawn."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from mithaq.agreements.terms import Onward
from mithaq.exchange import store as exchange
from mithaq.exchange.sending.service import Sending
from mithaq.intelligence.model import ReleaseInstruction
from mithaq.intelligence.remarks import RemarkTerms, note_on, proposal_on
from mithaq.intelligence.tables import tombstones
from mithaq.kernel import journal
from mithaq.kernel.ids import NationId
from mithaq.standards.stix import fields_of
from mithaq.standards.tlp import Tlp
from tests.country import Country, alliance, deliver
from tests.obliged import attest, rows, sweep, told
from tests.unit.exchange.duties.test_retention import found_in, steps
from tests.world import DEFAULT_TERMS, XA, XB, XC, Treaty

DAY = timedelta(days=1)
MARKER = "verbatim-marker-51ce.example"
PATTERN = {"pattern": f"[domain-name:value = '{MARKER}']"}


@pytest.fixture
def treaty(at: datetime) -> Treaty:
    kinds = [*DEFAULT_TERMS.kinds, "note"]
    return Treaty(at, terms=msgspec.structs.replace(DEFAULT_TERMS, kinds=kinds, onward=Onward("parties")), days=400)


@pytest.fixture
def three(tmp_path: Path, at: datetime, treaty: Treaty) -> Iterator[list[Country]]:
    countries = alliance(tmp_path, (XA, XB, XC), at, treaty)
    yield countries
    for country in countries:
        country.db.close()


def to(treaty: Treaty, *nations: NationId) -> ReleaseInstruction:
    return ReleaseInstruction(treaty.agreement_id, nations, "defence")


def propose(by: Country, object_id: str, at: datetime, *asked: ReleaseInstruction) -> str:
    """Propose another name for an object that is held."""
    (held, *_) = by.held(object_id)
    terms = RemarkTerms(by.nation, at, Tlp.CLEAR, None, asked)
    made = proposal_on(held, dict(fields_of(held.body)) | {"name": "a better name"}, "It also phishes.", terms)
    with by.db.write(at) as tx:
        report = by.context.holdings.store(tx, made)
    assert report.stored == 1
    return made[0].stix.id


def test_an_own_proposal_goes_with_the_partners_object_and_not_one_byte_of_it_stays(
    three: list[Country], at: datetime, treaty: Treaty
) -> None:
    a, b, _ = three
    object_id = a.add(1, at, to=to(treaty, XB), **PATTERN)
    deliver(a, b, at)
    later = at + 10 * DAY
    note_id = propose(b, object_id, later, to(treaty, XA))
    assert deliver(b, a, later) == ["admitted"]
    steps(b, at, 89)
    assert b.held(note_id)
    steps(b, at + 89 * DAY, 1)
    assert b.held(object_id) == b.held(note_id) == []
    assert {row.stix_id for row in rows(b, tombstones)} == {object_id, note_id}
    assert attest(b, a, at + 90 * DAY) == 1
    assert found_in(b, MARKER) == set()


def test_whoever_was_given_the_proposal_is_told_that_it_is_withdrawn(
    three: list[Country], at: datetime, treaty: Treaty
) -> None:
    a, b, _ = three
    object_id = a.add(1, at, to=to(treaty, XB))
    deliver(a, b, at)
    later = at + 10 * DAY
    note_id = propose(b, object_id, later, to(treaty, XA))
    deliver(b, a, later)
    steps(b, at, 90)
    with b.db.read() as connection:
        kinds = [entry.kind for entry in journal.entries(connection, 0, limit=10_000) if entry.subject == note_id]
    assert "intelligence.withdrawn" in kinds
    assert deliver(b, a, at + 90 * DAY) == ["withdrawn"]
    (held,) = a.held(note_id)
    assert not held.stands
    assert a.held(object_id)[0].stands, "the owner keeps its own"


def test_a_proposal_that_waits_is_never_given_after_its_object_is_gone(
    three: list[Country], at: datetime, treaty: Treaty
) -> None:
    a, b, _ = three
    object_id = a.add(1, at, to=to(treaty, XB))
    deliver(a, b, at)
    propose(b, object_id, at, to(treaty, XA))
    b.plan(at)
    assert [row.action for row in rows(b, exchange.outbox)] == ["release"]
    steps(b, at, 90)
    b.plan(at + 90 * DAY)
    assert rows(b, exchange.outbox) == []
    assert Sending(b.context).frames(XA, 0, at + 90 * DAY) == []


def test_a_note_that_carries_nothing_and_a_proposal_of_another_version_stay(
    three: list[Country], at: datetime, treaty: Treaty
) -> None:
    a, b, _ = three
    object_id = a.add(1, at, to=to(treaty, XB))
    deliver(a, b, at)
    first = propose(b, object_id, at)
    (held,) = b.held(object_id)
    with b.db.write(at) as tx:
        (note,) = note_on(held, "Seen in two ministries.", RemarkTerms(XB, at))
        b.context.holdings.store(tx, [note])
    later = at + 20 * DAY
    a.add(1, later, to=to(treaty, XB), modified="2026-12-10T11:00:00.000Z")
    deliver(a, b, later)
    second = propose(b, object_id, later)
    steps(b, at, 90)
    assert len(b.held(object_id)) == 1, "the newer version has its own time"
    assert b.held(first) == []
    assert b.held(second)
    assert b.held(note.stix.id)
    steps(b, at + 90 * DAY, 20)
    assert b.held(object_id) == b.held(second) == []
    assert b.held(note.stix.id)


def test_a_proposal_that_a_partner_gave_goes_at_once_and_its_deletion_is_attested(
    three: list[Country], at: datetime, treaty: Treaty
) -> None:
    """C holds A's object, and B's proposal about it, which came later and might stay longer."""
    a, b, c = three
    object_id = a.add(1, at, to=to(treaty, XB, XC), **PATTERN)
    deliver(a, b, at)
    deliver(a, c, at)
    later = at + 40 * DAY
    note_id = propose(b, object_id, later, to(treaty, XC))
    assert deliver(b, c, later) == ["admitted"]
    assert c.held(note_id)
    steps(c, at, 90)
    assert c.held(note_id) == []
    assert attest(c, b, at + 90 * DAY) == 1
    assert found_in(c, MARKER) == set()
    assert {each["to"] for each in told(c, "erased")} == {XA, XB}


def test_where_another_word_holds_the_object_the_proposal_stays(
    three: list[Country], at: datetime, treaty: Treaty
) -> None:
    a, b, _ = three
    object_id = a.add(1, at, to=to(treaty, XB))
    deliver(a, b, at)
    note_id = propose(b, object_id, at)
    b.add(1, at)
    steps(b, at, 90)
    assert b.held(object_id)
    assert b.held(note_id)


def test_it_is_the_same_on_both_databases(db_url: str, tmp_path: Path, at: datetime, treaty: Treaty) -> None:
    a, b = Country.found(XA, tmp_path / "a"), Country.found(XB, tmp_path / "b", db_url)
    for country in (a, b):
        country.befriend([a, b, Country.found(XC, tmp_path / "c")], at)
        country.context.agreements.receive(treaty.envelope.encode(), at=at, actor="person--1")
    ids = [a.add(number, at, to=to(treaty, XB)) for number in range(1, 4)]
    deliver(a, b, at)
    notes = [propose(b, each, at, to(treaty, XA)) for each in ids]
    assert deliver(b, a, at) == ["admitted"]
    steps(b, at, 90)
    assert [each for each in (*ids, *notes) if b.held(each)] == []
    assert {row.stix_id for row in rows(b, tombstones)} == {*ids, *notes}
    assert [row.envelope for row in rows(b, exchange.sent)] == [None]
    assert deliver(b, a, at + 90 * DAY) == ["withdrawn"]
    assert [each for each in notes if a.held(each)[0].stands] == []
    assert sweep(b, at + 90 * DAY).erased == 0
    for country in (a, b):
        country.db.close()
