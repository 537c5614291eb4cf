"""Correlations over what the rules find: counts, different values, rules together or in order, within a timespan.

The state of one correlation is bounded: so many groups, so many events of each. What is older than a timespan before
the newest event is forgotten; a late event counts as long as it is not older than that.
"""

from __future__ import annotations

import bisect
import hashlib
import operator
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from mithaq.detection.sigma import settings
from mithaq.detection.sigma.conditions import Fields
from mithaq.detection.sigma.fields import texts_of, value_of
from mithaq.detection.sigma.model import Correlation

_COMPARE: Final[dict[str, Callable[[int, int], bool]]] = {
    "lt": operator.lt, "lte": operator.le, "gt": operator.gt, "gte": operator.ge, "eq": operator.eq, "neq": operator.ne,
}  # fmt: skip


class Seen(NamedTuple):
    """A rule that an event made true: the key of what it was put with, its id and its name.

    `events`: of a correlation, how many made it true, this one included.
    """

    key: str
    rule: str
    name: str = ""
    events: int = 1


class _Kept(NamedTuple):
    at: float
    number: int
    rule: str
    value: str


@dataclass(slots=True)
class _Group:
    """The events of one group in the order of their times; it is not told again before `quiet_until`."""

    events: list[_Kept] = field(default_factory=list)
    quiet_until: float = float("-inf")


class Correlations:
    """Follow the correlations of an engine; an event is told once, with the rules that it made true."""

    def __init__(self) -> None:
        self._followed: dict[tuple[str, str], _Followed] = {}
        self._by_id: defaultdict[str, dict[tuple[str, str], None]] = defaultdict(dict)
        self._by_name: defaultdict[tuple[str, str], dict[tuple[str, str], None]] = defaultdict(dict)

    def put(self, key: str, correlation: Correlation, own: Iterable[str] = ()) -> None:
        """Follow a correlation; `own` are the ids of rules that came with it, which alone count under these ids."""
        place = (key, correlation.id)
        self.drop(key, correlation.id)
        self._followed[place] = _Followed(key, correlation, frozenset(own))
        for reference in correlation.rules:
            self._by_id[reference.lower()][place] = None
            self._by_name[key, reference][place] = None

    def drop(self, key: str, correlation_id: str) -> None:
        """Follow a correlation no longer, and forget what it has seen."""
        place = (key, correlation_id)
        followed = self._followed.pop(place, None)
        for reference in followed.correlation.rules if followed else ():
            self._by_id[reference.lower()].pop(place, None)
            self._by_name[key, reference].pop(place, None)

    def adopt(self, other: Correlations) -> None:
        """Go on with what the other has seen, for each correlation that both follow."""
        self._followed.update({place: each for place, each in other._followed.items() if place in self._followed})

    def __bool__(self) -> bool:
        return bool(self._followed)

    def observe(self, seen: Sequence[Seen], fields: Fields, at: datetime) -> list[Seen]:
        """Return the correlations that an event makes true, those of correlations among them.

        One that is true already is told again only after a timespan.
        """
        found: dict[tuple[str, str], Seen] = {}
        waiting = list(seen)
        for _ in range(settings.MAX_CHAIN):
            fired = [each for one in waiting for each in self._ask(one, fields, at.timestamp())]
            waiting = [each for each in fired if (each.key, each.rule) not in found]
            found.update(((each.key, each.rule), each) for each in waiting)
            if not waiting:
                break
        return list(found.values())

    def _ask(self, seen: Seen, fields: Fields, at: float) -> list[Seen]:
        listening = dict.fromkeys([
            *self._by_id.get(seen.rule, ()),
            *(self._by_name.get((seen.key, seen.name), ()) if seen.name else ()),
        ])  # fmt: skip
        asked = [each for each in map(self._followed.get, listening) if each is not None]
        told = [(each, each.observe(seen, fields, at)) for each in asked if each.hears(seen)]
        return [Seen(each.key, each.correlation.id, each.correlation.name, events) for each, events in told if events]


