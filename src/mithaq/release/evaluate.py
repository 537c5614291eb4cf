"""Compile a clause table to one Python function that evaluates every clause, always."""

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Any

from mithaq.kernel.reason import Reason
from mithaq.release.clauses import Clause
from mithaq.release.expression import source
from mithaq.release.facts import Facts

Judge = Callable[[Facts], tuple[Reason, ...]]
_Said = Callable[[Facts], Reason]


def compile_clauses(clauses: Sequence[Clause]) -> Judge:
    """Return a function from facts to the reasons of all failing clauses.

    The clauses are this program's own data, never foreign text. A clause that raises (a fact of the wrong kind)
    counts as failed, and the others are still evaluated.

    Cost: one attribute comparison a clause while all hold.
    """
    whole = compile_failing(clauses)
    each = [_function(f"def holds(f): return {source(clause.condition)}", "holds") for clause in clauses]
    said = [_said(clause) for clause in clauses]

    def judge(facts: Facts) -> tuple[Reason, ...]:
        try:
            failed = whole(facts)
        except (TypeError, AttributeError, ValueError):
            return tuple(_one_by_one(clauses, each, said, facts))
        return tuple([said[place](facts) for place in failed]) if failed else ()

    return judge


def compile_failing(clauses: Sequence[Clause]) -> Callable[[Facts], list[int]]:
    """Return a function from facts to the places of all failing clauses in the table.

    It raises what comparing facts of the wrong kind raises.
    """
    lines = ["def failing(f):", "    failed = []"]
    for place, clause in enumerate(clauses):
        lines.append(f"    if not {source(clause.condition)}: failed.append({place})")
    lines.append("    return failed")
    return _function("\n".join(lines), "failing")


def _function(text: str, name: str) -> Callable[[Facts], Any]:
    namespace: dict[str, Any] = {}
    exec(compile(text, "<clauses>", "exec"), {"__builtins__": {}}, namespace)  # noqa: S102 - our own clause table
    function: Callable[[Facts], Any] = namespace[name]
    return function


def _one_by_one(
    clauses: Sequence[Clause], each: Sequence[Callable[[Facts], Any]], said: Sequence[_Said], facts: Facts
) -> list[Reason]:
    reasons = []
    for clause, holds, reason in zip(clauses, each, said, strict=True):
        try:
            if not holds(facts):
                reasons.append(reason(facts))
        except (TypeError, AttributeError, ValueError):
            reasons.append(
                Reason(
                    "clause-error",
                    "the clause %(clause)s could not be evaluated, which counts as a refusal",
                    {"clause": clause.id},
                    "report this to the operator of the node",
                )
            )
    return reasons


def _said(clause: Clause) -> _Said:
    """Return what gives a clause's reason; one that shows no facts always gives the same."""
    if not clause.shown:
        constant = Reason(clause.id, clause.message, {}, clause.remedy)
        return lambda _: constant
    return lambda facts: Reason(
        clause.id, clause.message, {name: _shown(getattr(facts, name)) for name in clause.shown}, clause.remedy
    )


def _shown(value: Any) -> str | int:
    if type(value) is str:
        return value
    if isinstance(value, IntEnum):
        label: str | None = getattr(value, "label", None)
        return value.name if label is None else label
    return value if isinstance(value, int | str) else str(value)
