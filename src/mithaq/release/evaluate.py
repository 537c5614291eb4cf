"""Compile a clause table to one Python function that evaluates every clause, always."""

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Any

from mithaq.kernel.reason import Reason
from mithaq.release.clauses import Clause
from mithaq.release.expression import source
from mithaq.release.facts import Facts

Judge = Callable[[Facts], tuple[Reason, ...]]


def compile_clauses(clauses: Sequence[Clause]) -> Judge:
    """Return a function from facts to the reasons of all failing clauses.

    The clauses are this program's own data, never foreign text. A clause that raises (a fact of the wrong kind)
    counts as failed, and the others are still evaluated.

    Cost: one attribute comparison a clause while all hold.
    """
    lines = ["def failing(f):", "    failed = []"]
    for place, clause in enumerate(clauses):
        lines.append(f"    if not {source(clause.condition)}: failed.append({place})")
    lines.append("    return failed")
    whole = _function("\n".join(lines), "failing")
    each = [_function(f"def holds(f): return {source(clause.condition)}", "holds") for clause in clauses]

    def judge(facts: Facts) -> tuple[Reason, ...]:
        try:
            failed = whole(facts)
        except (TypeError, AttributeError, ValueError):
            return tuple(_one_by_one(clauses, each, facts))
        return tuple([_reason(clauses[place], facts) for place in failed]) if failed else ()

    return judge


def _function(text: str, name: str) -> Callable[[Facts], Any]:
    namespace: dict[str, Any] = {}
    exec(compile(text, "<clauses>", "exec"), {"__builtins__": {}}, namespace)  # noqa: S102 - our own clause table
    function: Callable[[Facts], Any] = namespace[name]
    return function


def _one_by_one(clauses: Sequence[Clause], each: Sequence[Callable[[Facts], Any]], facts: Facts) -> list[Reason]:
    reasons = []
    for clause, holds in zip(clauses, each, strict=True):
        try:
            if not holds(facts):
                reasons.append(_reason(clause, facts))
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


def _reason(clause: Clause, facts: Facts) -> Reason:
    params = {name: _shown(getattr(facts, name)) for name in clause.shown} if clause.shown else {}
    return Reason(clause.id, clause.message, params, clause.remedy)


def _shown(value: Any) -> str | int:
    if isinstance(value, IntEnum):
        label: str = getattr(value, "label", value.name)
        return label
    return value if isinstance(value, int | str) else str(value)
