"""How grave an object is, in the words of the qualitative severity rating scale (CVSS 4.0 §6)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Final


class Severity(IntEnum):
    """Order the ratings; an object that states none is below all of them."""

    UNSTATED = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @property
    def label(self) -> str:
        """Return the label as it is written on an object, `severity:high`."""
        return f"severity:{self.name.lower()}"

    @staticmethod
    def parse(text: str) -> Severity:
        """Return the rating a person or a label wrote (`high`, `severity:HIGH`), or UNSTATED."""
        return _BY_NAME.get(text.strip().lower().removeprefix("severity:").strip(), Severity.UNSTATED)


_BY_NAME: Final = {severity.name.lower(): severity for severity in Severity}


def severity_of(labels: Iterable[str]) -> Severity:
    """Return the lowest severity among an object's `severity:` labels: of two claims the lesser opens less."""
    found = [Severity.parse(label) for label in labels if label.strip().lower().startswith("severity:")]
    return min(found, default=Severity.UNSTATED)
