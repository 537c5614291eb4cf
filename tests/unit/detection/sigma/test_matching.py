"""What makes a rule true, value by value; and generated rules and events against the obvious reading."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mithaq.detection.sigma.engine import SigmaEngine
from mithaq.detection.sigma.fields import flatten
from mithaq.standards.sigma import LogSource
from tests.sigma_oracle import Oracle
from tests.unit.detection.sigma.rules import rule, rule_id, selection

ZEEK = (LogSource("zeek"),)


def hits(
    text: bytes, event: dict[str, object], sources: tuple[LogSource, ...] = ZEEK, raw: bytes | None = None
) -> bool:
    engine = SigmaEngine()
    engine.put(text)
    return engine.match(event, json.dumps(event).encode() if raw is None else raw, sources) != []


@pytest.mark.parametrize(
    ("body", "event"),
    [
        ("a: Foo", {"a": "fOO"}),
        ("a: 5", {"a": 5}),
        ("a: 5", {"a": "5"}),
        ("a: 5", {"a": 5.0}),
        ("a: true", {"a": True}),
        ("a: 'true'", {"a": True}),
        ("a: ''", {"a": ""}),
        ("a: null", {}),
        ("a: null", {"a": None}),
        ("a|exists: true", {"a": ""}),
        ("a|exists: true", {"a": []}),
        ("a|exists: true", {"a": {"b": 1}}),
        ("a: '*'", {"a": ""}),
        ("a: f?o*", {"a": "fXoo\nbar"}),
        ("a: 'f?o'", {"a": "fÉo"}),
        ("a|contains: 'é'", {"a": "CAFÉ"}),
        ("a|endswith: bar", {"a": ["x", "foobar"]}),
        ("a|contains|all: [x, y]", {"a": ["x", "y"]}),
        ("a|cased: Foo", {"a": "Foo"}),
        ("a|re: '^fo+$'", {"a": "foo"}),
        ("a|re|i: 'FO+'", {"a": "xfoox"}),
        ("a|re: '^$'", {"a": ""}),
        ("a|cidr: 10.0.0.0/8", {"a": "::ffff:10.1.2.3"}),
        ("a|cidr: '2001:db8::/32'", {"a": "2001:0db8:0:0::1"}),
        ("a|gte: 5", {"a": "7.5"}),
        ("a|lt: 5", {"a": 4}),
        ("a|fieldref: b", {"a": "X", "b": "x"}),
        ("a|fieldref|endswith: b", {"a": "foo.exe", "b": "EXE"}),
        ("a|hour: 3", {"a": "2026-11-23T03:20:00Z"}),
        ("a|base64offset|contains: foo", {"a": "xxZm9vxx"}),
        ("a|windash|contains: ' -x'", {"a": "cmd /x"}),
        ("a|neq: foo", {"a": "bar"}),
        ("ThreatName: x", {"Threat Name": "X"}),
        ("eventid: 1", {"EventID": 1}),
    ],
)
def test_a_value_is_found(body: str, event: dict[str, object]) -> None:
    assert hits(selection(body), event)


@pytest.mark.parametrize(
    ("body", "event"),
    [
        ("a: ''", {}),
        ("a: ''", {"a": None}),
        ("a: null", {"a": ""}),
        ("a: 1", {"a": True}),
        ("a: true", {"a": 1}),
        ("a|exists: false", {"a": ""}),
        ("a: foo", {"a": "foo "}),
        ("a|cased: Foo", {"a": "foo"}),
        ("a|re: 'FOO'", {"a": "foo"}),
        ("a|endswith: bar", {"a": "bar\n"}),
        ("a|re: 'a.b'", {"a": "a\nb"}),
        ("a|cidr: 10.0.0.0/8", {"a": "110.0.0.1"}),
        ("a|cidr: 10.0.0.0/8", {"a": "10.0.0.0.example"}),
        ("a|gte: 5", {"a": "1_0"}),
        ("a|gte: 5", {"a": "nan"}),
        ("a|fieldref: b", {}),
        ("a: foo", {"a": {"b": "foo"}}),
        ("a|contains: higan.org", {"a": "higan_org"}),
    ],
)
def test_what_only_looks_alike_is_not(body: str, event: dict[str, object]) -> None:
    assert not hits(selection(body), event)


def test_a_verdict_on_true_is_not_taken_for_one_on_1() -> None:
    engine = SigmaEngine()
    engine.put(selection("a: 1"))
    assert [bool(engine.match({"a": value}, b"", ZEEK)) for value in (True, 1, True, "1", 1.0)] == [
        False, True, False, True, True,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "raw",
    [
        rb'{"x": "say C:\\mal\\ware"}',
        rb'{"x": "say C:\\MAL\\Ware, with \"more\""}',
        rb'{"x": "C:\u005c\u006dal\u005cware"}',
        rb"<13>Nov 28 host app: C:\mal\ware",
    ],
)
def test_a_keyword_is_found_in_the_line_however_it_is_written(raw: bytes) -> None:
    assert hits(rule("keywords:\n    - '\\mal\\ware'\ncondition: keywords"), {}, raw=raw)


def test_a_backslash_before_u_is_no_escape() -> None:
    assert hits(rule("keywords:\n    - '\\u0041'\ncondition: keywords"), {}, raw=rb'{"x": "C:\\u0041"}')


@pytest.mark.parametrize(
    ("condition", "number", "hit"),
    [
        ("one and not x", 1, True),
        ("(one and not x) or (two and not y)", 2, True),
        ("(one and not x) or (two and not y)", 3, False),
        ("one or x", 3, False),
        ("not one", 2, True),
        ("not one", 1, False),
    ],
)
def test_a_rule_that_asks_little_but_the_number_of_an_event(condition: str, number: int, *, hit: bool) -> None:
    selections = "one:\n    EventID: 1\ntwo:\n    EventID: 2\nx:\n    a: x\ny:\n    a: y\n"
    assert hits(rule(f"{selections}condition: {condition}"), {"EventID": number, "a": "z"}) is hit


def test_fields_are_compared_anew_in_each_event() -> None:
    engine = SigmaEngine()
    engine.put(selection("a|fieldref: b\nc: 1"))
    events = [{"a": "x", "b": "y", "c": "1"}, {"a": "x", "b": "x", "c": "1"}, {"a": "y", "b": "x", "c": "1"}]
    assert [bool(engine.match(event, b"", ZEEK)) for event in events] == [False, True, False]


def test_a_keyword_is_sought_in_events_of_its_rules_channel_alone() -> None:
    keywords = "keywords:\n    - foo\ncondition: keywords"
    texts = {"any": rule(keywords, product="windows"),
             "one": rule(keywords, 2, product="windows", source="    service: application\n")}  # fmt: skip
    engine = SigmaEngine()
    engine.load(texts.items())
    for channel, expected in (("Application", ["any", "one"]), ("System", ["any"]), ("application", ["any", "one"])):
        fields, sources = flatten({"Channel": channel, "EventID": 1})
        assert [each.key for each in engine.match(fields, rb'{"a": "\u0066oo"}', sources)] == expected


def test_a_rule_is_asked_only_of_events_of_its_source() -> None:
    web = selection("c-useragent: ''", product="any", source="    category: proxy\n").replace(
        b"    product: any\n", b""
    )
    event: dict[str, object] = {"c-useragent": ""}
    assert hits(web, event, (LogSource("squid", "proxy"),))
    assert not hits(web, event, (LogSource("windows"),))
    assert not hits(selection("a: 1", product="linux"), {"a": 1})


def test_a_windows_rule_asks_the_channel_and_the_number_of_the_event() -> None:
    text = selection("Image|endswith: \\cmd.exe", product="windows", source="    category: process_creation\n")
    sysmon = {"Channel": "Microsoft-Windows-Sysmon/Operational", "EventID": 1, "Image": "C:\\cmd.exe"}
    for event, expected in (
        (sysmon, True),
        ({**sysmon, "EventID": 7}, False),
        ({**sysmon, "Channel": "Security"}, False),
    ):
        fields, sources = flatten(event)
        assert hits(text, fields, sources) is expected


_NAMES = st.sampled_from(["a", "b", "EventID"])
"""The number of an event is asked before the others."""
_TEXT = st.text("aAbB.\\*?/- é'\"\n", max_size=5)
_VALUE = st.one_of(_TEXT, st.integers(-2, 12), st.booleans(), st.sampled_from([1.0, 2.5]))
_MODIFIERS = st.sampled_from(
    ["", "|contains", "|startswith", "|endswith", "|contains|all", "|cased", "|cased|contains"]
)


@st.composite
def _items(draw: st.DrawFn) -> dict[str, object]:
    found: dict[str, object] = {}
    for name in draw(st.lists(_NAMES, min_size=1, max_size=2, unique=True)):
        kind = draw(st.integers(0, 5))
        if kind == 0:
            found[f"{name}|gte"] = draw(st.integers(-2, 12))
        elif kind == 1:
            found[name] = draw(st.one_of(st.none(), st.just(""), _VALUE))
        elif kind == 2:
            found[f"{name}|fieldref"] = draw(_NAMES)
        else:
            values = st.lists(_TEXT.filter(bool), min_size=1, max_size=3)
            modifiers = draw(_MODIFIERS)
            given_values = draw(values)
            found[name + modifiers] = (
                given_values if len(given_values) > 1 or "all" not in modifiers else [*given_values] * 2
            )
    return found


@st.composite
def _rules(draw: st.DrawFn, number: int = 1) -> bytes:
    detection: dict[str, object] = {
        "one": draw(_items()),
        "two": draw(st.one_of(_items(), st.lists(_items(), min_size=1, max_size=2))),
        "three": draw(st.lists(_TEXT.filter(lambda text: text.strip("*?\\ \n")), min_size=1, max_size=2)),
    }
    detection["condition"] = draw(
        st.sampled_from([
            "one", "one and two", "one or two", "one and not two", "not one and two", "not (one or two)",
            "1 of them", "all of t*", "three and not one", "one or (two and not three)",
        ])
    )  # fmt: skip
    fields = {
        "title": "Generated",
        "id": rule_id(number),
        "logsource": {"product": "zeek"},
        "detection": detection,
    }
    return yaml.safe_dump(fields, allow_unicode=True).encode()


_EVENT = st.dictionaries(_NAMES, st.one_of(_VALUE, st.none(), st.lists(_VALUE, max_size=3)), max_size=3)


@given(st.data())
def test_generated_rules_hit_generated_events_as_the_obvious_reading_says(data: st.DataObject) -> None:
    texts = [data.draw(_rules(number)) for number in range(3)]
    engine = SigmaEngine()
    engine.load([(str(number), text) for number, text in enumerate(texts[:2])])
    engine.put(texts[2])
    oracles = [Oracle(text) for text in texts]
    events = data.draw(st.lists(_EVENT, min_size=1, max_size=4))
    for event in (*events, *events):
        raw = json.dumps(event, ensure_ascii=False).encode()
        found = {matched.rule for matched in engine.match(event, raw, ZEEK)}
        assert found == {oracle.id for oracle in oracles if oracle.matches(event, raw)}
