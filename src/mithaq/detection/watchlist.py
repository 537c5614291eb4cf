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
        return count

    def refresh(self, connection: Connection, rows: Sequence[int]) -> list[Indicator]:
        """Read these objects again; return the indicators among them that are looked for now."""
        taken = [each for each in map(indicator_of, self._holdings.rows(connection, rows)) if each is not None]
        for indicator in taken:
            self._watch(indicator.lane).add(indicator.observables)
        return taken

    def forget(self) -> None:
        """Ask the holdings anew: something in them has changed."""
        for watch in self._lanes.values():
            watch.forget()

    def candidates(self, block: Block) -> list[Event]:
        """Return the events of the lines that may have something that is looked for."""
        watch = self._lanes.get(block.source.lane)
        return [] if watch is None else list(block.events_at(watch.lines.candidates(block.text)))

    def matches(self, connection: Connection, events: Sequence[Event], at: datetime) -> list[Match]:
        """Return what the candidates of a block satisfy of what is active now, each indicator once an event."""
        watch = self._lanes[events[0].lane]
        watch.ask(connection, events, at)
        return [match for event in events for match in matches_of(event, watch.reach, watch.naming, at)]

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
        self._answers: dict[Observable, tuple[Indicator, ...]] = {}

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
        if len(self._answers) + len(asked) > _MAX_REMEMBERED:
            self.forget()
        unknown = asked - self._answers.keys()
        rows = watching.looked_for(connection, filter(is_sought, unknown), self._lane, at)
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
    if not sought:
        return None
    return Indicator(
        row=stored.row,
        indicator_id=stix.id,
        modified=stix.modified or EPOCH,
        lane=stored.lane,
        observables=sought,
        valid_from=stix.valid_from,
        valid_until=stix.valid_until,
    )
