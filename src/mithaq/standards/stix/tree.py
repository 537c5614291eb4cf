"""A STIX pattern as what it is (STIX 2.1 §9): observations that are joined, each a tree of comparisons."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mithaq.kernel.clock import from_rfc3339
from mithaq.standards.stix.binding import Binding
from mithaq.standards.stix.grammar import Comparison, Comparisons, Unreadable

MAX_OBSERVATIONS: Final = 32
MAX_TESTS: Final = 5_000
MAX_QUALIFIERS: Final = 8


@dataclass(frozen=True, slots=True)
class AllOf:
    """Comparisons of one observation that must all be true."""

    parts: tuple[Comparing, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Comparisons of one observation of which one must be true."""

    parts: tuple[Comparing, ...]


Comparing = Comparison | AllOf | AnyOf


@dataclass(frozen=True, slots=True)
class Observation:
    """`[…]`: one event that satisfies the comparisons; `number` counts the observations of a pattern from 0."""

    number: int
    test: Comparing


@dataclass(frozen=True, slots=True)
class Together:
    """`… AND …`: all of them, each by other events."""

    parts: tuple[Observing, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """`… OR …`: one of them."""

    parts: tuple[Observing, ...]


@dataclass(frozen=True, slots=True)
class Followed:
    """`… FOLLOWEDBY …`: all of them by other events, none of a later part before one of an earlier part."""

    parts: tuple[Observing, ...]


@dataclass(frozen=True, slots=True)
class Within:
    """`… WITHIN n SECONDS`: the first and the last of its events are at most so far apart."""

    seconds: float
    part: Observing


@dataclass(frozen=True, slots=True)
class Repeats:
    """`… REPEATS n TIMES`: so often, each time by other events."""

    times: int
    part: Observing


@dataclass(frozen=True, slots=True)
class Between:
    """`… START t STOP t`: all its events from the first instant on and before the second."""

    start: datetime
    stop: datetime
    part: Observing


Observing = Observation | Together | Either | Followed | Within | Repeats | Between
_JOINED: Final[dict[str, Callable[[tuple[Observing, ...]], Observing]]] = {
    "FOLLOWEDBY": Followed,
    "OR": Either,
    "AND": Together,
}


def read_tree(pattern: str) -> Observing:
    """Read a whole pattern.

    Raises:
        Unreadable: it does not follow the grammar, or has more parts than this node takes.
    """
    return _Trees(pattern).whole()


def observations_of(tree: Observing) -> Iterator[Observation]:
    """Yield the observations of a pattern, in order."""
    match tree:
        case Observation():
            yield tree
        case Together(parts) | Either(parts) | Followed(parts):
            for part in parts:
                yield from observations_of(part)
        case Within(part=part) | Repeats(part=part) | Between(part=part):
            yield from observations_of(part)


class _Trees(Binding[Observing, Comparing], Comparisons):
    """Make the tree of one pattern."""

    def __init__(self, pattern: str) -> None:
        super().__init__(pattern)
        self._observations = self._tests = 0

    def joined(self, word: str, parts: list[Observing]) -> Observing:
        """Return observations that are joined."""
        return _JOINED[word](tuple(parts))

    def observed(self, test: Comparing) -> Observing:
        """Return one observation, with its number."""
        self._observations += 1
        if self._observations > MAX_OBSERVATIONS:
            raise Unreadable(f"more than {MAX_OBSERVATIONS} observations")
        return Observation(self._observations - 1, test)

    def qualified(self, word: str, part: Observing) -> Observing:
        """Read what limits observations; several may stand in a row."""
        if _qualifiers(part) == MAX_QUALIFIERS - 1:
            raise Unreadable(f"{MAX_QUALIFIERS} qualifiers or more")
        value = self._value()
        if word == "START":
            self._expect("STOP")
            return Between(_instant(value), _instant(self._value()), part)
        self._unit(word)
        return Within(_number(value), part) if word == "WITHIN" else Repeats(_times(value), part)

    def combined(self, word: str, parts: list[Comparing]) -> Comparing:
        """Return comparisons that are joined."""
        return AnyOf(tuple(parts)) if word == "OR" else AllOf(tuple(parts))

    def compared(self) -> Comparing:
        """Read one comparison."""
        self._tests += 1
        if self._tests > MAX_TESTS:
            raise Unreadable(f"more than {MAX_TESTS} comparisons")
        return self._test()


def _qualifiers(part: Observing) -> int:
    """Count the limits that stand in a row."""
    count = 0
    while isinstance(part, Within | Repeats | Between):
        part, count = part.part, count + 1
    return count


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise Unreadable(f"a number expected, not {text[:20]!r}") from None
    if not 0 <= value <= 1e12:
        raise Unreadable(f"{text[:20]} is no number of seconds or times")
    return value


def _times(text: str) -> int:
    value = _number(text)
    if value < 1 or value != int(value):
        raise Unreadable(f"{text[:20]} is no number of times")
    return int(value)


def _instant(text: str) -> datetime:
    try:
        return from_rfc3339(text)
    except (ValueError, OverflowError):
        raise Unreadable(f"{text[:40]!r} is no timestamp") from None
