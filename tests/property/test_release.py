from datetime import datetime, timedelta
from functools import cache
from random import Random
from typing import Literal

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mithaq.agreements.model import Agreement
from mithaq.exchange.receiving.admission import Admission
from mithaq.exchange.release_document import ReleasedObject, ReleaseDocument
from mithaq.intelligence.model import NewObject
from mithaq.kernel.ids import NationId
from mithaq.nations.model import Card, Partner, Standing
from mithaq.nations.rules import read_card
from mithaq.release.clauses import LOCAL_CLAUSES, NATION_CLAUSES
from mithaq.release.evaluate import compile_clauses
from mithaq.release.expression import facts_in
from mithaq.release.facts import NO_AGREEMENT, facts_of
from mithaq.release.model import Carried, Item, Recipient, Released, Request
from mithaq.release.rules import Gate, carried_terms, decide, decide_inside, judge
from mithaq.standards.pap import Pap, pap_of
from mithaq.standards.tlp import Tlp, tlp_of
from tests import strategies as some
from tests import world
from tests.country import indicator
from tests.world import changed

RECIPIENT_CANNOT_KNOW = {
    "carried-purpose", "carried-retention", "holder-not-party", "label-lowered", "onward", "recipient-untrusted",
    "tlp-red-named", "unlabelled", "veto", "withdrawn", "withheld-reference",
}  # fmt: skip


def codes(request: Request, at: datetime) -> set[str]:
    return {reason.code for reason in judge(request, at).reasons}


def join(left: Tlp | None, right: Tlp | None) -> Tlp | None:
    return max((label for label in (left, right) if label is not None), default=None)


@given(st.lists(some.tlps), st.lists(some.tlps), st.lists(some.tlps))
def test_labels_join_to_the_strictest_in_whatever_order_and_however_often(
    first: list[Tlp], second: list[Tlp], third: list[Tlp]
) -> None:
    one, two, three = ([tlp.marking_id for tlp in each] for each in (first, second, third))
    assert tlp_of(one + two) == tlp_of(two + one) == join(tlp_of(one), tlp_of(two))
    assert tlp_of(one + one) == tlp_of(one)
    assert join(join(tlp_of(one), tlp_of(two)), tlp_of(three)) == tlp_of(one + two + three)


@given(st.lists(some.paps, min_size=1))
def test_several_pap_labels_count_as_the_strictest(labels: list[Pap]) -> None:
    assert pap_of([pap.label for pap in labels]) == max(labels)


@given(some.requests(), some.instants, some.tlps)
def test_raising_the_tlp_of_an_object_never_opens_the_gate(request: Request, at: datetime, tlp: Tlp) -> None:
    """Only a label lowered below the originator's is mended by raising it, up to the originator's and no further."""
    item = request.item
    assume(item.tlp is not None and item.tlp <= tlp)
    raised = codes(changed(request, item=changed(item, tlp=tlp)), at)
    assert codes(request, at) - {"label-lowered"} <= raised


@given(some.requests(), some.instants, some.paps)
def test_raising_the_pap_of_an_object_never_opens_the_gate(request: Request, at: datetime, pap: Pap) -> None:
    item = request.item
    assume(item.pap is not None and item.pap <= pap)
    assert codes(request, at) <= codes(changed(request, item=changed(item, pap=pap)), at)


@given(some.requests(), some.instants)
def test_a_missing_label_is_the_strictest_label(request: Request, at: datetime) -> None:
    red = changed(request.item, tlp=Tlp.RED, pap=Pap.RED)
    none = changed(request.item, tlp=None, pap=None)
    assert codes(changed(request, item=none), at) == codes(changed(request, item=red), at) | {"unlabelled"}


