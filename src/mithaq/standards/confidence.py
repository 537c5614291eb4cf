"""The confidence scales of STIX 2.1, Appendix A: words that people say, and the number that `confidence` holds.

The words are the standard's, verbatim. A word has one number; every number from 0 to 100 has one word in each scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Step:
    """One word of a scale: the number it stands for, and the range of numbers that it stands in for."""

    word: str
    value: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Scale:
    """One scale, lowest step first; `unstated` is the word by which it says nothing, for which there is no number."""

    name: str
    steps: tuple[Step, ...]
    unstated: str = ""

    def value_of(self, word: str) -> int | None:
        """Return the number a word stands for; None for what is no word of this scale, or says nothing."""
        return next((step.value for step in self.steps if step.word == word), None)

    def word_of(self, value: int | None) -> str:
        """Return the word for a confidence; without one, what the scale has for that.

        Raises:
            ValueError: the number is not from 0 to 100.
        """
        if value is None:
            return self.unstated
        for step in self.steps:
            if step.low <= value <= step.high:
                return step.word
        raise ValueError(f"a confidence is from 0 to 100, not {value}")


NONE_LOW_MED_HIGH: Final = Scale(
    "None / Low / Med / High",
    (Step("None", 0, 0, 0), Step("Low", 15, 1, 29), Step("Med", 50, 30, 69), Step("High", 85, 70, 100)),
    "Not Specified",
)
ZERO_TEN: Final = Scale(
    "0-10",
    tuple(
        Step(str(tens), tens * 10, max(0, tens * 10 - 5), 100 if tens == 10 else tens * 10 + 4) for tens in range(11)
    ),
)
ADMIRALTY_CREDIBILITY: Final = Scale(
    "Admiralty Credibility",
    (
        Step("5 - Improbable", 10, 0, 19),
        Step("4 - Doubtful", 30, 20, 39),
        Step("3 - Possibly True", 50, 40, 59),
        Step("2 - Probably True", 70, 60, 79),
        Step("1 - Confirmed by other sources", 90, 80, 100),
    ),
    "6 - Truth cannot be judged",
)
WEP: Final = Scale(
    "WEP",
    (
        Step("Impossible", 0, 0, 0),
        Step("Highly Unlikely/Almost Certainly Not", 10, 1, 19),
        Step("Unlikely/Probably Not", 30, 20, 39),
        Step("Even Chance", 50, 40, 59),
        Step("Likely/Probable", 70, 60, 79),
        Step("Highly likely/Almost Certain", 90, 80, 99),
        Step("Certain", 100, 100, 100),
    ),
    "Not Specified",
)
DNI: Final = Scale(
    "DNI Scale",
    (
        Step("Almost No Chance / Remote", 5, 0, 9),
        Step("Very Unlikely / Highly Improbable", 15, 10, 19),
        Step("Unlikely / Improbable", 30, 20, 39),
        Step("Roughly Even Chance / Roughly Even Odds", 50, 40, 59),
        Step("Likely / Probable", 70, 60, 79),
        Step("Very Likely / Highly Probable", 85, 80, 89),
        Step("Almost Certain / Nearly Certain", 95, 90, 100),
    ),
    "Not Specified",
)
SCALES: Final = (NONE_LOW_MED_HIGH, ZERO_TEN, ADMIRALTY_CREDIBILITY, WEP, DNI)
