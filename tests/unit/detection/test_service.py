import dataclasses
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
import stix2

from mithaq.detection import store
from mithaq.detection.errors import HitDecided, UnknownHit, UnusableReason
from mithaq.detection.model import Dismissal, Hit, HitState
from mithaq.detection.service import Detection
from mithaq.detection.store import HitCounts
from mithaq.intelligence.comments import said_of
from mithaq.intelligence.indicators import identity_id
from mithaq.intelligence.model import NewObject
from mithaq.kernel import canonical, journal
from mithaq.kernel.database import Database
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp
from tests.unit.detection.worlds import AGREEMENT, OWN, PARTNER, Bench, indicator


@pytest.fixture
def bench(db: Database, tmp_path: Path, at: datetime) -> Iterator[Bench]:
    bench = Bench(db, tmp_path, at)
    bench.source()
    bench.start()
    yield bench
    bench.detector.close()


@pytest.fixture
def detection(bench: Bench) -> Detection:
    return Detection(bench.db, bench.holdings, OWN)


def one_hit(bench: Bench, *, partner: bool = True) -> Hit:
    bench.store(indicator("[domain-name:value = 'evil.example']", bench.at, partner=partner))
    bench.push({"ts": 1588205199, "uid": "C", "query": "evil.example", "client": "secret-host"})
    bench.settle()
    return bench.hits()[0]


def test_a_confirmed_hit_becomes_a_sighting_for_the_originator_under_the_same_agreement(
    bench: Bench, detection: Detection, at: datetime
) -> None:
    hit = one_hit(bench)
    sighting_id = detection.confirm(hit.hit_id, "person--1", at)
    with bench.db.read() as connection:
        (stored,) = bench.holdings.get(connection, sighting_id, ACTUAL)
        told = journal.entries(connection, 0, kinds=frozenset({"detection.hit.confirmed"}))
    (instruction,) = stored.instructions
    assert (instruction.agreement_id, instruction.recipients, instruction.purpose) == (AGREEMENT, (PARTNER,), "defence")
    body = canonical.loads(stored.body, max_bytes=10_000, subject="")
    assert body["sighting_of_ref"] == hit.indicator_id
    assert b"secret-host" not in stored.body
    assert [each.subject for each in told] == [hit.hit_id]
    confirmed = bench.hits()[0]
    assert (confirmed.state, confirmed.decided_by, confirmed.sighting_id) == (
        HitState.CONFIRMED,
        "person--1",
        sighting_id,
    )


def test_a_sighting_of_the_nations_own_indicator_asks_for_no_release(
    bench: Bench, detection: Detection, at: datetime
) -> None:
    sighting_id = detection.confirm(one_hit(bench, partner=False).hit_id, "person--1", at)
    with bench.db.read() as connection:
        (stored,) = bench.holdings.get(connection, sighting_id, ACTUAL)
    assert stored.instructions == ()


def test_a_hit_is_decided_once(bench: Bench, detection: Detection, at: datetime) -> None:
    hit = one_hit(bench)
    detection.dismiss(hit.hit_id, "person--1", at, why=Dismissal.BENIGN)
    with pytest.raises(HitDecided):
        detection.confirm(hit.hit_id, "person--2", at)
    with bench.db.read() as connection:
        assert detection.counts(connection) == HitCounts(new=0, confirmed=0, dismissed=1)
        assert bench.holdings.search(connection, "type:sighting", ACTUAL, None, 10, at=at).objects == ()


