"""What of a pattern can be looked for in logs, and by which values its lines are found (STIX 2.1 §9).

Every event that a pattern needs must have something in it by which a line is found among millions: an *anchor*. A
part without one, or that compares what no log shows, is left out where another part makes the pattern true (OR); where
it is needed (AND, FOLLOWEDBY) the whole is refused. What is found by its anchors is then judged by the whole pattern.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from mithaq.kernel.reason import Reason
from mithaq.standards.observable import Observable
from mithaq.standards.stix.anchors import Left, anchors_of, path_text, unusable
from mithaq.standards.stix.grammar import Comparison, Unreadable
from mithaq.standards.stix.paths import shows
from mithaq.standards.stix.pattern import MAX_PATTERN_CHARS, read_pattern, value_kind
from mithaq.standards.stix.regex import Unmatchable, like, regular
from mithaq.standards.stix.tree import (
    AllOf,
    AnyOf,
    Between,
    Comparing,
    Either,
    Followed,
    Observation,
    Observing,
    Repeats,
    Together,
    Within,
    observations_of,
    read_tree,
)

MAX_EVENTS: Final = 100
"""A pattern that needs more events is not looked for: they would have to be kept until the last one comes."""
_REMEMBERED: Final = 4_000
_REMEMBERED_CHARS: Final = 4_096


@dataclass(frozen=True, slots=True)
class Plan:
    """A pattern as far as it can be looked for.

    `anchors`: of every event that the pattern needs a line has one of these; a `text` stands in it as it is, in any
    case. `left_out`: why alternatives of the pattern are not looked for. `is_one`: one event makes it true.
    """

    tree: Observing
    anchors: tuple[Observable, ...]
    left_out: tuple[Reason, ...]
    is_one: bool


def plan_of(pattern: str) -> Plan | Reason | None:
    """Return how to look for a pattern, why it cannot be, or None where single observables say all of it."""
    return _remembered(pattern) if len(pattern) <= _REMEMBERED_CHARS else _planned(pattern)


@lru_cache(maxsize=_REMEMBERED)
def _remembered(pattern: str) -> Plan | Reason | None:
    return _planned(pattern)


def _planned(pattern: str) -> Plan | Reason | None:
    reason = read_pattern(pattern).reason
    if reason is None or reason.code == "pattern-unreadable" or len(pattern) > MAX_PATTERN_CHARS:
        return reason
    planner = _Planner()
    try:
        tree = planner.observing(read_tree(pattern))
    except Unreadable as error:
        return unusable("pattern-unreadable", "the pattern does not follow STIX patterning: %(detail)s",
                       detail=str(error))  # fmt: skip
    except Left as left:
        return left.reason
    numbered = _numbered(tree)
    return Plan(numbered, tuple(dict.fromkeys(planner.anchors)), tuple(planner.left_out), _is_one(numbered))


class _Planner:
    """Go through a pattern once; `anchors` and `left_out` are what was found on the way."""

    def __init__(self) -> None:
        self.anchors: list[Observable] = []
        self.left_out: list[Reason] = []

    def observing(self, tree: Observing) -> Observing:
        match tree:
            case Observation():
                test, anchors = self._anchored(tree.test)
                self.anchors += anchors
                return replace(tree, test=test)
            case Together(parts):
                return Together(tuple(map(self.observing, parts)))
            case Followed(parts):
                return Followed(tuple(map(self.observing, parts)))
            case Either(parts):
                kept = self._alternatives(parts)
                return kept[0] if len(kept) == 1 else Either(tuple(kept))
            case Repeats(times, part):
                if times * _needed(part) > MAX_EVENTS:
                    raise Left(unusable("pattern-repeats", "the pattern needs more than %(max)s events together",
                                       max=MAX_EVENTS))  # fmt: skip
                return replace(tree, part=self.observing(part))
            case Within() | Between():
                return replace(tree, part=self.observing(tree.part))

    def _alternatives(self, parts: Iterable[Observing]) -> list[Observing]:
        kept: list[Observing] = []
        first: Left | None = None
        for part in parts:
            before = len(self.anchors)
            try:
                kept.append(self.observing(part))
            except Left as left:
                first = first or left
                del self.anchors[before:]
                self.left_out.append(left.reason)
        if not kept and first is not None:
            raise first
        return kept

    def _anchored(self, test: Comparing) -> tuple[Comparing, list[Observable]]:
        """Return the test without the alternatives that cannot be looked for, and its anchors."""
        if not isinstance(test, AnyOf):
            test = self._shown(test)
            return test, anchors_of(test)
        kept, anchors, first = [], [], None
        for part in test.parts:
            try:
                found, own = self._anchored(part)
            except Left as left:
                first = first or left
                self.left_out.append(left.reason)
            else:
                kept.append(found)
                anchors += own
        if first is not None and not kept:
            raise first
        return (kept[0] if len(kept) == 1 else AnyOf(tuple(kept))), anchors

    def _shown(self, test: Comparing) -> Comparing:
        """Return the test without the alternatives that no log shows; what is needed must be shown."""
        match test:
            case Comparison():
                _demand_shown(test)
                return test
            case AllOf(parts):
                return AllOf(tuple(map(self._shown, parts)))
            case AnyOf(parts):
                kept, first = [], None
                for part in parts:
                    try:
                        kept.append(self._shown(part))
                    except Left as left:
                        first = first or left
                        self.left_out.append(left.reason)
                if first is not None and not kept:
                    raise first
                return kept[0] if len(kept) == 1 else AnyOf(tuple(kept))


def _demand_shown(test: Comparison) -> None:
    if shows(test) is None:
        raise Left(unusable("pattern-not-shown", "the pattern compares %(path)s, which no log here shows",
                           path=path_text(test)))  # fmt: skip
    if test.operator in {"ISSUBSET", "ISSUPERSET"} and value_kind(test) not in {"ipv4", "ipv6"}:
        raise Left(unusable("pattern-operator", "the pattern compares with %(operator)s, which only addresses have",
                           operator=test.operator))  # fmt: skip
    try:
        if test.operator == "LIKE":
            like(test.values[0], any_case=False)
        elif test.operator == "MATCHES":
            regular(test.values[0], any_case=False)
    except Unmatchable as error:
        raise Left(unusable("pattern-regex", "%(operator)s cannot be compared in bounded time: %(detail)s",
                           operator=test.operator, detail=str(error))) from error  # fmt: skip


def _numbered(tree: Observing) -> Observing:
    """Number the observations that are left from 0."""
    numbers = {each.number: place for place, each in enumerate(observations_of(tree))}

    def walk(part: Observing) -> Observing:
        match part:
            case Observation():
                return replace(part, number=numbers[part.number])
            case Together(parts):
                return Together(tuple(map(walk, parts)))
            case Followed(parts):
                return Followed(tuple(map(walk, parts)))
            case Either(parts):
                return Either(tuple(map(walk, parts)))
            case Within() | Repeats() | Between():
                return replace(part, part=walk(part.part))

    return walk(tree)


def _needed(tree: Observing) -> int:
    """Return how many events a pattern needs at most."""
    match tree:
        case Observation():
            return 1
        case Together(parts) | Followed(parts):
            return sum(map(_needed, parts))
        case Either(parts):
            return max(map(_needed, parts))
        case Repeats(times, part):
            return times * _needed(part)
        case Within(part=part) | Between(part=part):
            return _needed(part)


def _is_one(tree: Observing) -> bool:
    match tree:
        case Observation():
            return True
        case Either(parts):
            return all(map(_is_one, parts))
        case Together() | Followed():
            return False
        case Repeats(times, part):
            return times == 1 and _is_one(part)
        case Within(part=part) | Between(part=part):
            return _is_one(part)
