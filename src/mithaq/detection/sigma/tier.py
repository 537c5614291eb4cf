"""An index of many rules, built once: which of them does an event make true?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from mithaq.detection.sigma import settings
from mithaq.detection.sigma.conditions import Decide, Fields, decide, needs, witnesses
from mithaq.detection.sigma.field_index import NOTHING, FieldIndex, Numbered, Verdict
from mithaq.detection.sigma.fields import Sources, canonical_name, texts_of, value_of
from mithaq.detection.sigma.model import JSON_LINE, LINE, Detection, Predicate, SameAs, affirmed
from mithaq.standards.sigma import LogSource

Databases = Mapping[str, Sequence[bytes]]

GATES: Final = ("Channel", "EventID")
"""Fields that every Windows event has, and nearly every rule for Windows asks; written as events write them."""

_Plan = tuple[tuple[str, FieldIndex], ...]
"""Which of an event's fields are asked, and of which index."""

Asking = tuple[str, str]
"""A field and its value that answered a rule's question with yes; the field is empty for a keyword in the line."""

_KindKey = tuple[LogSource, tuple[frozenset[int], ...]]
_RouteKey = tuple[Sources, tuple[int, ...], tuple[int, ...]]


@dataclass(slots=True)
class Entry:
    """One detection in an index, and whether it still counts; `key` is that of what it was put with."""

    key: str
    detection: Detection
    silent: bool = False
    dropped: bool = False


@dataclass(slots=True)
class _Kind:
    """Rules of one log source that need the same of the gates, and the fields that they ask."""

    rules: list[int] = field(default_factory=list)
    fields: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Route:
    """The rules that events of one kind may make true, and the indexes of the fields that these rules ask.

    `names` grows as events spell the fields' names, `shapes` as events have other fields.
    """

    rules: frozenset[int]
    always: tuple[int, ...]
    lines: tuple[tuple[FieldIndex, ...], tuple[FieldIndex, ...]]
    fields: frozenset[str]
    names: dict[str, FieldIndex | None] = field(default_factory=dict)
    shapes: dict[tuple[str, ...], _Plan] = field(default_factory=dict)


_Passed = tuple[_Route, Verdict, Verdict]


