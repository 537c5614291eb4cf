"""What is wrong with a draft that is in the vocabulary: contradictions, terms nobody can meet, words left from a form.

An *error* makes a term idle or impossible; a *warning* is allowed and seldom meant. Pure: a document and an instant in,
findings out. What only the gate can tell (a clause that never opens, a direction in which nothing can flow) comes from
the proofs of `release/`, as further findings in `lint(..., unreachable=...)`.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

from mithaq.agreements.effective import agreed_terms, effective_terms
from mithaq.agreements.model import Document
from mithaq.kernel.clock import from_rfc3339
from mithaq.kernel.ids import NationId
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp

SECTOR_KINDS: Final = frozenset({"attack-pattern", "campaign", "identity", "incident", "indicator", "infrastructure",
    "intrusion-set", "malware", "report", "sighting", "threat-actor", "vulnerability", "grouping", "note"})  # fmt: skip
"""Kinds of object that can say which sector they concern (STIX: `sectors` of an identity, labels of the others)."""

FORM_WORDS: Final = ("lorem ipsum", "example", "tbd", "to be defined", "placeholder", "xxx", "[", "<", "…", "???",
    "à compléter", "à définir", "يُستكمل", "يستكمل لاحقا")  # fmt: skip
"""What is left in a text when a form was not filled in."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing that is wrong: where, what, and what would mend it; both texts are message ids."""

    severity: Literal["error", "warning"]
    term: str
    message: str
    remedy: str
    params: dict[str, str | int] = field(default_factory=dict)


Check = Callable[[Document], Iterator[Flaw]]


def lint(document: Document, at: datetime, unreachable: Iterable[Flaw] = ()) -> list[Flaw]:
    """Return everything that is wrong with a document, errors first.

    `unreachable` is the seam for what the gate's proofs find about the same document.
    """
    found = [*(each for check in CHECKS for each in check(document)), *_dates(document, at), *unreachable]
    return sorted(found, key=lambda each: each.severity)


def _dates(document: Document, at: datetime) -> Iterator[Flaw]:
    begins, ends = from_rfc3339(document.not_before), from_rfc3339(document.not_after)
    if ends <= at:
        yield Flaw("error", "validity", "It has expired before anybody signs it.", "Put a later end.")
    if document.renewal and ends - begins <= timedelta(days=document.renewal.notice_days):
        yield Flaw(
            "error",
            "renewal",
            "It ends before the time in which a party may object to its renewal has begun.",
            "Make the notice shorter than the agreement.",
        )


def _purposes(document: Document) -> Iterator[Flaw]:
    terms = document.terms
    if "exercise" in terms.purposes and "exercise" not in terms.lanes:
        yield Flaw(
            "error",
            "purposes",
            "The purpose of exercises is allowed, and no lane of exercises.",
            "Allow the lanes of exercises, or take the purpose out.",
        )
    if terms.purposes == ["exercise"] and "actual" in terms.lanes:
        yield Flaw(
            "warning",
            "lanes",
            "Only exercises are a purpose, and the real lane is open.",
            "Allow the lanes of exercises alone.",
        )
    if terms.research and "research" not in terms.purposes:
        yield Flaw(
            "error",
            "research",
            "It says what research may do, and research is no purpose.",
            "Add the purpose of research, or take the term out.",
        )
    if (
        terms.research
        and terms.research.licence != "none"
        and terms.onward.mode == "none"
        and terms.research.publication == "free"
    ):
        yield Flaw(
            "warning",
            "research",
            "Results may be published freely, and no object may be passed on.",
            "Say whether results may show objects, or allow passing on.",
        )


def _kept(document: Document) -> Iterator[Flaw]:
    terms = document.terms
    if terms.recall_hours is not None and terms.recall_hours > terms.retention_days * 24:
        yield Flaw(
            "error",
            "recall_hours",
            "A recall may take longer than objects are kept.",
            "Shorten the time of a recall below the time of keeping.",
        )
    if terms.review_after_days is not None and terms.review_after_days >= terms.retention_days:
        yield Flaw(
            "error",
            "review_after_days",
            "Objects are deleted before they would be reviewed.",
            "Review earlier, or keep objects longer.",
        )
    if terms.onward.public_after_days is not None and terms.onward.public_after_days >= terms.retention_days:
        yield Flaw(
            "error",
            "onward",
            "Objects are deleted before they would become free for everybody.",
            "Make them free earlier, or keep objects longer.",
        )
    life = from_rfc3339(document.not_after) - from_rfc3339(document.not_before)
    survives = terms.leaving is not None and "retention" in terms.leaving.surviving
    if timedelta(days=terms.retention_days) > life and not survives:
        yield Flaw(
            "warning",
            "retention_days",
            "Objects are kept longer than the agreement lasts, and the duty to delete them does not outlive it.",
            "Let the duty to delete survive, or keep objects for a shorter time.",
        )
    if (
        terms.leaving
        and terms.leaving.on_exit == "delete"
        and "recall" in terms.leaving.surviving
        and not terms.recall_hours
    ):
        yield Flaw(
            "warning",
            "leaving",
            "The duty to carry out recalls survives, and no recall is agreed.",
            "Agree within how many hours a recall is carried out.",
        )


