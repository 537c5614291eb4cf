"""Membership logs of real nodes: what is accepted is logged once, read by parties alone, and witnessed by them."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from mithaq.agreements.model import AGREEMENT_TYPE, Entry
from mithaq.agreements.rules import payload_of
from mithaq.agreements.statement import Draft
from mithaq.exchange.log import store as log_store
from mithaq.exchange.log.reading import Asked
from mithaq.exchange.log.seen import evidence, seen_of
from mithaq.exchange.membership.record import KeyRecord, StatementRecord, VersionRecord
from mithaq.exchange.membership.service import KINDS, READER
from mithaq.exchange.orders import Orders
from mithaq.kernel import journal
from mithaq.kernel.database import cursors
from mithaq.kernel.journal import Reader
from mithaq.kernel.keystore import Keys
from mithaq.kernel.signing import read_envelope
from mithaq.kernel.tlog.checkpoint import Checkpoint
from mithaq.kernel.tlog.tree import Edge, leaf_hash
from mithaq.kernel.tlog.witness import Request
from mithaq.nations.keys.service import OwnKeys
from mithaq.nations.names import MembershipName
from tests.country import Country
from tests.unit.exchange.membership.parties import (
    Doors,
    abouts,
    compared,
    gathered,
    hear,
    next_statement,
    publish_first,
    records,
    say,
    treaty_of,
)
from tests.world import XA, XB, XC, XD, card_of, keys_of, signer_of

AGAINST_C = Draft("suspend", "material-breach", target=XC)
FIRST_FACTS = [("key-statement", "XA", 1), ("key-statement", "XB", 1), ("key-statement", "XC", 1), ("version", "", 1)]


@pytest.fixture
def four(tmp_path: Path, at: datetime) -> Iterator[list[Country]]:
    countries = gathered(tmp_path, at)
    yield countries
    for country in countries:
        country.db.close()


def agreement_id(at: datetime) -> str:
    return treaty_of(at).agreement_id


def log_all(countries: list[Country], at: datetime) -> None:
    """Every node catches up, and only then shows its log: a party can witness what it knows itself."""
    for country in countries:
        country.membership.follow(at)
    for country in countries:
        country.log_membership(at)


def size_of(country: Country, at: datetime) -> int:
    with country.db.read() as connection:
        row = log_store.newest_log(connection, agreement=agreement_id(at))
    return row.edge.size if row else 0


def cosigners(country: Country, at: datetime) -> set[str]:
    """Who has cosigned the log of a country as it stands."""
    with country.db.read() as connection:
        row = log_store.newest_log(connection, agreement=agreement_id(at))
        assert row is not None
        table = log_store.cosignatures
        query = select(table.c.witness).where(table.c.log == row.log, table.c.size == row.edge.size)
        return set(connection.scalars(query))


def test_an_agreement_that_was_concluded_begins_a_log_with_the_keys_of_its_parties(
    four: list[Country], at: datetime
) -> None:
    a, *_, stranger = four
    log_all(four, at)
    assert sorted(abouts(a, at)) == FIRST_FACTS
    version = next(each for each in records(a, at) if isinstance(each, VersionRecord))
    assert version.signed_by == ["XA", "XB", "XC"]
    assert version.hash == treaty_of(at).agreement.reference.hash
    assert abouts(stranger, at) == []
    with a.db.read() as connection:
        row = log_store.newest_log(connection, agreement=agreement_id(at))
        assert log_store.newest_log(connection) is None, "the release log is another one"
    assert row is not None
    assert row.origin == f"cert.xa.example/agreements/{agreement_id(at)}"


def test_a_suspended_party_is_in_everybodys_log_and_its_end_too(four: list[Country], at: datetime) -> None:
    a, b, c, _ = four
    for sayer, others in ((a, (b, c)), (b, (a, c))):
        envelope = say(sayer, AGAINST_C, at)
        for other in others:
            hear(other, envelope, at)
    log_all(four, at)
    for country in (a, b, c):
        said = [each for each in records(country, at) if isinstance(each, StatementRecord)]
        assert [(each.nation, each.sequence, each.statement, each.target) for each in said] == [
            ("XA", 1, "suspend", "XC"),
            ("XB", 1, "suspend", "XC"),
        ]
    assert compared(a, b, at).agrees
    resumed = say(a, Draft("resume", "resolved", target=XC), at + timedelta(hours=1))
    hear(b, resumed, at + timedelta(hours=1))
    log_all(four, at + timedelta(hours=1))
    assert abouts(a, at)[-1] == abouts(b, at)[-1] == ("statement", "XA", 2)


def test_a_local_suspension_that_nobody_is_told_of_is_in_no_log(four: list[Country], at: datetime) -> None:
    a = four[0]
    a.context.agreements.set_suspended(agreement_id(at), True, at=at, actor="person--1")
    log_all(four, at)
    assert sorted(abouts(a, at)) == FIRST_FACTS


def test_a_stolen_key_and_its_successor_are_logged_by_everybody_who_heard(four: list[Country], at: datetime) -> None:
    a, b, c, _ = four
    log_all(four, at)
    later, keys = at + timedelta(hours=1), Keys.generate()
    second = next_statement(XC, later, keys, compromised_at=at)
    for country in (a, b):
        country.context.partners.take_statements(XC, [second.envelope], at=later, actor="nation:XC")
    OwnKeys(c.db, XC).publish(second.envelope, at=later, actor="person--1")
    log_all(four, later)
    for country in (a, b, c):
        record = records(country, at)[-1]
        assert isinstance(record, KeyRecord)
        stolen = keys_of(XC).signing.verify_key.key_id
        assert (record.nation, record.version, record.hash, record.retired) == ("XC", 2, second.hash, [stolen])
        assert record.key_id == keys.signing.verify_key.key_id
        assert [each.key_id for each in record.revoked] == [stolen]
    assert ("version", "", 1) in abouts(a, at), "a version stays logged where a signature under it was revoked"
    assert abouts(a, at).count(("version", "", 1)) == 1


def test_a_proposal_is_no_membership(tmp_path: Path, at: datetime) -> None:
    """Only one of the parties has signed; nobody else is to learn from a log that it was proposed."""
    country = Country.found(XA, tmp_path)
    treaty = replace(treaty_of(at), signers=(XA,))
    country.context.agreements.receive(treaty.envelope.encode(), at=at, actor="person--1")
    publish_first(country, at)
    country.log_membership(at)
    assert abouts(country, at) == []
    with country.db.read() as connection:
        assert country.membership.members(connection, treaty.agreement_id, at) == frozenset()
    country.db.close()


def test_a_key_that_was_not_compared_is_not_accepted(tmp_path: Path, at: datetime) -> None:

    country = Country.found(XA, tmp_path)
    for nation in (XB, XC):
        partner = country.context.partners.add(card_of(nation, at), at=at, actor="person--1")
        if nation == XB:
            country.context.partners.confirm(nation, partner.card.fingerprint, at=at, actor="person--1")
    terms = replace(treaty_of(at), nations=(XA, XB))
    country.context.agreements.receive(terms.envelope.encode(), at=at, actor="person--1")
    amended = replace(treaty_of(at), version=2, previous_hash=terms.agreement.reference.hash)
    country.context.agreements.receive(amended.envelope.encode(), at=at, actor="person--1")
    country.log_membership(at)
    assert ("key-statement", "XC", 1) not in abouts(country, at)
    country.context.partners.confirm(XC, partner.card.fingerprint, at=at, actor="person--1")
    country.log_membership(at)
    assert abouts(country, at).count(("key-statement", "XC", 1)) == 1
    assert ("version", "", 2) in abouts(country, at), "its signature counts since then"
    country.db.close()


def test_a_late_signature_is_another_record_of_the_version(four: list[Country], at: datetime, tmp_path: Path) -> None:

    a = four[0]
    document = msgspec.structs.replace(
        treaty_of(at).document, id="agreement--22222222-2222-4222-8222-222222222222", entry=Entry("count", 2)
    )
    copies = [read_envelope(signer_of(each).sign(AGREEMENT_TYPE, payload_of(document))) for each in (XA, XB, XC)]
    a.context.agreements.receive(copies[0].joined(copies[1]).encode(), at=at, actor="person--1")
    a.log_membership(at)
    later = at + timedelta(hours=1)
    a.context.agreements.receive(copies[2].encode(), at=later, actor="nation:XC")
    a.log_membership(later)
    with a.db.read() as connection:
        found = [each for each in a.membership.records(connection, document.id) if isinstance(each, VersionRecord)]
    assert [(each.version, each.signed_by) for each in found] == [(1, ["XA", "XB"]), (1, ["XA", "XB", "XC"])]
    assert found[0].at < found[1].at


class Killed(Exception):
    """The process ends here."""


def test_a_kill_between_the_fact_and_its_record_loses_nothing_and_repeats_nothing(
    four: list[Country], at: datetime
) -> None:
    a, b, _, _ = four
    a.log_membership(at)
    hear(a, say(b, AGAINST_C, at), at)

    def killed_before_the_commit(tx: Any, entries: Any) -> None:
        a.membership.handle(tx, entries)
        raise Killed

    before = size_of(a, at)
    with pytest.raises(Killed):
        while journal.run_once(a.db, Reader(READER, KINDS, killed_before_the_commit), at):
            pass
    assert size_of(a, at) == before
    again = Country.over(XA, a.db, a.neighbours)  # the next process
    again.log_membership(at)
    again.log_membership(at)
    assert abouts(again, at).count(("statement", "XB", 1)) == 1
    assert size_of(a, at) == before + 1


def test_what_was_held_before_there_was_such_a_log_is_appended_once(four: list[Country], at: datetime) -> None:
    """As after the migration: the reader is new, and the journal is as old as the node."""
    a, b, _, _ = four
    hear(a, say(b, AGAINST_C, at), at)
    with a.db.write(at) as tx:
        tx.execute(cursors.delete().where(cursors.c.reader == READER))
    a.log_membership(at)
    with a.db.write(at) as tx:
        tx.execute(cursors.delete().where(cursors.c.reader == READER))
    Country.over(XA, a.db, a.neighbours).log_membership(at)
    assert sorted(abouts(a, at)) == sorted([*FIRST_FACTS, ("statement", "XB", 1)])


def test_the_other_parties_cosign_and_nobody_else_is_shown_the_log(four: list[Country], at: datetime) -> None:
    a, _, _, stranger = four
    log_all(four, at)
    assert cosigners(a, at) == {"XB", "XC"}
    name = MembershipName(XA, agreement_id(at))
    with stranger.db.read() as connection:
        assert seen_of(connection, name.origin).size == 0


def test_a_witness_that_is_down_or_behind_is_shown_the_log_another_time(four: list[Country], at: datetime) -> None:
    a, b, c, _ = four
    del a.neighbours[XB]
    a.log_membership(at)
    assert cosigners(a, at) == set(), "XC does not know the agreement's log yet, and XB is down"
    with a.db.read() as connection:
        assert a.context.log.refusals(connection, 1) == {}
    a.neighbours[XB] = b
    log_all([b, c, a], at)
    assert cosigners(a, at) == {"XB", "XC"}


@pytest.mark.parametrize("origin", [XA, XD])
def test_who_is_no_party_can_neither_witness_nor_present_nor_learn(
    four: list[Country], at: datetime, origin: str
) -> None:
    """The answers are those for an agreement that exists nowhere."""
    a, b, _, stranger = four
    log_all(four, at)
    unknown = "agreement--99999999-9999-4999-8999-999999999999"
    for agreement in (agreement_id(at), unknown):
        name = MembershipName(XA if origin == XA else XD, agreement)
        signer = (a if origin == XA else stranger).context.signer
        note = signer.sign_checkpoint(Checkpoint(name.origin, 1, b"\x01" * 32).text)
        body = b"old 0\n\n" + note
        answer = b.witness.add_checkpoint(body, at, XD)
        assert (answer.status, answer.body) == (404, b"")
        with b.db.read() as connection:
            assert b.witness.latest(connection, name.origin, XD, at) is None
    for agreement in (agreement_id(at), unknown):
        doors = Doors(a, XD, agreement, at).reading()
        name = MembershipName(XA, agreement)
        for asked in (Asked(XD, at, name.origin), Asked(XD, at, agreement=agreement)):
            answers = [doors.checkpoint(asked), doors.tile(asked, "entries/000.p/1"), doors.consistency(asked, 0, 99)]
            assert {(each.status, each.body) for each in answers} == {(404, b"")}


def test_a_party_that_has_left_reads_no_more(four: list[Country], at: datetime) -> None:
    a, _, c, _ = four
    hear(a, say(c, Draft("withdraw", "national-decision"), at), at)
    log_all(four, at)
    asked = Asked(XC, at, agreement=agreement_id(at))
    reading = Doors(a, XC, agreement_id(at), at).reading()
    assert reading.checkpoint(asked).status == 200
    assert reading.checkpoint(replace(asked, at=at + timedelta(days=366))).status == 404


def test_a_witness_keeps_two_histories_of_a_membership_log(four: list[Country], at: datetime) -> None:
    a, b, _, _ = four
    log_all(four, at)
    name = MembershipName(XA, agreement_id(at))
    thief = signer_of(XA)  # who has the key needs no node, whose own signer signs no second root for one size
    forged = thief.sign_checkpoint(Checkpoint(name.origin, size_of(a, at), b"\x01" * 32).text)
    with b.db.read() as connection:
        seen = seen_of(connection, name.origin)
    assert seen.size == size_of(a, at)
    body = f"old {seen.size}\n\n".encode() + forged
    assert b.witness.add_checkpoint(body, at, XA).status == 409
    with b.db.read() as connection:
        (kept,) = evidence(connection)
    assert (kept.origin, kept.ruling) == (name.origin, "two-roots")


def test_a_restored_backup_is_noticed_and_its_logs_begin_anew_by_a_persons_order(
    four: list[Country], at: datetime
) -> None:
    a, b, c, _ = four
    said = say(b, AGAINST_C, at)
    for other in (a, c):
        hear(other, said, at)
    log_all(four, at)
    forget_last(a, at)
    restored = Country.over(XA, a.db, a.neighbours)
    for future in restored.membership.offer(at, to_all=True):
        future.result(10)
    with a.db.read() as connection:
        found = restored.membership.refusals(connection, 1)
    assert {nation: reason.code for nation, reason in found.items()} == {
        XB: "partner-refused",
        XC: "partner-refused",
    }
    assert "backup" in found[XB].sentence()
    restored.log_membership(at)
    Orders(restored.context).begin_log_anew(at=at, actor="person--1")
    restored.log_membership(at)
    assert cosigners(restored, at) == {"XB", "XC"}
    assert sorted(abouts(restored, at)) == sorted([*FIRST_FACTS, ("statement", "XB", 1)])
    (finding,) = compared(b, restored, at).findings
    assert finding.kind == "begun-anew"


def forget_last(country: Country, at: datetime) -> None:
    """Take the last leaf, and every cosignature over it, out of a country's log, as a restored backup has."""

    with country.db.write(at) as tx:
        row = log_store.newest_log(tx.connection, agreement=agreement_id(at))
        assert row is not None
        size = row.edge.size - 1
        left = log_store.read_entries(tx.connection, row.log, 0, size)
        peaks = b"".join(Edge().extended(map(leaf_hash, left)).peaks)
        table = log_store.entries
        tx.execute(table.delete().where(table.c.log == row.log, table.c.leaf >= size))
        for each in (log_store.cosignatures, log_store.checkpoints):
            tx.execute(each.delete().where(each.c.log == row.log))
        tx.execute(log_store.logs.update().where(log_store.logs.c.log == row.log).values(size=size, peaks=peaks))


def test_the_request_of_a_stale_offer_is_no_contradiction(four: list[Country], at: datetime) -> None:
    """XB read the log meanwhile and knows more than the checkpoint that was under way."""
    a, b, _, _ = four
    log_all(four, at)
    old = a.context.log.checkpoint(1)
    hear(a, say(b, AGAINST_C, at), at)
    for country in (a, b):
        country.membership.follow(at)
    assert compared(b, a, at).agrees
    body = Request(0, (), old).encode()
    assert b.witness.add_checkpoint(body, at, XA).status == 409
    a.log_membership(at)
    with a.db.read() as connection:
        assert a.membership.refusals(connection, 1) == {}
    assert cosigners(a, at) >= {"XB"}
