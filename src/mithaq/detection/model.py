"""The words of detection: an indicator to look for, a hit, what people decided about it."""

import hashlib
import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane
from mithaq.standards.observable import Observable
from mithaq.standards.stix import Plan
from mithaq.standards.stix.tree import Observing
from mithaq.telemetry.model import Event

READER = "detection.matcher"
"""The name under which the detector keeps its place in the journal."""

HUNT_ASKED = "detection.hunt.asked"
"""What the journal says when somebody asks for a hunt through the past."""


@dataclass(frozen=True, slots=True)
class Indicator:
    """One version of a STIX indicator, as the matcher needs it; any of its observables makes it true.

    `plan`: its pattern, where that says more than its observables; it judges the events that have one of its anchors.
    """

    row: int
    indicator_id: str
    modified: datetime
    lane: Lane
    observables: tuple[Observable, ...]
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    plan: Plan | None = None

    @property
    def anchors(self) -> tuple[Observable, ...]:
        """Return everything by which an event is found that may satisfy it."""
        return self.observables if self.plan is None else (*self.observables, *self.plan.anchors)

    def is_valid(self, at: datetime) -> bool:
        """Tell whether a match at this instant counts (STIX 2.1 §4.7: at `valid_until` it no longer does).

        The instant is that of matching, not of the event: events from before `valid_from` are what a retro-hunt
        is for.
        """
        begun = self.valid_from is None or at >= self.valid_from
        return begun and (self.valid_until is None or at < self.valid_until)


class HitState(StrEnum):
    """What people decided about a hit."""

    NEW = "new"
    CONFIRMED = "confirmed"
    DISMISSED = "dismissed"


class Dismissal(StrEnum):
    """Why a hit is no attack: the indicator is wrong, or it is right and what was seen here is expected.

    Only the first says something of the indicator; a scan that this nation ordered itself does not.
    """

    FALSE_POSITIVE = "false-positive"
    BENIGN = "benign"


@dataclass(frozen=True, slots=True)
class Origin:
    """Who said that the matched thing is bad, and under which agreement this node may know it."""

    source: str
    nation: NationId
    agreement_id: str | None
    agreement_version: int | None

    @property
    def is_own(self) -> bool:
        """Tell whether this node said so itself."""
        return self.source == "own"


@dataclass(frozen=True, slots=True)
class Sight:
    """The observable that was seen, in which field, and the indicator's observable it satisfied."""

    field: str
    seen: Observable
    matched: Observable


@dataclass(frozen=True, slots=True)
class Part:
    """What an event is of a pattern that needs several: the numbers of the observations that it satisfies."""

    numbers: frozenset[int]
    tree: Observing


@dataclass(frozen=True, slots=True)
class Match:
    """An indicator that an event satisfies, with the first field that does; with `part`, the event alone does not."""

    event: Event
    sight: Sight
    indicator: Indicator
    part: Part | None = None


@dataclass(frozen=True, slots=True)
class Companion:
    """Another event without which the one of a hit would be none."""

    event_id: str
    event_at: datetime
    kind: str
    raw: bytes
    sight: Sight


@dataclass(frozen=True, slots=True)
class Hit:
    """An indicator of the holdings seen in one event of this node's telemetry.

    `dismissed_as`: None also for a hit that was dismissed before the two were told apart. `reason`: what the person
    wrote who dismissed it. `part`: not a hit yet, but what a pattern needs among other events. `companions`: these
    others, in order; they are of the same source and lie before it.
    """

    row: int
    hit_id: str
    event_id: str
    event_at: datetime
    source: str
    kind: str
    raw: bytes
    sight: Sight
    indicator_id: str
    object_row: int
    origin: Origin
    lane: Lane
    retro: bool
    matched_at: datetime
    state: HitState = HitState.NEW
    decided_by: str = ""
    decided_at: datetime | None = None
    sighting_id: str = ""
    dismissed_as: Dismissal | None = None
    reason: str = ""
    opinion_id: str = ""
    part: Part | None = None
    companions: tuple[Companion, ...] = ()


def hit_id(event_id: str, indicator_id: str, lane: Lane) -> str:
    """Return the identifier of a hit: found live, in retrospect or twice, it is the same one."""
    digest = hashlib.sha256(f"{event_id}\0{indicator_id}\0{lane}".encode()).digest()
    return f"hit--{uuid.UUID(bytes=digest[:16], version=5)}"
