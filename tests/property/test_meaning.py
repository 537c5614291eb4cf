"""Patterns that mean the same have one form however they are written, and patterns that do not never share one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mithaq.standards.stix import meaning_of

_PROPERTIES = (
    "ipv4-addr:value",
    "domain-name:value",
    "url:value",
    "file:hashes.MD5",
    "file:hashes.'SHA-256'",
    "file:name",
    "process:pid",
    "windows-registry-key:values[0].name",
)
_VALUES: dict[str, list[Any]] = {
    "ipv4-addr:value": ["198.51.100.7", "198.51.100.8", "203.0.113.0/24"],
    "domain-name:value": ["evil.example", "bücher.example", "other.example"],
    "url:value": ["https://evil.example/a?b=C", "https://evil.example/A?b=C", "http://other.example/"],
    "file:hashes.MD5": ["d41d8cd98f00b204e9800998ecf8427e", "a" * 32],
    "file:hashes.'SHA-256'": ["ab" * 32, "cd" * 32],
    "file:name": ["a'b\\c.exe", "A'b\\c.exe", "x  y"],
    "process:pid": [7, 8, 80],
    "windows-registry-key:values[0].name": ["Run", "run"],
}


@dataclass(frozen=True)
class Compared:
    path: str
    operator: str
    value: Any


@dataclass(frozen=True)
class Join:
    word: str
    parts: tuple[Any, ...]


@dataclass(frozen=True)
class Observation:
    inside: Any


@dataclass(frozen=True)
class Repeats:
    inside: Any
    times: int


@st.composite
def comparisons(draw: st.DrawFn) -> Compared:
    path = draw(st.sampled_from(_PROPERTIES))
    return Compared(path, draw(st.sampled_from(["=", "!=", "LIKE"])), draw(st.sampled_from(_VALUES[path])))


_inside = st.recursive(
    comparisons(),
    lambda inner: st.builds(Join, st.sampled_from(["AND", "OR"]), st.lists(inner, min_size=2, max_size=3).map(tuple)),
    max_leaves=5,
)
patterns = st.recursive(
    st.builds(Observation, _inside),
    lambda inner: (
        st.builds(
            Join, st.sampled_from(["AND", "OR", "FOLLOWEDBY"]), st.lists(inner, min_size=2, max_size=3).map(tuple)
        )
        | st.builds(Repeats, inner, st.integers(2, 4))
    ),
    max_leaves=4,
)


def written(data: st.DataObject, node: Any) -> str:
    """Write a pattern in one of the many ways that mean the same."""
    gap = data.draw(st.sampled_from([" ", "  ", "\n\t "]))
    match node:
        case Compared():
            return _test(data, node, gap)
        case Observation():
            return f"[{data.draw(st.sampled_from(['', ' ']))}{written(data, node.inside)}{gap}]"
        case Repeats():
            return f"({written(data, node.inside)}){gap}REPEATS{gap}{node.times}{gap}TIMES"
        case Join():
            parts = list(node.parts)
            if node.word != "FOLLOWEDBY":
                parts = data.draw(st.permutations(parts))
                if node.word == "OR" and data.draw(st.booleans()):
                    parts.append(parts[0])
            pieces = [
                _wrapped(written(data, part)) if isinstance(part, Join) else written(data, part) for part in parts
            ]
            return f"{gap}{node.word}{gap}".join(pieces)
    raise AssertionError(node)


def _wrapped(text: str) -> str:
    return f"({text})"


def _test(data: st.DataObject, node: Compared, gap: str) -> str:
    path = node.path
    if path.startswith("file:hashes"):
        name = path.rpartition(".")[2].strip("'")
        path = f"file:hashes.'{data.draw(st.sampled_from([name, name.lower()]))}'"
    operator = node.operator
    if operator == "=":
        operator = data.draw(st.sampled_from(["=", "==", "IN"]))
    elif operator == "!=":
        operator = data.draw(st.sampled_from(["!=", "<>", "NOT =", "NOT IN"]))
    value = node.value if isinstance(node.value, int) else _quoted(_spelled(data, node))
    return f"{path}{gap}{operator}{gap}{f'({value})' if operator.endswith('IN') else value}"


def _spelled(data: st.DataObject, node: Compared) -> str:
    text = str(node.value)
    if node.operator == "LIKE":
        return text
    if node.path in {"domain-name:value", "file:hashes.MD5", "file:hashes.'SHA-256'"} and data.draw(st.booleans()):
        text = text.upper()
    if node.path == "domain-name:value":
        text = text.replace("BÜCHER", "xn--bcher-kva") if data.draw(st.booleans()) else text
    if node.path in {"ipv4-addr:value", "domain-name:value"} and data.draw(st.booleans()):
        text = text.replace(".", "[.]")
    if node.path == "url:value" and data.draw(st.booleans()):
        text = text.replace("https://evil.example", "HTTPS://Evil.Example:443").replace("http://", "hxxp://")
    return text


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


@given(patterns, st.data())
def test_a_pattern_has_one_form_however_it_is_written(node: Any, data: st.DataObject) -> None:
    first, second = (written(data, node) for _ in range(2))
    assert meaning_of(first) is not None, first
    assert meaning_of(first) == meaning_of(second), (first, second)


_EVENTS: list[dict[str, Any]] = [
    dict(zip(_PROPERTIES, chosen, strict=True))
    for chosen in ([_VALUES[path][number % len(_VALUES[path])] for path in _PROPERTIES] for number in range(4))
]


def truth(node: Any, event: dict[str, Any]) -> bool:
    """Tell, the obvious way, whether one observation makes the inside of a pattern true."""
    match node:
        case Compared(path, "!=", value):
            return bool(event[path] != value)
        case Compared(path, _, value):
            return bool(event[path] == value)
        case Join("AND", parts):
            return all(truth(part, event) for part in parts)
        case Join(_, parts):
            return any(truth(part, event) for part in parts)
    raise AssertionError(node)


@given(_inside, _inside, st.data())
def test_patterns_that_some_event_tells_apart_have_different_forms(left: Any, right: Any, data: st.DataObject) -> None:
    told_apart = any(truth(left, event) != truth(right, event) for event in _EVENTS)
    if told_apart:
        first, second = written(data, Observation(left)), written(data, Observation(right))
        assert meaning_of(first) != meaning_of(second), (first, second)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("[process:pid = 80]", "[process:pid = '80']"),
        ("[file:name = 'a']", "[file:name = 'A']"),
        ("[file:name = 'a']", "[file:name = ' a']"),
        ("[file:name LIKE 'a']", "[file:name = 'a']"),
        ("[file:name = 'a'] AND [file:name = 'a']", "[file:name = 'a']"),
        ("[file:name = 'a'] FOLLOWEDBY [file:name = 'b']", "[file:name = 'b'] FOLLOWEDBY [file:name = 'a']"),
        ("[file:name = 'a' AND file:size = 1]", "[file:name = 'a' OR file:size = 1]"),
        ("[a:b = 'x' OR a:b = 'y' AND a:c = 'z']", "[(a:b = 'x' OR a:b = 'y') AND a:c = 'z']"),
        ("[file:name NOT IN ('a', 'b')]", "[file:name != 'a' AND file:name != 'b']"),
        ("[file:name = 'a'] REPEATS 2 TIMES", "[file:name = 'a'] REPEATS 3 TIMES"),
        ("[file:name = 'a'] WITHIN 2 SECONDS", "[file:name = 'a']"),
        ("[a:v[0] = 'x']", "[a:v[1] = 'x']"),
        ("[a:v[*] = 'x']", "[a:v = 'x']"),
        ("[domain-name:value = 'evil.example']", "[hostname:value = 'evil.example']"),
        ("[a:x = h'ab']", "[a:x = 'ab']"),
        ("[url:value = 'http://a.example/x#1']", "[url:value = 'http://a.example/x#2']"),
        ("[a:x MATCHES '\\\\d']", "[a:x MATCHES 'd']"),
    ],
)
def test_what_does_not_mean_the_same_has_another_form(left: str, right: str) -> None:
    assert meaning_of(left) is not None
    assert meaning_of(left) != meaning_of(right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("[file:name IN ('b', 'a')]", "[file:name = 'a'] OR [file:name = 'b']"),
        ("([file:name = 'a'])", "[((file:name = 'a'))]"),
        (
            "[network-traffic:dst_ref.type = 'ipv4-addr' AND network-traffic:dst_ref.value = '198.51.100.7']",
            "[network-traffic:dst_ref.value = '198.51.100.7']",
        ),
        ("[ipv4-addr:value ISSUBSET '203.0.113.9/24']", "[ipv4-addr:value ISSUBSET '203.0.113.0/24']"),
        ("[url:value = 'hxxps://evil[.]example/a']", "[url:value = 'https://evil.example/a']"),
        ("[file:hashes.SHA256 = 'AB']", "[file:hashes.'SHA-256' = 'AB']"),
    ],
)
def test_what_means_the_same_has_one_form(left: str, right: str) -> None:
    assert meaning_of(left) is not None
    assert meaning_of(left) == meaning_of(right)


def test_an_address_that_is_no_ipv4_address_keeps_its_guard() -> None:
    guarded = "[network-traffic:dst_ref.type = 'ipv6-addr' AND network-traffic:dst_ref.value = '198.51.100.7']"
    assert meaning_of(guarded) != meaning_of("[network-traffic:dst_ref.value = '198.51.100.7']")


@pytest.mark.parametrize(
    "pattern", ["", "[", "[a:b = ]", "[a:b ~ 'x']", "(" * 40 + "[a:b='c']" + ")" * 40, "x" * 100_001]
)
def test_what_cannot_be_read_has_no_form(pattern: str) -> None:
    assert meaning_of(pattern) is None


def test_a_pattern_in_another_language_is_its_own_text() -> None:
    assert meaning_of(" rule x {} ", "yara") == meaning_of("rule x {}", "yara")
    assert meaning_of("rule x {}", "yara") != meaning_of("rule x {}", "snort")
