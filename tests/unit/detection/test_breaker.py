from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mithaq.detection.errors import NotStopped
from mithaq.detection.hits import breaker
from mithaq.detection.hits.breaker import Rate, Standing
from mithaq.detection.settings import BreakerLimits
from mithaq.kernel import journal
from mithaq.kernel.database import Database
from mithaq.kernel.lane import ACTUAL
from tests.unit.detection.worlds import LIMITS, Bench, indicator

TEN = BreakerLimits(hits_a_window=10, window_s=600)


@pytest.fixture
def bench(db: Database, tmp_path: Path, at: datetime) -> Iterator[Bench]:
    """A node on which ten hits of one object in one source within ten minutes are enough."""
    bench = Bench(db, tmp_path, at, limits=replace(LIMITS, breaker=TEN))
    for name in ("zeek", "proxy"):
        bench.source(name)
    bench.start()
    yield bench
    bench.detector.close()


def flood(bench: Bench, count: int, first: int = 0, source: str = "zeek") -> None:
    bench.push(
        *(
            {"ts": each, "uid": f"C{each}", "query": f"x{each}.everywhere.example"}
            for each in range(first, first + count)
        ),
        source=source,
    )
    bench.settle()


def everywhere(bench: Bench) -> str:
    new = indicator("[domain-name:value = 'everywhere.example']", bench.at)
    bench.store(new)
    bench.settle()
    return new.stix.id


def only(bench: Bench) -> Rate:
    with bench.db.read() as connection:
        (rate,) = breaker.stopped(connection, kept_off=True)
    return rate


@pytest.mark.parametrize(
    ("written", "age_s", "standing", "count", "room", "becomes"),
    [
        (0, 0, Standing.RUNNING, 10, 10, Standing.RUNNING),
        (0, 0, Standing.RUNNING, 11, 10, Standing.STOPPED),
        (9, 599, Standing.RUNNING, 2, 1, Standing.STOPPED),
        (9, 600, Standing.RUNNING, 2, 2, Standing.RUNNING),
        (0, 600, Standing.STOPPED, 1, 0, Standing.STOPPED),
        (0, 600, Standing.KEPT_OFF, 1, 0, Standing.KEPT_OFF),
    ],
)
def test_so_many_hits_of_an_object_in_a_source_are_written_in_a_window(
    at: datetime, written: int, age_s: int, standing: Standing, count: int, room: int, becomes: Standing
) -> None:
    rate = Rate(ACTUAL, "indicator--1", "zeek", at - timedelta(seconds=age_s), written, standing=standing)
    after, may = rate.take(count, at, TEN)
    assert (may, after.standing, after.held_back) == (room, becomes, count - room)


def test_what_hits_everything_is_stopped_there_and_counted_and_nowhere_else(bench: Bench) -> None:
    stix_id = everywhere(bench)
    flood(bench, 25)
    flood(bench, 5, first=25)
    flood(bench, 3, source="proxy")
    assert [sum(hit.source == name for hit in bench.hits()) for name in ("zeek", "proxy")] == [10, 3]
    rate = only(bench)
    assert (rate.indicator_id, rate.source, rate.held_back) == (stix_id, "zeek", 20)
    with bench.db.read() as connection:
        (told,) = journal.entries(connection, 0, kinds=frozenset({breaker.STOPPED}))
    assert (told.subject, told.detail) == (stix_id, {"source": "zeek", "written": 10})


def test_it_is_still_stopped_after_a_restart_and_for_what_is_hunted(bench: Bench, at: datetime) -> None:
    stix_id = everywhere(bench)
    flood(bench, 11)
    bench.crash()
    bench.at = at + timedelta(seconds=601)
    flood(bench, 2, first=11)
    with bench.db.write(bench.at) as tx:
        tx.append("detection.hunt.asked", subject="h", lane=ACTUAL, actor="test", detail={"rows": [1]})
    bench.settle()
    assert len(bench.hits()) == 10
    assert (only(bench).indicator_id, only(bench).standing) == (stix_id, Standing.STOPPED)


def test_a_person_resumes_it_and_a_hunt_finds_what_was_held_back(bench: Bench, at: datetime) -> None:
    stix_id = everywhere(bench)
    flood(bench, 12)
    with bench.db.write(at) as tx:
        assert breaker.resume(tx, stix_id, "zeek", ACTUAL, "person--1") == 2
        tx.append("detection.hunt.asked", subject="h", lane=ACTUAL, actor="test", detail={"rows": [1]})
    bench.settle()
    assert sorted(hit.retro for hit in bench.hits()) == [False] * 10 + [True] * 2
    with pytest.raises(NotStopped), bench.db.write(at) as tx:
        breaker.resume(tx, stix_id, "zeek", ACTUAL, "person--1")


def test_a_person_keeps_it_off_and_nobody_is_reminded(bench: Bench, at: datetime) -> None:
    stix_id = everywhere(bench)
    flood(bench, 12)
    with bench.db.write(at) as tx:
        breaker.keep_off(tx, stix_id, "zeek", ACTUAL, "person--1")
    flood(bench, 3, first=12)
    with bench.db.read() as connection:
        assert breaker.stopped(connection) == []
    assert (len(bench.hits()), only(bench).held_back) == (10, 5)


def test_ten_thousand_names_that_look_alike_are_no_hit(bench: Bench, at: datetime) -> None:
    bench.store(indicator("[domain-name:value = 'higan.org']", at))
    names = (f"{'m' * (1 + number % 50)}ic{number}higan.org" for number in range(10_000))
    bench.push(*({"ts": 1, "uid": "C", "query": name} for name in names))
    bench.settle()
    assert bench.hits() == []
