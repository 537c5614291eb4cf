from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import delete, func, select

from mithaq.agreements.terms import Onward
from mithaq.exchange import store
from mithaq.exchange.errors import BadFrame, BadReceipt, NotReleasable, OutOfSequence
from mithaq.exchange.frame import Header, Unverified, seal_frame, split_frames
from mithaq.exchange.orders import Orders
from mithaq.exchange.receipt import RECEIPT_TYPE, Receipt
from mithaq.exchange.receipts import Receipts
from mithaq.exchange.receiving.service import Receiving
from mithaq.exchange.release_document import RELEASE_TYPE, read_release
from mithaq.exchange.sending.service import Sending
from mithaq.intelligence.model import ReleaseInstruction
from mithaq.kernel import journal
from mithaq.kernel.lane import Lane
from mithaq.kernel.sealing import BadSeal
from mithaq.kernel.signing import BadSignature, read_envelope, sign_with
from mithaq.nations.errors import UnknownPartner
from mithaq.standards.tlp import Tlp
from tests.country import Country, alliance, deliver, fetch, give_receipts, indicator
from tests.world import DEFAULT_TERMS, XA, XB, XC, XD, Treaty, changed, keys_of, signer_of


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


def withheld(country: Country) -> list[tuple[str, str, list[str]]]:
    with country.db.read() as connection:
        rows = connection.execute(select(store.withheld).order_by(store.withheld.c.row))
        return [(r.object_id, r.recipient, [reason["code"] for reason in r.reasons]) for r in rows]


def test_an_indicator_reaches_every_party_as_its_original_bytes_and_is_receipted(
    three: list[Country], at: datetime
) -> None:
    a, b, c = three
    object_id = a.add(1, at)
    assert deliver(a, b, at) == deliver(a, c, at) == ["admitted"]
    (held,) = b.held(object_id)
    assert held.body == indicator(1)
    assert (held.provenance[0].source, held.provenance[0].nation) == ("partner", XA)
    with a.db.read() as connection:
        outcomes = connection.execute(select(store.sent.c.recipient, store.sent.c.outcome)).all()
    assert sorted(map(tuple, outcomes)) == [("XB", "admitted"), ("XC", "admitted")]
    assert deliver(a, b, at) == []


