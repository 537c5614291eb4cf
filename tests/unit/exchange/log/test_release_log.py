"""The release log between three real nodes: what must be witnessed waits, and every forgery is caught."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from mithaq.agreements.model import Agreement
from mithaq.exchange import ledger, store
from mithaq.exchange.errors import NotProven, NotReleasable
from mithaq.exchange.frame import Unverified, seal_frame, split_frames
from mithaq.exchange.log import store as log_store
from mithaq.exchange.log.attached import Attached, read_attached
from mithaq.exchange.log.logs import Place
from mithaq.exchange.log.policy import requirement
from mithaq.exchange.log.record import read_record
from mithaq.exchange.log.seen import evidence
from mithaq.exchange.orders import Orders
from mithaq.exchange.owed import Owed
from mithaq.exchange.proving import Proving
from mithaq.exchange.receiving.service import Receiving
from mithaq.exchange.release_document import ReleaseDocument, read_release
from mithaq.kernel import journal
from mithaq.kernel.signing import read_envelope
from mithaq.kernel.tlog.checkpoint import Checkpoint
from mithaq.kernel.tlog.errors import BadProof
from mithaq.kernel.tlog.note import Note, Signature
from mithaq.nations.model import Partner
from mithaq.nations.names import witness_name
from mithaq.standards.tlp import Tlp
from tests.country import Country, alliance, deliver, fetch, give_receipts
from tests.world import XA, XB, XC, XD, Treaty, keys_of, signer_of


@pytest.fixture
def treaty(at: datetime) -> Treaty:
    return Treaty(at)


@pytest.fixture
def three(tmp_path: Path, at: datetime, treaty: Treaty) -> Iterator[list[Country]]:
    countries = alliance(tmp_path, (XA, XB, XC), at, treaty)
    countries[0].order(treaty, at)
    yield countries
    for country in countries:
        country.db.close()


def actions(country: Country) -> list[str]:
    """What the log of a country says, in words, of its own release channel."""
    with country.db.read() as connection:
        rows = connection.execute(select(log_store.records).order_by(log_store.records.c.leaf))
        return [read_record(bytes(row.record)).action for row in rows]


def reasons(country: Country) -> list[str]:
    with country.db.read() as connection:
        return [reason.code for each in ledger.quarantined(connection) for reason in each.reasons]


def proofs(country: Country) -> list[bytes | None]:
    with country.db.read() as connection:
        return list(connection.scalars(select(log_store.proofs.c.proof).order_by(log_store.proofs.c.sequence)))


def opened(frame: Unverified) -> tuple[bytes, Attached]:
    envelope, attached = frame.open(signer_of(XB))
    return envelope, read_attached(attached)


def with_proof(frame: Unverified, attached: bytes, recipient: object = XB) -> Unverified:
    """The same signed release with another proof, sealed as its sender would."""
    assert recipient == XB
    envelope, _ = frame.open(signer_of(XB))
    sealed = seal_frame(envelope, attached, XA, XB, frame.header.sequence, keys_of(XB).opening[0].seal_key)
    return split_frames(sealed)[0]


def refused_with(three: list[Country], frame: Unverified, at: datetime) -> list[str]:
    """What the recipient holds against a release; nothing of it is admitted."""
    _, b, _ = three
    assert Receiving(b.context).take(XA, frame, at) == "quarantined"
    return reasons(b)


def test_an_amber_object_leaves_with_a_proof_that_its_recipient_keeps(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    object_id = a.add(1, at, tlp=Tlp.AMBER)
    (frame,) = fetch(a, b, at)
    _, attached = opened(frame)
    record = read_record(attached.record)
    assert (record.action, record.label, record.recipient, record.sequence) == ("release", "TLP:AMBER", XB, 1)
    assert {each.name for each in attached.proof.note.signatures} >= {"cert.xa.example/releases/2026"}
    assert Receiving(b.context).take(XA, frame, at) == "admitted"
    assert b.held(object_id)
    assert proofs(b) == [attached.encode()]


def test_a_green_object_leaves_at_once_and_its_proof_follows_when_it_is_asked_for(
    three: list[Country], at: datetime
) -> None:
    a, b, c = three
    a.neighbours.clear()
    a.add(1, at)
    assert deliver(a, b, at) == ["admitted"]
    assert proofs(b) == [None]
    with pytest.raises(NotProven, match="too few"):
        Proving(a.context).later(XB, 1, 1, at)
    a.neighbours |= {XB: b, XC: c}
    revive(a)
    (frame,) = split_frames(*Proving(a.context).later(XB, 1, 1, at))
    owed = Owed(b.context)
    assert list(owed.due(XA)) == [1]
    owed.take(XA, 1, frame, at)
    assert list(owed.due(XA)) == []
    assert proofs(b) != [None]
    with pytest.raises(NotProven, match="no proof"):
        Proving(a.context).later(XB, 7, 7, at)


def test_many_proofs_follow_under_one_checkpoint_and_an_erased_record_holds_up_none(
    three: list[Country], at: datetime
) -> None:
    a, b, _ = three
    for number in (1, 2, 3, 4):
        a.add(number, at)
        assert deliver(a, b, at) == ["admitted"]
    with a.db.write(at) as tx:
        row = tx.execute(select(store.sent).where(store.sent.c.recipient == XB, store.sent.c.sequence == 2)).one()
        a.context.log.erase(tx, Place(row.log, row.leaf))
    frames = split_frames(b"".join(Proving(a.context).later(XB, 1, 3, at)))
    assert [frame.header.sequence for frame in frames] == [1, 3]
    owed = Owed(b.context)
    for frame in frames:
        owed.take(XA, frame.header.sequence, frame, at)
    assert list(owed.due(XA)) == [2, 4]
    with a.db.read() as connection:
        assert connection.scalar(select(func.count()).select_from(log_store.checkpoints)) == 1


def revive(country: Country) -> None:
    """Forget that witnesses failed a moment ago, as after a short while."""
    country.context.flusher.forget_failures()


def test_a_dead_witness_holds_an_amber_object_back_and_the_ledger_names_it(three: list[Country], at: datetime) -> None:
    a, b, c = three
    a.neighbours.clear()
    object_id = a.add(1, at, tlp=Tlp.AMBER)
    assert deliver(a, b, at) == []
    assert not b.held(object_id)
    with a.db.read() as connection:
        found = ledger.channels(connection, [XB, XC])
    assert [each.unwitnessed for each in found] == [1, 0]
    assert all(each.witness_trouble and each.witness_trouble.code == "partner-unreachable" for each in found)
    a.neighbours[XC] = c
    revive(a)
    assert deliver(a, b, at) == ["admitted"]
    with a.db.read() as connection:
        (channel,) = ledger.channels(connection, [XC])
    assert channel.witness_trouble is None


def test_a_release_that_was_numbered_and_not_flushed_is_flushed_at_the_next_fetch(
    three: list[Country], at: datetime
) -> None:
    """As after kill -9 between the two: the leaf is there, once, and the number is not given a second time."""
    a, b, c = three
    a.neighbours.clear()
    a.add(1, at, tlp=Tlp.AMBER)
    assert fetch(a, b, at) == []
    again = Country.over(XA, a.db)
    again.neighbours |= {XB: b, XC: c}
    assert [frame.header.sequence for frame in fetch(again, b, at)] == [1]
    assert actions(a) == ["release"]


def test_what_follows_a_waiting_release_waits_too_and_a_refusal_frees_the_way(
    three: list[Country], at: datetime
) -> None:
    a, b, _ = three
    a.neighbours.clear()
    secret = a.add(1, at, tlp=Tlp.AMBER)
    assert fetch(a, b, at) == []
    a.add(2, at)
    assert fetch(a, b, at) == []
    Orders(a.context).veto(secret, None, at=at, actor="person--director")
    assert deliver(a, b, at) == ["void"]
    assert deliver(a, b, at) == ["admitted"]


def test_an_emergency_is_a_persons_order_that_the_log_states_and_whose_proof_is_owed(
    three: list[Country], at: datetime
) -> None:
    a, b, c = three
    a.neighbours.clear()
    object_id = a.add(1, at, tlp=Tlp.AMBER)
    assert fetch(a, b, at) == []
    proving = Proving(a.context)
    for subject, reason in ((object_id, " "), (object_id, "x" * 2000), ("indicator--none", "why")):
        with pytest.raises(NotReleasable):
            proving.order_emergency(subject, reason, at=at, actor="person--1")
    assert len(proving.order_emergency(object_id, "hospital under attack", at=at, actor="person--1")) == 1
    assert deliver(a, b, at) == ["admitted"]
    assert actions(a) == ["release", "emergency", "receipt-taken"]
    with b.db.read() as connection:
        (row,) = connection.execute(select(log_store.proofs)).all()
    assert (row.emergency, row.proof) == ("hospital under attack", None)
    a.neighbours |= {XB: b, XC: c}
    revive(a)
    Owed(b.context).take(XA, 1, split_frames(*proving.later(XB, 1, 1, at))[0], at)
    assert proofs(b) != [None]
    with pytest.raises(NotReleasable):
        proving.order_emergency(object_id, "again", at=at, actor="person--1")


def test_a_stripped_proof_is_refused(three: list[Country], at: datetime) -> None:
    three[0].add(1, at, tlp=Tlp.AMBER)
    (frame,) = fetch(three[0], three[1], at)
    assert refused_with(three, with_proof(frame, b""), at) == ["proof-missing"]


def test_a_stripped_cosignature_is_refused(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    a.add(1, at, tlp=Tlp.AMBER)
    (frame,) = fetch(a, b, at)
    _, attached = opened(frame)
    note = attached.proof.note
    ml_dsa_gone = tuple(each for each in note.signatures if len(each.data) < 2000)
    assert len(ml_dsa_gone) < len(note.signatures)
    stripped = Attached(replace(attached.proof, note=Note(note.text, ml_dsa_gone)), attached.record)
    assert refused_with(three, with_proof(frame, stripped.encode()), at) == ["proof-refused"]


def test_a_forged_receipt_of_the_log_is_refused(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    a.add(1, at, tlp=Tlp.AMBER)
    (frame,) = fetch(a, b, at)
    _, attached = opened(frame)
    note = attached.proof.note
    first = note.signatures[0]
    bent = Signature(first.name, first.key_id, bytes([first.data[0] ^ 1]) + first.data[1:])
    forged = Attached(replace(attached.proof, note=Note(note.text, (bent, *note.signatures[1:]))), attached.record)
    assert refused_with(three, with_proof(frame, forged.encode()), at) == ["proof-refused"]


def test_a_proof_for_another_recipient_proves_nothing(three: list[Country], at: datetime) -> None:
    a, b, c = three
    a.add(1, at, tlp=Tlp.AMBER)
    (to_c,) = fetch(a, c, at)
    (frame,) = fetch(a, b, at)
    _, attached = to_c.open(signer_of(XC))
    assert read_record(read_attached(attached).record).recipient == XC
    assert refused_with(three, with_proof(frame, attached), at) == ["proof-refused"]


def test_a_replayed_proof_of_an_earlier_release_proves_nothing(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    a.add(1, at, tlp=Tlp.AMBER)
    (first,) = fetch(a, b, at)
    Receiving(b.context).take(XA, first, at)
    a.add(2, at, tlp=Tlp.AMBER)
    (second,) = fetch(a, b, at)
    assert refused_with(three, with_proof(second, first.open(signer_of(XB))[1]), at) == ["proof-refused"]


def test_a_frozen_log_whose_witnesses_spoke_long_ago_is_refused(three: list[Country], at: datetime) -> None:
    """An old checkpoint cannot hold the leaf of a new release, and an old cosignature does not count for it."""
    a, b, _ = three
    a.add(1, at, tlp=Tlp.AMBER)
    (frame,) = fetch(a, b, at)
    _, attached = opened(frame)
    checkpoint = Checkpoint.of(attached.proof.note)
    log_line = attached.proof.note.signatures[:1]
    for when in (at - timedelta(hours=1), at + timedelta(hours=1)):
        lines = signer_of(XC).cosign(checkpoint.text, int(when.timestamp()))
        cosigned = tuple(Signature.parse(line) for line in lines.splitlines())
        stale = Attached(replace(attached.proof, note=Note(checkpoint.text, log_line + cosigned)), attached.record)
        proven = Owed(b.context).verify(*_question(b, frame), stale.encode(), _agreement(b), at)
        assert [reason.code for reason in proven.against] == ["proof-refused"]
    lines = signer_of(XC).cosign(checkpoint.text, int(at.timestamp()))
    cosigned = tuple(Signature.parse(line) for line in lines.splitlines())
    good = Attached(replace(attached.proof, note=Note(checkpoint.text, log_line + cosigned)), attached.record)
    assert not Owed(b.context).verify(*_question(b, frame), good.encode(), _agreement(b), at).against


def _question(country: Country, frame: Unverified) -> tuple[Partner, ReleaseDocument, str]:
    envelope, _ = frame.open(signer_of(XB))
    with country.db.read() as connection:
        partner = country.context.partners.get(connection, XA)
    return partner, read_release(read_envelope(envelope).payload), hashlib.sha256(envelope).hexdigest()


def _agreement(country: Country) -> Agreement:
    with country.db.read() as connection:
        (agreement,) = country.context.agreements.all(connection)
    return agreement


def test_a_log_that_was_rolled_back_gets_no_cosignature_and_the_channel_says_so(
    three: list[Country], at: datetime, treaty: Treaty, tmp_path: Path
) -> None:
    """A restored backup has forgotten leaves that partners cosigned; a new log begins by a person's order."""
    a, b, c = three
    a.add(1, at, tlp=Tlp.AMBER)
    assert deliver(a, b, at) == ["admitted"]
    with a.db.write(at) as tx:
        for table in (log_store.records, log_store.entries, log_store.cosignatures, log_store.checkpoints):
            tx.execute(table.delete())
        tx.execute(log_store.logs.update().values(size=0, peaks=b""))
    a.add(2, at, tlp=Tlp.AMBER)
    restored = Country.over(XA, a.db)
    restored.neighbours |= {XB: b, XC: c}
    deliver(restored, b, at)
    with a.db.read() as connection:
        (channel,) = ledger.channels(connection, [XB])
    assert channel.unwitnessed == 1
    assert channel.witness_trouble is not None
    assert channel.witness_trouble.code == "partner-refused"
    Orders(restored.context).begin_log_anew(at=at, actor="person--1")
    revive(restored)
    (frame,) = fetch(restored, b, at)
    assert opened(frame)[1].proof.checkpoint.origin == "cert.xa.example/releases/2026.2"
    assert Receiving(b.context).take(XA, frame, at) == "admitted"


