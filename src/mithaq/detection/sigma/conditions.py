"""Conditions as functions of the set of true predicates: closures over numbers, nothing of a rule's text is run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from mithaq.detection.sigma.fields import canonical_name, texts_of, value_of
from mithaq.detection.sigma.model import All, Any, Condition, Leaf, Not, Predicate, SameAs

Fields = Mapping[str, object]
Decide = Callable[[set[int], Fields], bool]
"""Whether a condition is true, given the numbers of the predicates that are and the event's fields."""

_COMMON: Final = {
    "eventid": 40.0,
    "channel": 4_000.0,
    "provider_name": 900.0,
    "initiated": 500.0,
    "logontype": 200.0,
    "status": 100.0,
    "integritylevel": 100.0,
    "image": 8.0,
    "parentimage": 8.0,
    "user": 40.0,
}
"""How often a predicate on these fields is true, compared with one on another; found by counting real events."""
_OTHER: Final = 3.0
_EXISTS: Final = 2_000.0
_TYPICAL_CHARS: Final = 8


def decide(condition: Condition, numbers: Sequence[int]) -> Decide:
    """Return the function of a condition; `numbers` are those of the rule's own predicates in the index."""
    match condition:
        case Leaf(place):
            number = numbers[place]
            return lambda true, _: number in true
        case Not(inner):
            return _none_of(inner, numbers)
        case SameAs():
            return _same(condition)
        case All(of):
            return _all(of, numbers)
        case Any(of):
            return _any(of, numbers)


def witnesses(
    condition: Condition, predicates: Sequence[Predicate], without: AbstractSet[str]
) -> frozenset[int] | None:
    """Return the cheapest predicates of which one is true wherever the condition is; None where nothing is needed.

    `without`: fields, by their canonical names, whose predicates are not taken.
    """
    return _witnesses(condition, predicates, without)[0]


def needs(
    condition: Condition, predicates: Sequence[Predicate], known: AbstractSet[str]
) -> tuple[frozenset[Predicate], ...]:
    """Return sets of predicates on the `known` fields, of each of which one must be true for the condition to be."""
    parts = condition.of if isinstance(condition, All) else (condition,)
    found: list[frozenset[Predicate]] = []
    for part in parts:
        choices = part.of if isinstance(part, Any) else (part,)
        together = frozenset(predicates[each.predicate] for each in choices if isinstance(each, Leaf))
        if (
            all(isinstance(each, Leaf) for each in choices)
            and {canonical_name(each.field) for each in together} <= known
        ):
            found.append(together)
    return tuple(found)


def _all(of: Sequence[Condition], numbers: Sequence[int]) -> Decide:
    needed = frozenset(numbers[each.predicate] for each in of if isinstance(each, Leaf))
    others = [each for each in of if not isinstance(each, Leaf)]
    rest = tuple(decide(each, numbers) for each in sorted(others, key=lambda each: isinstance(each, Not | SameAs)))
    if not rest:
        return lambda true, _: needed <= true

    def every(true: set[int], fields: Fields) -> bool:
        if not needed <= true:
            return False
        # A generator would cost more than what it saves: this runs for every event.
        for each in rest:  # noqa: SIM110
            if not each(true, fields):
                return False
        return True

    return every


def _any(of: Sequence[Condition], numbers: Sequence[int]) -> Decide:
    enough = frozenset(numbers[each.predicate] for each in of if isinstance(each, Leaf))
    rest = tuple(decide(each, numbers) for each in of if not isinstance(each, Leaf))
    if not rest:
        return lambda true, _: not enough.isdisjoint(true)

    def one(true: set[int], fields: Fields) -> bool:
        if not enough.isdisjoint(true):
            return True
        for each in rest:  # noqa: SIM110
            if each(true, fields):
                return True
        return False

    return one


def _none_of(inner: Condition, numbers: Sequence[int]) -> Decide:
    if isinstance(inner, Leaf):
        number = numbers[inner.predicate]
        return lambda true, _: number not in true
    if isinstance(inner, Any) and all(isinstance(each, Leaf) for each in inner.of):
        each_number = frozenset(numbers[each.predicate] for each in inner.of if isinstance(each, Leaf))
        return lambda true, _: each_number.isdisjoint(true)
    is_true = decide(inner, numbers)
    return lambda true, fields: not is_true(true, fields)


def _same(condition: SameAs) -> Decide:
    """Compare two fields; a field that is missing is equal to nothing."""

    def same(_: set[int], fields: Fields) -> bool:
        others = [text.lower() for text in texts_of(value_of(fields, condition.other))]
        ours = [text.lower() for text in texts_of(value_of(fields, condition.field))]
        match condition.how:
            case "startswith":
                return any(one.startswith(other) for one in ours for other in others)
            case "endswith":
                return any(one.endswith(other) for one in ours for other in others)
            case "is":
                return not set(ours).isdisjoint(others)

    return same


_Costed = tuple[frozenset[int] | None, float]


def _witnesses(condition: Condition, predicates: Sequence[Predicate], without: AbstractSet[str]) -> _Costed:
    match condition:
        case Leaf(place):
            predicate = predicates[place]
            if canonical_name(predicate.field) in without:
                return None, 0.0
            return frozenset({place}), _cost(predicate)
        case All(of):
            found = [_witnesses(each, predicates, without) for each in of]
            return min((each for each in found if each[0] is not None), key=lambda each: each[1], default=(None, 0.0))
        case Any(of):
            found = [_witnesses(each, predicates, without) for each in of]
            if any(each[0] is None for each in found):
                return None, 0.0
            together = frozenset(place for places, _ in found if places is not None for place in places)
            return together, sum(cost for _, cost in found)
        case Not() | SameAs():
            return None, 0.0


def _cost(predicate: Predicate) -> float:
    if predicate.operator in ("exists", "neq"):
        return _EXISTS
    usual = _COMMON.get(predicate.field.lower(), _OTHER)
    return usual / max(1.0, len(predicate.value) / _TYPICAL_CHARS)
