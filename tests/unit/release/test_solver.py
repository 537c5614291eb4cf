"""What the solver says of a text: proofs, cases that refute, and what can never happen under it."""

from dataclasses import replace
from datetime import datetime

import msgspec
import pytest
import z3
from hypothesis import HealthCheck, given, settings

from mithaq.agreements.model import Document, Reservation
from mithaq.agreements.terms import Ceiling, Narrowing
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from mithaq.release.clauses import NATION_CLAUSES, Clause
from mithaq.release.evaluate import compile_clauses
from mithaq.release.expression import AtMost, Fact, In, Not, facts_in
from mithaq.release.facts import Facts, agreement_facts, facts_of
from mithaq.release.model import Item, Recipient, Request
from mithaq.release.reach import (
    DeadDirection,
    Unreachable,
    dead_directions,
    idle_terms,
    proved_flaws,
    unreachable,
)
from mithaq.release.solver import (
    SOMETHING_ELSE,
    Direction,
    OpenName,
    OpenSet,
    State,
    _leaves,
    alike,
    between_parties,
    instant_of,
    number_of,
)
from mithaq.release.theorems import THEOREMS, Case, Claim, Sentence, Theorem, prove, told
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp
from tests import strategies as some
from tests.taxii import carried
from tests.world import DEFAULT_TERMS, XA, XB, XC, Treaty, changed

judge = compile_clauses(NATION_CLAUSES)


def text(at: datetime, *reservations: Reservation, **terms: object) -> Document:
    document = Treaty(at, terms=msgspec.structs.replace(DEFAULT_TERMS, **terms)).document
    return msgspec.structs.replace(document, reservations=reservations)


ASKED_OF = {"carried_purposes": "purpose"}
"""Of an open set, the open name that a clause looks for in it: the something else in the set is that of the name."""


def values(state: State, facts: Facts) -> list[tuple[z3.ExprRef, z3.ExprRef]]:
    """Give every open fact of a state the value that it has in the facts."""
    pairs: list[tuple[z3.ExprRef, z3.ExprRef]] = []
    for name, fact in state.open_facts.items():
        value = getattr(facts, name)
        if isinstance(fact, OpenName):
            number = fact.numbers.get(value, fact.numbers[SOMETHING_ELSE])
            pairs.append((fact.number, z3.IntVal(number)))
        elif isinstance(fact, OpenSet):
            rest = value - set(fact.has)
            if name in ASKED_OF and (asked := getattr(facts, ASKED_OF[name])) not in fact.has:
                rest &= {asked}
            pairs += [
                (has, z3.BoolVal(one in value or (one == SOMETHING_ELSE and bool(rest))))
                for one, has in fact.has.items()
            ]
        elif isinstance(value, bool):
            pairs.append((fact, z3.BoolVal(value)))
        else:
            pairs.append((fact, z3.IntVal(number_of(value) if isinstance(value, datetime) else int(value))))
    return pairs


def decided(truth: object, pairs: list[tuple[z3.ExprRef, z3.ExprRef]]) -> bool:
    return truth if isinstance(truth, bool) else z3.is_true(z3.simplify(z3.substitute(truth, *pairs)))


def assert_read_alike(request: Request, document: Document, at: datetime) -> None:
    """The tree as Z3 reads it, with all facts filled in, is the tree as Python reads it."""
    whole = some.signed(document)
    agreement = replace(request.agreement, document=document) if request.agreement else whole
    holder, recipient = request.holder, NationId(request.recipient.id)
    facts = facts_of(msgspec.structs.replace(request, agreement=agreement), at)
    agreed = agreement_facts(agreement, holder, Recipient("nation", recipient))
    state = State(agreed, Direction(holder, recipient))
    pairs = values(state, facts)
    read = {clause.id for clause in NATION_CLAUSES if not decided(state.holds(clause.condition), pairs)}
    assert read == {reason.code for reason in judge(facts)}


def test_an_open_name_is_looked_for_in_one_open_set_alone(at: datetime) -> None:
    agreed = agreement_facts(Treaty(at).agreement, XA, Recipient("nation", XB))
    named = {name for name, fact in State(agreed, Direction(XA, XB)).open_facts.items() if isinstance(fact, OpenName)}
    sets = {name for name, fact in State(agreed, Direction(XA, XB)).open_facts.items() if isinstance(fact, OpenSet)}
    leaves = [leaf for clause in NATION_CLAUSES for leaf in _leaves(clause.condition)]
    both_open = [leaf for leaf in leaves if len(facts_in(leaf)) > 1 and set(facts_in(leaf)) <= named | sets]
    assert both_open == [In(Fact(name), Fact(group)) for group, name in ASKED_OF.items()]


