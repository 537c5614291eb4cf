"""Retention runs out: what partners gave is really gone, attested, and nothing else is touched."""

import base64
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select, text

from mithaq.agreements.terms import Onward
from mithaq.detection import store as detection
from mithaq.detection.hits.record import record_hits
from mithaq.detection.model import Hit, Origin, Sight
from mithaq.exchange import ledger
from mithaq.exchange import store as exchange
from mithaq.exchange.duties import retention, store
from mithaq.exchange.duties.attestation import ATTESTATION_TYPE, read_attestation
from mithaq.exchange.duties.attestations import Attestations
from mithaq.exchange.duties.errors import BadAttestation
from mithaq.exchange.duties.service import Duties
from mithaq.exchange.receiving.service import Receiving
from mithaq.exchange.release_document import read_release
from mithaq.exchange.sending.service import Sending
from mithaq.intelligence.model import ReleaseInstruction
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.kernel.signing import BadSignature, read_envelope, sign_with
from mithaq.standards.observable import Observable
from mithaq.standards.tlp import Tlp
from tests.country import Country, alliance, deliver, fetch, indicator
from tests.obliged import attest, detect, duties, keep_books, rows, sweep, told
from tests.world import DEFAULT_TERMS, XA, XB, XC, Treaty, keys_of

DAY = timedelta(days=1)
LATER = 91 * DAY
MARKER = "verbatim-marker-7f3a.example"


def steps(country: Country, start: datetime, days: int) -> None:
    """Let days pass as they do on a node that runs: it sweeps at least every other day."""
    for day in sorted({*range(1, days, 2), days}):
        sweep(country, start + day * DAY)


@pytest.fixture
def treaty(at: datetime) -> Treaty:
    return Treaty(at, terms=msgspec.structs.replace(DEFAULT_TERMS, onward=Onward("parties")), days=400)


@pytest.fixture
def three(tmp_path: Path, at: datetime, treaty: Treaty) -> Iterator[list[Country]]:
    countries = alliance(tmp_path, (XA, XB, XC), at, treaty)
    countries[0].order(treaty, at)
    yield countries
    for country in countries:
        country.db.close()


