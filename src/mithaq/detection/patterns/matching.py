"""Which patterns does one event satisfy, alone or as a part of what they need?"""

from collections.abc import Iterable, Iterator

from mithaq.detection.model import Indicator, Match, Part
from mithaq.detection.patterns.facts import Facts
from mithaq.detection.patterns.judging import judged
from mithaq.detection.patterns.sequences import Seen, ending_with
from mithaq.telemetry.model import Event


def judged_by_pattern(event: Event, indicators: Iterable[Indicator]) -> Iterator[Match]:
    """Yield the indicators of which the event satisfies the pattern, or at least one of its observations."""
    facts = Facts(event)
    for indicator in indicators:
        if indicator.plan is None:
            continue
        sights = judged(indicator.plan.tree, facts)
        if not sights:
            continue
        sight, numbers = sights[min(sights)], frozenset(sights)
        if not indicator.plan.is_one:
            yield Match(event, sight, indicator, Part(numbers, indicator.plan.tree))
        elif ending_with(indicator.plan.tree, [Seen(event.at, event.event_id, numbers)]):
            yield Match(event, sight, indicator)
