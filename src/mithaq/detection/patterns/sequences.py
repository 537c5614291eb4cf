"""Do events together make a pattern of several observations true (STIX 2.1 §9.5)? Exact, in bounded time, without I/O.

What is asked is whether some events do of which a given one is the last. Where no event serves two observations, the
newest that fits is as good as any other, so nothing is tried twice; where one does, the others are tried too, up to a
bound.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import combinations
from typing import Final

from mithaq.standards.stix.tree import Between, Either, Followed, Observation, Observing, Repeats, Together, Within

MAX_STEPS: Final = 20_000
_Way = frozenset[int]
_NOTHING: Final[_Way] = frozenset()


@dataclass(frozen=True, slots=True)
class Seen:
    """One event that satisfies some of a pattern's observations."""

    at: datetime
    event_id: str
    numbers: frozenset[int]

    @property
    def order(self) -> tuple[datetime, str]:
        """Return what events are ordered by."""
        return self.at, self.event_id


class TooMany(Exception):
    """The events can be joined in more ways than were tried; none of these made the pattern true."""


def ending_with(tree: Observing, seen: Sequence[Seen]) -> tuple[int, ...] | None:
    """Return the places of events that make a pattern true, the last of them among these; None if none do.

    `seen` stands in order.

    Raises:
        TooMany: `MAX_STEPS` did not do.
    """
    last = len(seen) - 1
    span = _Span(seen[0].at, seen[last].at, last)
    for way in _Search(seen).ways(tree, span, _NOTHING, last):
        return tuple(sorted(way))
    return None


@dataclass(frozen=True, slots=True)
class _Span:
    """Between which instants, and up to which place, events may be taken."""

    since: datetime
    until: datetime
    last: int


@dataclass(slots=True)
class _Search:
    seen: Sequence[Seen]
    steps: int = 0
    places: dict[int, list[int]] = field(default_factory=dict)
    shared: frozenset[int] = _NOTHING

    def __post_init__(self) -> None:
        self.shared = frozenset(place for place, each in enumerate(self.seen) if len(each.numbers) > 1)
        for place in reversed(range(len(self.seen))):
            for number in self.seen[place].numbers:
                self.places.setdefault(number, []).append(place)

    def ways(
        self, tree: Observing, span: _Span, used: _Way, must: int | None, *, every: bool = False
    ) -> Iterator[_Way]:
        """Yield events that make a part true, none of them `used`, `must` among them if there is one.

        `every`: another copy of this part competes for the same events.
        """
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise TooMany
        match tree:
            case Observation(number):
                yield from (frozenset((place,)) for place in self._fitting(number, span, used, must, every=every))
            case Either(parts):
                for part in parts:
                    yield from self.ways(part, span, used, must, every=every)
            case Together(parts):
                yield from self._together(list(parts), span, used, must, every=every)
            case Followed(parts):
                yield from self._followed(parts, span, used, must, every=every)
            case Repeats(times, Observation(number)) if not every:
                yield from self._repeated(number, times, span, used, must)
            case Repeats(times, part):
                yield from self._together([part] * times, span, used, must, every=every or times > 1)
            case Between(start, stop, part):
                until = min(span.until, stop - timedelta.resolution)
                narrow = replace(span, since=max(span.since, start), until=until)
                yield from self.ways(part, narrow, used, must, every=every)
            case Within(seconds, part):
                yield from self._within(seconds, part, span, used, must, every=every)

    def _fits(self, place: int, span: _Span, used: _Way) -> bool:
        return place <= span.last and place not in used and span.since <= self.seen[place].at <= span.until

    def _fitting(self, number: int, span: _Span, used: _Way, must: int | None, *, every: bool) -> Iterator[int]:
        """Yield the places of events for one observation, newest first; of those that serve nothing else the newest."""
        if must is not None:
            if number in self.seen[must].numbers and self._fits(must, span, used):
                yield must
            return
        alone = False
        for place in self.places.get(number, ()):
            if not self._fits(place, span, used) or (alone and place not in self.shared):
                continue
            alone = alone or (place not in self.shared and not every)
            self.steps += 1
            yield place

    def _together(
        self, parts: list[Observing], span: _Span, used: _Way, must: int | None, *, every: bool
    ) -> Iterator[_Way]:
        if not parts:
            yield _NOTHING
            return
        if must is None:
            for way in self.ways(parts[0], span, used, None, every=every):
                for rest in self._together(parts[1:], span, used | way, None, every=every):
                    yield way | rest
            return
        for place, part in enumerate(parts):
            if place and part == parts[place - 1]:
                continue  # a copy of the part before
            for way in self.ways(part, span, used, must, every=every):
                others = parts[:place] + parts[place + 1 :]
                for rest in self._together(others, span, used | way, None, every=every):
                    yield way | rest

    def _followed(
        self, parts: tuple[Observing, ...], span: _Span, used: _Way, must: int | None, *, every: bool
    ) -> Iterator[_Way]:
        """Take the last part first, so that the parts before know by when they must be over."""
        *before, last = parts
        if not before:
            yield from self.ways(last, span, used, must, every=every)
            return
        if must is None or len(parts) == 1:
            choices: list[int | None] = [None]
        else:
            choices = [must, None]
        for in_last in choices:
            taken = used if must is None or in_last is not None else used | {must}
            for way in self.ways(last, span, taken, in_last, every=every):
                earlier = replace(span, until=min(span.until, *(self.seen[each].at for each in way)))
                in_rest = must if in_last is None else None
                for rest in self._followed(tuple(before), earlier, used | way, in_rest, every=every):
                    yield way | rest

    def _repeated(self, number: int, times: int, span: _Span, used: _Way, must: int | None) -> Iterator[_Way]:
        """Take the newest events; leave out what another observation may need, in each way."""
        if must is not None and not (number in self.seen[must].numbers and self._fits(must, span, used)):
            return
        chosen = _NOTHING if must is None else frozenset((must,))
        fitting = [place for place in self.places.get(number, ()) if place != must and self._fits(place, span, used)]
        missing = times - len(chosen)
        if len(fitting) < missing:
            return
        shared = [place for place in fitting if place in self.shared]
        for left_out in range(min(len(shared), len(fitting) - missing) + 1):
            for without in combinations(shared, left_out):
                self.steps += 1
                if self.steps > MAX_STEPS:
                    raise TooMany
                kept = [place for place in fitting if place not in without] if without else fitting
                yield chosen | frozenset(kept[:missing])

    def _within(
        self, seconds: float, part: Observing, span: _Span, used: _Way, must: int | None, *, every: bool
    ) -> Iterator[_Way]:
        """Take each event as the last of the part, so that the first one's bound is known."""
        ends = [must] if must is not None else range(span.last, -1, -1)
        for end in ends:
            if self._fits(end, span, used):
                since = _before(self.seen[end].at, seconds)
                narrow = _Span(max(span.since, since), min(span.until, self.seen[end].at), min(span.last, end))
                yield from self.ways(part, narrow, used, end, every=every)


def _before(at: datetime, seconds: float) -> datetime:
    try:
        return at - timedelta(seconds=seconds)
    except OverflowError:
        return datetime.min.replace(tzinfo=at.tzinfo)
