from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from mithaq.detection.errors import HitDecided, UnknownHit
from mithaq.detection.model import Hit, HitState
from mithaq.detection.service import Detection
from mithaq.detection.store import HitCounts
from mithaq.kernel import canonical, journal
from mithaq.kernel.database import Database
from mithaq.kernel.lane import ACTUAL
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
    detection.dismiss(hit.hit_id, "person--1", at)
    with pytest.raises(HitDecided):
        detection.confirm(hit.hit_id, "person--2", at)
    with bench.db.read() as connection:
        assert detection.counts(connection) == HitCounts(new=0, confirmed=0, dismissed=1)
        assert bench.holdings.search(connection, "type:sighting", ACTUAL, None, 10, at=at).objects == ()


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