def test_equivocation_is_kept_as_evidence_by_the_witness(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    a.add(1, at, tlp=Tlp.AMBER)
    assert deliver(a, b, at) == ["admitted"]
    with a.db.write(at) as tx:
        tx.execute(log_store.logs.update().values(peaks=b"\x55" * 32, size=1))
        tx.execute(log_store.cosignatures.delete())
        tx.execute(log_store.checkpoints.delete())
        tx.execute(log_store.entries.delete().where(log_store.entries.c.leaf > 0))
        tx.execute(log_store.records.delete().where(log_store.records.c.leaf > 0))
    liar = Country.over(XA, a.db)
    note = liar.context.log.checkpoint(1)
    answer = b.witness.add_checkpoint(b"old 1\n\n" + note.encode(), at, XA)
    assert answer.status == 409
    with b.db.read() as connection:
        (kept,) = evidence(connection)
    assert kept.ruling == "two-roots"
    assert b.witness.add_checkpoint(b"old 1\n\n" + note.encode(), at, XA).status == 409
    with b.db.read() as connection:
        assert len(evidence(connection)) == 1
        told = journal.newest(connection, before=None, limit=99, kinds=frozenset({"exchange.contradiction"}))
    assert len(told) == 1, "the journal hears of it once"


def test_receipts_are_logged_on_both_sides_under_the_same_digest(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    a.add(1, at)
    assert deliver(a, b, at) == ["admitted"]
    give_receipts(a, b, at)
    assert actions(a) == ["release", "receipt-taken"]
    assert actions(b) == ["receipt-given"]
    digests = []
    for country in (a, b):
        with country.db.read() as connection:
            row = connection.execute(select(log_store.records).order_by(log_store.records.c.leaf.desc())).first()
        assert row is not None
        digests.append(read_record(bytes(row.record)).digest)
    assert digests[0] == digests[1]


def test_an_erased_record_is_gone_and_the_tree_stays_whole(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    a.add(1, at, tlp=Tlp.AMBER)
    assert deliver(a, b, at) == ["admitted"]
    log = a.context.log
    before = log.checkpoint(1)
    with a.db.write(at) as tx:
        log.erase(tx, Place(1, 0))
    assert log.checkpoint(1) == before
    assert actions(a) == ["receipt-taken"]
    with a.db.read() as connection, pytest.raises(BadProof, match="erased"):
        log.proof(connection, Place(1, 0), before)
    with a.db.read() as connection:
        assert connection.scalar(select(store.sent.c.envelope)) is None


def test_a_new_year_begins_a_new_log(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    a.add(1, at)
    deliver(a, b, at)
    later = at.replace(year=at.year + 1, month=1, day=2) - timedelta(days=365 * 0)
    with a.db.write(later) as tx:
        (place,) = a.context.log.append(tx, [replace(read_record(_first_record(a)), at=later)])
    with a.db.read() as connection:
        origins = list(connection.scalars(select(log_store.logs.c.origin).order_by(log_store.logs.c.log)))
    assert origins == ["cert.xa.example/releases/2026", "cert.xa.example/releases/2027"]
    assert place == Place(2, 0)


def _first_record(country: Country) -> bytes:
    with country.db.read() as connection:
        return bytes(connection.scalar(select(log_store.records.c.record).where(log_store.records.c.leaf == 0)) or b"")


def test_nobody_needs_more_witnesses_than_there_are_other_parties(at: datetime) -> None:
    two = Treaty(at, nations=(XA, XB)).agreement
    assert requirement(two, XA, XB).nations == {XB}
    assert requirement(two, XA, XB).needed == 1
    assert requirement(None, XA, XB).needed == 0
    assert XD not in requirement(Treaty(at).agreement, XA, XB).nations


def test_a_witness_is_named_after_its_nation() -> None:
    assert witness_name(XB) == "cert.xb.example/witness"
