"""Foreign rules that would cost more than they may: refused by name, with the reason."""

from __future__ import annotations

import pytest

from mithaq.detection.sigma.engine import SigmaEngine
from mithaq.standards.sigma import BadRule, LogSource
from tests.unit.detection.sigma.rules import rule, rule_id, selection

MANY = "[" + ", ".join(f"v{number}" for number in range(100_000)) + "]"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (selection(f"a: {MANY}"), "larger than the limit|more than 10000 values"),
        (selection(f"a: [{', '.join(['x'] * 30_000)}]"), "more than 10000 values"),
        (selection("a: &x [1]\nb: *x"), "aliases"),
        (selection("a: " + "[" * 40 + "]" * 40), "nested deeper"),
        (selection("a: " + "x" * 70_000), "longer than 65536"),
        (selection("a: !!python/object/apply:os.system [id]"), "the YAML tag"),
        (selection("a: !!python/name:os.system x"), "the YAML tag"),
        (selection("a: 1\na: 2"), "stands twice"),
        (selection("a|re: '(?=x)y'"), "cannot be bounded"),
        (selection(r"a|re: '(x)\1'"), "cannot be bounded"),
        (selection("a|re: '((x{1,1000}){1,900}){1,900}'"), "cannot be bounded"),
        (selection("a|re: '(x.{0,999}y.{0,999}){9}'"), "cannot be bounded"),
        (selection(f"a|re: '{'x' * 5_000}'"), "longer than 4096"),
        (selection("a|re: '('"), "cannot be read"),
        (selection("a|windash: 'x -a -b -c -d -e -f'"), "windash"),
        (selection("a|expand: '%hosts%'"), "placeholder hosts"),
        (selection("a: 1", condition="(" * 30 + "selection" + ")" * 30), "nested deeper than 20"),
        (selection("a: 1", condition="not " * 30 + "selection"), "nested deeper than 20"),
        (selection("a: 1", condition="1 of s*e*l*e*c*t*"), "wildcards in the name"),
        (selection("a: 1", condition="selection | count() > 5"), "cannot be read"),
        (selection("a: 1", condition="missing"), "cannot be read"),
        (selection("a: 1", condition="selection or " * 500 + "selection"), "longer than 4096"),
        (selection(f"a: [{', '.join(map(str, range(5_000)))}]", condition="1 of them or " * 30 + "selection"), "20000"),
        (
            rule("\n".join(f"s{number}: [x]" for number in range(1_500)) + "\ncondition: s1"),
            "more than 1000 selections",
        ),
        (rule("keywords: ['*']\ncondition: keywords"), "says nothing"),
        (selection("a: 1").replace(b"id:", b"other:"), "without an id"),
        (selection("a: 1").replace(rule_id(1).encode(), b"mine"), "is a UUID"),
        (selection("a: 1") + b"---\n" + selection("a: 1", 2), "no correlation of them"),
        (b"\xff\xfe\x00", "not valid YAML"),
        (b"- 1\n- 2\n", "one YAML mapping"),
    ],
)
def test_a_rule_over_a_limit_is_refused_with_the_reason(text: bytes, problem: str) -> None:
    with pytest.raises(BadRule, match=problem):
        SigmaEngine().put(text, "place")


def test_the_refusal_names_the_rule() -> None:
    with pytest.raises(BadRule) as refused:
        SigmaEngine().put(selection("a|re: '(?=x)'"))
    assert refused.value.subject == rule_id(1)


def test_a_catastrophic_regex_is_linear() -> None:
    engine = SigmaEngine()
    engine.put(selection("a|re: '^(x+x+)+y$'"))
    engine.put(selection("a|re: '(.*a){12}'", 2))
    assert engine.match({"a": "x" * 1_000_000}, b"", (LogSource("zeek"),)) == []
    assert engine.match({"a": "x" * 1_000_000 + "y"}, b"", (LogSource("zeek"),)) != []


def test_a_pattern_that_hyperscan_does_not_take_is_left_to_re2() -> None:
    engine = SigmaEngine()
    unit = engine.put(selection("a|re: '(.*a.{100}b){3}'"))
    assert [each.operator for each in unit.detections[0].predicates] == ["re-slow"]
    assert engine.match({"a": ("a" + "x" * 100 + "b") * 3}, b"", (LogSource("zeek"),)) != []
    assert engine.match({"a": ("a" + "x" * 99 + "b") * 3}, b"", (LogSource("zeek"),)) == []


def test_a_value_of_a_foreign_event_may_be_of_any_kind() -> None:
    engine = SigmaEngine()
    engine.put(selection("a|contains: foo"))
    engine.put(rule("keywords:\n    - föö\ncondition: keywords", 2))
    for value in ("\ud800foo", "\x00foo", ["foo", None, {"b": 1}, [1]], 10**400, {"a": "foo"}, float("inf")):
        engine.match({"a": value}, b'{"\xff\xfe f\\ud800', (LogSource("zeek"),))
    assert engine.match({"a": "\ud800foo"}, b"", (LogSource("zeek"),)) != []
