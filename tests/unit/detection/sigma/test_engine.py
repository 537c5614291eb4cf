"""Rules that come, change and go while events are matched; what is kept between processes."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from pathlib import Path

import pytest

from mithaq.detection.sigma import cache, settings
from mithaq.detection.sigma.engine import Matched, SigmaEngine
from mithaq.detection.sigma.errors import TooManyRules
from mithaq.detection.sigma.fields import flatten
from mithaq.detection.sigma.reading import UnitReader
from mithaq.detection.sigma.tier import Tier
from mithaq.standards.sigma import BadRule, LogSource
from tests.unit.detection.sigma.rules import rule, rule_id, selection

ZEEK = (LogSource("zeek"),)


def found(engine: SigmaEngine, event: dict[str, object]) -> list[str]:
    return [matched.key for matched in engine.match(event, b"", ZEEK)]


def test_a_rule_is_live_once_it_is_put_and_gone_once_it_is_dropped() -> None:
    engine = SigmaEngine()
    engine.put(selection("a|contains: foo"), "first")
    assert engine.match({"a": "xfoox"}, b"", ZEEK) == [Matched("first", rule_id(1))]
    engine.put(selection("a|contains: oo", 2), "second")
    assert found(engine, {"a": "xfoox"}) == ["first", "second"]
    assert engine.drop("first")
    assert found(engine, {"a": "xfoox"}) == ["second"]
    assert not engine.drop("first")
    assert len(engine) == 1


def test_a_new_text_replaces_the_old_one_under_its_key() -> None:
    engine = SigmaEngine()
    engine.put(selection("a: foo"))
    engine.put(selection("a: bar"))
    assert found(engine, {"a": "foo"}) == []
    assert found(engine, {"a": "bar"}) == [rule_id(1)]


def test_a_text_that_cannot_be_followed_leaves_what_stood() -> None:
    engine = SigmaEngine()
    engine.put(selection("a: foo"))
    with pytest.raises(BadRule, match=rule_id(1)):
        engine.put(selection("a|re: '(?=x)'"))
    assert found(engine, {"a": "foo"}) == [rule_id(1)]


def test_many_rules_put_one_by_one_are_all_found_and_lie_in_few_indexes() -> None:
    engine = SigmaEngine()
    for number in range(40):
        engine.put(selection(f"a|endswith: x{number}y", number))
        assert found(engine, {"a": f"x{number}y"}) == [rule_id(number)]
    assert [found(engine, {"a": f"zx{number}y"}) for number in range(40)] == [[rule_id(number)] for number in range(40)]
    assert len(engine._tiers) <= 2 * settings.MAX_DELTAS
    engine.drop(rule_id(7))
    engine.merge()
    assert len(engine._tiers) == 1
    assert engine.beside == 0
    assert found(engine, {"a": "zx7y"}) == []
    assert found(engine, {"a": "zx8y"}) == [rule_id(8)]


def test_what_was_compiled_is_loaded_and_what_changed_since_is_compiled(tmp_path: Path) -> None:
    first = SigmaEngine(tmp_path)
    texts = {str(number): selection(f"a|contains: x{number}y", number) for number in range(5)}
    assert first.load(texts.items()) == []
    first.merge()
    snapshot = cache.read(tmp_path)
    assert snapshot is not None
    assert [kept.key for kept in snapshot.kept] == list(texts)
    second = SigmaEngine(tmp_path)
    del texts["1"]
    texts |= {"2": selection("a: changed", 2), "6": selection("a: new", 6)}
    assert second.load(texts.items()) == []
    assert [len(tier.entries) for tier in second._tiers] == [5, 2]
    asked = ["x0y", "x1y", "x2y", "x3y", "changed", "new"]
    assert [found(second, {"a": value}) for value in asked] == [["0"], [], [], ["3"], ["2"], ["6"]]
    assert second.beside == 4


def test_on_another_processor_rules_are_compiled_and_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [("1", selection("a|contains: foo")), ("2", selection("a: bar", 2))]
    first = SigmaEngine(tmp_path)
    first.load(texts)
    assert first.beside == 2
    (index,) = first._tiers
    first.merge()
    assert (first._tiers, first.beside) == ((index,), 0)
    monkeypatch.setattr(cache, "_processor", lambda: "another")
    second = SigmaEngine(tmp_path)
    monkeypatch.setattr(UnitReader, "read", None)
    assert second.load(texts) == []
    assert found(second, {"a": "xfoox"}) == ["1"]
    assert second.beside == 2
    second.merge()
    assert (snapshot := cache.read(tmp_path)) is not None
    assert snapshot.databases is not None


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: data[:50] + b"x" + data[51:], lambda _: b""])
def test_a_damaged_snapshot_is_compiled_anew(tmp_path: Path, damage: object) -> None:
    first = SigmaEngine(tmp_path)
    first.load([("1", selection("a|contains: foo"))])
    first.merge()
    [path] = tmp_path.iterdir()
    assert path.stat().st_mode & 0o077 == 0
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    second = SigmaEngine(tmp_path)
    second.load([("1", selection("a|contains: foo"))])
    assert found(second, {"a": "xfoox"}) == ["1"]


def test_of_a_set_the_bad_rules_are_told_and_the_others_live() -> None:
    engine = SigmaEngine()
    refused = engine.load([
        ("good", selection("a: foo")),
        ("bad", selection("a|nonsense: foo", 2)),
        ("empty", b""),
        ("yaml", b"id: [\n"),
    ])  # fmt: skip
    assert [key for key, _ in refused] == ["bad", "empty", "yaml"]
    assert found(engine, {"a": "foo"}) == ["good"]


def test_more_rules_than_an_engine_holds_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = SigmaEngine()
    engine.load([("good", selection("a: foo"))])
    monkeypatch.setattr(settings, "MAX_RULES", 1)
    with pytest.raises(TooManyRules):
        engine.put(selection("a: foo", 2))
    with pytest.raises(TooManyRules):
        engine.load([("1", selection("a: foo")), ("2", selection("a: foo", 2))])
    assert found(engine, {"a": "foo"}) == ["good"]


@pytest.mark.parametrize(("name", "bound"), [("MAX_REMEMBERED", 10), ("MAX_REMEMBERED_TEXT", 20)])
def test_what_is_remembered_is_bounded_and_forgetting_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, name: str, bound: int
) -> None:
    monkeypatch.setattr(settings, name, bound)
    engine = SigmaEngine()
    engine.put(selection("a|contains: '7'"))
    for number in range(100):
        event = {"a": str(number), f"b{number % 50}": "", "EventID": number, "Channel": "x"}
        assert bool(found(engine, event)) is ("7" in str(number))
        (tier,) = engine._tiers
        assert sum(map(len, remembered(tier))) <= bound


def remembered(tier: Tier) -> Iterator[Sized]:
    """Yield all that grows with events."""
    yield tier._routes._known
    for route in tier._routes._routes.values():
        yield from (route.shapes, route.decided)
        for column in route.columns.values():
            yield from (column, column._verdicts)


def test_an_event_log_an_agent_and_flat_records_give_the_same_fields() -> None:
    evtx = {
        "Event": {
            "System": {
                "Provider": {"#attributes": {"Name": "Sysmon"}}, "EventID": {"#text": 13, "#attributes": {"Q": 1}},
                "Channel": "Microsoft-Windows-Sysmon/Operational", "Computer": "host", "Correlation": None,
            },
            "EventData": {"#attributes": {"Name": "x"}, "Image": "a.exe", "Data": {"#text": ["p", "q"]}, "Gone": None},
        }
    }  # fmt: skip
    beat = {
        "message": "m",
        "winlog": {
            "provider_name": "Sysmon", "event_id": "13", "channel": "Microsoft-Windows-Sysmon/Operational",
            "computer_name": "host", "event_data": {"Image": "a.exe"},
        },
    }  # fmt: skip
    flat = {
        "SourceName": "Sysmon", "EventID": 13, "Channel": "Microsoft-Windows-Sysmon/Operational", "Hostname": "host",
        "Image": "a.exe",
    }  # fmt: skip
    common = {"Provider_Name": "Sysmon", "Channel": flat["Channel"], "Computer": "host", "Image": "a.exe"}
    registry = (
        LogSource("windows", "registry_event", "sysmon"),
        LogSource("windows", "registry_set", "sysmon"),
    )
    for record in (evtx, beat, flat):
        fields, sources = flatten(record)
        assert common.items() <= fields.items()
        assert str(fields["EventID"]) == "13"
        assert sources == registry
    assert flatten(evtx)[0]["Data"] == ["p", "q"]
    assert "Gone" not in flatten(evtx)[0]


def test_other_records_are_named_with_dots_within_limits() -> None:
    deep: object = 1
    for _ in range(100):
        deep = {"x": deep}
    fields, sources = flatten({"a": {"b": 1, "c": [{"d": 1}, {"d": [2, 3]}]}, "e": None, "deep": deep})
    assert fields == {"a.b": 1, "a.c.d": [1, 2, 3]}
    assert sources == ()
    wide, _ = flatten({str(number): number for number in range(10_000)})
    assert len(wide) == settings.MAX_FIELDS


def test_two_spellings_of_a_field_are_one_field() -> None:
    engine = SigmaEngine()
    engine.put(selection("Query: foo"), "query")
    assert found(engine, {"query": "x", "Query": "foo"}) == ["query"]


def test_a_keyword_rule_beside_others_reads_the_line_once_more(tmp_path: Path) -> None:
    engine = SigmaEngine(tmp_path)
    texts = [("k", rule("keywords:\n    - foo\ncondition: keywords")), ("s", selection("a: bar", 2))]
    engine.load(texts)
    engine.merge()
    again = SigmaEngine(tmp_path)
    again.load(texts)
    for each in (engine, again):
        assert [m.key for m in each.match({"a": "bar"}, b'{"a": "bar", "b": "xFOOx"}', ZEEK)] == ["k", "s"]
