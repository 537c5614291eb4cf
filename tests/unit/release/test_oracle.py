"""The gate against a second telling of its rules, and every change of a clause noticed by it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import cache
from math import prod
from typing import Any

import pytest

from mithaq.release.clauses import LOCAL_CLAUSES, NATION_CLAUSES, Clause
from mithaq.release.evaluate import compile_clauses, compile_failing
from mithaq.release.expression import (
    AllOf,
    AnyOf,
    AtMost,
    Before,
    Condition,
    Disjoint,
    Equal,
    Fact,
    In,
    Not,
    Within,
    facts_in,
    source,
)
from mithaq.release.facts import Facts
from tests.unit.release.oracle import (
    FIELDS,
    GOOD,
    LOCAL_FIELDS,
    around,
    may_be_used,
    may_leave,
    whole_product,
)

judge = compile_clauses(NATION_CLAUSES)
failing = compile_failing(NATION_CLAUSES)
LABELS = ("tlp", "tlp_ceiling", "pap", "pap_ceiling", "named_recipients", "two_person_from", "approvals")
QUESTION = ("originator", "onward_allowed", "carried_purposes", "at", "vetoed", "recipient_trusted")


def compared(states: Iterable[Facts]) -> tuple[int, int]:
    """Hold the gate against the oracle in every state; return how many there were and how many may leave."""
    seen = left = 0
    for state in states:
        failed = failing(state)
        if (not failed) != may_leave(state):
            raise AssertionError([NATION_CLAUSES[place].id for place in failed], state)
        seen += 1
        left += not failed
    return seen, left


def test_the_oracle_knows_every_fact_that_a_clause_looks_at() -> None:
    looked_at = {name for clause in NATION_CLAUSES for name in facts_in(clause.condition)}
    constants = {"tlp_amber", "tlp_red", "persons_needed", "zero"}
    assert looked_at == {*FIELDS, *constants}


def test_gate_and_oracle_agree_in_every_state_up_to_three_facts_away_from_a_release() -> None:
    for many in (0, 1, 2, 3):
        seen, left = compared(around(many))
        assert 0 < left <= seen
    assert seen > 200_000


def test_gate_and_oracle_agree_on_the_whole_product_of_the_labels() -> None:
    names = (*LABELS, "originator", "onward_allowed", "vetoed")
    seen, left = compared(whole_product(names))
    assert seen == prod(len(FIELDS[name]) for name in names) == 86_400
    assert 0 < left < seen / 10


@pytest.mark.deep
def test_gate_and_oracle_agree_in_millions_of_states() -> None:
    seen, left = compared(whole_product((*LABELS, *QUESTION, "kind")))
    assert seen >= 3_000_000
    assert 0 < left < seen / 10


def mutants(condition: Condition) -> Iterator[tuple[str, Condition | None]]:
    """Yield every small change of a condition with its name; None is the clause dropped."""
    yield "dropped", None
    yield "negated", Not(condition)
    yield from _changed(condition)


def _changed(condition: Any) -> Iterator[tuple[str, Condition]]:
    match condition:
        case AtMost(left, right):
            yield f"{left.name} < {right.name}", Before(left, right)
            yield f"{right.name} <= {left.name}", AtMost(right, left)
            yield f"{left.name} = {right.name}", Equal(left, right)
        case Before(left, right):
            yield f"{left.name} <= {right.name}", AtMost(left, right)
            yield f"{right.name} < {left.name}", Before(right, left)
        case Within(left, right):
            yield f"{right.name} within {left.name}", Within(right, left)
            yield f"{left.name} meets {right.name}", Not(Disjoint(left, right))
        case Disjoint(left, right):
            yield f"{left.name} within {right.name}", Within(left, right)
        case Equal(left, right):
            yield f"{left.name} at most {right.name}", AtMost(left, right)
        case In(member, group):
            yield f"{group.name} in {member.name}", In(group, member)
        case Not(inner):
            yield "not not", inner
            for name, other in _changed(inner):
                yield f"not {name}", Not(other)
        case AnyOf(parts) | AllOf(parts):
            yield "and for or", (AllOf if isinstance(condition, AnyOf) else AnyOf)(parts)
            for place, part in enumerate(parts):
                rest = parts[:place] + parts[place + 1 :]
                yield f"without part {place}", type(condition)(rest)
                yield f"part {place} negated", type(condition)((*parts[:place], Not(part), *parts[place + 1 :]))
                for name, other in _changed(part):
                    yield f"part {place}: {name}", type(condition)((*parts[:place], other, *parts[place + 1 :]))
    if not isinstance(condition, AnyOf | AllOf | Not):
        for name, other in _other_facts(condition):
            yield name, other


_TWIN = {"holder": "recipient", "recipient": "holder", "tlp": "pap", "pap": "tlp", "not_before": "not_after",
         "not_after": "not_before", "tlp_ceiling": "pap_ceiling", "pap_ceiling": "tlp_ceiling"}  # fmt: skip


def _other_facts(condition: Any) -> Iterator[tuple[str, Condition]]:
    """Yield the condition with one fact taken for another that is easily mistaken for it."""
    for each in fields(condition) if is_dataclass(condition) else ():
        fact = getattr(condition, each.name)
        if isinstance(fact, Fact) and fact.name in _TWIN:
            yield f"{fact.name} taken for {_TWIN[fact.name]}", replace(condition, **{each.name: Fact(_TWIN[fact.name])})


EQUIVALENT: dict[tuple[str, str], str] = {
    ("withheld-reference", "withheld_refs at most zero"): "a number of objects is never below zero",
    ("lane-operational", "lane_kind at most lane_actual"): "`actual` is the first of the three lanes by the alphabet",
    ("pap-action", "part 1: part 0: pap = pap_amber"): "what is below PAP:AMBER passes by the first part",
    ("pap-action", "part 2: action at most action_none"): "no action is less than none",
}
"""Changes that change nothing, and why."""


Decisive = dict[str, list[Facts]]


def decisive(
    clauses: Sequence[Clause], of: Mapping[str, Sequence[Any]], oracle: Callable[[Facts], bool], most: int
) -> Decisive:
    """Return for every clause the states that only it refuses, and under "" those that may leave."""
    found: Decisive = {"": []} | {clause.id: [] for clause in clauses}
    failing = compile_failing(clauses)
    for many in range(most + 1):
        for state in around(many, of):
            failed = failing(state)
            assert (not failed) == oracle(state), (failed, state)
            if len(failed) < 2:
                found[clauses[failed[0]].id if failed else ""].append(state)
    return found


@cache
def between_nations() -> Decisive:
    return decisive(NATION_CLAUSES, FIELDS, may_leave, 3)


@cache
def inside() -> Decisive:
    return decisive(LOCAL_CLAUSES, LOCAL_FIELDS, may_be_used, 4)


def holds(condition: Condition | None) -> Callable[[Facts], bool]:
    text = "True" if condition is None else source(condition)
    function: Callable[[Facts], bool] = eval(f"lambda f: {text}")
    return function


def survives(states: Decisive, clause: str, condition: Condition | None) -> bool:
    """Tell whether the gate with this clause changed decides as the oracle wherever the other clauses let pass."""
    changed = holds(condition)
    try:
        return all(map(changed, states[""])) and not any(map(changed, states[clause]))
    except TypeError:
        return False  # it compares what cannot be compared, which the gate takes for a refusal of everything


@pytest.mark.parametrize("clause", NATION_CLAUSES, ids=lambda clause: clause.id)
def test_every_change_of_a_clause_is_noticed_by_the_oracle(clause: Clause) -> None:
    assert_noticed(between_nations(), clause)


@pytest.mark.parametrize("clause", LOCAL_CLAUSES, ids=lambda clause: clause.id)
def test_every_change_of_a_clause_inside_the_nation_is_noticed_too(clause: Clause) -> None:
    assert_noticed(inside(), clause)


def assert_noticed(states: Decisive, clause: Clause) -> None:
    assert states[clause.id], "some state is refused by this clause alone"
    assert survives(states, clause.id, clause.condition)
    left = {name for name, changed in mutants(clause.condition) if survives(states, clause.id, changed)}
    assert left == {name for of, name in EQUIVALENT if of == clause.id}


def test_the_good_state_may_leave() -> None:
    assert may_leave(GOOD)
    assert judge(GOOD) == ()
