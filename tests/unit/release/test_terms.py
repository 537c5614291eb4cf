"""Each term that an agreement prevents something by: changing it moves the clauses it names, and no others."""

from dataclasses import fields
from datetime import datetime, timedelta

import msgspec
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mithaq.agreements.effective import Effective, effective_terms
from mithaq.agreements.model import Document
from mithaq.agreements.term_rules import TERMS
from mithaq.agreements.terms import Baseline, Ceiling, Jurisdiction, Onward, Terms, Transform
from mithaq.kernel.ids import NationId
from mithaq.release.clauses import LOCAL_CLAUSES, NATION_CLAUSES
from mithaq.release.model import FIELD_CLASSES, Recipient, Request
from mithaq.release.rules import carried_terms, judge
from tests import strategies as some

CHANGES: dict[str, st.SearchStrategy[object]] = {
    "kinds": st.lists(some.kinds, min_size=1, unique=True),
    "tlp_ceiling": some.tlps.map(lambda tlp: tlp.label),
    "pap_ceiling": some.paps.map(lambda pap: pap.label),
    "purposes": st.lists(some.purposes, min_size=1, unique=True),
    "onward": st.builds(Onward, st.sampled_from(["none", "originator-consent", "parties"]), st.booleans()),
    "lanes": st.lists(st.sampled_from(["actual", "test", "exercise"]), min_size=1, unique=True),
    "ceilings": st.lists(st.builds(Ceiling, some.tlps.map(lambda tlp: tlp.label)), max_size=1),
    "sectors": st.lists(st.sampled_from(["energy", "water"]), unique=True),
    "campaigns": st.lists(st.just("campaign--00000000-0000-4000-8000-000000000000"), max_size=1),
    "min_severity": st.none() | st.sampled_from(["low", "critical"]),
    "exclusions": st.lists(st.sampled_from(["classified", "personal-data"]), unique=True),
    "recipients": st.lists(some.nations, unique=True),
    "excluded_recipients": st.lists(some.nations, unique=True),
    "permitted_actions": st.none() | st.sampled_from(["none", "internally-visible-actions"]),
    "transforms": st.lists(st.builds(Transform, st.sampled_from(sorted(FIELD_CLASSES)), st.just("drop")), max_size=2),
    "attribution": st.sampled_from(["may", "must", "must-not"]),
    "two_person_from": st.none() | some.tlps.map(lambda tlp: tlp.label),
    "status_max_age_days": st.integers(1, 60),
    "baseline": st.none() | st.builds(Baseline, st.integers(1, 3)),
    "jurisdiction": st.none() | st.builds(Jurisdiction, st.lists(some.nations, min_size=1, unique=True)),
    "retention_days": st.integers(1, 40),
}
WIDE = some.wide_agreement()
PREVENTED = {rule.name: set(rule.clauses) for rule in TERMS if rule.kept_by == "prevent" and rule.clauses}
BY_STATUS = {"suspension_by"}
"""Who suspends is said by statements; of the term itself the gate sees the outcome, as the agreement's status."""


def test_every_prevented_term_is_changed_here() -> None:
    assert set(PREVENTED) - BY_STATUS <= set(CHANGES)
    known = {clause.id for clause in (*NATION_CLAUSES, *LOCAL_CLAUSES)}
    assert set().union(*PREVENTED.values()) <= known


def refusals(request: Request, document: Document, at: datetime) -> set[str]:
    """Everything that the gate says under a text: to the nation asked for, and of what that nation passes on."""
    agreement = some.signed(document)
    first = msgspec.structs.replace(request, agreement=agreement)
    said = {reason.code for reason in judge(first, at).reasons}
    holder, recipient = first.holder, NationId(first.recipient.id)
    carried = carried_terms(first.item, agreement, holder, recipient, at)
    item = msgspec.structs.replace(first.item, originator=holder, carried=(carried,))
    for to in (Recipient("nation", "XC"), Recipient("sensor", "dns"), Recipient("constituent", "grid")):
        onward = msgspec.structs.replace(first, item=item, holder=recipient, recipient=to, agreement=WIDE, action=3)
        said |= {f"{to.kind}: {reason.code}" for reason in judge(onward, at + timedelta(days=20)).reasons}
    return said


@settings(max_examples=200)
@given(some.requests(own=True), some.documents(), some.instants, st.sampled_from(sorted(PREVENTED.keys() - BY_STATUS)),
       st.data())  # fmt: skip
def test_a_change_of_a_term_changes_only_the_clauses_that_it_names(
    request: Request, document: Document, at: datetime, term: str, data: st.DataObject
) -> None:
    assume(request.recipient.kind == "nation")
    value = data.draw(CHANGES[term])
    changed = msgspec.structs.replace(document, terms=msgspec.structs.replace(document.terms, **{term: value}))
    differ = refusals(request, document, at) ^ refusals(request, changed, at)
    assert {code.rpartition(" ")[2] for code in differ} <= PREVENTED[term]


@given(some.requests(own=True), some.documents(), some.whole_terms, some.instants)
def test_an_amendment_changes_the_decisions_of_the_terms_that_differ_and_of_no_others(
    request: Request, document: Document, terms: Terms, at: datetime
) -> None:
    """What is shown before signing, the difference of effective terms, is the difference that the gate makes."""
    assume(request.recipient.kind == "nation")
    amended = msgspec.structs.replace(document, terms=terms)
    holder, recipient = request.holder, NationId(request.recipient.id)
    before, after = (effective_terms(each, holder, recipient) for each in (document, amended))
    differ = {each.name for each in fields(before) if getattr(before, each.name) != getattr(after, each.name)}
    if document.terms.baseline != terms.baseline:
        differ.add("baseline")
    allowed = set().union(*(DECIDED_BY[name] for name in differ))
    asked = [msgspec.structs.replace(request, agreement=some.signed(each)) for each in (document, amended)]
    said = [{reason.code for reason in judge(each, at).reasons} for each in asked]
    assert said[0] ^ said[1] <= allowed
    if not differ:
        assert refusals(request, document, at) == refusals(request, amended, at)


DECIDED_BY: dict[str, set[str]] = {name: set() for name in Effective.__dataclass_fields__} | {
    "kinds": {"kind"},
    "tlp_ceiling": {"tlp-ceiling"},
    "pap_ceiling": {"pap-ceiling"},
    "purposes": {"purpose"},
    "lanes": {"lane"},
    "sectors": {"sector"},
    "campaigns": {"campaign"},
    "min_severity": {"severity"},
    "exclusions": {"excluded-content"},
    "recipients": {"recipient-unnamed"},
    "excluded_recipients": {"recipient-excluded"},
    "two_person_from": {"second-person"},
    "protected": {"unprotected"},
    "stored_in": {"jurisdiction"},
    "baseline": {"baseline"},
}
"""Which clause each effective term moves for the nation that receives; the others travel with the object."""
