"""What is proved of a text: each theorem in words, and its proof or a case that refutes it.

A theorem compares what the gate would release with what the text says, and reads the text by itself, not through
`agreements.effective`: the result of that is put to the test here too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from mithaq.agreements.model import Document
from mithaq.kernel.clock import from_rfc3339, rfc3339
from mithaq.kernel.ids import NationId
from mithaq.release.clauses import NATION_CLAUSES, Clause
from mithaq.release.facts import Facts
from mithaq.release.solver import (
    Alike,
    Direction,
    State,
    alike,
    number_of,
    satisfied,
    without_reservations,
)
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp

NOBODY = NationId("(a nation that is no party)")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A message id with what fills its `%(name)s` placeholders."""

    text: str
    params: dict[str, str] = field(default_factory=dict)

    def said(self, translate: Callable[[str], str] = str) -> str:
        """Render the sentence in the reader's language, English by default."""
        return translate(self.text) % self.params if self.params else translate(self.text)


@dataclass(frozen=True, slots=True)
class Case:
    """One group of directions to which the text says the same, in which a theorem is put to the test."""

    document: Document
    alike: Alike
    clauses: Sequence[Clause]

    @property
    def state(self) -> State:
        """Return the open state."""
        return self.alike.state

    @property
    def direction(self) -> Direction:
        """Return one of the directions; the text says the same of the others."""
        return self.alike.directions[0]

    @property
    def two(self) -> tuple[NationId, NationId]:
        """Return the holder and the recipient."""
        return self.direction.holder, self.direction.recipient


@dataclass(frozen=True, slots=True)
class Claim:
    """What must not happen, as assumptions that no state may meet all at once, and the state to show if one does."""

    never: Sequence[Any]
    state: State


@dataclass(frozen=True, slots=True)
class Theorem:
    """A property of every release under a text, in words and as a claim for each direction.

    `outsiders`: it is about directions from or to a nation that is no party.
    """

    id: str
    words: Sentence
    claim: Callable[[Case], Claim]
    outsiders: bool = False


@dataclass(frozen=True, slots=True)
class Proof:
    """The outcome of one theorem over all directions; `refuted`: a state in which it does not hold."""

    theorem: Theorem
    directions: int
    refuted: Facts | None = None

    @property
    def holds(self) -> bool:
        """Tell whether it is proved."""
        return self.refuted is None


def prove(
    document: Document, theorems: Sequence[Theorem] | None = None, clauses: Sequence[Clause] = NATION_CLAUSES
) -> list[Proof]:
    """Prove every theorem for every direction of a text, or find a state that refutes it.

    Cost: about 0.1 s for three nations; directions to which the text says the same are proved once.
    """
    inside = alike(document)
    nations = [NationId(party.nation) for party in document.parties]
    crossing = [Direction(each, NOBODY) for each in nations] + [Direction(NOBODY, each) for each in nations]
    outside = alike(document, crossing)
    proofs = []
    for theorem in THEOREMS if theorems is None else theorems:
        groups = outside if theorem.outsiders else inside
        found = (_refutation(theorem, Case(document, each, clauses)) for each in groups)
        refuted = next((state for state in found if state is not None), None)
        proofs.append(Proof(theorem, sum(len(each.directions) for each in groups), refuted))
    return proofs


def _refutation(theorem: Theorem, case: Case) -> Facts | None:
    claim = theorem.claim(case)
    return satisfied(claim.state, claim.never)


def told(facts: Facts) -> Sentence:
    """Say what would leave in a state."""
    return Sentence(
        "an object of type %(kind)s, labelled %(tlp)s and %(pap)s, originated by %(originator)s, would go from "
        "%(holder)s to %(recipient)s at %(at)s in the lane %(lane)s for the purpose %(purpose)s",
        {
            "kind": facts.kind,
            "tlp": facts.tlp.label,
            "pap": facts.pap.label,
            "originator": facts.originator,
            "holder": facts.holder,
            "recipient": facts.recipient,
            "at": rfc3339(facts.at),
            "lane": facts.lane_kind,
            "purpose": facts.purpose,
        },
    )