def _parties(document: Document) -> Iterator[Flaw]:
    terms, others = document.terms, len(document.parties) - 1
    for term, count in (
        ("witnesses", terms.witnesses),
        ("suspension_by", terms.suspension_by or 0),
    ):
        if count > others:
            yield Flaw(
                "error",
                term,
                "It asks for %(count)s other parties, and there are %(others)s.",
                "Ask for fewer, or let more nations join.",
                {"count": count, "others": others},
            )
    joining = terms.accession
    if joining and max(joining.sponsors, joining.agreeing) > others + 1:
        yield Flaw(
            "error",
            "accession",
            "A nation that wants to join would need more parties than there are.",
            "Ask for fewer sponsors and votes.",
        )
    for party in document.parties:
        signing = party.signatories
        if signing and signing.threshold > len(signing.officials):
            yield Flaw(
                "error",
                "signatories",
                "%(nation)s asks for more signatures than it has officials.",
                "Lower the number of signatures, or name more officials.",
                {"nation": party.nation},
            )
        if terms.emergency_contact and party.role != "observer" and "emergency" not in (party.contacts or {}):
            yield Flaw(
                "warning",
                "emergency_contact",
                "An emergency contact is agreed, and %(nation)s names none.",
                "Name a contact with the purpose `emergency` for this party.",
                {"nation": party.nation},
            )


def _receivers(document: Document) -> Iterator[Flaw]:
    """Find directions in which nobody is left to give or to receive."""
    terms = document.terms
    givers = {party.nation for party in document.parties if party.role == "party"}
    takers = {party.nation for party in document.parties if party.role != "observer"}
    named = set(terms.recipients) or takers
    left = (takers & named) - set(terms.excluded_recipients)
    if not left or not givers or (len(givers) == 1 and givers == left):
        yield Flaw(
            "error",
            "recipients",
            "No nation is left that could receive an object from another.",
            "Name a recipient that is not excluded and may receive.",
        )
    for nation in sorted(set(terms.recipients) & set(terms.excluded_recipients)):
        yield Flaw(
            "error",
            "excluded_recipients",
            "%(nation)s is named as a recipient and excluded as one.",
            "Decide for one of the two.",
            {"nation": nation},
        )
    if terms.onward.mode == "none" and (terms.onward.max_hops is not None):
        yield Flaw(
            "warning",
            "onward",
            "Nobody may pass an object on, and a number of nations that do so is agreed.",
            "Take the number out, or allow passing on.",
        )
    if terms.onward.constituents_tlp is not None and not terms.onward.constituents:
        yield Flaw(
            "warning",
            "onward",
            "A label for constituents is agreed, and constituents receive nothing.",
            "Take the label out, or allow passing on to constituents.",
        )


def _ceilings(document: Document) -> Iterator[Flaw]:
    terms = document.terms
    agreed, seen = agreed_terms(document), set()
    for each in terms.ceilings:
        tlp, pap = Tlp.parse(each.tlp) or Tlp.CLEAR, (Pap.parse(each.pap) if each.pap else None)
        names: dict[str, str | int] = {"sender": each.sender or "*", "recipient": each.recipient or "*"}
        if (each.sender, each.recipient) in seen:
            yield Flaw(
                "warning",
                "ceilings",
                "Two ceilings are agreed for what %(sender)s gives to %(recipient)s.",
                "Keep the lower one.",
                names,
            )
        seen.add((each.sender, each.recipient))
        if tlp >= agreed.tlp_ceiling and (pap is None or pap >= agreed.pap_ceiling):
            yield Flaw(
                "warning",
                "ceilings",
                "The ceiling for what %(sender)s gives to %(recipient)s is no lower than the agreement's own.",
                "Take it out, or lower it.",
                names,
            )
        if each.sender is not None and each.sender == each.recipient:
            yield Flaw("error", "ceilings", "A ceiling names one nation as both ends.", "Name two nations.", names)
    for nation, number in _reserved(document):
        if number == 0:
            yield Flaw(
                "warning",
                "reservations",
                "After the reservation of %(nation)s, no kind of object or purpose is left for it.",
                "Ask %(nation)s to reserve less, or let it be an observer.",
                {"nation": nation},
            )


