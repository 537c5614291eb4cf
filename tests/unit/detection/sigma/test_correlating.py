"""Correlations, event by event: each case is told as times in seconds and what was seen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mithaq.detection.sigma import settings
from mithaq.detection.sigma.engine import Matched, SigmaEngine
from mithaq.standards.sigma import BadRule, LogSource
from tests.unit.detection.sigma.rules import correlation, rule_id, selection

ZEEK = (LogSource("zeek"),)
START = datetime(2026, 11, 23, 12, tzinfo=UTC)
BASES = selection("a: one", 1, name="one") + b"---\n" + selection("a: two", 2, name="two")


def fired(engine: SigmaEngine, *events: tuple[float, dict[str, object]]) -> list[float]:
    """Return the times of the events with which the correlation was told."""
    told = []
    for seconds, fields in events:
        found = engine.match(fields, b"", ZEEK, START + timedelta(seconds=seconds))
        if rule_id(99) in {each.rule for each in found}:
            told.append(seconds)
    return told


def engine_of(body: str) -> SigmaEngine:
    engine = SigmaEngine()
    engine.put(BASES + b"---\n" + correlation(body))
    return engine


COUNT = "type: event_count\nrules: one\ngroup-by: [host]\ntimespan: 1m\ncondition: {gte: 3}"
VALUES = "type: value_count\nrules: [one]\ngroup-by: [host]\ntimespan: 1m\ncondition: {gte: 3, field: user}"
TOGETHER = "type: temporal\nrules: [one, two]\ngroup-by: [host]\ntimespan: 1m"
ORDERED = "type: temporal_ordered\nrules: [one, two]\ngroup-by: [host]\ntimespan: 1m"


def one(host: str = "h", **more: object) -> dict[str, object]:
    return {"a": "one", "host": host, **more}


def two(host: str = "h") -> dict[str, object]:
    return {"a": "two", "host": host}


def test_a_count_is_told_when_it_is_reached_within_the_timespan() -> None:
    assert fired(engine_of(COUNT), (0, one()), (30, one()), (59, one())) == [59]
    assert fired(engine_of(COUNT), (0, one()), (30, one()), (60, one())) == []


def test_groups_are_counted_apart_and_an_event_without_the_field_is_in_none() -> None:
    assert fired(engine_of(COUNT), (0, one("x")), (1, one("y")), (2, one("x")), (3, {"a": "one"})) == []


def test_what_goes_on_is_told_again_after_a_timespan() -> None:
    events = [(float(second), one()) for second in range(0, 150, 5)]
    assert fired(engine_of(COUNT), *events) == [10, 70, 130]


def test_different_values_are_counted_once_each() -> None:
    assert fired(engine_of(VALUES), *((n, one(user="A")) for n in range(5)), (6, one(user="a")), (7, one())) == []
    assert fired(engine_of(VALUES), (0, one(user="A")), (1, one(user="B")), (2, one(user="C"))) == [2]


def test_rules_together_need_no_order_and_in_order_they_do() -> None:
    assert fired(engine_of(TOGETHER), (0, two()), (10, one())) == [10]
    assert fired(engine_of(ORDERED), (0, two()), (10, one())) == []
    assert fired(engine_of(ORDERED), (0, one()), (10, two())) == [10]
    assert fired(engine_of(ORDERED), (0, one("x")), (10, two("y"))) == []


def test_a_late_event_counts_where_it_belongs_and_one_that_is_too_late_does_not() -> None:
    assert fired(engine_of(COUNT), (0, one()), (50, one()), (20, one())) == [20]
    assert fired(engine_of(ORDERED), (50, two()), (20, one())) == [20]
    assert fired(engine_of(COUNT), (0, one()), (10, one()), (1_000, one("other")), (20, one())) == []


def test_an_alias_names_the_field_of_each_rule() -> None:
    body = TOGETHER.replace("[host]", "[ip]") + "\naliases:\n    ip:\n        one: src\n        two: dst"
    events = [(0, {"a": "one", "src": "x"}), (1, {"a": "two", "dst": "y"}), (2, {"a": "two", "dst": "x"})]
    assert fired(engine_of(body), *events) == [2]


def test_the_rules_beside_a_correlation_are_silent_unless_it_says_otherwise() -> None:
    assert engine_of(COUNT).match(one(), b"", ZEEK) == []
    assert engine_of(COUNT + "\ngenerate: true").match(one(), b"", ZEEK) == [Matched(rule_id(99), rule_id(1))]


def test_a_correlation_hears_rules_of_other_units_by_id_and_not_by_name() -> None:
    for reference, expected in ((rule_id(1), [2]), ("one", [])):
        engine = SigmaEngine()
        engine.put(correlation(COUNT.replace("rules: one", f"rules: {reference}")))
        engine.put(selection("a: one", 1, name="one"))
        assert fired(engine, (0, one()), (1, one()), (2, one())) == expected


def test_a_correlation_of_correlations() -> None:
    many = correlation(COUNT + "\n", 98).replace(b"title:", b"name: many\ntitle:")
    engine = SigmaEngine()
    engine.put(BASES + b"---\n" + many + b"---\n" + correlation(TOGETHER.replace("[one, two]", "[many, two]")))
    assert fired(engine, (0, one()), (1, one()), (2, one()), (3, two())) == [3]


def test_history_is_told_apart_from_what_happens_now() -> None:
    engine = engine_of(COUNT)
    past = engine.for_the_past()
    assert fired(engine, (0, one()), (1, one())) == []
    assert fired(past, (2, one()), (3, one()), (4, one())) == [4]
    assert fired(engine, (2, one())) == [2]


def test_dropping_a_correlation_forgets_what_it_has_seen() -> None:
    engine = engine_of(COUNT)
    assert fired(engine, (0, one()), (1, one())) == []
    engine.drop(rule_id(99))
    engine.put(BASES + b"---\n" + correlation(COUNT))
    assert fired(engine, (2, one())) == []


def test_a_flood_of_groups_and_events_stays_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "MAX_GROUPS", 10)
    monkeypatch.setattr(settings, "MAX_GROUP_EVENTS", 20)
    monkeypatch.setattr(settings, "MAX_CORRELATED_EVENTS", 50)
    engine = engine_of(COUNT.replace("gte: 3", "gte: 19"))
    for number in range(500):
        fired(engine, (number / 100, one(f"host{number % 40}")), (number / 100, one("hot")))
    [followed] = engine._correlations._followed.values()
    assert len(followed._groups) <= 10
    assert followed._held == sum(len(group.events) for group in followed._groups.values()) <= 50
    assert fired(engine, *((6.0, one("hot")) for _ in range(1))) == []


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (COUNT.replace("event_count", "value_percentile"), "not computed"),
        (COUNT.replace("1m", "9y"), "timespan longer"),
        (COUNT.replace("gte: 3", "gte: 1000000"), "count larger"),
        (COUNT.replace("1m", "soon"), "cannot be read"),
        (TOGETHER + "\ncondition: one and not two", "written as text"),
        (VALUES.replace(", field: user", ""), "cannot be read"),
    ],
)
def test_a_correlation_that_is_not_computed_is_refused(body: str, problem: str) -> None:
    with pytest.raises(BadRule, match=problem):
        engine_of(body)
