"""Documents of agreements for tests: one that says everything, and any at all."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, get_args

from hypothesis import strategies as st

from mithaq.agreements import terms as t
from mithaq.agreements import vocabulary as v
from mithaq.agreements.effective import agreed_terms, narrowed
from mithaq.agreements.model import (
    Document,
    Entry,
    HybridKey,
    LegalText,
    Official,
    Party,
    Renewal,
    Reservation,
    Signatories,
)

NATIONS = ("XA", "XB", "XC")
OFFICIALS = Signatories(
    2,
    [
        Official("minister", "Amina Ould", "Minister", HybridKey("AAAA", "BBBB")),
        Official("director", "Karim Sow", "Director", HybridKey("CCCC", "DDDD")),
    ],
)
EVERYTHING = t.Terms(
    kinds=["indicator", "infrastructure"],
    tlp_ceiling="TLP:RED",
    pap_ceiling="PAP:RED",
    purposes=["defence", "law-enforcement", "research"],
    onward=t.Onward(
        "named", constituents=True, nations=["XB"], max_hops=2, constituents_tlp="TLP:GREEN", public_after_days=400
    ),
    retention_days=90,
    lanes=["actual", "test", "exercise"],
    ceilings=[t.Ceiling("TLP:AMBER", "XA", "XB", "PAP:AMBER"), t.Ceiling("TLP:AMBER+STRICT", recipient="XC")],
    sectors=["financial-services", "infrastructure"],
    campaigns=["campaign--11111111-1111-4111-8111-111111111111"],
    min_severity="medium",
    exclusions=["law-enforcement-sealed"],
    recipients=["XA", "XB"],
    excluded_recipients=["XC"],
    permitted_actions="internally-visible-actions",
    transforms=[t.Transform("victim-identity", "pseudonymise"), t.Transform("free-text", "drop")],
    attribution="must-not",
    affected_party="via-originator",
    two_person_from="TLP:AMBER+STRICT",
    witnesses=2,
    status_max_age_days=14,
    suspension_by=2,
    recipients_confidential=False,
    review_after_days=30,
    recall_hours=24,
    feedback=t.Feedback(48, 24),
    response_times=[t.ResponseTime("takedown", "emergency", 1, 12), t.ResponseTime("information", "routine", 24, 240)],
    notification=t.Notification("high", sectors=["energy"]),
    emergency_contact=t.EmergencyContact(90),
    compelled_disclosure="inform-originator",
    reciprocity=t.Reciprocity(60),
    research=t.Research("CC-BY-4.0", True, True, "originator-consent"),
    handling=t.Handling(True, "National SECRET"),
    baseline=t.Baseline(1, 24),
    jurisdiction=t.Jurisdiction(["XA", "XB"], "Law 12 of 2024"),
    audit=t.Audit("depositary", 14),
    leaving=t.Leaving(["secrecy", "recall"], 60, "delete"),
    accession=t.Accession(2, 3),
    dispute=t.Dispute(["duty officers", "directors"]),
    no_warranty=True,
)


def document_of(terms: t.Terms, **changes: Any) -> Document:
    """Return a document of three nations with these terms."""
    parties = [Party(nation, f"{place}" * 64, {"en": f"Nation {nation}"}) for place, nation in enumerate(NATIONS)]
    values: dict[str, Any] = {
        "format_version": 1,
        "id": "agreement--11111111-1111-4111-8111-111111111111",
        "version": 1,
        "previous_hash": None,
        "title": {"en": "Joint defence"},
        "parties": parties,
        "terms": terms,
        "not_before": "2026-01-01T00:00:00.000Z",
        "not_after": "2027-01-01T00:00:00.000Z",
    }
    return Document(**(values | changes))


def full_document() -> Document:
    """Return a document in which everything is said that an agreement can say."""
    parties = [
        Party("XA", "a" * 64, {"en": "Nation XA"}, "party", OFFICIALS, ("XA",), {"emergency": "+0 1"}),
        Party("XB", "b" * 64, {"en": "Nation XB"}, "associate"),
        Party("XC", "c" * 64, {"en": "Nation XC"}, "observer"),
    ]
    narrows = t.Narrowing(kinds=["indicator"], tlp_ceiling="TLP:GREEN", onward="none", constituents=False)
    return document_of(
        EVERYTHING,
        parties=parties,
        entry=Entry("depositary", 2, "XA"),
        renewal=Renewal(2, 60),
        legal_text=LegalText({"ar": "0" * 64, "fr": "1" * 64}, "ar", "terms"),
        reservations=(Reservation("XB", narrows, {"en": "as our law asks"}),),
    )


def _some(literal: Any, min_size: int = 0) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(get_args(literal)), min_size=min_size, max_size=4, unique=True)


def _maybe(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | inner


_labels = st.sampled_from(get_args(v.TlpName))
_nations = st.sampled_from(NATIONS)
_onward = st.builds(
    t.Onward,
    mode=st.sampled_from(["none", "originator-consent", "parties"]),
    constituents=st.booleans(),
    max_hops=_maybe(st.integers(1, 9)),
    constituents_tlp=_maybe(_labels),
    public_after_days=_maybe(st.integers(1, 500)),
)
_ceilings = st.builds(t.Ceiling, tlp=_labels, sender=_maybe(_nations), recipient=_maybe(_nations))
any_terms: st.SearchStrategy[t.Terms] = st.builds(
    t.Terms,
    kinds=_some(v.ObjectKind, 1),
    tlp_ceiling=_labels,
    pap_ceiling=st.sampled_from(get_args(v.PapName)),
    purposes=_some(v.Purpose, 1),
    onward=_onward,
    retention_days=st.integers(1, 400),
    lanes=_some(v.LaneKind, 1),
    ceilings=st.lists(_ceilings, max_size=3),
    sectors=_some(v.Sector),
    min_severity=_maybe(st.sampled_from(get_args(v.SeverityName))),
    exclusions=_some(v.ContentClass),
    recipients=st.lists(_nations, max_size=3, unique=True),
    excluded_recipients=st.lists(_nations, max_size=2, unique=True),
    permitted_actions=_maybe(st.sampled_from(get_args(v.PermittedAction))),
    two_person_from=_maybe(_labels),
    witnesses=st.integers(0, 9),
    transforms=st.lists(
        st.builds(
            t.Transform,
            fields=st.sampled_from(get_args(v.FieldClass)),
            operation=st.sampled_from(get_args(v.Operation)),
        ),
        max_size=2,
    ),
)


@st.composite
def any_documents(draw: st.DrawFn) -> Document:
    """Draw a document of three nations with any terms and up to two reservations that narrow them."""
    terms = draw(any_terms)
    agreed = agreed_terms(document_of(terms))
    reservations = []
    for nation in draw(st.lists(_nations, max_size=2, unique=True)):
        narrows = t.Narrowing(
            kinds=draw(st.sampled_from([None, terms.kinds[:1]])),
            tlp_ceiling=draw(st.sampled_from([None, "TLP:CLEAR"])),
            onward=draw(st.sampled_from([None, "none"])),
        )
        assert not narrowed(agreed, narrows).wider_than(agreed)
        reservations.append(Reservation(nation, narrows))
    return document_of(terms, reservations=tuple(reservations))


EFFECTIVE_FIELDS = tuple(field.name for field in fields(agreed_terms(document_of(EVERYTHING))))
