"""The linter: every contradiction is found, and what is sound has none."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given

from mithaq.agreements import terms as t
from mithaq.agreements.lint import Flaw, lint
from mithaq.agreements.model import Document, LegalText, Party, Renewal, Reservation
from mithaq.agreements.templates import template, template_names
from tests.treaties import any_documents, document_of

AT = datetime(2026, 2, 1, tzinfo=UTC)
SOUND = t.Terms(
    kinds=["indicator", "sighting"],
    tlp_ceiling="TLP:AMBER",
    pap_ceiling="PAP:AMBER",
    purposes=["defence"],
    onward=t.Onward("none"),
    retention_days=90,
    lanes=["actual"],
)


def found(document: Document, severity: str = "") -> set[str]:
    return {each.term for each in lint(document, AT) if severity in ("", each.severity)}


def parties(number: int) -> list[Party]:
    return [
        Party(
            f"X{chr(65 + place)}", f"{place:064x}", {"en": f"Nation {place}"}, contacts={"emergency": "duty@x.example"}
        )
        for place in range(number)
    ]


def test_a_sound_agreement_has_no_flaw() -> None:
    assert lint(document_of(SOUND), AT) == []


@pytest.mark.parametrize("name", template_names())
def test_every_template_is_without_a_flaw_for_as_few_parties_as_it_says(name: str) -> None:
    known = template(name)
    document = document_of(msgspec.convert(known.terms, t.Terms), parties=parties(known.least_parties))
    assert lint(document, AT) == []


@pytest.mark.parametrize(
    ("term", "changes"),
    [
        ("purposes", {"purposes": ["exercise"]}),
        ("research", {"research": t.Research()}),
        ("recall_hours", {"recall_hours": 2000, "retention_days": 10}),
        ("review_after_days", {"review_after_days": 90}),
        ("onward", {"onward": t.Onward("parties", public_after_days=90)}),
        ("witnesses", {"witnesses": 3}),
        ("suspension_by", {"suspension_by": 3}),
        ("accession", {"accession": t.Accession(4, 1)}),
        ("recipients", {"excluded_recipients": ["XA", "XB", "XC"]}),
        ("recipients", {"recipients": ["XA"], "excluded_recipients": ["XA"]}),
        ("excluded_recipients", {"recipients": ["XA", "XB"], "excluded_recipients": ["XA"]}),
        ("ceilings", {"ceilings": [t.Ceiling("TLP:GREEN", "XA", "XA")]}),
        ("sectors", {"sectors": ["energy"], "kinds": ["opinion"]}),
        ("feedback", {"feedback": t.Feedback(24), "kinds": ["indicator"]}),
        ("feedback", {"feedback": t.Feedback(false_positive_hours=24)}),
        ("notification", {"notification": t.Notification("high", 72, 24)}),
        ("response_times", {"response_times": [t.ResponseTime("information", "urgent", 9, 3)]}),
        ("response_times", {"response_times": [t.ResponseTime("information", "urgent", 1, 3)] * 2}),
        ("audit", {"audit": t.Audit("depositary")}),
        ("dispute", {"dispute": t.Dispute(["TBD"])}),
        ("jurisdiction", {"jurisdiction": t.Jurisdiction(legal_basis="Law [number] of …")}),
    ],
)
def test_what_nobody_can_meet_is_an_error(term: str, changes: dict[str, Any]) -> None:
    assert term in found(document_of(msgspec.structs.replace(SOUND, **changes)), "error")


@pytest.mark.parametrize(
    ("term", "changes"),
    [
        ("lanes", {"purposes": ["exercise"], "lanes": ["actual", "exercise"]}),
        ("retention_days", {"retention_days": 1000}),
        ("ceilings", {"ceilings": [t.Ceiling("TLP:AMBER", "XA")]}),
        ("ceilings", {"ceilings": [t.Ceiling("TLP:GREEN", "XA"), t.Ceiling("TLP:CLEAR", "XA")]}),
        ("onward", {"onward": t.Onward("none", max_hops=2)}),
        ("onward", {"onward": t.Onward("parties", constituents_tlp="TLP:GREEN")}),
        ("campaigns", {"campaigns": ["campaign--11111111-1111-4111-8111-111111111111"]}),
        ("kinds", {"kinds": ["sighting"]}),
        ("tlp_ceiling", {"tlp_ceiling": "TLP:RED"}),
        ("two_person_from", {"two_person_from": "TLP:RED"}),
        ("emergency_contact", {"emergency_contact": t.EmergencyContact(90)}),
        ("leaving", {"leaving": t.Leaving(["recall"], on_exit="delete")}),
        ("research", {"purposes": ["research"], "research": t.Research("CC0-1.0", publication="free")}),
    ],
)
def test_what_is_seldom_meant_is_a_warning(term: str, changes: dict[str, Any]) -> None:
    document = document_of(msgspec.structs.replace(SOUND, **changes))
    assert term in found(document, "warning")
    assert found(document, "error") == set()


@pytest.mark.parametrize(
    ("term", "changes"),
    [
        ("validity", {"not_after": "2026-01-15T00:00:00.000Z"}),
        ("renewal", {"renewal": Renewal(1, 365)}),
        ("legal_text", {"legal_text": LegalText({"fr": "0" * 64}, "ar")}),
        ("title", {"title": {"en": "Agreement <name>"}}),
    ],
)
def test_dates_texts_and_forms_are_looked_at(term: str, changes: dict[str, Any]) -> None:
    assert found(document_of(SOUND, **changes), "error") == {term}


def test_a_reservation_that_leaves_nothing_is_told() -> None:
    nothing = Reservation("XB", t.Narrowing(kinds=[]))
    assert found(document_of(SOUND, reservations=(nothing,))) == {"reservations"}


def test_what_the_gates_proofs_find_comes_along_errors_first() -> None:
    proved = Flaw("error", "sector", "It never opens.", "Take it out.")
    document = document_of(msgspec.structs.replace(SOUND, kinds=["sighting"]))
    assert [each.severity for each in lint(document, AT, [proved])] == ["error", "warning"]


@given(any_documents())
def test_any_document_is_linted_and_every_sentence_can_be_filled_in(document: Document) -> None:
    for each in lint(document, AT):
        assert "%(" not in each.message % each.params
        assert each.remedy % each.params
