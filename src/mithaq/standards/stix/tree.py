"""A STIX pattern as what it is (STIX 2.1 §9): observations that are joined, each a tree of comparisons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mithaq.kernel.clock import from_rfc3339
from mithaq.standards.stix.grammar import Comparison, Reader, Unreadable

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


class _Trees(Reader):
    """Read one pattern, left to right."""

    def whole(self) -> Observing:
        self._count = 0
        found = self._followed()
        self._expect("")
        return found

    def _followed(self) -> Observing:
        """FOLLOWEDBY binds weakest, then OR, then AND (§9.3)."""
        parts = [self._either()]
        while self._take_if("FOLLOWEDBY"):
            parts.append(self._either())
        return parts[0] if len(parts) == 1 else Followed(tuple(parts))

    def _either(self) -> Observing:
        parts = [self._together()]
        while self._take_if("OR"):
            parts.append(self._together())
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _together(self) -> Observing:
        parts = [self._one()]
        while self._take_if("AND"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else Together(tuple(parts))

    def _one(self) -> Observing:
        found: Observing
        if self._take_if("["):
            found = Observation(self._count, self._any())
            self._count += 1
            if self._count > MAX_OBSERVATIONS:
                raise Unreadable(f"more than {MAX_OBSERVATIONS} observations")
            self._expect("]")
        else:
            self._expect("(")
            self._enter()
            found = self._followed()
            self._expect(")")
            self._leave()
        return self._qualified(found)

    def _qualified(self, found: Observing) -> Observing:
        for _ in range(MAX_QUALIFIERS):
            if self._peek() not in {"WITHIN", "REPEATS", "START"}:
                return found
            word, value = self._take().text, self._value()
            if word == "START":
                self._expect("STOP")
                found = Between(_instant(value), _instant(self._value()), found)
                continue
            self._expect("SECONDS" if word == "WITHIN" else "TIMES")
            found = Within(_number(value), found) if word == "WITHIN" else Repeats(_times(value), found)
        raise Unreadable(f"{MAX_QUALIFIERS} qualifiers or more")

    def _any(self) -> Comparing:
        """OR binds weaker than AND (§9.6.1)."""
        parts = [self._all()]
        while self._take_if("OR"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def _all(self) -> Comparing:
        parts = [self._compared()]
        while self._take_if("AND"):
            parts.append(self._compared())
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _compared(self) -> Comparing:
        if self._take_if("("):
            self._enter()
            found = self._any()
            self._expect(")")
            self._leave()
            return found
        test = self._test()
        self.tests.append(test)
        if len(self.tests) > MAX_TESTS:
            raise Unreadable(f"more than {MAX_TESTS} comparisons")
        return test


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