def test_a_purpose_that_the_text_does_not_name_is_not_another_one_that_it_does_not_name(at: datetime) -> None:
    terms = changed(carried(at), purposes=frozenset({"exercise"}))
    item = Item("indicator--1", rfc3339(at), "indicator", "0" * 64, Tlp.GREEN, Pap.GREEN, ACTUAL, XB, (terms,))
    asked = Request(item, XA, Recipient("nation", XC), True, None, "defence", status_at=at, protocol=1)
    assert_read_alike(asked, text(at, purposes=["warning"]), at)


@settings(max_examples=15, deadline=None)
@given(some.requests(), some.documents(), some.instants)
def test_solver_and_evaluator_read_every_clause_alike(request: Request, document: Document, at: datetime) -> None:
    assert_read_alike(request, document, at)


@pytest.mark.deep
@settings(max_examples=1000, deadline=None)
@given(some.requests(), some.documents(), some.instants)
def test_solver_and_evaluator_read_every_clause_alike_in_many_states(
    request: Request, document: Document, at: datetime
) -> None:
    assert_read_alike(request, document, at)


def test_every_theorem_is_proved_of_an_ordinary_agreement(at: datetime) -> None:
    proofs = prove(text(at))
    assert [proof.theorem.id for proof in proofs if not proof.holds] == []
    assert {proof.directions for proof in proofs} == {6}


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(some.documents())
def test_every_theorem_is_proved_of_any_agreement(document: Document) -> None:
    assert [proof.theorem.id for proof in prove(document) if not proof.holds] == []


@pytest.mark.deep
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(some.documents())
def test_every_theorem_is_proved_of_many_agreements(document: Document) -> None:
    assert [proof.theorem.id for proof in prove(document) if not proof.holds] == []


def test_a_false_property_is_refuted_by_a_case_that_the_gate_itself_releases(at: datetime) -> None:
    def never_amber(case: Case) -> Claim:
        return Claim([case.state.released(case.clauses), case.state.facts["tlp"] == 2], case.state)

    theorem = Theorem("false", Sentence("TLP:AMBER never leaves."), never_amber)
    (proof,) = prove(text(at), [theorem])
    assert proof.refuted is not None
    assert judge(proof.refuted) == ()
    said = told(proof.refuted).said()
    assert "labelled TLP:AMBER and PAP:" in said
    assert "would go from XA to XB at 2026-" in said
    assert "for the purpose " in said


def without(*ids: str) -> tuple[Clause, ...]:
    return tuple(clause for clause in NATION_CLAUSES if clause.id not in ids)


@pytest.mark.parametrize(
    ("dropped", "theorem"),
    [
        ("agreement-unknown", "in-force"), ("agreement-unsigned", "in-force"), ("party-unsigned", "in-force"),
        ("agreement-not-yet", "in-force"), ("agreement-expired", "in-force"), ("agreement-suspended", "in-force"),
        ("party-suspended", "in-force"), ("party-left", "in-force"), ("tlp-ceiling", "ceiling"),
        ("pap-ceiling", "ceiling"), ("kind", "scope"), ("purpose", "scope"), ("lane", "scope"),
        ("tlp-red-named", "red-named"), ("recipient-excluded", "excluded"), ("recipient-role", "roles"),
        ("holder-role", "roles"), ("second-person", "two-persons"), ("onward", "originator"), ("hops", "originator"),
        ("label-lowered", "originator"), ("carried-retention", "originator"), ("veto", "kept-back"),
        ("withdrawn", "kept-back"), ("withheld-reference", "kept-back"), ("recipient-not-party", "outsiders"),
        ("holder-not-party", "outsiders"),
    ],
)  # fmt: skip
def test_a_gate_without_one_clause_does_not_pass_the_theorem_that_rests_on_it(
    at: datetime, dropped: str, theorem: str
) -> None:
    terms = {
        "tlp_ceiling": "TLP:RED" if dropped == "tlp-red-named" else "TLP:AMBER",
        "pap_ceiling": "PAP:AMBER",
        "two_person_from": "TLP:GREEN" if dropped == "second-person" else None,
        "excluded_recipients": [XC] if dropped == "recipient-excluded" else [],
    }
    document = text(at, **terms)
    if dropped.endswith("-role"):
        role = "observer" if dropped == "recipient-role" else "associate"
        parties = [
            msgspec.structs.replace(each, role=role if each.nation == XB else "party") for each in document.parties
        ]
        document = msgspec.structs.replace(document, parties=parties)
    wanted = [each for each in THEOREMS if each.id == theorem]
    (whole,), (less,) = prove(document, wanted), prove(document, wanted, without(dropped))
    assert whole.holds
    assert less.refuted is not None
    assert judge(less.refuted), "the whole gate refuses what refutes the weaker one"


