from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mithaq.detection.errors import DetectorRunning
from mithaq.detection.model import HitState
from mithaq.kernel import journal
from mithaq.kernel.database import Database, DatabaseFailed
from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.telemetry import store as telemetry_store
from mithaq.telemetry.settings import TelemetryLimits
from tests.unit.detection.worlds import AGREEMENT, LIMITS, PARTNER, Bench, indicator

EXERCISE = Lane.parse("exercise--00000000-0000-4000-8000-000000000001")
DNS = {"ts": 1588205199.5, "uid": "C1", "_path": "dns", "id.orig_h": "10.0.0.1"}


@pytest.fixture
def bench(db: Database, tmp_path: Path, at: datetime) -> Iterator[Bench]:
    bench = Bench(db, tmp_path, at)
    bench.source()
    bench.start()
    yield bench
    bench.detector.close()


@pytest.fixture
def much(db: Database, tmp_path: Path, at: datetime) -> Iterator[Bench]:
    """A node whose unsealed lines are always too many for the detector to read again by itself."""
    bench = Bench(db, tmp_path, at, limits=replace(LIMITS, hunt_here_bytes=0))
    bench.source()
    bench.start()
    yield bench
    bench.detector.close()


def dns(name: str, uid: str = "C1") -> dict[str, object]:
    return {**DNS, "uid": uid, "query": name}


def test_a_pushed_event_becomes_a_hit_that_says_everything(bench: Bench, db: Database, at: datetime) -> None:
    new = indicator("[domain-name:value = 'evil.example']", at)
    bench.store(new)
    bench.push(dns("x.evil.example"), dns("notevil.example"))
    bench.settle()
    (hit,) = bench.hits()
    assert (hit.indicator_id, hit.source, hit.kind, hit.lane) == (new.stix.id, "zeek", "zeek.dns", ACTUAL)
    assert (hit.sight.field, str(hit.sight.seen), str(hit.sight.matched)) == (
        "query",
        "domain:x.evil.example",
        "domain:evil.example",
    )
    assert (hit.origin.nation, hit.origin.agreement_id, hit.origin.agreement_version) == (PARTNER, AGREEMENT, 2)
    assert (hit.retro, hit.state, hit.matched_at) == (False, HitState.NEW, at)
    assert b"x.evil.example" in hit.raw
    with db.read() as connection:
        told = journal.entries(connection, 0, kinds=frozenset({"detection.hit"}))
    assert [(each.subject, each.detail["indicator"], each.detail["retro"]) for each in told] == [
        (hit.hit_id, new.stix.id, False)
    ]


def test_nothing_is_matched_twice_after_a_crash(bench: Bench, at: datetime) -> None:
    bench.store(indicator("[domain-name:value = 'evil.example']", at))
    bench.push(dns("evil.example", "C1"))
    bench.settle()
    bench.crash()
    bench.push(dns("evil.example", "C2"))
    bench.settle()
    assert len(bench.hits()) == 2
    with bench.db.read() as connection:
        assert telemetry_store.list_sources(connection)[0].events == 2