def test_what_is_above_the_ceiling_stays_and_the_private_log_says_why(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    secret = a.add(1, at, tlp=Tlp.AMBER_STRICT)
    assert deliver(a, b, at) == []
    assert withheld(a) == [(secret, "XB", ["tlp-ceiling"]), (secret, "XC", ["tlp-ceiling"])]


def test_nothing_leaves_without_an_order_or_an_instruction(three: list[Country], at: datetime, treaty: Treaty) -> None:
    a, b, c = three
    Orders(a.context).stop(treaty.agreement_id, at=at, actor="p")
    a.add(1, at)
    a.add(2, at, to=ReleaseInstruction(treaty.agreement_id, (XB,), "warning"))
    assert deliver(a, b, at) == ["admitted"]
    assert deliver(a, c, at) == []
    assert [p.purpose for p in b.held("indicator--00000000-0000-4000-8000-000000000002")[0].provenance] == ["warning"]


def test_a_partner_that_was_away_resumes_from_its_cursor_and_loses_nothing(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    ids = [a.add(number, at + timedelta(seconds=number)) for number in range(1, 4)]
    frames = fetch(a, b, at)
    Receiving(b.context).take(XA, frames[0], at)
    ids.append(a.add(9, at))
    deliver(a, b, at)
    assert all(b.held(object_id) for object_id in ids)
    with a.db.read() as connection:
        sequences = [
            row.sequence for row in connection.execute(select(store.sent).where(store.sent.c.recipient == "XB"))
        ]
    assert sequences == list(range(1, len(sequences) + 1))


def test_a_lost_answer_is_repeated_byte_for_byte(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    a.add(1, at)
    assert fetch(a, b, at)[0].sealed == fetch(a, b, at)[0].sealed


def test_a_numbered_release_that_may_no_longer_go_becomes_void(
    three: list[Country], at: datetime, treaty: Treaty
) -> None:
    a, b, _ = three
    object_id = a.add(1, at)
    fetch(a, b, at)
    a.context.agreements.set_suspended(treaty.agreement_id, True, at=at, actor="p")
    assert deliver(a, b, at) == ["void"]
    assert not b.held(object_id)


def test_a_waiting_decision_is_judged_again_when_it_is_fetched(
    three: list[Country], at: datetime, treaty: Treaty
) -> None:
    a, b, _ = three
    a.add(1, at)
    a.plan(at)
    assert deliver(a, b, at + timedelta(days=60)) == []
    assert withheld(a)[0][1:] == ("XB", ["agreement-expired"])


def test_a_withdrawal_reaches_those_who_have_the_object_and_nobody_else(three: list[Country], at: datetime) -> None:
    a, b, c = three
    object_id = a.add(1, at)
    deliver(a, b, at)
    with a.db.write(at) as tx:
        a.context.holdings.withdraw(tx, object_id, Lane("actual"), XA, "false positive")
    assert deliver(a, b, at) == ["withdrawn"]
    assert not b.held(object_id)[0].stands
    assert deliver(a, c, at) == [], "it never had the object, so it never hears of it"


def test_a_withdrawal_travels_on_to_onward_recipients(tmp_path: Path, at: datetime) -> None:
    terms = msgspec.structs.replace(DEFAULT_TERMS, onward=Onward("parties"))
    treaty = Treaty(at, terms=terms)
    a, b, c = alliance(tmp_path, (XA, XB, XC), at, treaty)
    b.order(treaty, at)
    object_id = a.add(1, at, to=ReleaseInstruction(treaty.agreement_id, (XB,), "defence"))
    assert deliver(a, b, at) == ["admitted"]
    assert deliver(b, c, at) == ["admitted"]
    assert c.held(object_id)[0].body == indicator(1)
    with a.db.write(at) as tx:
        a.context.holdings.withdraw(tx, object_id, Lane("actual"), XA, "false positive")
    deliver(a, b, at)
    assert deliver(b, c, at) == ["withdrawn"]
    assert not c.held(object_id)[0].stands
    for country in (a, b, c):
        country.db.close()


def test_passing_on_without_the_originators_consent_is_withheld(
    three: list[Country], at: datetime, treaty: Treaty
) -> None:
    a, b, c = three
    object_id = a.add(1, at, to=ReleaseInstruction(treaty.agreement_id, (XB,), "defence"))
    deliver(a, b, at)
    with b.db.read() as connection:
        stored = b.context.holdings.get(connection, object_id, Lane("actual"))[0]
        (answer,) = Orders(b.context).why(connection, stored, XC, "defence", at)
    assert [reason.code for reason in answer.verdict.reasons] == ["onward"]
    assert deliver(b, c, at) == []


def test_an_object_that_refers_to_a_withheld_one_is_withheld_too(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    secret = a.add(1, at, tlp=Tlp.RED)
    a.add(2, at, derived_from_ref=secret)
    assert deliver(a, b, at) == []
    assert ["withheld-reference"] in [codes for _, _, codes in withheld(a)]


def test_a_new_agreement_frees_what_was_withheld_for_want_of_signatures(tmp_path: Path, at: datetime) -> None:
    treaty = Treaty(at, nations=(XA, XB))
    a, b = (Country.found(nation, tmp_path / nation) for nation in (XA, XB))
    for country in (a, b):
        country.befriend((a, b), at)
    a.context.agreements.receive(replace(treaty, signers=(XA,)).envelope.encode(), at=at, actor="p")
    a.order(treaty, at)
    a.add(1, at)
    assert fetch(a, b, at) == []
    for country in (a, b):
        country.context.agreements.receive(treaty.envelope.encode(), at=at, actor="p")
    assert deliver(a, b, at) == ["admitted"]
    a.db.close()
    b.db.close()


def test_an_exercise_stays_in_its_lane_on_both_sides(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    lane = Lane("exercise--11111111-1111-4111-8111-111111111111")
    object_id = a.add(1, at, lane=lane)
    a.add(2, at, lane=lane, tlp=Tlp.RED)
    assert deliver(a, b, at) == ["admitted"]
    assert b.held(object_id, lane)
    with a.db.read() as connection:
        told = journal.entries(connection, 0, kinds=frozenset({"exchange.planned", "exchange.withheld"}))
    assert {(entry.kind, entry.lane) for entry in told} == {("exchange.planned", lane), ("exchange.withheld", lane)}
    assert not b.held(object_id)


def test_replayed_reordered_and_foreign_frames_change_nothing(three: list[Country], at: datetime) -> None:
    a, b, c = three
    a.add(1, at)
    (first,) = fetch(a, b, at)
    Receiving(b.context).take(XA, first, at)
    a.add(2, at)
    a.add(3, at + timedelta(seconds=1), to=None)
    later = fetch(a, b, at)
    assert Receiving(b.context).take(XA, first, at) is None, "a replay is nothing new"
    ahead = replace(later[-1], header=replace(later[-1].header, sequence=9))
    with pytest.raises(BadFrame, match="names other parties"):
        Receiving(b.context).take(XA, ahead, at)
    with pytest.raises(BadFrame, match="meant for XC"):
        Receiving(b.context).take(XA, fetch(a, c, at)[0], at)
    stolen = fetch(a, c, at)[0]
    disguised = Header(XA, XB, 2, stolen.header.key_id)
    with pytest.raises(BadSeal):
        Receiving(b.context).take(XA, replace(stolen, header=disguised, header_bytes=disguised.encode()), at)
    assert Receiving(b.context).cursor(XA) == 1


def test_a_gap_is_refused_and_asked_for_again(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    for number in (1, 2):
        a.add(number, at)
        a.plan(at)
        Sending(a.context).frames(XB, number - 1, at)
    first, second = fetch(a, b, at)
    with pytest.raises(OutOfSequence, match="number 2 came where 1 is due"):
        Receiving(b.context).take(XA, second, at)
    assert [Receiving(b.context).take(XA, frame, at) for frame in (first, second)] == ["admitted", "admitted"]


def test_a_release_signed_by_another_key_is_refused(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    a.add(1, at)
    (frame,) = fetch(a, b, at)
    payload = read_envelope(frame.open(signer_of(XB))[0]).payload
    forged = sign_with(keys_of(XC).signing, RELEASE_TYPE, payload)
    (fake,) = split_frames(seal_frame(forged, b"", XA, XB, 1, keys_of(XB).opening[0].seal_key))
    with pytest.raises(BadSignature):
        Receiving(b.context).take(XA, fake, at)
    with pytest.raises(UnknownPartner):
        Receiving(b.context).take(XD, frame, at)
    assert Receiving(b.context).cursor(XA) == 0


def resigned(frame: Unverified, **changes: Any) -> Unverified:
    document = replace(read_release(read_envelope(frame.open(signer_of(XB))[0]).payload), **changes)
    envelope = sign_with(keys_of(XA).signing, RELEASE_TYPE, document.encode())
    return split_frames(seal_frame(envelope, b"", XA, XB, document.sequence, keys_of(XB).opening[0].seal_key))[0]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"purpose": "attribution"}, "purpose"),
        ({"lane": Lane("test")}, "lane"),
        ({"agreement": None}, "agreement-unknown"),
        ({"at": datetime(2027, 6, 1, tzinfo=UTC)}, "from-the-future"),
    ],
)
def test_a_signed_release_that_the_agreement_forbids_is_quarantined_with_reasons(
    three: list[Country], at: datetime, change: dict[str, object], code: str
) -> None:
    """A sender that breaks the agreement is not trusted to have judged: the recipient judges too."""
    a, b, _ = three
    object_id = a.add(1, at)
    (frame,) = fetch(a, b, at)
    assert Receiving(b.context).take(XA, resigned(frame, **change), at) == "quarantined"
    assert not b.held(object_id)
    with b.db.read() as connection:
        (row,) = connection.execute(select(store.quarantine)).all()
    assert code in [reason["code"] for reason in row.reasons]
    assert (row.object_id, row.body) == (object_id, indicator(1))


def test_one_bad_object_is_quarantined_and_the_rest_of_the_release_is_admitted(
    three: list[Country], at: datetime
) -> None:
    a, b, _ = three
    good = a.add(1, at)
    (frame,) = fetch(a, b, at)
    document = read_release(read_envelope(frame.open(signer_of(XB))[0]).payload)
    (whole,) = document.objects
    broken = [changed(whole, body=body) for body in (b'{"type":"indicator"}', b'{"id":1,"id":2}', b"<script>")]
    taken = Receiving(b.context).take(XA, resigned(frame, objects=(*broken, whole)), at)
    assert taken == "partly-admitted"
    assert b.held(good)
    with b.db.read() as connection:
        assert connection.scalar(select(func.count()).select_from(store.quarantine)) == 3


def test_receipts_that_match_nothing_are_refused(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    a.add(1, at)
    deliver(a, b, at)
    with a.db.read() as connection:
        row = connection.execute(select(store.sent).where(store.sent.c.recipient == "XB")).one()
    good = Receipt(XA, XB, row.release_id, 1, row.digest, "admitted", at)
    receipts = Receipts(a.context)
    for bad in (
        replace(good, sequence=7),
        replace(good, digest="0" * 64),
        replace(good, release_id="release--0"),
        replace(good, recipient=XC),
    ):
        with pytest.raises(BadReceipt):
            receipts.accept(XB, signer_of(XB).sign(RECEIPT_TYPE, bad.encode()), at)
    with pytest.raises(BadSignature):
        receipts.accept(XB, signer_of(XC).sign(RECEIPT_TYPE, good.encode()), at)
    assert receipts.accept(XB, signer_of(XB).sign(RECEIPT_TYPE, good.encode()), at) == good
    with pytest.raises(OutOfSequence, match="sent only up to 1"):
        Sending(a.context).frames(XB, 5, at)


def test_a_partner_cut_off_in_mid_transfer_is_noticed() -> None:
    frame = seal_frame(b"x", b"", XA, XB, 1, keys_of(XB).opening[0].seal_key)
    for cut in (3, 50, len(frame) - 1):
        with pytest.raises(BadFrame, match="cut off"):
            split_frames(frame[:cut])
    with pytest.raises(BadFrame, match="over the limit"):
        split_frames(b"\xff\xff\xff\xff")


def test_a_veto_is_the_last_word(three: list[Country], at: datetime) -> None:
    a, b, c = three
    object_id = a.add(1, at)
    Orders(a.context).veto(object_id, XB, at=at, actor="person--director")
    assert deliver(a, b, at) == []
    assert deliver(a, c, at) == ["admitted"]
    assert withheld(a) == [(object_id, "XB", ["veto"])]
    Orders(a.context).lift_veto(object_id, XB, at=at, actor="person--director")
    assert deliver(a, b, at) == ["admitted"]
    give_receipts(a, b, at)


def test_a_partner_that_fills_its_share_of_the_disk_leaves_reasons_only(
    three: list[Country], at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, _ = three
    a.add(1, at)
    (frame,) = fetch(a, b, at)
    monkeypatch.setattr("mithaq.exchange.receiving.record.MAX_QUARANTINE_BYTES_PER_PARTNER", 100)
    assert Receiving(b.context).take(XA, resigned(frame, purpose="attribution"), at) == "quarantined"
    with b.db.read() as connection:
        (row,) = connection.execute(select(store.quarantine)).all()
    assert (row.body, row.reasons[0]["code"]) == (b"", "purpose")


def test_a_node_restored_from_an_old_backup_goes_on_when_a_person_orders_it(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    for number in range(1, 4):
        a.add(number, at)
        deliver(a, b, at)
    with a.db.write(at) as tx:  # what a backup from before the last two releases would hold
        for table in (store.sent, store.sent_objects):
            tx.execute(delete(table).where(table.c.recipient == "XB", table.c.sequence > 1))
    newest = a.add(9, at)
    with pytest.raises(OutOfSequence, match="sent only up to 1"):
        deliver(a, b, at)
    assert Orders(a.context).resume(XB, at=at, actor="person--1") == (2, 3)
    assert deliver(a, b, at) == ["admitted"]
    assert b.held(newest)
    with pytest.raises(NotReleasable, match="claims no more"):
        Orders(a.context).resume(XB, at=at, actor="person--1")


def test_a_lost_number_is_filled_with_a_signed_void_for_a_partner_that_was_restored_too(
    three: list[Country], at: datetime
) -> None:
    a, b, _ = three
    a.add(1, at)
    deliver(a, b, at)
    Sending(a.context).note_request(XB, 3, at)
    Orders(a.context).resume(XB, at=at, actor="person--1")
    assert deliver(a, b, at) == ["void", "void"]
