"""Number the predicates of many rules, each once, and say what makes each rule worth a look."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from mithaq.detection.sigma import lines
from mithaq.detection.sigma.conditions import Decide, decide, needs, witnesses
from mithaq.detection.sigma.field_index import Numbered
from mithaq.detection.sigma.fields import canonical_name
from mithaq.detection.sigma.model import JSON_LINE, Detection, Predicate, SameAs, leaves
from mithaq.standards.sigma import LogSource

GATES: Final = ("Channel", "EventID")
"""Fields that every Windows event has, and nearly every rule for Windows asks; written as events write them."""
_GATES: Final = frozenset(map(canonical_name, GATES))


@dataclass(slots=True)
class Entry:
    """One detection in an index, and whether it still counts; `key` is that of what it was put with."""

    key: str
    detection: Detection
    silent: bool = False
    dropped: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """A detection by its predicates' numbers.

    `needs`: answers at the gates, one of each set, without which it cannot be true. `opened_by`: answers at the gates
    of which one makes it worth a look, whatever else an event has; None where every event is. `indexes`: names of
    those that its predicates are in. `compares`: it compares fields with each other.
    """

    entry: Entry
    numbers: tuple[int, ...]
    decide: Decide
    needs: tuple[frozenset[int], ...]
    opened_by: frozenset[int] | None
    indexes: frozenset[str]
    compares: bool

    @property
    def source(self) -> LogSource:
        """Return of which events it is asked."""
        return self.entry.detection.route


class Numbering:
    """The predicates of a set of rules by the name of their index, the rules, and which predicate is whose witness."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._numbers: dict[Predicate, int] = {lines.ESCAPES: lines.HIDES}
        self.predicates: defaultdict[str, list[Numbered]] = defaultdict(list)
        self.witnessed: defaultdict[int, list[int]] = defaultdict(list)
        self.rules = tuple(self._rule(place, entry) for place, entry in enumerate(entries))
        for name in lines.names_of(JSON_LINE, self.predicates):
            self.predicates[name].append((lines.HIDES, lines.ESCAPES))

    def _rule(self, place: int, entry: Entry) -> Rule:
        detection = entry.detection
        condition, predicates = detection.condition, detection.predicates
        needed = needs(condition, predicates, _GATES)
        indexed = [lines.indexed(each, detection.route, needed) for each in predicates]
        numbers = tuple(map(self._number, indexed))
        of = dict(zip(predicates, numbers, strict=True))
        return Rule(
            entry=entry,
            numbers=numbers,
            decide=decide(condition, numbers),
            needs=tuple(frozenset(of[each] for each in some) for some in needed),
            opened_by=self._witness(place, detection, numbers),
            indexes=frozenset(each.field for each in indexed),
            compares=any(isinstance(each, SameAs) for each in leaves(condition)),
        )

    def _number(self, predicate: Predicate) -> int:
        number = self._numbers.get(predicate)
        if number is None:
            number = self._numbers[predicate] = len(self._numbers)
            self.predicates[predicate.field].append((number, predicate))
        return number

    def _witness(self, place: int, detection: Detection, numbers: Sequence[int]) -> frozenset[int] | None:
        """Write down a rule's witnesses; return those of them that are answers at the gates.

        A gate is a witness only where nothing else can be: it is open for every event of a kind.
        """
        condition, predicates = detection.condition, detection.predicates
        found = witnesses(condition, predicates, _GATES)
        if found is None:
            found = witnesses(condition, predicates, frozenset())
        if found is None:
            return None
        at_gates = {each for each in found if canonical_name(predicates[each].field) in _GATES}
        for each in found - at_gates:
            self.witnessed[numbers[each]].append(place)
        return frozenset(numbers[each] for each in at_gates)