def test_a_false_positive_becomes_an_opinion_for_the_originator_with_the_reason_and_the_labels_of_the_indicator(
    bench: Bench, detection: Detection, at: datetime
) -> None:
    hit = one_hit(bench)
    why = "A content network that half of the country uses."
    opinion_id = detection.dismiss(hit.hit_id, "person--1", at, why=Dismissal.FALSE_POSITIVE, reason=f" {why}\n")
    with bench.db.read() as connection:
        (stored,) = bench.holdings.get(connection, opinion_id, ACTUAL)
        (told,) = journal.entries(connection, 0, kinds=frozenset({"detection.hit.dismissed"}))
    (instruction,) = stored.instructions
    assert (instruction.agreement_id, instruction.recipients, instruction.purpose) == (AGREEMENT, (PARTNER,), "defence")
    body = canonical.loads(stored.body, max_bytes=10_000, subject="")
    assert (body["opinion"], body["object_refs"], body["explanation"]) == (
        "strongly-disagree",
        [hit.indicator_id],
        why,
    )
    assert body["created_by_ref"] == identity_id(OWN)
    assert (body["object_marking_refs"], stored.tlp, stored.pap) == ([Tlp.GREEN.marking_id], Tlp.GREEN, Pap.GREEN)
    assert told.detail == {
        "indicator": hit.indicator_id,
        "sighting": "",
        "as": "false-positive",
        "opinion": opinion_id,
    }
    dismissed = bench.hits()[0]
    assert (dismissed.state, dismissed.dismissed_as, dismissed.reason, dismissed.opinion_id) == (
        HitState.DISMISSED,
        Dismissal.FALSE_POSITIVE,
        why,
        opinion_id,
    )


def test_an_opinion_is_valid_stix(bench: Bench, detection: Detection, at: datetime) -> None:
    opinion_id = detection.dismiss(one_hit(bench).hit_id, "p", at, why=Dismissal.FALSE_POSITIVE, reason="A mirror.")
    with bench.db.read() as connection:
        (stored,) = bench.holdings.get(connection, opinion_id, ACTUAL)
    parsed = stix2.parse(stored.body.decode(), version="2.1")
    assert isinstance(parsed, stix2.v21.Opinion)


def test_what_is_expected_here_accuses_no_indicator(bench: Bench, detection: Detection, at: datetime) -> None:
    hit = one_hit(bench)
    assert detection.dismiss(hit.hit_id, "person--1", at, why=Dismissal.BENIGN, reason="our own scan") == ""
    with bench.db.read() as connection:
        assert bench.holdings.search(connection, "type:opinion is:any", ACTUAL, None, 10, at=at).objects == ()
    assert (bench.hits()[0].dismissed_as, bench.hits()[0].reason) == (Dismissal.BENIGN, "our own scan")


def test_no_opinion_is_given_on_an_own_indicator(bench: Bench, detection: Detection, at: datetime) -> None:
    hit = one_hit(bench, partner=False)
    assert detection.dismiss(hit.hit_id, "person--1", at, why=Dismissal.FALSE_POSITIVE, reason="a mirror") == ""


def test_another_false_positive_of_the_same_indicator_renews_the_opinion(
    bench: Bench, detection: Detection, at: datetime
) -> None:
    bench.store(indicator("[domain-name:value = 'evil.example']", bench.at))
    bench.push(*({"ts": number, "uid": "C", "query": "evil.example"} for number in range(3)))
    bench.settle()
    ids = {
        detection.dismiss(hit.hit_id, "person--1", at, why=Dismissal.FALSE_POSITIVE, reason=f"reason {number}")
        for number, hit in enumerate(bench.hits())
    }
    (opinion_id,) = ids
    with bench.db.read() as connection:
        versions = bench.holdings.get(connection, opinion_id, ACTUAL)
        (said,) = said_of(connection, [bench.hits()[0].indicator_id], ACTUAL)
    assert [each.stands for each in versions] == [True, False, False]
    assert {each.stix.created for each in versions} == {at}
    assert said.comment.explanation == "reason 2"


def test_an_opinion_that_was_taken_back_is_not_renewed(bench: Bench, detection: Detection, at: datetime) -> None:
    bench.store(indicator("[domain-name:value = 'evil.example']", bench.at))
    bench.push(*({"ts": number, "uid": "C", "query": "evil.example"} for number in range(2)))
    bench.settle()
    first, second = bench.hits()
    taken_back = detection.dismiss(first.hit_id, "p", at, why=Dismissal.FALSE_POSITIVE, reason="a mirror")
    with bench.db.write(at) as tx:
        bench.holdings.withdraw(tx, taken_back, ACTUAL, OWN, "it was no mirror")
    again = detection.dismiss(second.hit_id, "p", at, why=Dismissal.FALSE_POSITIVE, reason="a mirror")
    assert again != taken_back