def test_a_clause_that_a_narrower_text_satisfies_breaks_the_theorem_on_reservations(at: datetime) -> None:
    document = text(at, Reservation(XA, Narrowing(kinds=["indicator"])))
    wanted = [each for each in THEOREMS if each.id == "reservations"]
    assert prove(document, wanted)[0].holds
    odd = Clause("odd", Not(In(Fact("kind"), Fact("kinds"))), "", "")
    assert not prove(document, wanted, (*without("kind"), odd))[0].holds


def test_a_clause_that_likes_high_labels_breaks_the_theorems_on_raising_them(at: datetime) -> None:
    for fact, floor, theorem in (("tlp", "tlp_amber", "raising-tlp"), ("pap", "pap_green", "raising-pap")):
        odd = Clause("odd", AtMost(Fact(floor), Fact(fact)), "", "")
        wanted = [each for each in THEOREMS if each.id == theorem]
        assert prove(text(at), wanted)[0].holds
        assert not prove(text(at), wanted, (*NATION_CLAUSES, odd))[0].holds


def test_directions_to_which_a_text_says_the_same_are_proved_once(at: datetime) -> None:
    nations = tuple(NationId(f"X{letter}") for letter in "ABCDEFGHIJKL")
    document = msgspec.structs.replace(
        text(at, ceilings=[Ceiling("TLP:CLEAR", sender=XA)]),
        parties=[msgspec.structs.replace(Treaty(at).document.parties[0], nation=each) for each in nations],
    )
    groups = alike(document)
    assert sorted(len(each.directions) for each in groups) == [11, 121]
    assert sum(len(each.directions) for each in groups) == len(between_parties(document))


def test_a_clause_that_never_decides_is_named_and_whether_it_can_fail_at_all(at: datetime) -> None:
    idle = unreachable(text(at))
    assert Unreachable("tlp-red-named", never_fails=False) in idle, "the ceiling keeps back TLP:RED anyway"
    assert Unreachable("sector", never_fails=True) in idle, "no sector is agreed"
    assert not {"tlp-ceiling", "kind", "veto", "status-stale"} & {each.clause for each in idle}
    narrow = text(at, tlp_ceiling="TLP:GREEN", sectors=["energy"])
    idle = unreachable(narrow)
    assert Unreachable("status-stale", never_fails=False) in idle, "only TLP:AMBER and above ask for fresh keys"
    assert "sector" not in {each.clause for each in idle}


def test_terms_that_no_release_ever_meets_are_named(at: datetime) -> None:
    assert idle_terms(text(at, pap_ceiling="PAP:GREEN")) == ()
    assert idle_terms(text(at, pap_ceiling="PAP:GREEN", two_person_from="TLP:RED")) == ("two_person_from",)
    assert idle_terms(text(at, pap_ceiling="PAP:RED")) == ("pap_ceiling",)


def test_directions_in_which_nothing_can_flow_are_named_with_what_bars_them(at: datetime) -> None:
    assert dead_directions(text(at)) == ()
    crossed = text(at, Reservation(XA, Narrowing(sectors=["water"])), sectors=["energy"], excluded_recipients=[XC])
    dead = dead_directions(crossed)
    assert DeadDirection(Direction(XA, XB), ("sector",)) in dead
    assert DeadDirection(Direction(XB, XC), ("recipient-excluded",)) in dead
    assert {each.direction for each in dead} == set(between_parties(crossed)) - {Direction(XC, XB)}


def test_an_instant_beyond_all_calendars_is_the_last_or_the_first_there_is() -> None:
    assert instant_of(10**20) > instant_of(10**15) > instant_of(-(10**20))
    assert number_of(instant_of(1_764_000_000_000_001)) == 1_764_000_000_000_001


def test_a_drafter_is_told_of_directions_and_terms_that_can_never_matter(at: datetime) -> None:
    assert list(proved_flaws(text(at))) == []
    barred = list(proved_flaws(text(at, excluded_recipients=[XB])))
    assert {(each.severity, each.params["sender"], each.params["recipient"]) for each in barred} == {
        ("error", XA, XB), ("error", XC, XB),
    }  # fmt: skip
    idle = list(proved_flaws(text(at, recipients=[XA, XB, XC])))
    assert [(each.severity, each.term) for each in idle] == [("warning", "recipients")]
