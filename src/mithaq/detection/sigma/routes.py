"""What is left of all rules for events with the same answers at the gates, and what such events were told before.

Most rules are out of the question for an event by its channel and its number, and most of its fields need not be
looked at. Telemetry repeats itself: events of a kind have the same fields, the fields few values, and the values few
different answers. Each of these steps is remembered.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import getitem, itemgetter
from typing import Final

from mithaq.detection.sigma import lines, settings
from mithaq.detection.sigma.field_index import FieldIndex
from mithaq.detection.sigma.fields import Fields, Sources, canonical_name, value_of
from mithaq.detection.sigma.memory import Column, Memory, Verdict
from mithaq.detection.sigma.model import JSON_LINE, LINE
from mithaq.detection.sigma.numbering import GATES, Numbering
from mithaq.standards.sigma import LogSource

Verdicts = tuple[Verdict, ...]
_Columns = tuple[Column, ...]
_KindKey = tuple[LogSource, tuple[frozenset[int], ...]]
_CHANNEL, _NUMBER = GATES


@dataclass(frozen=True, slots=True)
class _Plan:
    """Which of an event's fields are asked, and where; `values` picks them."""

    values: Callable[[Fields], tuple[object, ...]]
    columns: _Columns


@dataclass(frozen=True, slots=True)
class Route:
    """The rules that events of one kind may make true.

    `true`: what such events' channel and number make true. `always`: rules that are looked at in any case. `lines`:
    where lines that are no JSON are searched for keywords, and those that are. `comparing`: rules that compare fields
    with each other. `decided`: which rules events with the same verdicts made true.
    """

    true: frozenset[int]
    rules: frozenset[int]
    always: tuple[int, ...]
    comparing: frozenset[int]
    columns: Mapping[str, Column]
    lines: tuple[_Columns, _Columns]
    memory: Memory
    shapes: dict[tuple[str, ...], _Plan] = field(default_factory=dict)
    decided: dict[Verdicts, tuple[int, ...]] = field(default_factory=dict)

    def verdicts(self, fields: Fields, raw: bytes) -> Verdicts:
        """Return the verdicts on an event's values, and on its line where a keyword is sought in it."""
        shape = tuple(fields)
        plan = self.shapes.get(shape) or self._plan(shape)
        values = plan.values(fields)
        try:
            found = tuple(filter(None, map(getitem, plan.columns, values)))
        except TypeError:  # a list or a mapping among the values
            found = tuple(filter(None, map(Column.of, plan.columns, values)))
        if raw and (columns := self.lines[lines.is_json(raw)]):
            found += lines.verdicts(columns, raw)
        return found

    def _plan(self, shape: tuple[str, ...]) -> _Plan:
        asked = [(name, self.columns[each]) for name in shape if (each := canonical_name(name)) in self.columns]
        plan = _Plan(_picking([name for name, _ in asked]), tuple(column for _, column in asked))
        chars = sum(map(len, shape))
        if chars <= settings.MAX_SHAPE_CHARS:
            self.memory.make_room(chars)
            self.shapes[shape] = plan
        return plan


def _picking(names: Sequence[str]) -> Callable[[Fields], tuple[object, ...]]:
    """Return what picks these values of an event as a tuple; `itemgetter` makes none of fewer than two."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda fields: tuple(fields[name] for name in names)


@dataclass(slots=True)
class _Kind:
    """Rules of one log source that need the same of the gates, and the indexes that they ask."""

    rules: list[int] = field(default_factory=list)
    indexes: set[str] = field(default_factory=set)


class Routes:
    """Find an event's route by its log sources, its channel and its number.

    There are as many routes as different answers at the gates, not as values.
    """

    def __init__(self, numbering: Numbering, indexes: Mapping[str, FieldIndex]) -> None:
        self._rules = numbering.rules
        self._witnessed = numbering.witnessed
        self._indexes = indexes
        self._gates = tuple((name, indexes.get(canonical_name(name))) for name in GATES)
        self._kinds: defaultdict[_KindKey, _Kind] = defaultdict(_Kind)
        for place, rule in enumerate(self._rules):
            kind = self._kinds[rule.source, rule.needs]
            kind.rules.append(place)
            kind.indexes |= rule.indexes
        self._routes: dict[tuple[Sources, frozenset[int]], Route] = {}
        self._known: dict[tuple[Sources, object, object], Route] = {}
        self._memory = self._new_memory()

    def of(self, fields: Fields, sources: Sources) -> Route:
        """Return the route of an event."""
        channel, number = fields.get(_CHANNEL), fields.get(_NUMBER)
        if channel.__class__ is not str or (number.__class__ is not int and number.__class__ is not str):
            return self._find(fields, sources)
        return self._known.get((sources, channel, number)) or self._learn(fields, sources, f"{channel} {number}")

    def _learn(self, fields: Fields, sources: Sources, named: str) -> Route:
        route = self._find(fields, sources)
        if len(named) <= settings.MAX_REMEMBERED_CHARS:
            self._memory.make_room(len(named))
            self._known[sources, fields[_CHANNEL], fields[_NUMBER]] = route
        return route

    def _find(self, fields: Fields, sources: Sources) -> Route:
        true = frozenset(
            number for name, index in self._gates if index for number in index.numbers(value_of(fields, name))
        )
        return self._routes.get((sources, true)) or self._new(sources, true)

    def _new(self, sources: Sources, true: frozenset[int]) -> Route:
        if len(self._routes) >= settings.MAX_REMEMBERED_ROUTES:
            self._routes.clear()
            self._known.clear()
            self._memory = self._new_memory()
        left = [kind for (source, needed), kind in self._kinds.items() if _may_be(source, needed, sources, true)]
        rules = frozenset(place for kind in left for place in kind.rules if not self._rules[place].entry.dropped)
        route = self._routes[sources, true] = self._of(rules, {name for kind in left for name in kind.indexes}, true)
        return route

    def _new_memory(self) -> Memory:
        memory = Memory()
        memory.share(self._known.clear)
        return memory

    def _of(self, rules: frozenset[int], names: set[str], true: frozenset[int]) -> Route:
        relevant = frozenset(number for place in rules for number in self._rules[place].numbers)
        columns = {
            name: Column(self._indexes[name], relevant, rules, self._witnessed, self._memory) for name in sorted(names)
        }
        for name in GATES:
            columns.pop(canonical_name(name), None)
        line, json_line = (
            tuple(columns.pop(name) for name in lines.names_of(each, columns)) for each in (LINE, JSON_LINE)
        )
        openers = ((place, self._rules[place].opened_by) for place in sorted(rules))
        route = Route(
            true=true & relevant,
            rules=rules,
            always=tuple(place for place, opened_by in openers if opened_by is None or opened_by & true),
            comparing=frozenset(place for place in rules if self._rules[place].compares),
            columns=columns,
            lines=(line, json_line),
            memory=self._memory,
        )
        self._memory.share(route.shapes.clear)
        self._memory.share(route.decided.clear)
        return route


def _may_be(rule: LogSource, needed: Iterable[frozenset[int]], sources: Sources, true: frozenset[int]) -> bool:
    """Tell whether a rule of this source that needs this of the gates can be true of an event."""
    for each in needed:
        if each.isdisjoint(true):
            return False
    return any(_fits(rule, each) for each in sources or _UNKNOWN)


def _fits(rule: LogSource, event: LogSource) -> bool:
    """Tell whether a rule is asked of an event: whatever it names, the event is."""
    return (
        rule.product in ("", event.product)
        and rule.category in ("", event.category)
        and rule.service in ("", event.service)
    )


_UNKNOWN: Final = (LogSource(),)
