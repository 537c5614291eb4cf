"""A pattern's lines are found exactly where a straightforward reading of pattern and record says that they are."""

import json
import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mithaq.detection.matcher import Matcher
from mithaq.detection.model import Indicator
from mithaq.detection.patterns.phrases import Phrases
from mithaq.detection.prefilter.choice import prefilter
from mithaq.kernel.lane import ACTUAL
from mithaq.standards.stix import Plan, plan_of, read_pattern
from mithaq.standards.stix.grammar import Comparison
from mithaq.standards.stix.tree import AllOf, AnyOf, Comparing, Observation, read_tree
from tests.prefiltering import AT
from tests.unit.telemetry.blocks import block

_HTTP = "network-traffic:extensions.'http-request-ext'."
FIELDS = {
    "network-traffic:dst_ref.value": "id.resp_h",
    "network-traffic:dst_port": "id.resp_p",
    f"{_HTTP}request_header.'User-Agent'": "user_agent",
    f"{_HTTP}request_header.Referer": "referrer",
    "domain-name:value": "query",
}
VALUES: dict[str, list[Any]] = {
    "id.resp_h": ["203.0.113.4", "203.0.113.5", "198.51.100.7"],
    "id.resp_p": [80, 443, 4444],
    "user_agent": ["Evil/1.0", "evil/1.0 (x)", 'Ev"il\\ /2', "شرير كبير", "ÉVIL Ünder"],
    "referrer": ["http://evil.example/a", "Evil/1.0", "none"],
    "query": ["evil.example", "a.evil.example", "notevil.example"],
}
CONNECTION = {"_path": "http", "ts": 1, "id.orig_h": "10.0.0.1"}
_quote = {"\\": "\\\\", "'": "\\'"}


def literal(value: object) -> str:
    text = "".join(_quote.get(character, character) for character in str(value))
    return str(value) if isinstance(value, int) else f"'{text}'"


@st.composite
def comparisons(draw: st.DrawFn) -> str:
    path = draw(st.sampled_from(sorted(FIELDS)))
    values = VALUES[FIELDS[path]]
    value = draw(st.sampled_from(values))
    if isinstance(value, int):
        return f"{path} {draw(st.sampled_from(['=', '!=', '<', '>=']))} {value}"
    match draw(st.integers(0, 4)):
        case 0:
            return f"{path} IN ({', '.join(map(literal, draw(st.lists(st.sampled_from(values), min_size=1))))})"
        case 1:
            start, end = sorted((draw(st.integers(0, len(value))), draw(st.integers(0, len(value)))))
            like = draw(st.sampled_from(["{}%", "%{}", "%{}%", "_{}%"])).format(value[start:end])
            return f"{path} LIKE {literal(like)}"
        case 2:
            return f"{path} != {literal(value)}"
        case _:
            return f"{path} = {literal(value)}"


trees = st.recursive(
    comparisons(),
    lambda part: st.tuples(part, st.sampled_from([" AND ", " OR "]), part).map(lambda parts: f"({''.join(parts)})"),
    max_leaves=5,
).map(lambda text: f"[{text}]")
records = st.lists(
    st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in VALUES.items()}), max_size=6
)


def obvious(test: Comparing, record: dict[str, Any]) -> bool:
    match test:
        case AllOf(parts):
            return all(obvious(part, record) for part in parts)
        case AnyOf(parts):
            return any(obvious(part, record) for part in parts)
        case Comparison():
            return compared(test, record)


def compared(test: Comparison, record: dict[str, Any]) -> bool:
    path = f"{test.object_type}:{'.'.join(test.path)}"
    name = {key.replace("'", ""): each for key, each in FIELDS.items()}[path]
    seen = [record[name]] if name in record else []
    if name == "query" and str(record.get("referrer", "")).startswith("http"):
        seen.append("evil.example")  # the host of a URL is a name, too
    return any(holds(test, name, value) != test.negated for value in seen)


def holds(test: Comparison, name: str, value: Any) -> bool:
    if isinstance(value, int):
        other = int(test.values[0])
        return {"=": value == other, "<": value < other, ">=": value >= other}[test.operator]
    if test.operator == "LIKE":
        expression = "".join({"%": ".*", "_": "."}.get(each) or re.escape(each) for each in test.values[0])
        return re.fullmatch(expression, value, re.DOTALL | (re.IGNORECASE if name == "query" else 0)) is not None
    if name == "query":
        return any(f".{value}".endswith(f".{each}") for each in test.values)
    return value in test.values


@settings(max_examples=300, deadline=None)
@given(trees, records, st.booleans())
def test_a_line_is_found_exactly_where_the_pattern_is_true_of_its_record(
    pattern: str, found: list[dict[str, Any]], ascii_only: bool
) -> None:
    plan = plan_of(pattern)
    if plan is not None and not isinstance(plan, Plan):
        return
    tree = read_tree(pattern)
    assert isinstance(tree, Observation)
    lines = [
        json.dumps({**CONNECTION, "uid": str(number), **record}, ensure_ascii=ascii_only).encode()
        for number, record in enumerate(found)
    ]
    sufficient = read_pattern(pattern).sufficient
    indicator = Indicator(1, "indicator--1", AT, ACTUAL, sufficient, plan=plan)
    expected = {line for line, record in zip(lines, found, strict=True) if obvious(tree.test, record)}
    got = hits(indicator, b"\n".join(lines))
    assert got <= expected
    if plan is None or not plan.left_out:
        assert got == expected


def hits(indicator: Indicator, text: bytes) -> set[bytes]:
    matcher, observables, phrases = Matcher([indicator]), prefilter(), Phrases()
    observables.add(each for each in indicator.anchors if each.type != "text")
    phrases.add(each.value for each in indicator.anchors if each.type == "text")
    spans = sorted({*observables.candidates(text), *phrases.candidates(text)})
    return {event.raw for event in block(text, AT).events_at(spans) if matcher.match(event, AT)}
