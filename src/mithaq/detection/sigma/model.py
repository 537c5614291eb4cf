"""What a Sigma rule becomes: predicates on fields, and a condition over them. Plain data, kept as MessagePack."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from mithaq.standards.sigma import LogSource

LINE: Final = ""
"""The pseudo field of a raw line that is no JSON; `JSON_LINE` of one that is, where text is escaped."""
JSON_LINE: Final = "{}"

Operator = Literal[
    "is", "is-cased", "like", "like-cased", "re", "re-slow", "cidr", "exists", "lt", "lte", "gt", "gte", "neq", "time"
]


class Predicate(msgspec.Struct, frozen=True, array_like=True):
    """One question to one field.

    `value`: lower-case text for `is`; a regular expression for `like` (a wildcard pattern) and `re`; a network for
    `cidr`; a number for comparisons; `hour 3` for `time`; empty for `exists`.
    """

    field: str
    operator: Operator
    value: str = ""


class Leaf(msgspec.Struct, frozen=True, tag="is", array_like=True):
    """True where the predicate is."""

    predicate: int


class All(msgspec.Struct, frozen=True, tag="all", array_like=True):
    """True where each is."""

    of: tuple[Condition, ...]


class Any(msgspec.Struct, frozen=True, tag="any", array_like=True):
    """True where one is."""

    of: tuple[Condition, ...]


class Not(msgspec.Struct, frozen=True, tag="not", array_like=True):
    """True where the other is not."""

    of: Condition


class SameAs(msgspec.Struct, frozen=True, tag="same", array_like=True):
    """True where one field's value is another's, or begins or ends with it (`fieldref`)."""

    field: str
    other: str
    how: Literal["is", "startswith", "endswith"] = "is"


Condition = Leaf | All | Any | Not | SameAs


class Detection(msgspec.Struct, frozen=True):
    """One detection rule, ready to be indexed: leaves are places in `predicates`.

    `route`: only events of this source are asked; parts that the condition itself asks for are left out.
    """

    id: str
    name: str
    predicates: tuple[Predicate, ...]
    condition: Condition
    route: LogSource


class Correlation(msgspec.Struct, frozen=True):
    """One correlation rule. `rules` are ids, or names of rules in the same unit.

    Units: seconds. `aliases`: alias -> rule -> the field that it stands for there.
    """

    id: str
    name: str
    type: Literal["event_count", "value_count", "temporal", "temporal_ordered"]
    rules: tuple[str, ...]
    group_by: tuple[str, ...]
    timespan_s: int
    operator: Literal["lt", "lte", "gt", "gte", "eq", "neq"] = "gte"
    count: int = 1
    counted: tuple[str, ...] = ()
    aliases: dict[str, dict[str, str]] = {}


class Unit(msgspec.Struct, frozen=True):
    """What is put and dropped as one: a rule, or a correlation with the rules that lie beside it.

    `id` is that of the rule, or of the last correlation. `silent`: ids of rules that are there for a correlation alone.
    """

    id: str
    detections: tuple[Detection, ...]
    correlations: tuple[Correlation, ...] = ()
    silent: tuple[str, ...] = ()


def leaves(condition: Condition) -> Iterator[Leaf | SameAs]:
    """Yield the leaves of a condition, from left to right."""
    waiting = [condition]
    while waiting:
        node = waiting.pop()
        match node:
            case Leaf() | SameAs():
                yield node
            case Not():
                waiting.append(node.of)
            case All() | Any():
                waiting.extend(reversed(node.of))


def affirmed(condition: Condition) -> Iterator[Leaf | SameAs]:
    """Yield the leaves that count for a condition and not against it, from left to right."""
    waiting = [(condition, True)]
    while waiting:
        node, counts_for = waiting.pop()
        match node:
            case Leaf() | SameAs():
                if counts_for:
                    yield node
            case Not():
                waiting.append((node.of, not counts_for))
            case All() | Any():
                waiting.extend((each, counts_for) for each in reversed(node.of))


def fields_of(detection: Detection) -> tuple[str, ...]:
    """Return the fields that a rule asks, each once; a keyword asks none."""
    named = [predicate.field for predicate in detection.predicates if predicate.field not in (LINE, JSON_LINE)]
    for leaf in leaves(detection.condition):
        if isinstance(leaf, SameAs):
            named += [leaf.field, leaf.other]
    return tuple(dict.fromkeys(named))
