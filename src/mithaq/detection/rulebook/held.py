"""The words of Sigma rules in detection: a rule that is held, and what became of it. Light: no engine is imported."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from mithaq.detection.model import Indicator
from mithaq.detection.rulebook.store import Facts
from mithaq.intelligence.model import StoredObject
from mithaq.kernel.database import EPOCH
from mithaq.kernel.lane import Lane
from mithaq.kernel.reason import Reason

SIGMA: Final = "sigma"
"""STIX 2.1 §10.19, pattern-type-ov."""


@dataclass(frozen=True, slots=True)
class HeldRule:
    """One version of an indicator that is a Sigma rule; `text` may hold a correlation and its rules."""

    row: int
    indicator_id: str
    lane: Lane
    modified: datetime
    text: bytes
    valid_from: datetime | None
    valid_until: datetime | None

    @property
    def indicator(self) -> Indicator:
        """Return it as what a match names."""
        return Indicator(
            row=self.row,
            indicator_id=self.indicator_id,
            modified=self.modified,
            lane=self.lane,
            observables=(),
            valid_from=self.valid_from,
            valid_until=self.valid_until,
        )

    def is_valid(self, at: datetime) -> bool:
        """Tell whether a match at this instant counts."""
        return self.indicator.is_valid(at)


@dataclass(frozen=True, slots=True)
class Change:
    """What is to stand under an indicator's id: this version, or nothing any more."""

    lane: Lane
    indicator_id: str
    held: HeldRule | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a change: it is in force, or the rule cannot be followed."""

    change: Change
    facts: Facts = field(default_factory=Facts)
    problem: Reason | None = None


def index_folder(data: Path, lane: Lane) -> Path:
    """Return the folder in which a lane's compiled rules are kept."""
    return data / "detection" / "sigma" / str(lane)


def rule_of(stored: StoredObject, at: datetime) -> HeldRule | None:
    """Return the rule to follow, or None for an object that does not stand, is revoked or over, or is no Sigma rule.

    A protected version is for a partner: here its original is followed.
    """
    stix = stored.stix
    over = stix.valid_until is not None and stix.valid_until <= at
    if stix.pattern_type != SIGMA or stored.made_for is not None or not stored.stands or stix.revoked or over:
        return None
    return HeldRule(
        row=stored.row,
        indicator_id=stix.id,
        lane=stored.lane,
        modified=stix.modified or EPOCH,
        text=stix.pattern.encode(),
        valid_from=stix.valid_from,
        valid_until=stix.valid_until,
    )