def _reserved(document: Document) -> Iterator[tuple[str, int]]:
    for reservation in document.reservations:
        others = [party.nation for party in document.parties if party.nation != reservation.nation]
        terms = effective_terms(document, NationId(reservation.nation), NationId(others[0]))
        yield reservation.nation, min(len(terms.kinds), len(terms.purposes), len(terms.lanes))


def _scope(document: Document) -> Iterator[Flaw]:
    terms = document.terms
    if terms.sectors and not SECTOR_KINDS & set(terms.kinds):
        yield Flaw(
            "error",
            "sectors",
            "Objects must state a sector, and no agreed kind of object can.",
            "Add a kind of object that states its sector, or take the sectors out.",
        )
    if terms.campaigns and "campaign" not in terms.kinds:
        yield Flaw(
            "warning",
            "campaigns",
            "Objects of campaigns are shared, and the campaigns themselves are not.",
            "Add campaigns to the kinds of object.",
        )
    if "sighting" in terms.kinds and "indicator" not in terms.kinds:
        yield Flaw(
            "warning",
            "kinds",
            "Sightings are shared, and the indicators that were seen are not.",
            "Add indicators to the kinds of object.",
        )
    if terms.feedback and terms.feedback.sighting_hours and "sighting" not in terms.kinds:
        yield Flaw(
            "error",
            "feedback",
            "Sightings are to be reported back, and no sighting may be shared.",
            "Add sightings to the kinds of object.",
        )
    if terms.feedback and terms.feedback.false_positive_hours and "opinion" not in terms.kinds:
        yield Flaw(
            "error",
            "feedback",
            "False positives are to be reported back, and no opinion may be shared.",
            "Add opinions to the kinds of object.",
        )
    if terms.tlp_ceiling == "TLP:RED" and not terms.recipients:
        yield Flaw(
            "warning",
            "tlp_ceiling",
            "TLP:RED goes to named persons only, and no recipient is named.",
            "Name the recipients, or lower the ceiling to TLP:AMBER+STRICT.",
        )
    lowest = Tlp.parse(terms.two_person_from) if terms.two_person_from else None
    if lowest is not None and lowest > agreed_terms(document).tlp_ceiling:
        yield Flaw(
            "warning",
            "two_person_from",
            "Two persons release together only above the ceiling, so never.",
            "Lower the label from which two persons release.",
        )


def _times(document: Document) -> Iterator[Flaw]:
    terms = document.terms
    if (notice := terms.notification) and not (
        notice.early_warning_hours <= notice.notification_hours <= notice.final_report_hours
    ):
        yield Flaw(
            "error",
            "notification",
            "The early warning, the notification and the final report are not due in this order.",
            "Put the times in order.",
        )
    asked = set()
    for each in terms.response_times:
        if each.acknowledge_hours > each.answer_hours:
            yield Flaw(
                "error",
                "response_times",
                "A request is to be answered before it is acknowledged.",
                "Make the time to acknowledge the shorter one.",
            )
        if (each.request, each.urgency) in asked:
            yield Flaw(
                "error",
                "response_times",
                "Two times are agreed for one request of one urgency.",
                "Keep one of them.",
            )
        asked.add((each.request, each.urgency))
    if terms.audit and terms.audit.by == "depositary" and document.entry.depositary is None:
        yield Flaw(
            "error",
            "audit",
            "The depositary may ask for proofs, and there is no depositary.",
            "Name a depositary in the rule of entry, or let the parties ask.",
        )


def _texts(document: Document) -> Iterator[Flaw]:
    text = document.legal_text
    if text and text.prevailing not in text.hashes:
        yield Flaw(
            "error",
            "legal_text",
            "The language that prevails has no text.",
            "Give the text of that language, or let another prevail.",
        )
    free = [("title", title) for title in document.title.values()]
    free += [("parties", name) for party in document.parties for name in party.names.values()]
    free += [("contacts", line) for party in document.parties for line in (party.contacts or {}).values()]
    if document.terms.dispute:
        free += [("dispute", line) for line in document.terms.dispute.escalation]
    if document.terms.jurisdiction and document.terms.jurisdiction.legal_basis:
        free.append(("jurisdiction", document.terms.jurisdiction.legal_basis))
    for term, line in free:
        if any(word in line.casefold() for word in FORM_WORDS if word != "example" or line.casefold() == word):
            yield Flaw(
                "error",
                term,
                "A word of an unfilled form is left: %(line)s",
                "Write what is meant.",
                {"line": line[:80]},
            )


CHECKS: Final[tuple[Check, ...]] = (
    _purposes,
    _kept,
    _parties,
    _receivers,
    _ceilings,
    _scope,
    _times,
    _texts,
)
