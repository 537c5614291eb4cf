"""What is looked for: a prefilter that may say yes too often, and the holdings, which decide.

An observable that a line really has is asked of the holdings at that instant, so what expired, was revoked or
withdrawn, and what another lane looks for, gives no match, whatever the prefilter still knows of it.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from mithaq.detection.matcher import matches_of
from mithaq.detection.model import Indicator, Match
from mithaq.detection.patterns.phrases import Phrases
from mithaq.detection.prefilter.choice import prefilter
from mithaq.detection.prefilter.model import Prefilter
from mithaq.detection.reach import Reach
from mithaq.detection.rules import is_sought
from mithaq.intelligence import watching
from mithaq.intelligence.model import StoredObject
from mithaq.intelligence.service import Holdings
from mithaq.kernel.database import EPOCH
from mithaq.kernel.lane import Lane
from mithaq.standards.observable import Observable
from mithaq.standards.stix import Plan, plan_of
from mithaq.telemetry.blocks import Block
from mithaq.telemetry.model import Event

_MAX_REMEMBERED: Final = 20_000
_LOADED_AT_ONCE: Final = 50_000


class Watchlist:
    """What this process looks for, each lane for itself."""

    def __init__(self, holdings: Holdings) -> None:
        self._holdings = holdings
        self._lanes: dict[Lane, _LaneWatch] = {}

    def load(self, connection: Connection, at: datetime) -> int:
        """Look for everything that is active now; return how many observables that are."""
        count = 0
        waiting: dict[Lane, list[Observable]] = defaultdict(list)
        for lane, observable in watching.every_observable(connection, at):
            if not is_sought(observable):
                continue
            waiting[lane].append(observable)
            count += 1
            if len(waiting[lane]) >= _LOADED_AT_ONCE:
                self._watch(lane).add(waiting.pop(lane))
        for lane, part in waiting.items():
            self._watch(lane).add(part)
        for lane, anchor in watching.every_anchor(connection, at):
            self._watch(lane).add_anchors([anchor])
            count += 1
        return count

    def refresh(self, connection: Connection, rows: Sequence[int]) -> list[Indicator]:
        """Read these objects again; return the indicators among them that are looked for now."""
        taken = [each for each in map(indicator_of, self._holdings.rows(connection, rows)) if each is not None]
        for indicator in taken:
            self._watch(indicator.lane).add(indicator.observables)
            if indicator.plan is not None:
                self._watch(indicator.lane).add_anchors(indicator.plan.anchors)
        return taken

    def forget(self) -> None:
        """Ask the holdings anew: something in them has changed."""
        for watch in self._lanes.values():
            watch.forget()

    def candidates(self, block: Block) -> list[Event]:
        """Return the events of the lines that may have something that is looked for."""
        watch = self._lanes.get(block.source.lane)
        return [] if watch is None else list(block.events_at(watch.spans(block.text)))

    def matches(self, connection: Connection, events: Sequence[Event], at: datetime) -> list[Match]:
        """Return what the candidates of a block satisfy of what is active now, each indicator once an event."""
        watch = self._lanes[events[0].lane]
        watch.ask(connection, events, at)
        return [
            match for event in events for match in matches_of(event, watch.reach, watch.naming, at, watch.texts(event))
        ]

    def _watch(self, lane: Lane) -> "_LaneWatch":
        if lane not in self._lanes:
            self._lanes[lane] = _LaneWatch(lane, self._holdings)
        return self._lanes[lane]


class _LaneWatch:
    """What one lane looks for, and what the holdings answered, until there is news of them."""

    def __init__(self, lane: Lane, holdings: Holdings) -> None:
        self.lines: Prefilter = prefilter()
        self.reach = Reach()
        self._lane = lane
        self._holdings = holdings
        self._phrases = Phrases()
        self._has_anchors = False
        self._answers: dict[Observable, tuple[Indicator, ...]] = {}

    def add_anchors(self, anchors: Sequence[Observable]) -> None:
        """Look for lines that may satisfy whole patterns."""
        self._has_anchors = self._has_anchors or bool(anchors)
        self._phrases.add(each.value for each in anchors if each.type == "text")
        self.add([each for each in anchors if each.type != "text" and is_sought(each)])

    def spans(self, text: bytes) -> list[tuple[int, int]]:
        """Return where the lines lie that may have something that is looked for."""
        found = self.lines.candidates(text)
        return sorted({*found, *self._phrases.candidates(text)}) if len(self._phrases) else found

    def texts(self, event: Event) -> list[Observable]:
        """Return the anchors that stand in an event's line."""
        return [Observable("text", each) for each in self._phrases.of(event.raw)]

    def add(self, observables: Sequence[Observable]) -> None:
        self.lines.add(observables)
        self.reach.add(observables)

    def forget(self) -> None:
        self._answers.clear()

    def naming(self, wanted: Observable) -> Sequence[Indicator]:
        return self._answers[wanted]

    def ask(self, connection: Connection, events: Sequence[Event], at: datetime) -> None:
        """Learn what the holdings look for of everything that these events satisfy."""
        asked = {wanted for event in events for _, seen in event.observables for wanted in self.reach.satisfied(seen)}
        asked.update(text for event in events for text in self.texts(event))
        if len(self._answers) + len(asked) > _MAX_REMEMBERED:
            self.forget()
        unknown = asked - self._answers.keys()
        sought = filter(is_sought, unknown)
        rows = watching.looked_for(connection, sought, self._lane, at, anchored=self._has_anchors)
        numbers = sorted({row for named in rows.values() for row in named})
        indicators = {stored.row: indicator_of(stored) for stored in self._holdings.rows(connection, numbers)}
        for wanted in unknown:
            found = (indicators.get(row) for row in rows.get(wanted, ()))
            self._answers[wanted] = tuple(indicator for indicator in found if indicator is not None)


def indicator_of(stored: StoredObject) -> Indicator | None:
    """Return what to look for, or None for an object that does not stand, is revoked, or names nothing to match.

    A protected version is for a partner: here its original is looked for.
    """
    stix = stored.stix
    if stored.made_for is not None or stix.type != "indicator" or not stored.stands or stix.revoked:
        return None
    sought = tuple(filter(is_sought, stix.observables))
    if not (sought or stix.anchors):
        return None
    plan = plan_of(stix.pattern) if stix.anchors else None
    return Indicator(
        row=stored.row,
        indicator_id=stix.id,
        modified=stix.modified or EPOCH,
        lane=stored.lane,
        observables=sought,
        valid_from=stix.valid_from,
        valid_until=stix.valid_until,
        plan=plan if isinstance(plan, Plan) else None,
    )
