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

_TELLING_CHARS = 6
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

    @property
    def shown(self) -> str:
        """Return what a list says of it."""
        return self.seen.value

    @property
    def values(self) -> tuple[str, ...]:
        """Return what no word about the hit may quote."""
        return (self.seen.value, self.matched.value)

    @property
    def told_apart(self) -> tuple[str, str]:
        """Return what hits on one object differ in: they are decided about apart."""
        return (self.seen.type, self.seen.value)

    @property
    def level(self) -> str:
        """Return nothing: Sigma's levels are of rules."""
        return ""


@dataclass(frozen=True, slots=True)
class RuleSight:
    """The rule that an event made true, and what of the event did: fields and their values.

    A field without a name stands for the whole line, in which a keyword was found. `events`: of a correlation, how
    many events made it true; this one completed them.
    """

    rule_id: str
    title: str
    level: str
    answers: tuple[tuple[str, str], ...]
    events: int = 1

    @property
    def shown(self) -> str:
        """Return what a list says of it."""
        return self.title

    @property
    def values(self) -> tuple[str, ...]:
        """Return what no word about the hit may quote; a short one, such as a number, says nothing by itself."""
        return tuple(value for _, value in self.answers if len(value) >= _TELLING_CHARS)

    @property
    def told_apart(self) -> tuple[str, str]:
        """Return what hits on one object differ in: of one rule they are decided about together."""
        return ("rule", self.rule_id)


@dataclass(frozen=True, slots=True)
class Part:
    """What an event is of a pattern that needs several: the numbers of the observations that it satisfies."""

    numbers: frozenset[int]
    tree: Observing


@dataclass(frozen=True, slots=True)
class Match:
    """An indicator that an event satisfies, and what of the event does: the first observable, or a rule's answers.

    With `part`, the event alone does not.
    """

    event: Event
    sight: Sight | RuleSight
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
    wrote who dismissed it. `warned`: the warning lists on which the indicator's value stood then. `part`: not a hit
    yet, but what a pattern needs among other events. `companions`: these others, in order; they are of the same source
    and lie before it.
    """

    row: int
    hit_id: str
    event_id: str
    event_at: datetime
    source: str
    kind: str
    raw: bytes
    sight: Sight | RuleSight
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
    warned: tuple[str, ...] = ()
    part: Part | None = None
    companions: tuple[Companion, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """Hits of one object in one source on one value: what a person decides about at once.

    `new`, `confirmed` and `dismissed` add up to `count`; `retro` counts those found in stored telemetry. `first_at` and
    `last_at` are instants of events, `touched_at` that of the newest match. The origin is the newest hit's. `state` is
    NEW while any hit waits, then what was decided last. `warned`: the warning lists on which the value stands.
    `expected` says until when somebody expects further hits; they are dismissed as benign by that word as they come.
    """

    row: int
    lane: Lane
    indicator_id: str
    object_row: int
    source: str
    sight: Sight | RuleSight
    origin: Origin
    count: int
    new: int
    confirmed: int
    dismissed: int
    retro: int
    first_at: datetime
    last_at: datetime
    touched_at: datetime
    state: HitState
    dismissed_as: Dismissal | None = None
    warned: tuple[str, ...] = ()
    expected: "Expectation | None" = None


@dataclass(frozen=True, slots=True)
class Expectation:
    """A person's word that further hits of a group are benign until an instant."""

    by: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Span:
    """How often something was seen, and in which events first and last."""

    count: int
    first_at: datetime
    last_at: datetime


def group_key(hit: Hit) -> str:
    """Return what hits of one group have in common, as a digest: lane, object, source and the value that was seen."""
    parts = (str(hit.lane), hit.indicator_id, hit.source, *hit.sight.told_apart)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def hit_id(event_id: str, indicator_id: str, lane: Lane) -> str:
    """Return the identifier of a hit: found live, in retrospect or twice, it is the same one."""
    digest = hashlib.sha256(f"{event_id}\0{indicator_id}\0{lane}".encode()).digest()
    return f"hit--{uuid.UUID(bytes=digest[:16], version=5)}"