@pytest.mark.parametrize(
    "reason",
    ["", " \n ", "evil.example is a mirror", "EVIL[.]example is a mirror", "hxxp://evil[.]example", "x" * 2001],
)
def test_a_reason_that_says_nothing_or_quotes_the_value_is_refused_and_nothing_is_decided(
    bench: Bench, detection: Detection, at: datetime, reason: str
) -> None:
    hit = one_hit(bench)
    with pytest.raises(UnusableReason):
        detection.dismiss(hit.hit_id, "person--1", at, why=Dismissal.FALSE_POSITIVE, reason=reason)
    assert bench.hits()[0].state is HitState.NEW


def test_a_reason_goes_when_the_indicator_is_erased(bench: Bench, detection: Detection, at: datetime) -> None:
    hit = one_hit(bench)
    detection.dismiss(hit.hit_id, "person--1", at, why=Dismissal.BENIGN, reason="evil.example is our own test")
    with bench.db.write(at) as tx:
        store.redact_hits(tx, [hit.object_row])
    assert (bench.hits()[0].dismissed_as, bench.hits()[0].reason) == (Dismissal.BENIGN, "")


def test_what_several_nations_spoke_of_is_told_to_each(bench: Bench, detection: Detection, at: datetime) -> None:
    hit = one_hit(bench)
    with bench.db.read() as connection:
        (held,) = bench.holdings.get(connection, hit.indicator_id, ACTUAL)
    word = dataclasses.replace(held.provenance[0], nation=NationId("XC"), agreement_id="agreement--2")
    bench.store(NewObject(held.body, held.stix, ACTUAL, word))
    opinion_id = detection.dismiss(hit.hit_id, "p", at, why=Dismissal.FALSE_POSITIVE, reason="a mirror")
    with bench.db.read() as connection:
        (stored,) = bench.holdings.get(connection, opinion_id, ACTUAL)
    assert {(each.agreement_id, each.recipients) for each in stored.instructions} == {
        (AGREEMENT, (PARTNER,)),
        ("agreement--2", (NationId("XC"),)),
    }


def test_a_hit_explains_itself_with_event_object_provenance_and_agreement(bench: Bench, detection: Detection) -> None:
    hit = one_hit(bench)
    with bench.db.read() as connection:
        explained = detection.explain(connection, hit.hit_id)
        assert b"secret-host" in explained.hit.raw
        assert explained.seen is not None
        assert [(each.nation, each.agreement_id) for each in explained.seen.provenance] == [(PARTNER, AGREEMENT)]
        with pytest.raises(UnknownHit):
            detection.explain(connection, "hit--unknown")


def test_hits_come_in_pages_newest_first(bench: Bench, detection: Detection, at: datetime) -> None:
    bench.store(indicator("[domain-name:value = 'evil.example']", at))
    bench.push(*({"ts": number, "uid": "C", "query": "evil.example"} for number in range(5)))
    bench.settle()
    with bench.db.read() as connection:
        first = detection.hits(connection, limit=3)
        second = detection.hits(connection, after=first.next, limit=3)
    assert [hit.event_at.timestamp() for hit in (*first.hits, *second.hits)] == [4, 3, 2, 1, 0]
    assert (first.next is not None, second.next) == (True, None)


def test_a_hunt_that_was_asked_for_is_answered(bench: Bench, detection: Detection, at: datetime) -> None:
    one_hit(bench)
    assert not detection.is_hunting()
    assert detection.ask_hunt("operator", at) == 1
    assert detection.is_hunting()
    bench.settle()
    assert not detection.is_hunting()
    assert detection.ask_hunt("operator", at, ["indicator--00000000-0000-4000-8000-000000000000"]) == 0
