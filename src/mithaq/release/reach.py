"""What a text can never do: clauses that never decide, directions in which nothing can ever flow.

For whoever drafts an agreement. The questions are about all states at once, so a solver answers them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mithaq.agreements.model import Document
from mithaq.agreements.term_rules import agreed_rules
from mithaq.release.clauses import NATION_CLAUSES
from mithaq.release.solver import Alike, Direction, alike


@dataclass(frozen=True, slots=True)
class Unreachable:
    """A clause that is never the one that refuses; `never_fails`: it holds whatever happens."""

    clause: str
    never_fails: bool


@dataclass(frozen=True, slots=True)
class DeadDirection:
    """A direction in which nothing can ever flow, and the clauses that cannot all hold in it."""

    direction: Direction
    clauses: tuple[str, ...]


def unreachable(document: Document) -> tuple[Unreachable, ...]:
    """Return the clauses that never decide: in no direction is there a release that only this clause refuses.

    A clause about something that is not agreed never fails. One that can fail and yet never decides is shadowed: what
    it refuses, another clause refuses as well, as `tlp-red-named` below a ceiling that keeps back TLP:RED anyway.

    Cost: about 0.2 s for each group of directions to which the text says the same.
    """
    fails: set[str] = set()
    decides: set[str] = set()
    for each in alike(document):
        table = _Table(each)
        for clause in NATION_CLAUSES:
            if clause.id not in decides and table.alone(clause.id):
                decides.add(clause.id)
            if clause.id not in decides | fails and table.can_fail(clause.id):
                fails.add(clause.id)
    idle = [clause.id for clause in NATION_CLAUSES if clause.id not in decides]
    return tuple(Unreachable(clause, clause not in fails) for clause in idle)


def idle_terms(document: Document, idle: Sequence[Unreachable] | None = None) -> tuple[str, ...]:
    """Return the names of the terms that the text writes down although none of their clauses ever decides."""
    never = {each.clause for each in (unreachable(document) if idle is None else idle)} & _BETWEEN_NATIONS
    return tuple(
        rule.name for rule in agreed_rules(document.terms) if (clauses := set(rule.clauses)) and clauses <= never
    )


def dead_directions(document: Document) -> tuple[DeadDirection, ...]:
    """Return the directions between parties in which nothing can ever flow, whoever has signed and whenever.

    The clauses named with one cannot all hold in it; without any of them this proof of it would fail. A role may mean
    it: nothing ever flows to an observer.

    Cost: about 10 ms for each group of directions to which the text says the same.
    """
    return tuple(_dead(document))


def _dead(document: Document) -> Iterator[DeadDirection]:
    for each in alike(document):
        conflict = _Table(each).conflict()
        for direction in each.directions if conflict else ():
            yield DeadDirection(direction, conflict)


_BETWEEN_NATIONS = {clause.id for clause in NATION_CLAUSES}


class _Table:
    """The clauses of one group of directions, each with a switch, so that one solver answers all questions."""

    def __init__(self, group: Alike) -> None:
        import z3

        self._z3 = z3
        self._solver = z3.Solver()
        self._solver.set("core.minimize", True)
        self._solver.add(*group.state.sane)
        self._holds: dict[str, Any] = {}
        for clause in NATION_CLAUSES:
            switch = z3.Bool(f"clause {clause.id}")
            self._solver.add(switch == group.state.holds(clause.condition))
            self._holds[clause.id] = switch

    def alone(self, clause: str) -> bool:
        """Tell whether this clause can refuse what all others let pass."""
        return self._can(self._z3.Not(switch) if name == clause else switch for name, switch in self._holds.items())

    def can_fail(self, clause: str) -> bool:
        """Tell whether there is anything at all that this clause refuses."""
        return self._can([self._z3.Not(self._holds[clause])])

    def conflict(self) -> tuple[str, ...]:
        """Return clauses that can never hold together, none where all can."""
        if self._can(self._holds.values()):
            return ()
        core = {str(switch).removeprefix("clause ") for switch in self._solver.unsat_core()}
        return tuple(clause.id for clause in NATION_CLAUSES if clause.id in core)

    def _can(self, switches: Any) -> bool:
        answer = self._solver.check(*switches)
        if answer == self._z3.unknown:
            raise RuntimeError(f"no answer: {self._solver.reason_unknown()}")
        return bool(answer == self._z3.sat)
