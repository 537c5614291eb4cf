"""The past that is not sealed yet, asked as the present is: which lines may have it, then what is in them."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from mithaq.detection.matcher import Matcher
from mithaq.detection.model import Indicator, Match
from mithaq.detection.prefilter.choice import prefilter
from mithaq.detection.prefilter.model import Prefilter
from mithaq.kernel.lane import Lane
from mithaq.telemetry.blocks import Block


def matches_in(blocks: Iterable[Block], indicators: Sequence[Indicator], at: datetime) -> Iterator[Match]:
    """Yield what the lines of these blocks satisfy of indicators that are valid at this instant."""
    matcher = Matcher(indicators)
    lines: dict[Lane, Prefilter] = {lane: prefilter() for lane in {each.lane for each in indicators}}
    for indicator in indicators:
        lines[indicator.lane].add(indicator.observables)
    for block in blocks:
        of_lane = lines.get(block.source.lane)
        if of_lane is not None:
            for event in block.events_at(of_lane.candidates(block.text)):
                yield from matcher.match(event, at)
