"""The Admiralty code and the confidence scales are those of the standards, in both directions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mithaq.standards.admiralty import CREDIBILITY, RELIABILITY, Admiralty, admiralty_of
from mithaq.standards.confidence import ADMIRALTY_CREDIBILITY, DNI, NONE_LOW_MED_HIGH, SCALES, WEP, ZERO_TEN, Scale


@pytest.mark.parametrize("letter", [*RELIABILITY, ""])
@pytest.mark.parametrize("digit", [*CREDIBILITY, ""])
def test_what_is_written_is_read_back(letter: str, digit: str) -> None:
    found = Admiralty.parse(f" {letter.lower()}{digit} ")
    assert found == (Admiralty(letter, digit) if letter or digit else None)


@pytest.mark.parametrize("text", ["", "G1", "A7", "2B", "AA", "B22", "B 2"])
def test_what_is_no_rating_is_none(text: str) -> None:
    assert Admiralty.parse(text) is None


@pytest.mark.parametrize(("digit", "value"), [("1", 90), ("2", 70), ("3", 50), ("4", 30), ("5", 10), ("6", None)])
def test_credibility_is_a_confidence_and_back(digit: str, value: int | None) -> None:
    assert Admiralty("", digit).confidence == value
    assert ADMIRALTY_CREDIBILITY.word_of(value)[0] == digit


def test_the_words_of_the_two_tables_are_the_same() -> None:
    words = [*(step.word for step in ADMIRALTY_CREDIBILITY.steps), ADMIRALTY_CREDIBILITY.unstated]
    assert {word[0]: word[4:].lower() for word in words} == {key: word.lower() for key, word in CREDIBILITY.items()}


@given(st.sampled_from(SCALES), st.integers(0, 100))
def test_every_number_has_one_word_in_every_scale(scale: Scale, value: int) -> None:
    assert sum(step.low <= value <= step.high for step in scale.steps) == 1
    word = scale.word_of(value)
    back = scale.value_of(word)
    assert back is not None
    assert scale.word_of(back) == word


@given(st.sampled_from(SCALES), st.integers(0, 100), st.integers(0, 100))
def test_a_higher_number_is_never_a_lower_word(scale: Scale, left: int, right: int) -> None:
    order = [step.word for step in scale.steps]
    low, high = sorted((left, right))
    assert order.index(scale.word_of(low)) <= order.index(scale.word_of(high))


@pytest.mark.parametrize("value", [-1, 101])
def test_what_is_no_confidence_has_no_word(value: int) -> None:
    with pytest.raises(ValueError, match="from 0 to 100"):
        WEP.word_of(value)


@pytest.mark.parametrize(
    ("scale", "word", "value"),
    [
        (NONE_LOW_MED_HIGH, "Med", 50),
        (ZERO_TEN, "7", 70),
        (WEP, "Highly Unlikely/Almost Certainly Not", 10),
        (DNI, "Roughly Even Chance / Roughly Even Odds", 50),
        (DNI, "Even Chance", None),
    ],
)
def test_words_are_the_standards(scale: Scale, word: str, value: int | None) -> None:
    assert scale.value_of(word) == value


def test_tags_are_read_and_the_lower_claim_counts() -> None:
    labels = [
        'admiralty-scale:source-reliability="b"',
        'admiralty-scale:source-reliability="c"',
        'admiralty-scale:information-credibility="2"',
        'admiralty-scale:information-credibility="x"',
        "tlp:green",
    ]
    assert admiralty_of(labels) == Admiralty("C", "2")
    assert admiralty_of(['admiralty-scale:source-reliability="g"']) == Admiralty("E", "")
    assert admiralty_of(['admiralty-scale:source-reliability="2"', "x"]) is None