def _z3() -> Any:
    import z3

    return z3


def _never(case: Case, *wrong: Any) -> Claim:
    """Claim that nothing is released while one of these is so."""
    z3 = _z3()
    one = z3.Or([z3.BoolVal(each) if isinstance(each, bool) else each for each in wrong])
    return Claim([case.state.released(case.clauses), one], case.state)


def _above_ceiling(case: Case) -> Claim:
    facts, document, two = case.state.facts, case.document, case.two
    tlps: list[str | None] = [document.terms.tlp_ceiling]
    paps: list[str | None] = [document.terms.pap_ceiling]
    for each in document.terms.ceilings:
        if each.sender in (None, case.direction.holder) and each.recipient in (None, case.direction.recipient):
            tlps.append(each.tlp)
            paps.append(each.pap)
    for reservation in document.reservations:
        if reservation.nation in two:
            tlps.append(reservation.narrows.tlp_ceiling)
            paps.append(reservation.narrows.pap_ceiling)
    return _never(case, facts["tlp"] > _lowest(Tlp, tlps), facts["pap"] > _lowest(Pap, paps))


def _lowest(kind: type[Tlp] | type[Pap], labels: Sequence[str | None]) -> int:
    return min(int(label) for each in labels if each and (label := kind.parse(each)) is not None)


def _not_in_force(case: Case) -> Claim:
    z3, facts, document = _z3(), case.state.facts, case.document
    begins, ends = (number_of(from_rfc3339(each)) for each in (document.not_before, document.not_after))
    barred = [facts[name].has[nation] for name in ("unsigned", "suspended_parties") for nation in case.two]
    unsure = [z3.Not(facts["agreement_signed"]), z3.Not(facts["agreement_known"]), facts["agreement_suspended"]]
    return _never(case, facts["at"] < begins, facts["at"] >= ends, facts["at"] >= facts["leaves_at"], *unsure, *barred)


def _outside_scope(case: Case) -> Claim:
    z3, facts, terms = _z3(), case.state.facts, case.document.terms
    named: dict[str, Sequence[str]] = {"kind": terms.kinds, "purpose": terms.purposes, "lane_kind": terms.lanes}
    outside = [z3.And([z3.Not(facts[name].is_one(each)) for each in values]) for name, values in named.items()]
    return _never(case, *outside)


def _raised_tlp(case: Case) -> Claim:
    return _opened(case, "tlp", lambda lower: lower.facts["tlp"] >= lower.facts["carried_tlp"])


def _raised_pap(case: Case) -> Claim:
    return _opened(case, "pap", lambda lower: lower.facts["pap"] >= 0)


def _opened(case: Case, label: str, where: Callable[[State], Any]) -> Claim:
    """Claim that no object is released under a label and withheld under a lower one, all else the same."""
    z3, state = _z3(), case.state
    lower = State(case.alike.agreed, case.direction, mark=" before")
    raised = [lower.facts["labelled"], lower.facts[label] <= state.facts[label], where(lower)]
    withheld = z3.Not(lower.released(case.clauses))
    same = _same(state, lower, but={label, "labelled"})
    return Claim([state.released(case.clauses), *same, *raised, *lower.sane, withheld], state)


def _widened(case: Case) -> Claim:
    """Claim that whatever leaves would leave without the reservations too."""
    (before,) = alike(without_reservations(case.document), [case.direction])
    state = State(case.alike.agreed, case.direction, beside=before.agreed)
    free = State(before.agreed, case.direction, mark=" without", beside=case.alike.agreed)
    released = free.released(case.clauses)
    withheld = not released if isinstance(released, bool) else _z3().Not(released)
    return Claim([state.released(case.clauses), *_same(state, free), *free.sane, withheld], state)


def _same(one: State, other: State, but: frozenset[str] | set[str] = frozenset()) -> list[Any]:
    """Say that the open facts of two states over the same names are the same."""
    same: list[Any] = []
    for name, left in one.open_facts.items():
        right = other.facts[name]
        if name in but:
            continue
        if hasattr(left, "has"):
            same += [left.has[member] == right.has[member] for member in left.has]
        else:
            same.append(left.number == right.number if hasattr(left, "number") else left == right)
    return same


