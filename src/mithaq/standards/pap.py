"""Permissible Actions Protocol: what a recipient may do with information that an adversary could notice.

Source: SGDSN/ANSSI and MISP taxonomy `PAP`; CLEAR is the newer name of WHITE.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Final


class Pap(IntEnum):
    """Order the labels from every action allowed to none that the adversary could see."""

    CLEAR = 0
    GREEN = 1
    AMBER = 2
    RED = 3

    @property
    def label(self) -> str:
        """Return the label as it is written on a document, `PAP:AMBER`."""
        return f"PAP:{self.name}"

    @staticmethod
    def parse(text: str) -> Pap | None:
        """Return the label a person or a tag wrote (`PAP:GREEN`, `amber`, `white`), or None."""
        return _BY_NAME.get(text.strip().upper().removeprefix("PAP:").strip())


_BY_NAME: Final = {pap.name: pap for pap in Pap} | {"WHITE": Pap.CLEAR}


def pap_of(labels: Iterable[str]) -> Pap | None:
    """Return the strictest `PAP:` label among an object's labels, or None if there is none."""
    found = [Pap.parse(label) for label in labels if label.strip().upper().startswith("PAP:")]
    return max((pap for pap in found if pap is not None), default=None)