@given(some.requests(), some.instants)
def test_whatever_stands_against_a_release_is_said_alone_and_in_company(request: Request, at: datetime) -> None:
    before = codes(request, at)
    item = request.item
    harder = [
        changed(request, vetoed=True),
        changed(request, item=changed(item, is_withdrawn=True)),
        changed(request, recipient_trusted=False),
        changed(request, withheld_refs=request.withheld_refs + 1),
    ]
    if request.agreement is not None:
        harder.append(changed(request, agreement=changed(request.agreement, suspended=True)))
        harder.append(changed(request, agreement=changed(request.agreement, signed_by=frozenset())))
    for question in harder:
        assert before <= codes(question, at)
    assert "veto" in codes(harder[0], at)


@given(some.requests(), some.instants, st.lists(some.carried, max_size=2), some.carried)
def test_one_more_originators_word_never_opens_the_gate(
    request: Request, at: datetime, known: list[Carried], more: Carried
) -> None:
    assume(known)
    few = changed(request, item=changed(request.item, carried=tuple(known)))
    many = changed(request, item=changed(request.item, carried=(*known, more)))
    assert codes(few, at) <= codes(many, at)


@given(some.requests(), some.instants, st.randoms())
def test_the_order_of_the_clauses_changes_nothing_but_the_order_of_the_reasons(
    request: Request, at: datetime, randomly: Random
) -> None:
    facts = facts_of(request, at)
    for clauses in (NATION_CLAUSES, LOCAL_CLAUSES):
        shuffled = list(clauses)
        randomly.shuffle(shuffled)
        usual, other = compile_clauses(clauses)(facts), compile_clauses(shuffled)(facts)
        assert sorted(map(repr, usual)) == sorted(map(repr, other))


@given(some.requests(), some.instants)
def test_what_leaves_leaves_for_no_reason_but_an_agreement_in_force(request: Request, at: datetime) -> None:
    decision = decide(request, at)
    if request.recipient.kind != "nation" or not isinstance(decision, Released):
        return
    agreement = request.agreement
    assert agreement is not None
    assert agreement.is_concluded
    assert agreement.not_before <= at < agreement.not_after
    assert {request.holder, request.recipient.id} <= agreement.parties
    assert decision.agreement == agreement.reference


@given(some.items(), some.agreements(), some.instants)
def test_terms_only_grow_stricter_on_their_way(item: Item, agreement: Agreement, at: datetime) -> None:
    terms = carried_terms(item, agreement, some.NATIONS[0], some.NATIONS[1], at)
    allowed = agreement.document.terms
    assert terms.purposes <= set(allowed.purposes)
    assert terms.onward_parties <= agreement.parties
    assert terms.delete_after <= at + timedelta(days=allowed.retention_days)
    for earlier in item.carried:
        assert terms.tlp >= earlier.tlp
        assert terms.pap >= earlier.pap
        assert terms.purposes <= earlier.purposes
        assert terms.onward_parties <= earlier.onward_parties
        assert terms.delete_after <= earlier.delete_after
        assert _ceiling(terms) <= _ceiling(earlier)
        assert terms.excluded >= earlier.excluded
        assert terms.permitted_action <= earlier.permitted_action
    again = carried_terms(
        changed(item, carried=(*item.carried, terms)), agreement, some.NATIONS[0], some.NATIONS[1], at
    )
    assert (again.tlp, again.pap, again.purposes, again.delete_after) == (
        terms.tlp,
        terms.pap,
        terms.purposes,
        terms.delete_after,
    )


def _ceiling(terms: Carried) -> int:
    return -1 if terms.constituents_tlp is None else terms.constituents_tlp


@cache
def card(nation: NationId) -> Card:
    return read_card(world.card_of(nation, some.INSTANT), some.INSTANT)


def admission(request: Request, agreement: Agreement, at: datetime) -> set[str]:
    """Let the recipient judge what the sender would send, and return its reasons."""
    item = request.item
    tlp, pap = item.tlp or Tlp.CLEAR, item.pap or Pap.CLEAR
    body = indicator(1, tlp=tlp, labels=[pap.label], object_marking_refs=[tlp.marking_id])
    to = NationId(request.recipient.id)
    terms = carried_terms(changed(item, tlp=tlp, pap=pap), agreement, request.holder, to, at)
    released = ReleasedObject(body, terms, "0" * 64)
    document = ReleaseDocument(
        "release--1", request.holder, NationId(request.recipient.id), 1, at, "release", item.lane,
        agreement.reference, request.purpose, (released,),
    )  # fmt: skip
    sender = Partner(card(request.holder), Standing.TRUSTED, at)
    outcome = Admission(sender, document, agreement, at, (), True, {}).of(released, 1)
    return set() if isinstance(outcome, NewObject) else {reason.code for reason in outcome.reasons}