class Tier:
    """Index detections; built once, then only read. One thread matches at a time.

    What a rule asks of the channel and the number of an event is decided once for all events with the same answers:
    most rules are out of the question then, and most fields need not be looked at.
    """

    def __init__(self, entries: Sequence[Entry], databases: Databases | None = None) -> None:
        self.entries = tuple(entries)
        self._numbers: dict[Predicate, int] = {}
        fields: defaultdict[str, list[Numbered]] = defaultdict(list)
        witnessed: defaultdict[int, list[int]] = defaultdict(list)
        numbered: list[list[int]] = []
        self._own = numbered
        self._of_key: defaultdict[str, list[int]] = defaultdict(list)
        self._decide: list[Decide] = []
        self._always: list[int] = []
        for rule, entry in enumerate(self.entries):
            own = [self._number(_indexed(each, entry.detection.route), fields) for each in entry.detection.predicates]
            numbered.append(own)
            self._of_key[entry.key].append(rule)
            self._decide.append(decide(entry.detection.condition, own))
            found = witnesses(entry.detection.condition, entry.detection.predicates)
            if found is None:
                self._always.append(rule)
            for place in found or ():
                witnessed[own[place]].append(rule)
        kept = databases or {}
        self._fields = {name: FieldIndex(each, witnessed, kept.get(name)) for name, each in fields.items()}
        self._gates = {name: self._fields.get(canonical_name(name)) for name in GATES}
        gated = frozenset(number for name in GATES for number, _ in fields.get(canonical_name(name), ()))
        self._kinds: defaultdict[_KindKey, _Kind] = defaultdict(_Kind)
        for rule, (entry, own) in enumerate(zip(self.entries, numbered, strict=True)):
            detection = entry.detection
            kind = self._kinds[detection.route, needs(detection.condition, own, gated)]
            kind.rules.append(rule)
            kind.fields.update(_indexed(each, detection.route).field for each in detection.predicates)
        self._routes: dict[_RouteKey, _Route] = {}
        self._known: dict[tuple[Sources, object, object], _Passed] = {}

    def serialised(self) -> dict[str, list[bytes]] | None:
        """Return the databases, to be kept; None where an index holds more than its databases say."""
        if not all(each.may_be_kept for each in self._fields.values()):
            return None
        return {name: each.serialised() for name, each in self._fields.items()}

    def match(self, fields: Fields, raw: bytes, sources: Sources) -> list[Entry]:
        """Return the entries that an event makes true, in their order.

        Cost: 10 to 20 microseconds for a Windows event and all rules of SigmaHQ.
        """
        found, _ = self._matched(fields, raw, sources)
        entries = self.entries
        return [entries[rule] for rule in sorted(found) if not entries[rule].dropped]

    def reasons(self, key: str, fields: Fields, raw: bytes, sources: Sources) -> list[Asking]:
        """Return the fields and values that make the detections of one key true, in the order of their questions."""
        if key not in self._of_key:
            return []
        found, true = self._matched(fields, raw, sources)
        told: list[Asking] = []
        for rule in self._of_key[key]:
            detection = self.entries[rule].detection
            if rule in found and not self.entries[rule].dropped:
                told += _told(detection, [number in true for number in self._own[rule]], fields)
        return told

    def _matched(self, fields: Fields, raw: bytes, sources: Sources) -> tuple[list[int], set[int]]:
        """Return the rules that an event makes true, and the predicates."""
        route, *verdicts = self._passed(fields, sources)
        if not route.rules:
            return [], set()
        shape = tuple(fields)
        plan = route.shapes.get(shape)
        for name, index in self._plan(route, shape) if plan is None else plan:
            value = fields[name]
            verdict = index.remembered.get(value) if value.__class__ is str else None
            if verdict is None:
                verdict = index.verdict(value)
            if verdict is not NOTHING:
                verdicts.append(verdict)
        if raw and (route.lines[1] or route.lines[0]):
            verdicts += _read(route, raw)
        asked: set[int] = set(route.always).union(*[verdict.rules for verdict in verdicts])
        asked &= route.rules
        if not asked:
            return [], set()
        true: set[int] = set().union(*[verdict.true for verdict in verdicts])
        decides = self._decide
        return [rule for rule in asked if decides[rule](true, fields)], true

    def _passed(self, fields: Fields, sources: Sources) -> _Passed:
        """Return the route of an event, and what its channel and number make true."""
        channel, number = fields.get(GATES[0]), fields.get(GATES[1])
        if channel.__class__ is not str or (number.__class__ is not int and number.__class__ is not str):
            return self._pass(fields, sources)
        known = self._known.get((sources, channel, number))
        if known is None:
            if len(self._known) >= settings.MAX_REMEMBERED_ROUTES:
                self._known.clear()
            known = self._known[sources, channel, number] = self._pass(fields, sources)
        return known

    def _pass(self, fields: Fields, sources: Sources) -> _Passed:
        channel, number = self._gate(GATES[0], fields), self._gate(GATES[1], fields)
        key = (sources, channel.true, number.true)
        return self._routes.get(key) or self._new_route(key, sources), channel, number

    def _gate(self, name: str, fields: Fields) -> Verdict:
        index = self._gates[name]
        if index is None:
            return NOTHING
        value = fields.get(name)
        return index.verdict(value if value is not None else value_of(fields, name))

    def _number(self, predicate: Predicate, fields: dict[str, list[Numbered]]) -> int:
        number = self._numbers.get(predicate)
        if number is None:
            number = self._numbers[predicate] = len(self._numbers)
            fields[predicate.field].append((number, predicate))
        return number

    def _plan(self, route: _Route, shape: tuple[str, ...]) -> _Plan:
        """Say which of these fields are asked; most events of a kind have the same."""
        found = ((name, self._named(route, name)) for name in shape)
        plan = tuple((name, index) for name, index in found if index is not None)
        if len(shape) <= settings.MAX_SHAPE_FIELDS:
            if len(route.shapes) >= settings.MAX_REMEMBERED_SHAPES:
                route.shapes.clear()
            route.shapes[shape] = plan
        return plan

    def _named(self, route: _Route, name: str) -> FieldIndex | None:
        if name in route.names:
            return route.names[name]
        canonical = canonical_name(name)
        index = self._fields.get(canonical) if canonical in route.fields else None
        if len(route.names) >= settings.MAX_REMEMBERED_NAMES:
            route.names.clear()
        route.names[name] = index
        return index

    def _reading(self, line: str, asked: set[str]) -> tuple[FieldIndex, ...]:
        return tuple(self._fields[name] for name in sorted(asked) if name.startswith(f"{line}\0"))

    def _new_route(self, key: _RouteKey, sources: Sources) -> _Route:
        """Work out which rules are left for events of these sources with these answers at the gates.

        There are as many routes as different answers, not as values.
        """
        true = {*key[1], *key[2]}
        events = sources or (LogSource(),)
        left = [
            kind
            for (source, needed), kind in self._kinds.items()
            if any(_fits(source, event) for event in events) and not any(each.isdisjoint(true) for each in needed)
        ]
        rules = frozenset(rule for kind in left for rule in kind.rules if not self.entries[rule].dropped)
        asked = {name for kind in left for name in kind.fields}
        route = _Route(
            rules=rules,
            always=tuple(rule for rule in self._always if rule in rules),
            lines=(self._reading(LINE, asked), self._reading(JSON_LINE, asked)),
            fields=frozenset(asked).difference(map(canonical_name, GATES)),
        )
        if len(self._routes) >= settings.MAX_REMEMBERED_ROUTES:
            self._routes.clear()
        self._routes[key] = route
        return route


