import pytest
from hypothesis import given
from hypothesis import strategies as st

from mithaq.kernel import canonical
from mithaq.kernel.canonical import BadJson

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


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
