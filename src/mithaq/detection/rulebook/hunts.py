"""Sigma rules asked of the past: the lines that are kept, in the segments of their lane and kinds, newest first.

A correlation is told its events in the order in which they came, so units with one have a pass of their own, from the
oldest segment on. An event found here and live is one hit.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from mithaq.detection.model import Match
from mithaq.detection.rulebook.engines import Found, found_in, load_rules
from mithaq.detection.rulebook.held import HeldRule, index_folder
from mithaq.detection.rulebook.rulebook import match_of, matches_of
from mithaq.detection.sigma.engine import SigmaEngine
from mithaq.detection.sigma.kinds import Asked, Concern, asked_of, kinds_of
from mithaq.kernel.lane import Lane
from mithaq.telemetry.blocks import Block
from mithaq.telemetry.errors import LakeBroken
from mithaq.telemetry.lake.open_segment import readable_blocks, segment_path
from mithaq.telemetry.store import SEALED, Segment

Progress = Callable[[int, int], None]
"""Told after each segment: how many were read, and how many there are to read."""

Broken = Callable[[Segment, LakeBroken], None]
"""Told of a sealed segment that cannot be read to its end; the rest is hunted."""


class _Pass:
    """One lane's rules, asked of segments in one order; only the matches of `rules` are told."""

    def __init__(self, engine: SigmaEngine, rules: dict[str, HeldRule], kinds: Iterable[str]) -> None:
        self._engine = engine
        self._rules = rules
        self._concern = Concern(kinds)

    def in_block(self, block: Block, at: datetime) -> list[Match]:
        asked = self._concern.events(block)
        found = [each for event in asked for each in self._found(event, block.text)]
        return matches_of(block, [(each, self._rules[each.matched.key]) for each in found], at)

    def in_sealed(self, data: Path, stem: str, lane: Lane, at: datetime) -> Iterator[Match]:
        from mithaq.telemetry.lake.kept_lines import decoded_lines

        for event, decoded in decoded_lines(data, stem, self._concern.is_asked):
            if event.lane == lane:
                asked = asked_of((0, len(event.raw)), decoded, event.at)
                for each in self._found(asked, event.raw):
                    rule = self._rules[each.matched.key]
                    if rule.is_valid(at):
                        yield match_of(event, each, rule)

    def _found(self, asked: Asked, text: bytes) -> list[Found]:
        return [each for each in found_in(self._engine, asked, text) if each.matched.key in self._rules]


class RuleHunt:
    """One hunt for rules, all of them together; `most` is how many events of each are told, those found first."""

    def __init__(self, data: Path, rules: Iterable[HeldRule], *, most: int) -> None:
        self._data = data
        self._most = most
        self._newest_first: dict[Lane, _Pass] = {}
        self._oldest_first: dict[Lane, _Pass] = {}
        by_lane: dict[Lane, dict[str, HeldRule]] = defaultdict(dict)
        for rule in rules:
            by_lane[rule.lane][rule.indicator_id] = rule
        for lane, held in by_lane.items():
            self._prepare(lane, held)

    def matches(self, segments: Sequence[Segment], at: datetime, progress: Progress, broken: Broken) -> Iterator[Match]:
        """Yield what segments, given oldest first, make true of rules that are valid at this instant."""
        orders = [
            (passes, ordered)
            for passes, ordered in ((self._newest_first, segments[::-1]), (self._oldest_first, segments))
            if passes
        ]
        total, done = len(orders) * len(segments), 0
        told: Counter[tuple[Lane, str]] = Counter()
        for passes, ordered in orders:
            for segment in ordered:
                for match in self._in_segment(passes, segment, at, broken):
                    told[match.event.lane, match.indicator.indicator_id] += 1
                    if told[match.event.lane, match.indicator.indicator_id] <= self._most:
                        yield match
                done += 1
                progress(done, total)

    def _prepare(self, lane: Lane, held: dict[str, HeldRule]) -> None:
        engine = SigmaEngine(index_folder(self._data, lane))
        load_rules(engine, {key: rule.text for key, rule in held.items()})
        units = {key: unit for key in held if (unit := engine.unit(key)) is not None}
        kinds = frozenset[str]().union(*map(kinds_of, units.values()))
        correlated = {key: held[key] for key, unit in units.items() if unit.correlations}
        plain = {key: held[key] for key in units if key not in correlated}
        if plain:
            self._newest_first[lane] = _Pass(engine, plain, kinds)
        if correlated:
            self._oldest_first[lane] = _Pass(engine.for_the_past(), correlated, kinds)

    def _in_segment(self, passes: dict[Lane, _Pass], segment: Segment, at: datetime, broken: Broken) -> Iterator[Match]:
        if segment.state == SEALED:
            try:
                for lane, each in passes.items():
                    yield from each.in_sealed(self._data, segment.path, lane, at)
            except LakeBroken as error:
                broken(segment, error)
            return
        for block in readable_blocks(segment_path(self._data, segment.segment), segment.bytes):
            of_lane = passes.get(block.source.lane)
            if of_lane is not None:
                yield from of_lane.in_block(block, at)
