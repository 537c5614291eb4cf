"""The clause tree as Z3 reads it: the same conditions over facts of which some are open.

What an agreement's text says for one direction is fixed; what is not in the text (the object, the question, who has
signed, who is suspended, the instant) is open and may take any value. Labels and ranks are integers, instants are
integers without bound (microseconds since 1970), a set is one boolean for each member that the text names. All that the
text does not name is one thing, `SOMETHING_ELSE`: no clause can tell two unnamed things apart, so nothing is lost. In
an open set in which an open name is looked for, it is that name, and the set has it or has it not.

Z3 is loaded at the first question, not with the program.

Source: de Moura and Bjørner, Z3: An Efficient SMT Solver (TACAS 2008).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, assert_never, get_type_hints

import msgspec

from mithaq.agreements.model import Agreement, Document
from mithaq.kernel.clock import from_rfc3339
from mithaq.kernel.ids import NationId
from mithaq.kernel.signing import Envelope
from mithaq.release.clauses import NATION_CLAUSES, Clause
from mithaq.release.expression import (
    AllOf,
    AnyOf,
    AtMost,
    Before,
    Condition,
    Disjoint,
    Equal,
    Holds,
    In,
    Not,
    Within,
    facts_in,
)
from mithaq.release.facts import AgreementFacts, Facts, agreement_facts
from mithaq.release.model import Recipient
from mithaq.standards.pap import Pap
from mithaq.standards.severity import Severity
from mithaq.standards.tlp import Tlp

if TYPE_CHECKING:
    import z3

SOMETHING_ELSE: Final = "(something else)"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_STATUS: Final = frozenset({"agreement_signed", "agreement_suspended", "unsigned", "suspended_parties", "leaves_at"})
"""Facts of an agreement that are not in its text and therefore open."""

_RANKS: Final = {"Tlp": Tlp, "Pap": Pap, "Severity": Severity}
_TYPES: Final = get_type_hints(Facts)
_CONSTANTS: Final = {each.name: each.default for each in msgspec.structs.fields(Facts) if not each.required}

Truth = Any  # bool or z3.BoolRef; z3 has no types of its own
Number = Any  # int or z3.ArithRef


@dataclass(frozen=True, slots=True)
class Direction:
    """Who gives and who receives."""

    holder: NationId
    recipient: NationId


@dataclass(frozen=True, slots=True)
class OpenName:
    """A name that may be any of those with a number, or something else."""

    number: Any
    numbers: Mapping[str, int]

    def is_one(self, name: str) -> Truth:
        """Say that it is this name."""
        return self.number == self.numbers[name if name in self.numbers else SOMETHING_ELSE]


@dataclass(frozen=True, slots=True)
class OpenSet:
    """A set of which each possible member is in or out."""

    has: Mapping[str, Any]


class State:
    """All facts of one direction under an agreement, those in the text fixed and the others open.

    Where a theorem compares two states, `mark` tells their open facts apart, and `beside` is the other text, so that
    both name the same things.
    """

    def __init__(
        self, agreed: AgreementFacts, direction: Direction, *, mark: str = "", beside: AgreementFacts | None = None
    ) -> None:
        import z3

        self._z3 = z3
        self._mark = mark
        self.direction = direction
        self._fixed = _fixed(agreed, direction)
        self._members = _members(self._fixed)
        if beside is not None:
            for name, others in _members(_fixed(beside, direction)).items():
                self._members[name] |= others
        names = {name for each in self._members.values() for name in each} - {SOMETHING_ELSE}
        self._numbers = {name: place for place, name in enumerate(sorted(names))} | {SOMETHING_ELSE: len(names)}
        self.facts: dict[str, Any] = {}
        self.sane: list[Truth] = []
        for name in Facts.__struct_fields__:
            if name != "status_max_age":
                self.facts[name] = _plain(self._fixed[name]) if name in self._fixed else self._open(name)
        self.sane.append(self._implies(self._not(self.facts["labelled"]), self.facts["tlp"] == int(Tlp.RED)))

    def _open(self, name: str) -> Any:
        z3, kind, full = self._z3, _TYPES[name], name + self._mark
        if kind is bool:
            return z3.Bool(full)
        if kind is str:
            number = z3.Int(full)
            self.sane += [number >= 0, number <= self._numbers[SOMETHING_ELSE]]
            return OpenName(number, self._numbers)
        if kind is datetime:
            return z3.Int(full)
        if kind is int or kind.__name__ in _RANKS:
            number = z3.Int(full)
            self.sane.append(number >= 0)
            if kind is not int:
                self.sane.append(number <= int(max(_RANKS[kind.__name__])))
            return number
        return OpenSet({member: z3.Bool(f"{full} has {member}") for member in sorted(self._members[name])})

    @property
    def open_facts(self) -> dict[str, Any]:
        """Return the facts that are open."""
        return {name: value for name, value in self.facts.items() if name not in self._fixed}

    def holds(self, condition: Condition) -> Truth:
        """Say in Z3's words that a condition holds; what depends on fixed facts alone is already decided."""
        facts = self.facts
        match condition:
            case AtMost(left, right):
                return facts[left.name] <= facts[right.name]
            case Before(left, right):
                return facts[left.name] < facts[right.name]
            case Equal(left, right):
                return self._same(facts[left.name], facts[right.name])
            case In(member, group):
                return self._is_in(facts[member.name], facts[group.name])
            case Within(part, whole):
                return self._within(facts[part.name], facts[whole.name])
            case Disjoint(left, right):
                both = [
                    self._all([one, self._has(facts[right.name], member)]) for member, one in _each(facts[left.name])
                ]
                return self._not(self._any(both))
            case Holds(fact):
                return facts[fact.name]
            case Not(inner):
                return self._not(self.holds(inner))
            case AnyOf(conditions):
                return self._any([self.holds(each) for each in conditions])
            case AllOf(conditions):
                return self._all([self.holds(each) for each in conditions])
            case _:
                assert_never(condition)

    def _same(self, left: Any, right: Any) -> Truth:
        if isinstance(right, OpenName):
            left, right = right, left
        if isinstance(left, OpenName):
            return left.number == right.number if isinstance(right, OpenName) else left.is_one(right)
        return left == right

    def _is_in(self, member: Any, group: Any) -> Truth:
        if isinstance(member, OpenName):
            return self._any([self._all([member.is_one(name), has]) for name, has in _each(group)])
        return self._has(group, member)

    def _within(self, part: Any, whole: Any) -> Truth:
        some = self._any([one for _, one in _each(part)])
        return self._all([some, *[self._implies(one, self._has(whole, member)) for member, one in _each(part)]])

    def _has(self, group: Any, member: str) -> Truth:
        if isinstance(group, OpenSet):
            return group.has[member if member in group.has else SOMETHING_ELSE]
        return member in group

    def released(self, clauses: Sequence[Clause] = NATION_CLAUSES) -> Truth:
        """Say that every clause holds, so that the object leaves."""
        return self._all([self.holds(clause.condition) for clause in clauses])

    def _all(self, truths: Sequence[Truth]) -> Truth:
        left = [each for each in truths if each is not True]
        if any(each is False for each in left):
            return False
        return self._z3.And(left) if len(left) > 1 else left[0] if left else True

    def _any(self, truths: Sequence[Truth]) -> Truth:
        left = [each for each in truths if each is not False]
        if any(each is True for each in left):
            return True
        return self._z3.Or(left) if len(left) > 1 else left[0] if left else False

    def _not(self, truth: Truth) -> Truth:
        return not truth if isinstance(truth, bool) else self._z3.Not(truth)

    def _implies(self, condition: Truth, then: Truth) -> Truth:
        return self._any([self._not(condition), then])

    def read(self, model: z3.ModelRef) -> Facts:
        """Return the facts that a model of Z3 describes, as the evaluator takes them."""
        values = {name: self._value(name, fact, model) for name, fact in self.facts.items() if name in _TYPES}
        return Facts(**values, status_max_age=timedelta())

    def _value(self, name: str, fact: Any, model: z3.ModelRef) -> Any:
        if name in self._fixed:
            return self._fixed[name]
        kind = _TYPES[name]
        if isinstance(fact, OpenSet):
            return frozenset(member for member, has in fact.has.items() if _true(model, has))
        if isinstance(fact, OpenName):
            number = _number(model, fact.number)
            return next(name for name, each in fact.numbers.items() if each == number)
        if kind is bool:
            return _true(model, fact)
        number = _number(model, fact)
        if kind is datetime:
            return instant_of(number)
        return number if kind is int else _RANKS[kind.__name__](number)