def _excluded(case: Case) -> Claim:
    named: list[str] = [*case.document.terms.excluded_recipients]
    for reservation in case.document.reservations:
        if reservation.nation in case.two:
            named += reservation.narrows.excluded_recipients or []
    return _never(case, case.direction.recipient in named)


def _role(case: Case) -> Claim:
    roles = {party.nation: party.role for party in case.document.parties}
    holder, recipient = roles[case.direction.holder], roles[case.direction.recipient]
    return _never(case, holder != "party" or recipient == "observer")


def _alone(case: Case) -> Claim:
    """Claim that nothing goes by one person's word from the label on that the text says."""
    z3, facts, document = _z3(), case.state.facts, case.document
    labels = [document.terms.two_person_from]
    labels += [each.narrows.two_person_from for each in document.reservations if each.nation in case.two]
    if not any(labels):
        return _never(case, False)
    return _never(case, z3.And(facts["tlp"] >= _lowest(Tlp, labels), facts["approvals"] < 2))


def _originator(case: Case) -> Claim:
    z3, facts = _z3(), case.state.facts
    foreign = z3.Not(facts["originator"].is_one(case.direction.holder))
    limits = [z3.Not(facts["onward_allowed"]), facts["hops"] >= facts["max_hops"], facts["tlp"] < facts["carried_tlp"]]
    return _never(case, z3.And(foreign, z3.Or(limits)), facts["at"] >= facts["delete_after"])


def _kept_back(case: Case) -> Claim:
    facts = case.state.facts
    return _never(case, facts["vetoed"], facts["withdrawn"], facts["withheld_refs"] > 0)


def _unnamed(case: Case) -> Claim:
    z3, facts = _z3(), case.state.facts
    return _never(case, z3.And(facts["tlp"] >= int(Tlp.RED), z3.Not(facts["named_recipients"].has[case.two[1]])))


def _anything(case: Case) -> Claim:
    return _never(case, True)


THEOREMS = (
    Theorem(
        "ceiling",
        Sentence("In no direction does anything leave above the ceilings that the text sets for it."),
        _above_ceiling,
    ),
    Theorem(
        "in-force",
        Sentence(
            "Nothing leaves while the agreement is not concluded, not in force, over or suspended, nor to or from a "
            "party that has not signed, is suspended or has left."
        ),
        _not_in_force,
    ),
    Theorem(
        "scope",
        Sentence("Nothing leaves of another type, for another purpose or in another lane than the text names."),
        _outside_scope,
    ),
    Theorem(
        "raising-tlp",
        Sentence("Raising the TLP label of an object never opens the gate, unless it was below the originator’s."),
        _raised_tlp,
    ),
    Theorem("raising-pap", Sentence("Raising the PAP label of an object never opens the gate."), _raised_pap),
    Theorem("red-named", Sentence("TLP:RED goes to named recipients only."), _unnamed),
    Theorem("reservations", Sentence("A reservation only narrows: what leaves would leave without it too."), _widened),
    Theorem("excluded", Sentence("A nation that is excluded never receives anything."), _excluded),
    Theorem("roles", Sentence("Observers neither give nor receive, and associates do not give."), _role),
    Theorem(
        "two-persons",
        Sentence("From the label on that the text says, nothing leaves by the word of one person."),
        _alone,
    ),
    Theorem(
        "originator",
        Sentence("What another nation originated leaves only as far and as long as that nation allows."),
        _originator,
    ),
    Theorem(
        "kept-back",
        Sentence("Nothing leaves that is vetoed or withdrawn, or that refers to what the recipient may not know."),
        _kept_back,
    ),
    Theorem(
        "outsiders",
        Sentence("A nation that is no party neither gives nor receives anything."),
        _anything,
        outsiders=True,
    ),
)
"""What is proved of every agreement."""
