"""Which indicators does an event satisfy? Exact, without I/O: whoever asks says what is looked for, and by whom."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime

from mithaq.detection.model import Indicator, Match, Sight
from mithaq.detection.reach import Reach
from mithaq.kernel.lane import Lane
from mithaq.standards.observable import Observable
from mithaq.telemetry.model import Event


def matches_of(
    event: Event, reach: Reach, naming: Callable[[Observable], Iterable[Indicator]], at: datetime
) -> list[Match]:
    """Return the indicators valid at this instant that an event satisfies, each once, with the first field that does.

    `naming` gives the indicators of the event's lane that name an observable.
    """
    found: dict[str, Match] = {}
    for field, seen in event.observables:
        for wanted in reach.satisfied(seen):
            for indicator in naming(wanted):
                if indicator.indicator_id not in found and indicator.is_valid(at):
                    found[indicator.indicator_id] = Match(event, Sight(field, seen, wanted), indicator)
    return list(found.values())


class Matcher:
    """Indicators that are all known, as those of a hunt are; of each the newest version counts, in its lane alone."""

    def __init__(self, indicators: Iterable[Indicator]) -> None:
        newest: dict[tuple[Lane, str], Indicator] = {}
        for each in indicators:
            known = newest.setdefault((each.lane, each.indicator_id), each)
            if (each.modified, each.row) > (known.modified, known.row):
                newest[each.lane, each.indicator_id] = each
        self._reach = Reach()
        self._named: dict[tuple[Lane, Observable], list[Indicator]] = defaultdict(list)
        for indicator in newest.values():
            self._reach.add(indicator.observables)
            for observable in indicator.observables:
                self._named[indicator.lane, observable].append(indicator)

    def match(self, event: Event, at: datetime) -> list[Match]:
        """Return the indicators valid at this instant that the event satisfies, each once."""
        return matches_of(event, self._reach, lambda wanted: self._named.get((event.lane, wanted), ()), at)