class _Followed:
    """One correlation and what it has seen."""

    def __init__(self, key: str, correlation: Correlation, own: frozenset[str]) -> None:
        self.key = key
        self.correlation = correlation
        self._own = own
        self._groups: OrderedDict[tuple[str, ...], _Group] = OrderedDict()
        self._newest = float("-inf")
        self._number = 0
        self._held = 0

    def hears(self, seen: Seen) -> bool:
        """Tell whether a rule of that id is meant: of those that came with this correlation, only these."""
        return seen.key == self.key or seen.rule not in self._own

    def observe(self, seen: Seen, fields: Fields, at: float) -> int:
        """Take one event; return of how many events the condition has become true with it, 0 where it has not."""
        self._newest = max(self._newest, at)
        if at <= self._newest - 2 * self.correlation.timespan_s:
            return 0
        reference = self._reference(seen)
        group = self._group(reference, fields)
        value = self._value(fields)
        if group is None or value is None:
            return 0
        self._number += 1
        bisect.insort(group.events, _Kept(at, self._number, reference, value))
        self._held += 1
        self._forget(group)
        events = 0 if at < group.quiet_until else self._true_around(group, at)
        if events:
            group.quiet_until = at + self.correlation.timespan_s
        return events

    def _reference(self, seen: Seen) -> str:
        rules = self.correlation.rules
        return next((each for each in rules if each.lower() == seen.rule), seen.name)

    def _group(self, reference: str, fields: Fields) -> _Group | None:
        """Return the group of an event; None where it lacks a field to group by."""
        values: list[str] = []
        for name in self.correlation.group_by:
            field_name = self.correlation.aliases.get(name, {}).get(reference, name)
            texts = texts_of(value_of(fields, field_name))
            if not texts:
                return None
            values.append(_bounded("\n".join(texts)))
        group = self._groups.setdefault(tuple(values), _Group())
        self._groups.move_to_end(tuple(values))
        return group

    def _value(self, fields: Fields) -> str | None:
        """Return what is counted; None where the event lacks it. Where nothing is counted, any text will do."""
        values: list[str] = []
        for name in self.correlation.counted:
            texts = texts_of(value_of(fields, name))
            if not texts and self.correlation.type == "value_count":
                return None
            values.append("\n".join(texts))
        return _bounded("\0".join(values).lower())

    def _forget(self, group: _Group) -> None:
        oldest = self._newest - 2 * self.correlation.timespan_s
        first = bisect.bisect_left(group.events, oldest, key=lambda each: each.at)
        first = max(first, len(group.events) - settings.MAX_GROUP_EVENTS)
        del group.events[:first]
        self._held -= first
        while len(self._groups) > 1 and (
            len(self._groups) > settings.MAX_GROUPS or self._held > settings.MAX_CORRELATED_EVENTS
        ):
            self._held -= len(self._groups.popitem(last=False)[1].events)

    def _true_around(self, group: _Group, at: float) -> int:
        """Return how many events are in a window that ends with one, holds this one, and makes the condition true."""
        span, events = self.correlation.timespan_s, group.events
        begin = bisect.bisect_left(events, at, key=lambda each: each.at)
        for end in range(begin, len(events)):
            last = events[end].at
            if last >= at + span:
                break
            if end + 1 < len(events) and events[end + 1].at == last:
                continue
            first = bisect.bisect_right(events, last - span, key=lambda each: each.at)
            if self._true(events[first : end + 1]):
                return end + 1 - first
        return 0

    def _true(self, window: Sequence[_Kept]) -> bool:
        correlation = self.correlation
        compare = _COMPARE[correlation.operator]
        match correlation.type:
            case "event_count":
                return compare(len(window), correlation.count)
            case "value_count":
                return compare(len({each.value for each in window}), correlation.count)
            case "temporal":
                return compare(len({each.rule for each in window}), correlation.count)
            case "temporal_ordered":
                return _in_order(correlation.rules, window)


def _in_order(rules: Sequence[str], window: Sequence[_Kept]) -> bool:
    """Tell whether the rules came in this order, others between them or not."""
    wanted = iter(rules)
    next_rule = next(wanted, None)
    for each in window:
        if each.rule == next_rule:
            next_rule = next(wanted, None)
            if next_rule is None:
                return True
    return False


def _bounded(text: str) -> str:
    if len(text) <= settings.MAX_VALUE_CHARS:
        return text
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