def _fixed(agreed: AgreementFacts, direction: Direction) -> dict[str, Any]:
    text = {name: value for name, value in msgspec.structs.asdict(agreed).items() if name not in _STATUS}
    return text | _CONSTANTS | {"holder": direction.holder, "recipient": direction.recipient}


def _members(fixed: Mapping[str, Any]) -> dict[str, set[str]]:
    """Return for each name or set that is open what the text may compare it with, and something else."""
    members: dict[str, set[str]] = {name: {SOMETHING_ELSE} for name in _TYPES}
    pairs = [facts_in(part) for clause in NATION_CLAUSES for part in _leaves(clause.condition)]
    for pair in [each for each in pairs if len(each) == 2] * 2:  # twice: what is compared with an open fact too
        for one, other in (pair, pair[::-1]):
            value = fixed.get(other)
            named = {value} if isinstance(value, str) else value if isinstance(value, frozenset) else members[other]
            members[one] |= named
    return {name: each for name, each in members.items() if name not in fixed and _is_name(_TYPES[name])}


def _is_name(kind: Any) -> bool:
    return kind is str or getattr(kind, "__origin__", None) is frozenset


def _leaves(condition: Condition) -> Iterator[Condition]:
    match condition:
        case Not(inner):
            yield from _leaves(inner)
        case AnyOf(conditions) | AllOf(conditions):
            for each in conditions:
                yield from _leaves(each)
        case _:
            yield condition