def test_a_write_that_fails_leaves_nothing_half_done(
    bench: Bench, at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.store(indicator("[domain-name:value = 'evil.example']", at))
    bench.push(dns("evil.example"))
    bench.detector.learn(at)

    def full(*_: object, **__: object) -> None:
        raise DatabaseFailed("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr("mithaq.telemetry.intake.store.save_position", full)
        with pytest.raises(DatabaseFailed):
            bench.detector.read(at)
    assert bench.hits() == []
    bench.settle()
    assert len(bench.hits()) == 1
    bench.store(indicator("[ipv4-addr:value = '10.0.0.1']", at))
    bench.settle()
    assert sum(hit.retro for hit in bench.hits()) == 1, "the event is in the lake once"


def test_what_is_known_before_the_start_is_looked_for(db: Database, tmp_path: Path, at: datetime) -> None:
    bench = Bench(db, tmp_path, at)
    bench.store(*(indicator(f"[domain-name:value = 'evil{number}.example']", at) for number in range(3)))
    bench.source()
    bench.start()
    bench.push(dns("evil2.example"))
    bench.settle()
    assert len(bench.hits()) == 1
    bench.detector.close()


def test_a_withdrawn_indicator_is_looked_for_no_more(bench: Bench, at: datetime) -> None:
    new = indicator("[domain-name:value = 'evil.example']", at)
    bench.store(new)
    bench.push(dns("evil.example", "C1"))
    bench.settle()
    with bench.db.write(at) as tx:
        bench.holdings.withdraw(tx, new.stix.id, ACTUAL, PARTNER, "a mistake")
    bench.push(dns("evil.example", "C2"))
    bench.settle()
    assert len(bench.hits()) == 1


def test_a_new_version_replaces_the_old_and_a_revoked_one_ends_it(bench: Bench, at: datetime) -> None:
    first = indicator("[domain-name:value = 'one.example']", at)
    later, last = at + timedelta(seconds=1), at + timedelta(seconds=2)
    bench.store(first)
    bench.store(indicator("[domain-name:value = 'two.example']", later, stix_id=first.stix.id))
    bench.push(dns("one.example", "C1"), dns("two.example", "C2"))
    bench.settle()
    assert [str(hit.sight.seen) for hit in bench.hits()] == ["domain:two.example"]
    bench.store(indicator("[domain-name:value = 'two.example']", last, stix_id=first.stix.id, revoked=True))
    bench.push(dns("two.example", "C3"))
    bench.settle()
    assert len(bench.hits()) == 1


def test_an_expired_indicator_gives_no_hit(bench: Bench, at: datetime) -> None:
    bench.store(indicator("[domain-name:value = 'evil.example']", at, until=at + timedelta(seconds=5)))
    bench.push(dns("evil.example", "C1"))
    bench.settle()
    bench.at = at + timedelta(seconds=5)
    bench.push(dns("evil.example", "C2"))
    bench.settle()
    assert len(bench.hits()) == 1


def test_an_exercise_and_the_real_world_never_hit_each_other(bench: Bench, at: datetime) -> None:
    bench.source("drill", EXERCISE)
    bench.store(indicator("[domain-name:value = 'real.example']", at))
    bench.store(indicator("[domain-name:value = 'play.example']", at, lane=EXERCISE))
    for source in ("zeek", "drill"):
        bench.push(dns("real.example"), dns("play.example"), source=source)
    bench.settle()
    assert {(hit.source, str(hit.sight.seen), hit.lane) for hit in bench.hits()} == {
        ("zeek", "domain:real.example", ACTUAL),
        ("drill", "domain:play.example", EXERCISE),
    }


def test_a_source_added_while_running_is_read(bench: Bench, at: datetime, tmp_path: Path) -> None:
    bench.store(indicator("[domain-name:value = 'evil.example']", at))
    log = tmp_path / "dns.log"
    log.write_text('{"ts":1,"uid":"C","query":"evil.example"}\n')
    from mithaq.telemetry.model import Format

    bench.telemetry.add_source("file", path=str(log), line_format=Format.AUTO, by="test", at=at)
    bench.settle()
    assert [(hit.source, hit.kind) for hit in bench.hits()] == [("file", "zeek.dns")]


def test_two_detectors_never_work_on_one_data_folder(bench: Bench, at: datetime) -> None:
    with pytest.raises(DetectorRunning):
        bench._new().start(at)


def test_an_indicator_that_comes_late_finds_what_was_seen_before(bench: Bench, at: datetime) -> None:
    bench.push(dns("a.late.example", "C1"), {**DNS, "id.resp_h": "198.51.100.77"}, dns("other.example", "C2"))
    bench.settle()
    bench.store(
        indicator("[domain-name:value = 'late.example']", at),
        indicator("[ipv4-addr:value ISSUBSET '198.51.100.0/24']", at),
        indicator("[domain-name:value = 'never.example']", at),
    )
    bench.settle()
    assert sorted((str(hit.sight.seen), hit.retro) for hit in bench.hits()) == [
        ("domain:a.late.example", True),
        ("ipv4:198.51.100.77", True),
    ]


def test_a_hunter_is_started_only_for_what_the_sealed_lake_may_hold(db: Database, tmp_path: Path, at: datetime) -> None:
    bench = Bench(db, tmp_path, at, TelemetryLimits(segment_bytes=1))
    bench.source()
    bench.start()
    bench.push(dns("seen.example"))
    bench.settle()
    assert bench.hunts_run == 1, "it sealed"
    bench.push(dns("open.example"))
    bench.detector.read(at)
    names = ("open.example", *(f"absent{number}.example" for number in range(5)))
    bench.store(*(indicator(f"[domain-name:value = '{name}']", at) for name in names))
    bench.detector.learn(at)
    assert not bench.detector.hunts._due_at
    bench.detector.hunts.step(at)
    assert [str(hit.sight.seen) for hit in bench.hits()] == ["domain:open.example"]
    bench.store(indicator("[domain-name:value = 'seen.example']", at))
    bench.detector.learn(at)
    assert bench.detector.hunts._due_at
    bench.settle()
    assert len(bench.hits()) == 2
    bench.detector.close()


def test_many_unsealed_lines_are_left_to_the_hunter(much: Bench, at: datetime) -> None:
    much.push(dns("seen.example"))
    much.settle()
    much.store(indicator("[domain-name:value = 'seen.example']", at))
    much.settle()
    assert (much.hunts_run, [hit.retro for hit in much.hits()]) == (1, [True])


def test_a_hit_found_live_and_hunted_again_stays_one(bench: Bench, at: datetime) -> None:
    bench.store(indicator("[domain-name:value = 'evil.example']", at))
    bench.push(dns("evil.example"))
    bench.settle()
    with bench.db.write(at) as tx:
        tx.append("detection.hunt.asked", subject="h", lane=ACTUAL, actor="test", detail={"rows": [1]})
    bench.settle()
    assert [hit.retro for hit in bench.hits()] == [False]


def test_sealed_and_unsealed_segments_are_hunted_alike(db: Database, tmp_path: Path, at: datetime) -> None:
    bench = Bench(db, tmp_path, at, TelemetryLimits(segment_bytes=1))
    bench.source()
    bench.start()
    for number in range(5):
        bench.push(dns(f"a{number}.evil.example", f"C{number}"), dns("good.example", f"D{number}"))
        bench.settle()
    with db.read() as connection:
        sealed = telemetry_store.list_segments(connection, ("sealed",))
    assert len(sealed) < 5, "small segments of a day are merged"
    assert sum(each.events for each in sealed) == 10
    bench.push(dns("b.evil.example", "E"))
    bench.detector.read(at)
    bench.store(indicator("[domain-name:value = 'evil.example']", at))
    bench.settle()
    assert sorted(str(hit.sight.seen) for hit in bench.hits()) == [
        *(f"domain:a{number}.evil.example" for number in range(5)),
        "domain:b.evil.example",
    ]
    bench.crash()
    bench.store(indicator("[domain-name:value = 'good.example']", at))
    bench.settle()
    assert len(bench.hits()) == 11
    bench.detector.close()


def test_a_hunt_that_was_never_answered_is_taken_up_by_the_next_process(bench: Bench, at: datetime) -> None:
    bench.push(dns("late.example"))
    bench.settle()
    bench.store(indicator("[domain-name:value = 'late.example']", at))
    bench.detector.learn(at)
    bench.crash()
    bench.settle()
    assert [hit.retro for hit in bench.hits()] == [True]


def test_an_exercise_indicator_hunts_only_in_its_lane(bench: Bench, at: datetime) -> None:
    bench.push(dns("play.example"))
    bench.settle()
    bench.store(indicator("[domain-name:value = 'play.example']", at, lane=EXERCISE))
    bench.settle()
    assert bench.hits() == []


def test_a_hunter_that_dies_is_started_again(much: Bench, at: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    import subprocess
    import sys

    much.push(dns("late.example"))
    much.settle()
    monkeypatch.setattr(
        much.detector.hunts, "_launch", lambda: subprocess.Popen((sys.executable, "-c", "raise SystemExit(3)"))
    )
    much.store(indicator("[domain-name:value = 'late.example']", at))
    much.detector.learn(at)
    much.detector.hunts.step(at)
    process = much.detector.hunts._process
    assert process is not None
    process.wait()
    much.detector.hunts.step(at)
    assert much.hits() == []
    monkeypatch.setattr(much.detector.hunts, "_launch", much._launch)
    much.at = at + timedelta(minutes=1)
    much.settle()
    assert len(much.hits()) == 1


def test_a_hit_row_survives_the_database_unchanged(bench: Bench, at: datetime) -> None:
    bench.store(indicator("[domain-name:value = 'evil.example']", at, partner=False))
    bench.push(dns("evil.example"))
    bench.settle()
    (hit,) = bench.hits()
    assert hit.origin.is_own
    assert replace(hit, row=0).event_at.timestamp() == 1588205199.5
