"""A clause's condition as data: a small tree over named facts, read by several readers."""

from dataclasses import dataclass
from typing import TypeAlias, assert_never


@dataclass(frozen=True, slots=True)
class Fact:
    """The value of one fact."""

    name: str


@dataclass(frozen=True, slots=True)
class AtMost:
    """The left fact is not greater than the right one (labels by rank, instants by time)."""

    left: Fact
    right: Fact


@dataclass(frozen=True, slots=True)
class Before:
    """The left fact is strictly less than the right one."""

    left: Fact
    right: Fact


@dataclass(frozen=True, slots=True)
class In:
    """The left fact is one of the right one's members."""

    member: Fact
    group: Fact


@dataclass(frozen=True, slots=True)
class Within:
    """Every member of the left fact is one of the right one's members, and there is at least one."""

    part: Fact
    whole: Fact


@dataclass(frozen=True, slots=True)
class Disjoint:
    """No member of the left fact is one of the right one's members."""

    left: Fact
    right: Fact


@dataclass(frozen=True, slots=True)
class Equal:
    """Both facts are the same."""

    left: Fact
    right: Fact


@dataclass(frozen=True, slots=True)
class Holds:
    """The fact is true."""

    fact: Fact


@dataclass(frozen=True, slots=True)
class Not:
    """The inner condition does not hold."""

    inner: "Condition"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of the conditions holds."""

    conditions: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every one of the conditions holds."""

    conditions: tuple["Condition", ...]


Condition: TypeAlias = AtMost | Before | In | Within | Disjoint | Equal | Holds | Not | AnyOf | AllOf


def source(condition: Condition, record: str = "f") -> str:
    """Write the condition as a Python expression over the attributes of `record`.

    >>> source(AnyOf((AtMost(Fact("a"), Fact("b")), Not(Holds(Fact("c"))))))
    '((f.a <= f.b) or (not (f.c is True)))'
    """
    match condition:
        case AtMost(left, right):
            return f"({record}.{left.name} <= {record}.{right.name})"
        case Before(left, right):
            return f"({record}.{left.name} < {record}.{right.name})"
        case In(member, group):
            return f"({record}.{member.name} in {record}.{group.name})"
        case Within(part, whole):
            return f"({record}.{part.name} and {record}.{part.name} <= {record}.{whole.name})"
        case Disjoint(left, right):
            return f"({record}.{left.name}.isdisjoint({record}.{right.name}))"
        case Equal(left, right):
            return f"({record}.{left.name} == {record}.{right.name})"
        case Holds(fact):
            return f"({record}.{fact.name} is True)"
        case Not(inner):
            return f"(not {source(inner, record)})"
        case AnyOf(conditions):
            return "(" + " or ".join(source(each, record) for each in conditions) + ")"
        case AllOf(conditions):
            return "(" + " and ".join(source(each, record) for each in conditions) + ")"
        case _:
            assert_never(condition)


def facts_in(condition: Condition) -> tuple[str, ...]:
    """Return the names of the facts a condition looks at, in order."""
    match condition:
        case AtMost(left, right) | Before(left, right) | Equal(left, right) | Disjoint(left, right):
            return (left.name, right.name)
        case In(member, group) | Within(member, group):
            return (member.name, group.name)
        case Holds(fact):
            return (fact.name,)
        case Not(inner):
            return facts_in(inner)
        case AnyOf(conditions) | AllOf(conditions):
            return tuple(name for each in conditions for name in facts_in(each))
        case _:
            assert_never(condition)


def formula(condition: Condition) -> str:
    """Write the condition in the signs of set theory and logic, for a page that people read.

    >>> formula(AnyOf((AtMost(Fact("a"), Fact("b")), Not(In(Fact("c"), Fact("d"))))))
    'a ≤ b ∨ ¬ (c ∈ d)'
    """
    match condition:
        case AtMost(left, right):
            return f"{left.name} ≤ {right.name}"
        case Before(left, right):
            return f"{left.name} < {right.name}"
        case In(member, group):
            return f"{member.name} ∈ {group.name}"
        case Within(part, whole):
            return f"∅ ≠ {part.name} ⊆ {whole.name}"
        case Disjoint(left, right):
            return f"{left.name} ∩ {right.name} = ∅"
        case Equal(left, right):
            return f"{left.name} = {right.name}"
        case Holds(fact):
            return fact.name
        case Not(Holds(fact)):
            return f"¬ {fact.name}"
        case Not(Equal(left, right)):
            return f"{left.name} ≠ {right.name}"
        case Not(inner):
            return f"¬ ({formula(inner)})"
        case AnyOf(conditions):
            return " ∨ ".join(_part(each) for each in conditions)
        case AllOf(conditions):
            return " ∧ ".join(_part(each) for each in conditions)
        case _:
            assert_never(condition)


def _part(condition: Condition) -> str:
    return f"({formula(condition)})" if isinstance(condition, AnyOf | AllOf) else formula(condition)