def _each(group: Any) -> list[tuple[str, Truth]]:
    return list(group.has.items()) if isinstance(group, OpenSet) else [(name, True) for name in sorted(group)]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return number_of(value)
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _true(model: z3.ModelRef, term: Any) -> bool:
    return str(model.eval(term, model_completion=True)) == "True"


def _number(model: z3.ModelRef, term: Any) -> int:
    return int(model.eval(term, model_completion=True).as_long())


def number_of(at: datetime) -> int:
    """Return an instant as microseconds since 1970."""
    return (at - _EPOCH) // _MICROSECOND


def instant_of(number: int) -> datetime:
    """Return the instant, or the first or last one that a calendar has."""
    try:
        return _EPOCH + number * _MICROSECOND
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC) if number > 0 else datetime.min.replace(tzinfo=UTC)


def satisfied(state: State, assumptions: Sequence[Truth]) -> Facts | None:
    """Return a state in which all assumptions hold at once, or None where there is none.

    Raises:
        RuntimeError: Z3 gave up, which it does not on these formulas.
    """
    import z3

    if any(each is False for each in assumptions):
        return None
    solver = z3.Solver()
    solver.add(*state.sane, *assumptions)
    answer = solver.check()
    if answer == z3.unknown:
        raise RuntimeError(f"no answer: {solver.reason_unknown()}")
    return state.read(solver.model()) if answer == z3.sat else None


def unsigned(document: Document) -> Agreement:
    """Return the agreement of a text that nobody has signed yet: the solver leaves open who has."""
    begins, ends = from_rfc3339(document.not_before), from_rfc3339(document.not_after)
    return Agreement(document, Envelope("", b"", ()), frozenset(), begins, ends)


@dataclass(frozen=True)
class Alike:
    """Directions for which the text says the same, with the facts of the first: one proof counts for all."""

    directions: tuple[Direction, ...]
    agreed: AgreementFacts

    @cached_property
    def state(self) -> State:
        """Return the open state of these directions."""
        return State(self.agreed, self.directions[0])


def alike(document: Document, directions: Iterable[Direction] | None = None) -> list[Alike]:
    """Part all directions between parties into those for which the text says the same.

    Cost: about 0.1 ms a direction.
    """
    agreement = unsigned(document)
    wanted = between_parties(document) if directions is None else directions
    groups: dict[Any, tuple[AgreementFacts, list[Direction]]] = {}
    for each in wanted:
        agreed = agreement_facts(agreement, each.holder, Recipient("nation", each.recipient))
        groups.setdefault(_what_counts(agreed, each), (agreed, []))[1].append(each)
    return [Alike(tuple(members), agreed) for agreed, members in groups.values()]


def between_parties(document: Document) -> list[Direction]:
    """Return every direction from one party to another."""
    nations = [NationId(party.nation) for party in document.parties]
    return [Direction(one, other) for one in nations for other in nations if one != other]


def _what_counts(agreed: AgreementFacts, direction: Direction) -> Any:
    """Return what the clauses can see of a direction: its terms, and of sets of nations whether the two are in."""
    seen: list[tuple[str, Any]] = []
    for name, value in msgspec.structs.asdict(agreed).items():
        if name in {"stored_in", "jurisdictions"}:
            seen.append((name, bool(agreed.stored_in) and agreed.stored_in <= agreed.jurisdictions))
        elif name in _OF_NATIONS:
            seen.append((name, (direction.holder in value, direction.recipient in value)))
        else:
            seen.append((name, value))
    return tuple(seen)


_OF_NATIONS: Final = frozenset(
    {"parties", "only_receivers", "observers", "recipients", "excluded_recipients", "unsigned", "suspended_parties"}
)


def without_reservations(document: Document) -> Document:
    """Return the text as it was before any party reserved anything."""
    return msgspec.structs.replace(document, reservations=())