@given(some.requests(own=True), some.agreements(), some.instants)
def test_what_one_side_releases_the_other_admits_and_what_the_agreement_forbids_both_refuse(
    request: Request, agreement: Agreement, at: datetime
) -> None:
    item = changed(request.item, kind="indicator", is_withdrawn=False)
    assume(item.tlp is not None and item.pap is not None)
    to = Recipient("nation", some.NATIONS[1])
    question = msgspec.structs.replace(
        request, item=item, agreement=agreement, recipient=to, vetoed=False, withheld_refs=0
    )
    sent, admitted = codes(question, at), admission(question, agreement, at)
    assert admitted <= sent
    assert sent - RECIPIENT_CANNOT_KNOW <= admitted


@given(
    st.lists(some.requests(), max_size=6),
    some.instants,
    st.sampled_from(["constituent", "sensor"]),
    st.integers(0, 5),
    st.integers(0, 1),
)
def test_requests_inside_the_nation_decided_together_are_decided_as_each_alone(
    requests: list[Request], at: datetime, kind: Literal["constituent", "sensor"], action: int, refs: int
) -> None:
    inside = [
        changed(each, recipient=Recipient(kind, "grid"), agreement=None, action=action, withheld_refs=refs)
        for each in requests
    ]
    twice = [*inside, *reversed(inside), *[changed(each, recipient=Recipient(kind, "bank")) for each in inside]]
    assert decide_inside(twice, at) == [decide(each, at, NO_AGREEMENT) for each in twice]
    for each in requests:
        with pytest.raises(TypeError):
            decide_inside([changed(each, recipient=Recipient("nation", "XB"))], at)


@given(st.lists(some.requests(), min_size=1, max_size=4), st.data(), some.instants)
def test_a_gate_asked_one_request_after_the_other_decides_each_as_if_it_were_the_only_one(
    requests: list[Request], data: st.DataObject, at: datetime
) -> None:
    first, *others = requests
    alike = [changed(first, item=changed(first.item, id=str(n), version=str(n), digest=str(n))) for n in range(2)]
    fields = [("item", name) for name in Item.__struct_fields__] + [("", name) for name in Request.__struct_fields__]
    nearly = []
    for other in others:  # of another request, one field alone
        whose, name = data.draw(st.sampled_from(fields))
        taken = {name: getattr(other.item if whose else other, name)}
        nearly += [changed(first, item=changed(first.item, **taken)) if whose else changed(first, **taken), first]
    gate = Gate(at)
    for each in [first, *alike, *nearly, *others]:
        assert gate.decide(each) == decide(each, at)


def test_what_is_decided_together_is_told_apart_by_every_fact_that_a_clause_looks_at() -> None:
    """Each fact comes from what `_told_apart` returns, from the instant, or is the same for everybody."""
    of_item = {"labelled", "tlp", "pap", "lane_kind", "originator", "withdrawn"}
    of_terms = {"local_ceiling", "local_allowed", "permitted_action", "carried_purposes", "carried_tlp", "delete_after"}
    of_request = {"holder", "recipient", "purpose", "action", "vetoed", "withheld_refs", "at"}
    constants = {"pap_green", "pap_amber", "action_none", "action_internal", "lane_actual", "zero"}
    looked_at = {name for clause in LOCAL_CLAUSES for name in facts_in(clause.condition)}
    assert looked_at == of_item | of_terms | of_request | constants
    shown = {name for clause in LOCAL_CLAUSES for name in clause.shown}
    assert shown <= looked_at
