"""The Admiralty code: how reliable a source is (A to F) and how credible what it says is (1 to 6).

Source: NATO AJP-2.1, as the MISP taxonomy `admiralty-scale` writes it; credibility as a number is STIX 2.1, Appendix A.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from mithaq.standards.confidence import ADMIRALTY_CREDIBILITY

RELIABILITY: Final = {
    "A": "Completely reliable",
    "B": "Usually reliable",
    "C": "Fairly reliable",
    "D": "Not usually reliable",
    "E": "Unreliable",
    "F": "Reliability cannot be judged",
}
CREDIBILITY: Final = {
    "1": "Confirmed by other sources",
    "2": "Probably true",
    "3": "Possibly true",
    "4": "Doubtful",
    "5": "Improbable",
    "6": "Truth cannot be judged",
}
_CODE: Final = re.compile(r"([A-F]?)([1-6]?)")
_TAG: Final = re.compile(r'admiralty-scale:(source-reliability|information-credibility)="?([a-g1-6])"?', re.IGNORECASE)
_WEIGHTS: Final = {"A": 100, "B": 75, "C": 50, "D": 25, "E": 0}


@dataclass(frozen=True, slots=True)
class Admiralty:
    """A rating; either half may be missing, as an empty text."""

    reliability: str = ""
    credibility: str = ""

    def __str__(self) -> str:
        return f"{self.reliability}{self.credibility}"

    @staticmethod
    def parse(text: str) -> Admiralty | None:
        """Return the rating that somebody wrote (`B2`, `b`, `2`), or None.

        >>> str(Admiralty.parse(" b2 "))
        'B2'
        """
        match = _CODE.fullmatch(text.strip().upper())
        return Admiralty(*match.groups()) if match and match.group() else None

    @property
    def confidence(self) -> int | None:
        """Return the STIX confidence of the credibility; None where there is none, or the truth cannot be judged."""
        step = next((step for step in ADMIRALTY_CREDIBILITY.steps if step.word[0] == self.credibility), None)
        return None if step is None else step.value

    @property
    def weight(self) -> int | None:
        """Return how reliable the source is, from 0 to 100 as the MISP taxonomy counts; None where nobody can judge."""
        return _WEIGHTS.get(self.reliability)


def admiralty_of(labels: Iterable[str]) -> Admiralty | None:
    """Return the rating that an object's `admiralty-scale:` tags give; of two claims the lower one counts.

    `g`, "deliberately deceptive", which only the taxonomy has, is told as E.
    """
    found = {"source-reliability": "", "information-credibility": ""}
    for label in labels:
        match = _TAG.fullmatch(label.strip())
        if match is None:
            continue
        name, value = match.group(1).lower(), match.group(2).upper()
        value = "E" if value == "G" else value
        if value in (RELIABILITY if name == "source-reliability" else CREDIBILITY):
            found[name] = max(found[name], value)
    rating = Admiralty(found["source-reliability"], found["information-credibility"])
    return rating if str(rating) else None
