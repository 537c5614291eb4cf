import json
from collections.abc import Callable
from enum import StrEnum

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from mithaq.kernel import canonical
from mithaq.kernel.canonical import BadJson

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)

_awkward = st.sampled_from(
    ["\x00", "\x1f", "\x7f", "\b\f\n\r\t", '"', "\\", "/", "\u2028", "\u2029", "é", "ميثاق", "\ue000", "\uffff"]
) | st.sampled_from(["\U0001f600", "\ud800", "\udfff", "\ud83d\ude00"])
_texts = st.lists(_awkward | st.text(max_size=3), max_size=4).map("".join)
_numbers = (
    st.sampled_from([0, -0.0, 1.0, 1e21, 1e-7, 5e-324, 2**53 - 1, 2**53, -(2**53), 2**63, 2**64, 10**400])
    | st.integers()
    | st.floats()
)
_anything = st.recursive(
    st.none() | st.booleans() | _numbers | _texts | st.binary(max_size=3) | st.dates() | st.decimals(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(_texts | st.integers(0, 9), inner, max_size=5)
    ),
    max_leaves=12,
)


class _Colour(StrEnum):
    RED = "red"


def _outcome(work: Callable[[], object]) -> object:
    """Return what comes out, or the kind of error."""
    try:
        return work()
    except (ValueError, TypeError, RecursionError, BadJson) as error:
        return type(error)


@given(_anything)
@example({"\U0001f600": 1, "\uffff": 2})
@example({"é": 1, "z": 2, "A": {"b": [], "a": {}}})
@example([True, 1, False, 0, None, (), -(2**53) + 1])
@example({_Colour.RED: _Colour.RED})
@example([[[[[["deep"]]]]]] * 2)
def test_every_value_is_written_or_refused_as_rfc8785_does(value: object) -> None:
    assert _outcome(lambda: canonical.dumps(value)) == _outcome(lambda: rfc8785.dumps(value))  # type: ignore[arg-type]


def _nested(levels: int) -> object:
    value: object = 1
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


@pytest.mark.parametrize("levels", [63, 64, 65, 200])
def test_every_depth_is_written_as_rfc8785_does(levels: int) -> None:
    assert canonical.dumps(_nested(levels)) == rfc8785.dumps(_nested(levels))  # type: ignore[arg-type]


def _strictly(data: bytes) -> object:
    """Read as the obvious way does: `json`, no key twice, no NaN, at most 64 levels."""

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len({key for key, _ in pairs}) != len(pairs):
            raise BadJson("twice")
        return dict(pairs)

    def refused(name: str) -> object:
        raise BadJson(name)

    if _depth(data.decode("utf-8", "replace"))[0] > canonical.MAX_DEPTH:
        raise BadJson("deeper")
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=unique, parse_constant=refused)
    except (ValueError, RecursionError) as error:
        raise BadJson("broken") from error


def _depth(text: str) -> tuple[int, bool]:
    """Return how deep brackets outside strings nest before the first backslash there, and whether there is none."""
    depth = deepest = 0
    inside = escaped = False
    for char in text:
        if inside:
            inside, escaped = escaped or char != '"', char == "\\" and not escaped
        elif char == "\\":
            return deepest, False
        else:
            inside = char == '"'
            depth += (char in "[{") - (char in "]}")
            deepest = max(deepest, depth)
    return deepest, True


def _shown(work: Callable[[], object]) -> str:
    """Return an outcome in a form that tells 1 from True and 1.0, and one order of keys from another."""
    return repr(_outcome(work))


_bytes_of_json = _anything.map(lambda value: _outcome(lambda: canonical.dumps(value))).filter(
    lambda data: isinstance(data, bytes)
) | json_values.map(lambda value: json.dumps(value).encode())
_pieces = st.sampled_from(
    [*'[]{}",:\\', '""', '\\"', '{"a":', '"a"', "1", "1.0", "-0", "NaN", "null", "1e400", "\\ud800", "é", " "]
)
_scraps = st.lists(_pieces, max_size=12).map(lambda pieces: "".join(pieces).encode())


@given(_bytes_of_json | _scraps | st.binary(max_size=12))
@example(b'{"a":1,"a":1}')
@example(b'{"b":1,"a":1}')
@example(b'"\\ud800"')
@example(b'"\xed\xa0\x80"')
@example(b"-0")
@example(b"9007199254740992")
@example(b'{"a":[1000000000000000,-999999999999999,18446744073709551616]}')
@example(b'{"a":1,"a" :2}')
@example(b'{"a":":","a"\n:2}')
@example(b'{"a\\":1,"b":":c :"}')
@example(b'{"a":{"b":"\\":"},"c":[1.5]}')
@example(b"[" * 65 + b"]" * 65)
@example(b"[" * 64 + b"]" * 64)
def test_every_bytes_are_read_or_refused_as_the_obvious_reader_does(data: bytes) -> None:
    assert _shown(lambda: canonical.loads(data)) == _shown(lambda: _strictly(data))


@given(_bytes_of_json | _scraps)
def test_signed_json_is_read_exactly_when_rfc8785_writes_it_so(data: bytes) -> None:
    def obviously() -> object:
        value = _strictly(data)
        if _outcome(lambda: rfc8785.dumps(value)) != data:  # type: ignore[arg-type]
            raise BadJson("not canonical")
        return value

    assert _shown(lambda: canonical.loads_canonical(data)) == _shown(obviously)


@given(st.lists(_pieces, max_size=30).map("".join), st.integers(0, 4))
def test_the_depth_is_counted_as_byte_by_byte(text: str, limit: int) -> None:
    exceeds = _outcome(lambda: canonical.check_depth(text.encode(), limit)) is BadJson
    depth, could_be_json = _depth(text)
    assert exceeds == (depth > limit) if could_be_json else exceeds >= (depth > limit)


@given(json_values)
def test_what_is_written_canonically_reads_back_equal(value: object) -> None:
    try:
        data = canonical.dumps(value)
    except UnicodeEncodeError:
        return
    assert canonical.loads_canonical(data) == value


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b'{"tlp":"red","tlp":"clear"}', "twice"),
        (b'{"a":NaN}', "NaN"),
        (b'{"a":1', "broken"),
        (b'"\xff"', "broken"),
        (b"[" * 100_000 + b"]" * 100_000, "deeper"),
        (b'{"a":' * 100_000, "deeper"),
        (b"[" + b" " * 100 + b"]", "larger"),
    ],
)
def test_hostile_json_is_refused_with_its_name_and_the_reason(data: bytes, word: str) -> None:
    with pytest.raises(BadJson, match=rf"card--1: .*{word}"):
        canonical.loads(data, max_bytes=1_000_000 if word != "larger" else 50, subject="card--1")


def test_brackets_inside_strings_are_not_nesting() -> None:
    text = '"' + "[" * 500 + '\\"' + "{" * 500 + '\\\\"'
    assert canonical.loads(text.encode()) == "[" * 500 + '"' + "{" * 500 + "\\"


@pytest.mark.parametrize("data", [b'{"a": 1}', b'{"b":1,"a":1}', b'{"a":1.0}', b'{"a":"\\u0041"}'])
def test_signed_json_must_be_canonical_byte_for_byte(data: bytes) -> None:
    canonical.loads(data)
    with pytest.raises(BadJson, match="canonical"):
        canonical.loads_canonical(data)
