"""Sigma rules in the live detector: what they find, whose word it is, and when they find nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mithaq.detection.model import Hit, RuleSight
from mithaq.detection.rulebook import store as rule_store
from mithaq.detection.rulebook.held import index_folder
from mithaq.intelligence.model import HeldWord, NewObject
from mithaq.kernel.database import Database, DatabaseFailed
from mithaq.kernel.lane import ACTUAL, Lane
from tests.unit.detection.sigma.rules import correlation, rule_id, selection
from tests.unit.detection.worlds import AGREEMENT, PARTNER, Bench, indicator

EXERCISE = Lane.parse("exercise--00000000-0000-4000-8000-000000000001")
SYSMON = {"Channel": "Microsoft-Windows-Sysmon/Operational", "EventID": 1, "UtcTime": "2026-11-23 12:00:00.000"}
CREATION = "    category: process_creation\n"
MIMI = selection("Image|endswith: '\\mimi.exe'", product="windows", source=CREATION) + b"level: high\n"


@pytest.fixture
def bench(db: Database, tmp_path: Path, at: datetime) -> Iterator[Bench]:
    bench = Bench(db, tmp_path, at)
    bench.source()
    bench.start()
    yield bench
    bench.detector.close()


def sigma(text: bytes, at: datetime, **more: object) -> NewObject:
    return indicator(text.decode(), at, pattern_type="sigma", **more)  # type: ignore[arg-type]


def started(image: str, **more: object) -> dict[str, object]:
    return {**SYSMON, "Image": image, **more}


def sight_of(hit: Hit) -> RuleSight:
    assert isinstance(hit.sight, RuleSight)
    return hit.sight


def test_an_event_that_makes_a_rule_true_becomes_a_hit_that_says_everything(bench: Bench, at: datetime) -> None:
    new = sigma(MIMI, at)
    bench.store(new)
    bench.settle()
    bench.push(started("C:\\x\\mimi.exe"), started("C:\\x\\other.exe"), {**SYSMON, "EventID": 3, "Image": "\\mimi.exe"})
    bench.settle()
    (hit,) = bench.hits()
    assert (hit.indicator_id, hit.source, hit.kind, hit.lane) == (new.stix.id, "zeek", "windows.sysmon", ACTUAL)
    assert (hit.origin.nation, hit.origin.agreement_id, hit.retro) == (PARTNER, AGREEMENT, False)
    sight = sight_of(hit)
    assert (sight.rule_id, sight.title, sight.level, sight.events) == (rule_id(1), "Rule 1", "high", 1)
    assert sight.answers == (
        ("Image", "C:\\x\\mimi.exe"),
        ("Channel", "Microsoft-Windows-Sysmon/Operational"),
        ("EventID", "1"),
    )


def test_what_is_known_before_the_start_is_asked_and_told_of_in_the_table(bench: Bench, at: datetime) -> None:
    bench.store(
        sigma(MIMI, at), sigma(selection("a|re: '(?=x)'", 2), at), sigma(selection("a: 1", 3, product="''"), at)
    )
    bench.settle()
    bench.crash()
    bench.push(started("\\mimi.exe"))
    bench.settle()
    assert len(bench.hits()) == 1
    with bench.db.read() as connection:
        told = {each.facts.title: each for each in rule_store.list_rules(connection)}
    assert told["Rule 1"].facts.fields == ("Image",)
    assert told["Rule 1"].facts.kinds == ("windows.sysmon",)
    assert told["Rule 1"].problem is None
    assert [told[title].problem is not None for title in ("Rule 2", "Rule 3")] == [True, True]


def test_a_withdrawn_a_revoked_and_an_expired_rule_give_no_hit(bench: Bench, at: datetime) -> None:
    withdrawn, revoked = sigma(MIMI, at), sigma(MIMI, at)
    bench.store(withdrawn, revoked, sigma(MIMI, at, until=at + timedelta(seconds=5)))
    bench.settle()
    bench.push(started("\\mimi.exe", number=1))
    bench.settle()
    assert len(bench.hits()) == 3
    with bench.db.write(at) as tx:
        bench.holdings.withdraw(tx, withdrawn.stix.id, ACTUAL, PARTNER, "a mistake")
    later = at + timedelta(seconds=5)
    bench.store(sigma(MIMI, later, stix_id=revoked.stix.id, revoked=True))
    bench.at = later
    bench.push(started("\\mimi.exe", number=2))
    bench.settle()
    assert len(bench.hits()) == 3


def test_the_newest_version_of_a_rule_counts_and_an_older_one_again_where_it_is_withdrawn(
    bench: Bench, at: datetime
) -> None:
    first = sigma(MIMI, at)
    second = sigma(MIMI.replace(b"mimi", b"kitten"), at + timedelta(seconds=1), stix_id=first.stix.id, partner=False)
    bench.store(first)
    bench.settle()
    bench.store(second)
    bench.settle()
    bench.push(started("\\mimi.exe", number=1), started("\\kitten.exe", number=2))
    bench.settle()
    assert [dict(sight_of(hit).answers)["Image"] for hit in bench.hits()] == ["\\kitten.exe"]


def test_a_lane_never_matches_another(bench: Bench, at: datetime) -> None:
    bench.source("drill", EXERCISE)
    bench.store(sigma(MIMI, at), sigma(MIMI.replace(b"mimi", b"play"), at, lane=EXERCISE))
    bench.settle()
    for source in ("zeek", "drill"):
        bench.push(started("\\mimi.exe"), started("\\play.exe"), source=source)
    bench.settle()
    assert {(hit.source, dict(sight_of(hit).answers)["Image"], hit.lane) for hit in bench.hits()} == {
        ("zeek", "\\mimi.exe", ACTUAL),
        ("drill", "\\play.exe", EXERCISE),
    }


ONE = selection("Image|endswith: '\\mimi.exe'", name="one", product="windows", source=CREATION)
THREE = correlation("type: event_count\nrules: one\ngroup-by: [host]\ntimespan: 1m\ncondition: {gte: 3}")


def at_second(second: int, host: str = "h") -> dict[str, object]:
    return started("\\mimi.exe", UtcTime=f"2026-11-23 12:00:{second:02d}.000", host=host)


def test_a_correlation_is_told_with_the_event_that_completed_it_and_how_many_there_were(
    bench: Bench, at: datetime
) -> None:
    bench.store(sigma(ONE + b"---\n" + THREE, at))
    bench.settle()
    bench.push(at_second(0), at_second(1, "other"), at_second(2), at_second(3))
    bench.settle()
    (hit,) = bench.hits()
    assert b"12:00:03" in hit.raw
    assert (sight_of(hit).title, sight_of(hit).events) == ("Correlation 99", 3)


def test_a_correlation_goes_on_after_a_crash_with_what_it_had_seen(bench: Bench, at: datetime) -> None:
    bench.store(sigma(ONE + b"---\n" + THREE, at))
    bench.settle()
    bench.push(at_second(0), at_second(1))
    bench.settle()
    bench.crash()
    bench.push(at_second(2))
    bench.settle()
    assert len(bench.hits()) == 1


def test_lines_that_could_not_be_saved_count_once(bench: Bench, at: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.store(sigma(ONE + b"---\n" + THREE, at))
    bench.settle()
    bench.push(at_second(0), at_second(1))

    def full(*_: object, **__: object) -> None:
        raise DatabaseFailed("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr("mithaq.telemetry.intake.store.save_position", full)
        with pytest.raises(DatabaseFailed):
            bench.detector.read(at)
    bench.settle()
    assert bench.hits() == []
    bench.push(at_second(2))
    bench.settle()
    assert len(bench.hits()) == 1


def sealed(bench: Bench) -> None:
    """Let what has come become Parquet."""
    bench.at += timedelta(days=1)
    bench.detector.hunts.step(bench.at)
    bench.settle()


@pytest.mark.parametrize("seal", [False, True], ids=["unsealed", "sealed"])
def test_a_new_rule_is_hunted_through_what_was_seen_before_it(bench: Bench, at: datetime, seal: bool) -> None:
    bench.source("drill", EXERCISE)
    for source in ("zeek", "drill"):
        bench.push(started("\\mimi.exe"), started("\\other.exe"), source=source)
    bench.settle()
    if seal:
        sealed(bench)
    bench.store(sigma(MIMI, at))
    bench.settle()
    (hit,) = bench.hits()
    assert (hit.retro, hit.lane, hit.kind, hit.event_at.second) == (True, ACTUAL, "windows.sysmon", 0)
    assert dict(sight_of(hit).answers)["Image"] == "\\mimi.exe"
    bench.push(started("\\mimi.exe", number=2))
    bench.settle()
    assert [each.retro for each in bench.hits()] == [True, False]


def test_an_event_found_live_and_in_retrospect_is_one_hit(bench: Bench, at: datetime) -> None:
    new = sigma(MIMI, at)
    bench.store(new)
    bench.settle()
    bench.push(started("\\mimi.exe"))
    bench.settle()
    sealed(bench)
    bench.store(new)
    bench.settle()
    assert bench.hunts_run > 0
    assert [hit.retro for hit in bench.hits()] == [False]


@pytest.mark.parametrize("seal", [False, True], ids=["unsealed", "sealed"])
def test_a_correlation_is_told_its_past_in_the_order_of_events(bench: Bench, at: datetime, seal: bool) -> None:
    for second in range(4):
        bench.push(at_second(second))
        bench.settle()
        if seal:
            sealed(bench)
    bench.store(sigma(ONE + b"---\n" + THREE, bench.at))
    bench.settle()
    (hit,) = bench.hits()
    assert b"12:00:02" in hit.raw
    assert sight_of(hit).events == 3


def test_an_erased_rule_is_followed_no_more_and_nothing_of_it_is_kept(bench: Bench, at: datetime) -> None:
    given = sigma(MIMI, at)
    word = replace(given.provenance, release_id="release--1")
    new = NewObject(given.body, given.stix, given.lane, word)
    bench.store(new)
    bench.settle()
    bench.push(started("\\mimi.exe", number=1))
    bench.settle()
    with bench.db.write(at) as tx:
        (held,) = bench.holdings.get(tx.connection, new.stix.id, ACTUAL)
        bench.holdings.erase(tx, [HeldWord(held.row, PARTNER, "release--1")])
    bench.settle()
    bench.push(started("\\mimi.exe", number=2))
    bench.settle()
    (hit,) = bench.hits()
    assert (sight_of(hit).title, sight_of(hit).answers, hit.raw) == ("[erased]", (), b"")
    with bench.db.read() as connection:
        assert rule_store.list_rules(connection) == []
    assert bench.detector.rules_settled(60)
    folder = index_folder(bench.data, ACTUAL)
    kept = [path.read_bytes() for path in folder.iterdir()]
    assert kept
    assert not any(b"mimi" in each for each in kept)
