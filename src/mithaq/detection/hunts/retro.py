"""The past that is not sealed yet, asked as the present is: which lines may have it, then what is in them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from mithaq.detection.matcher import Matcher
from mithaq.detection.model import Indicator, Match
from mithaq.detection.patterns.matching import judged_by_pattern
from mithaq.detection.patterns.phrases import Phrases
from mithaq.detection.prefilter.choice import prefilter
from mithaq.detection.prefilter.model import Prefilter
from mithaq.kernel.lane import Lane
from mithaq.telemetry.blocks import Block
from mithaq.telemetry.model import Event


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
    lanes = {each.lane for each in indicators}
    lines: dict[Lane, Prefilter] = {lane: prefilter() for lane in lanes}
    phrases = {lane: Phrases() for lane in lanes}
    for indicator in indicators:
        lines[indicator.lane].add(each for each in indicator.anchors if each.type != "text")
        phrases[indicator.lane].add(each.value for each in indicator.anchors if each.type == "text")
    for block in blocks:
        lane = block.source.lane
        if lane in lanes:
            spans = {*lines[lane].candidates(block.text), *phrases[lane].candidates(block.text)}
            for event in block.events_at(sorted(spans)):
                yield from matcher.match(event, at)


class TextFinder:
    """Look for the texts that anchor patterns in lines that no index describes."""

    def __init__(self, indicators: Sequence[Indicator]) -> None:
        self._phrases: dict[Lane, Phrases] = {}
        self._named: dict[tuple[Lane, str], list[Indicator]] = defaultdict(list)
        for indicator in indicators:
            texts = [each.value for each in indicator.anchors if each.type == "text"]
            self._phrases.setdefault(indicator.lane, Phrases()).add(texts)
            for each in texts:
                self._named[indicator.lane, each].append(indicator)

    def matches(self, events: Sequence[Event], at: datetime) -> Iterator[Match]:
        """Yield what these events satisfy of the patterns that have such a text and are valid at this instant."""
        for event in events:
            phrases = self._phrases.get(event.lane)
            texts = phrases.of(event.raw) if phrases is not None else ()
            named = {each.row: each for text in texts for each in self._named[event.lane, text] if each.is_valid(at)}
            if named:
                yield from judged_by_pattern(event, named.values())