def _told(detection: Detection, true: Sequence[bool], fields: Fields) -> list[Asking]:
    """Return what a detection asked and was answered with yes; what it must not be says nothing."""
    told: list[Asking] = []
    for leaf in affirmed(detection.condition):
        if isinstance(leaf, SameAs):
            told.append((leaf.field, _shown(value_of(fields, leaf.field))))
        elif true[leaf.predicate]:
            predicate = detection.predicates[leaf.predicate]
            if predicate.field in (LINE, JSON_LINE):
                told.append(("", predicate.value[: settings.MAX_SHOWN_CHARS]))
            else:
                told.append((predicate.field, _shown(value_of(fields, predicate.field))))
    return list(dict.fromkeys(told))


def _shown(value: object) -> str:
    return ", ".join(texts_of(value))[: settings.MAX_SHOWN_CHARS]


def _indexed(predicate: Predicate, route: LogSource) -> Predicate:
    """Return a predicate under the name of its index; what is sought in lines has one for each kind of rules."""
    if predicate.field in (LINE, JSON_LINE):
        name = "\0".join((predicate.field, route.product, route.category, route.service))
    else:
        name = canonical_name(predicate.field)
    return predicate if name == predicate.field else msgspec.structs.replace(predicate, field=name)


def _read(route: _Route, raw: bytes) -> list[Verdict]:
    is_json = raw.lstrip()[:1] == b"{"
    indexes = route.lines[is_json]
    line = _plain(raw) if indexes and is_json and _hides_text(raw) else raw
    return [index.scan(line) for index in indexes]


def _hides_text(line: bytes) -> bool:
    r"""Tell whether a JSON line may have escapes (`\u0065`, `\/`) that hide text from a search of its bytes.

    A backslash that is escaped itself begins none, and `C:\\users` is frequent.
    """
    if b"\\u" not in line and b"\\/" not in line:
        return False
    left = line.replace(b"\\\\", b"")
    return b"\\u" in left or b"\\/" in left


def _fits(rule: LogSource, event: LogSource) -> bool:
    """Tell whether a rule is asked of an event: whatever it names, the event is."""
    return (
        rule.product in ("", event.product)
        and rule.category in ("", event.category)
        and rule.service in ("", event.service)
    )


def _plain(line: bytes) -> bytes:
    r"""Return a JSON line without the escapes that hide text from a byte search (`\u0065`, `\/`)."""
    if len(line) > settings.MAX_JSON_ESCAPES_BYTES:
        return line
    try:
        return msgspec.json.encode(msgspec.json.decode(line))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return line