def test_what_a_partner_gave_is_gone_when_its_time_is_over_and_not_before(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    object_id = a.add(1, at)
    deliver(a, b, at)
    steps(b, at, 89)
    assert b.held(object_id)
    steps(b, at + 89 * DAY, 1)
    assert not b.held(object_id)
    assert a.held(object_id), "the originator keeps its own"


def test_the_deletion_is_attested_and_settles_what_was_owed(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    object_id = a.add(1, at)
    deliver(a, b, at)
    keep_books(a, at)
    assert duties(a) == [("retention", XB, XA, "open")]
    steps(b, at, 90)
    assert attest(b, a, at + 90 * DAY) == 1
    assert duties(a) == [("retention", XB, XA, "fulfilled")]
    (given,), (held,) = rows(b, store.attestations), rows(a, store.attestations)
    assert given.envelope == held.envelope
    word = read_attestation(given.statement)
    assert (word.what, word.by, word.to, word.objects, word.term) == (
        "deletion", XB, XA, (object_id,), "retention_days",
    )  # fmt: skip
    assert word.complete


def test_nothing_is_attested_before_detection_has_erased_its_copies(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    a.add(1, at)
    deliver(a, b, at)
    steps(b, at, 90)
    own = Attestations(b.context, ("detection.matcher",))
    assert own.sign(at + 90 * DAY) == 0
    detect(b, at + 90 * DAY)
    assert own.sign(at + 90 * DAY) == 1


def test_an_attestation_that_does_not_come_is_overdue_and_named(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    a.add(1, at)
    deliver(a, b, at)
    steps(a, at, 92)
    with a.db.read() as connection:
        health = Duties(a.context).health(connection, at + 92 * DAY)
    assert [(each.kind, each.owed_by) for each in health.overdue] == [("retention", XB)]
    assert [(each["kind"], each["by"]) for each in told(a, "breached")] == [("retention", "XB")]
    keep_books(b, at)
    with b.db.read() as connection:
        assert Duties(b.context).health(connection, at + 92 * DAY).undeleted == 1


def test_an_object_this_nation_found_itself_stays_under_its_own_word(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    object_id = a.add(1, at)
    deliver(a, b, at)
    b.add(1, at, tlp=Tlp.GREEN)
    steps(b, at, 90)
    (held,) = b.held(object_id)
    assert [(word.source, word.nation) for word in held.provenance] == [("own", XB)]
    assert held.stands
    assert held.body == indicator(1)


def test_an_object_that_another_originator_gave_stays_under_that_word_only(three: list[Country], at: datetime) -> None:
    a, b, c = three
    object_id = a.add(1, at)
    deliver(a, b, at)
    later = at + 10 * DAY
    c.add(1, later, to=ReleaseInstruction("agreement--11111111-1111-4111-8111-111111111111", (XB,), "defence"))
    assert deliver(c, b, later) == ["admitted"]
    steps(b, at, 90)
    (held,) = b.held(object_id)
    assert [word.nation for word in held.provenance] == [XC]
    steps(b, at + 90 * DAY, 11)
    assert not b.held(object_id)


def test_of_one_originator_the_strictest_word_counts(three: list[Country], at: datetime, treaty: Treaty) -> None:
    """The same version released a second time, ten days later: the earlier end is kept."""
    a, b, _ = three
    object_id = a.add(1, at)
    deliver(a, b, at)
    keep_books(b, at)
    with b.db.write(at) as tx:  # a second release of the same version by the same nation, ten days later
        row = dict(tx.execute(select(store.retained)).mappings().one())
        later = {"row": None, "release_id": "release--2", "delete_after": row["delete_after"] + 10 * DAY}
        tx.execute(store.retained.insert().values(**{k: v for k, v in (row | later).items() if v is not None}))
        retention._settle_due(tx, [object_id], str(ACTUAL))
    assert {each.due_at for each in rows(b, store.retained)} == {at + 90 * DAY}


def test_an_object_that_is_deleted_and_released_again_is_held_again_for_a_new_time(
    three: list[Country], at: datetime, treaty: Treaty
) -> None:
    a, b, _ = three
    object_id = a.add(1, at)
    deliver(a, b, at)
    steps(b, at, 90)
    first_row = rows(b, store.erased_releases)
    again = at + 91 * DAY
    a.add(1, again, modified="2027-02-22T11:00:00.000Z")
    assert deliver(a, b, again) == ["admitted"]
    (held,) = b.held(object_id)
    assert held.row > 1, "the number of an erased row is not given out again"
    steps(b, again, 89)
    assert b.held(object_id)
    steps(b, again + 89 * DAY, 1)
    assert not b.held(object_id)
    assert len(first_row) == 1


def test_the_very_same_bytes_may_be_released_again_after_their_deletion(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    object_id = a.add(1, at)
    deliver(a, b, at)
    steps(b, at, 90)
    again = at + 91 * DAY
    with a.db.write(again) as tx:
        tx.execute(text("DELETE FROM exchange_sent_objects"))
    a.add(1, again, to=ReleaseInstruction("agreement--11111111-1111-4111-8111-111111111111", (XB,), "warning"))
    assert deliver(a, b, again) == ["admitted"]
    assert [held.body for held in b.held(object_id)] == [indicator(1)]


def test_the_received_bytes_go_and_what_stays_still_fits_receipt_and_sender(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    a.add(1, at)
    deliver(a, b, at)
    (before,) = rows(b, exchange.received)
    document = read_release(read_envelope(before.envelope).payload)
    steps(b, at, 90)
    (after,), (head,), (sent,) = (
        rows(b, exchange.received), rows(b, store.erased_releases), rows(a, exchange.sent),
    )  # fmt: skip
    assert after.envelope == b""
    assert after.digest == head.digest == sent.digest
    assert head.head["id"] == document.id
    assert [each["decision"] for each in head.head["objects"]] == [document.objects[0].decision]
    with b.db.read() as connection:
        assert ledger.received_envelopes(connection) == []


def test_quarantine_and_private_decisions_are_erased_too(three: list[Country], at: datetime) -> None:
    a, b, c = three
    b.order(Treaty(at), at)
    object_id = a.add(1, at)
    frames = fetch(a, b, at)
    with b.db.write(at) as tx:
        tx.execute(text("UPDATE partners SET standing = 'suspended' WHERE nation = 'XA'"))
    assert [Receiving(b.context).take(XA, frame, at) for frame in frames] == ["quarantined"]
    assert [row.object_id for row in rows(b, exchange.quarantine)] == [object_id]
    steps(b, at, 90)
    assert rows(b, exchange.quarantine) == []
    assert not c.held(object_id)


def test_what_waits_for_others_is_not_given_on_after_its_deletion(three: list[Country], at: datetime) -> None:
    a, b, c = three
    b.order(Treaty(at), at)
    a.add(1, at, to=ReleaseInstruction("agreement--11111111-1111-4111-8111-111111111111", (XB,), "defence"))
    deliver(a, b, at)
    b.plan(at)
    assert len(rows(b, exchange.outbox)) == 1
    steps(b, at, 90)
    assert rows(b, exchange.outbox) == rows(b, exchange.withheld) == []
    assert Sending(b.context).frames(c.nation, 0, at + 90 * DAY) == []


def test_who_has_it_is_still_told_of_its_withdrawal_after_the_deletion(three: list[Country], at: datetime) -> None:
    a, b, c = three
    b.order(Treaty(at), at)
    object_id = a.add(1, at, to=ReleaseInstruction("agreement--11111111-1111-4111-8111-111111111111", (XB,), "defence"))
    deliver(a, b, at)
    assert deliver(b, c, at) == ["admitted"]
    with a.db.write(at) as tx:
        a.context.holdings.withdraw(tx, object_id, ACTUAL, XA, "a test machine")
    deliver(a, b, at + DAY)
    b.plan(at + DAY)
    assert [row.action for row in rows(b, exchange.outbox)] == ["withdraw"]
    steps(b, at, 90)
    assert b.held(object_id) == []
    assert deliver(b, c, at + 90 * DAY) == ["withdrawn"]
    assert [held.stands for held in c.held(object_id)] == [False]


def hit_on(country: Country, object_id: str, at: datetime) -> Hit:
    (held,) = country.held(object_id)
    seen = Observable("ipv4", "198.51.0.1")
    return Hit(
        0, "hit--1", "event--1", at, "dns", "zeek", b"raw 198.51.0.1", Sight("dst", seen, seen), object_id,
        held.row, Origin("partner", XA, None, None), ACTUAL, False, at,
    )  # fmt: skip


def test_a_hit_keeps_that_it_happened_and_loses_the_value(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    object_id = a.add(1, at)
    deliver(a, b, at)
    with b.db.write(at) as tx:
        assert record_hits(tx, [hit_on(b, object_id, at)]) == 1
    steps(b, at, 90)
    detect(b, at + 90 * DAY)
    (row,) = rows(b, detection.hits)
    assert (row.indicator_id, row.origin_nation, row.event_at) == (object_id, XA, at)
    assert (row.raw, row.seen_value, row.matched_value) == (b"", "[erased]", "[erased]")
    with b.db.read() as connection:
        assert detection.list_hits(connection)[0].sight.matched.value == "[erased]"


def test_after_the_deletion_the_value_is_found_in_no_byte_of_the_database(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    object_id = a.add(1, at, name=f"beacon {MARKER}", pattern=f"[domain-name:value = '{MARKER}']")
    for number in range(2, 60):
        a.add(number, at + number * DAY)
    deliver(a, b, at)
    with b.db.write(at) as tx:
        record_hits(tx, [hit_on(b, object_id, at)])
    before = found_in(b, MARKER)
    assert {spelling for _, spelling in before} == {"plain", "base64"}, "the search finds what is there"
    steps(b, at, 90)
    assert attest(b, a, at + 90 * DAY) == 1
    assert found_in(b, MARKER) == set()


def found_in(country: Country, marker: str) -> set[tuple[str, str]]:
    """The files of a country's folder in which a marker stands, plainly or inside base64 at any offset."""
    spellings = {marker.encode(): "plain"}
    for shift in range(3):
        whole = base64.b64encode(b"x" * shift + marker.encode())
        spellings[whole[(shift * 8 + 5) // 6 : len(whole) - 4]] = "base64"
    assert min(map(len, spellings)) > 12
    folder = Path(country.db.engine.url.database or "").parent
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {(path.name, name) for path in files for text, name in spellings.items() if text in path.read_bytes()}


def test_a_crash_between_erasure_and_attestation_loses_neither(three: list[Country], at: datetime) -> None:
    """The transaction of the erasure holds the unsigned statement; a node that starts again signs and delivers it."""
    a, b, _ = three
    a.add(1, at)
    deliver(a, b, at)
    steps(b, at, 90)
    assert [row.envelope for row in rows(b, store.attestations)] == [None]
    again = Country.over(XB, b.db)
    assert sweep(again, at + 90 * DAY).erased == 0
    assert attest(again, a, at + 90 * DAY) == 1
    assert attest(again, a, at + 90 * DAY) == 0


def test_a_crash_inside_the_erasure_leaves_everything_as_it_was(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    object_id = a.add(1, at)
    deliver(a, b, at)
    keep_books(b, at)
    with pytest.raises(KeyboardInterrupt), b.db.write(at + 90 * DAY) as tx:
        assert retention.erase_chunk(tx, b.context)
        raise KeyboardInterrupt
    assert b.held(object_id)
    assert rows(b, store.attestations) == []
    with b.db.write(at + 90 * DAY) as tx:
        assert retention.erase_chunk(tx, b.context)
    assert not b.held(object_id)


def test_an_attestation_delivered_twice_is_one(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    a.add(1, at)
    deliver(a, b, at)
    steps(b, at, 90)
    attest(b, a, at + 90 * DAY)
    (row,) = rows(b, store.attestations)
    Attestations(a.context).accept(XB, bytes(row.envelope), at + 91 * DAY)
    assert len(rows(a, store.attestations)) == len(told(a, "attestation")) == 1


def test_forged_and_misdirected_attestations_are_refused_and_settle_nothing(three: list[Country], at: datetime) -> None:
    a, b, c = three
    a.add(1, at)
    deliver(a, b, at)
    deliver(a, c, at)
    keep_books(a, at)
    steps(b, at, 90)
    detect(b, at + 90 * DAY)
    Attestations(b.context).sign(at + 90 * DAY)
    (row,) = rows(b, store.attestations)
    word = read_attestation(row.statement)
    accept = Attestations(a.context).accept
    with pytest.raises(BadSignature):
        accept(XC, bytes(row.envelope), at)

    def signed(by: NationId, **changes: object) -> bytes:
        return sign_with(keys_of(by).signing, ATTESTATION_TYPE, replace(word, **changes).encode())  # type: ignore[arg-type]

    with pytest.raises(BadAttestation, match="not by its signer to this nation"):
        accept(XB, signed(XB, to=XC), at)
    with pytest.raises(BadAttestation, match="not by its signer to this nation"):
        accept(XC, signed(XC), at)
    for lie in ({"digest": "0" * 64}, {"release_id": "release--other"}, {"what": "recall"}):
        with pytest.raises(BadAttestation, match="matches nothing"):
            accept(XB, signed(XB, **lie), at)
    with pytest.raises(BadAttestation, match="not in the release"):
        accept(XB, signed(XB, objects=("indicator--00000000-0000-4000-8000-000000000999",)), at)
    assert {state for _, _, _, state in duties(a)} == {"open"}
    assert rows(a, store.attestations) == []


def test_a_clock_that_goes_back_never_brings_anything_back_and_does_nothing(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    object_id = a.add(1, at)
    deliver(a, b, at)
    steps(b, at, 90)
    assert sweep(b, at).doubt == "back"
    assert not b.held(object_id)


def test_a_clock_that_jumps_ahead_deletes_nothing_until_somebody_confirms_it(
    three: list[Country], at: datetime
) -> None:
    a, b, _ = three
    object_id = a.add(1, at)
    deliver(a, b, at)
    assert sweep(b, at).doubt is None
    assert sweep(b, at + LATER).doubt == "ahead"
    assert b.held(object_id)
    with b.db.read() as connection:
        assert Duties(b.context).health(connection, at + LATER).doubt == "ahead"
    assert [each["why"] for each in told(b, "clock-refused")] == ["ahead"]
    Duties(b.context).believe_clock(at=at + LATER, actor="person--1")
    assert sweep(b, at + LATER).doubt is None
    assert not b.held(object_id)


def test_a_node_that_was_away_for_long_believes_its_clock_once_a_partner_has_signed_near_it(
    three: list[Country], at: datetime
) -> None:
    a, b, _ = three
    object_id = a.add(1, at)
    deliver(a, b, at)
    sweep(b, at)
    assert sweep(b, at + LATER).doubt == "ahead"
    a.add(2, at + LATER)
    deliver(a, b, at + LATER)
    assert sweep(b, at + LATER).doubt is None
    assert not b.held(object_id)


def test_an_exercise_keeps_its_own_lane(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    lane = Lane("exercise--11111111-1111-4111-8111-111111111111")
    object_id = a.add(1, at, lane=lane)
    deliver(a, b, at)
    steps(a, at, 92)
    assert {each["lane"] for each in told(a, "breached")} == {str(lane)}
    with a.db.read() as connection:
        assert Duties(a.context).health(connection, at + 92 * DAY).overdue == ()
    steps(b, at, 90)
    assert not b.held(object_id, lane)


def test_erasing_is_the_same_on_both_databases(db_url: str, tmp_path: Path, at: datetime, treaty: Treaty) -> None:
    a, b = Country.found(XA, tmp_path / "a"), Country.found(XB, tmp_path / "b", db_url)
    for country in (a, b):
        country.befriend([a, b, Country.found(XC, tmp_path / "c")], at)
        country.context.agreements.receive(treaty.envelope.encode(), at=at, actor="person--1")
    a.order(treaty, at)
    ids = [a.add(number, at) for number in range(1, 522)]
    while deliver(a, b, at):
        pass
    own = b.add(7, at)
    keep_books(b, at)
    steps(b, at, 90)
    assert [object_id for object_id in ids if b.held(object_id)] == [own]
    assert rows(b, store.retained) == []
    assert attest(b, a, at + 90 * DAY) >= 2
    for country in (a, b):
        country.db.close()
