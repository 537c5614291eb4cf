"""The past that is not sealed yet, asked as the present is: which lines may have it, then what is in them."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from mithaq.detection.matcher import Matcher
from mithaq.detection.model import Indicator, Match
from mithaq.detection.prefilter.choice import prefilter
from mithaq.detection.prefilter.model import Prefilter
from mithaq.kernel.lane import Lane
from mithaq.telemetry.blocks import Block


def newest(blocks: Iterable[Block], lane: Lane, max_bytes: int) -> list[Block]:
    """Return the newest of a lane's blocks, at most so many bytes of lines, in the order in which they came."""
    found: list[Block] = []
    held = 0
    for block in blocks:
        if block.source.lane == lane:
            found.append(block)
            held += len(block.text)
            if held > 2 * max_bytes:
                found, held = _last(found, max_bytes)
    return _last(found, max_bytes)[0]


def _last(blocks: list[Block], max_bytes: int) -> tuple[list[Block], int]:
    ordered = sorted(blocks, key=lambda block: block.received_at)
    held = sum(len(block.text) for block in ordered)
    first = 0
    while held > max_bytes and first < len(ordered) - 1:
        held -= len(ordered[first].text)
        first += 1
    return ordered[first:], held


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
