"""Which indicators does an event satisfy? Exact, without I/O: whoever asks says what is looked for, and by whom."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime

from mithaq.detection.model import Indicator, Match, Sight
from mithaq.detection.patterns.matching import judged_by_pattern
from mithaq.detection.patterns.phrases import Phrases
from mithaq.detection.reach import Reach
from mithaq.kernel.lane import Lane
from mithaq.standards.observable import Observable
from mithaq.telemetry.model import Event


def matches_of(
    event: Event,
    reach: Reach,
    naming: Callable[[Observable], Iterable[Indicator]],
    at: datetime,
    texts: Iterable[Observable] = (),
) -> list[Match]:
    """Return the indicators valid at this instant that an event satisfies, each once, with the first field that does.

    `naming` gives the indicators of the event's lane that name an observable, or whose pattern it anchors. `texts` are
    anchors that stand in the event's line.
    """
    found: dict[str, Match] = {}
    anchored: dict[str, Indicator] = {}
    for field, seen in event.observables:
        for wanted in reach.satisfied(seen):
            for indicator in naming(wanted):
                if indicator.indicator_id not in found and indicator.is_valid(at):
                    if indicator.plan is None or wanted in indicator.observables:
                        found[indicator.indicator_id] = Match(event, Sight(field, seen, wanted), indicator)
                    else:
                        anchored[indicator.indicator_id] = indicator
    for text in texts:
        anchored |= {each.indicator_id: each for each in naming(text) if each.is_valid(at)}
    left = [indicator for name, indicator in anchored.items() if name not in found]
    return [*found.values(), *judged_by_pattern(event, left)] if left else list(found.values())


class Matcher:
    """Indicators that are all known, as those of a hunt are; of each the newest version counts, in its lane alone."""

    def __init__(self, indicators: Iterable[Indicator]) -> None:
        newest: dict[tuple[Lane, str], Indicator] = {}
        for each in indicators:
            known = newest.setdefault((each.lane, each.indicator_id), each)
            if (each.modified, each.row) > (known.modified, known.row):
                newest[each.lane, each.indicator_id] = each
        self._reach = Reach()
        self._phrases = Phrases()
        self._named: dict[tuple[Lane, Observable], list[Indicator]] = defaultdict(list)
        for indicator in newest.values():
            self._reach.add(indicator.anchors)
            self._phrases.add(each.value for each in indicator.anchors if each.type == "text")
            for observable in indicator.anchors:
                self._named[indicator.lane, observable].append(indicator)

    def match(self, event: Event, at: datetime) -> list[Match]:
        """Return the indicators valid at this instant that the event satisfies, each once."""
        texts = [Observable("text", each) for each in self._phrases.of(event.raw)]
        return matches_of(event, self._reach, lambda wanted: self._named.get((event.lane, wanted), ()), at, texts)
