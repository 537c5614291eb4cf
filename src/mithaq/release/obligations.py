"""What is owed under an agreement: by whom, to whom, from when to when, under which term. Pure: no I/O, no clock.

Retention runs from the instant of each release, never from the last sighting: the recipient cannot move it, and the
originator knows the day. Of one originator the strictest word counts: a version falls due with the earliest of the
instants that this originator's words name for it or for a newer version.

Source: Directive (EU) 2022/2555 Art. 23 (incident times); FIRST IEP 2.0; the terms of `agreements.terms`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from mithaq.agreements.effective import effective_terms
from mithaq.agreements.model import Agreement
from mithaq.agreements.vocabulary import RequestKind, Sector, SeverityName, Urgency
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane
from mithaq.standards.severity import Severity

DutyKind = Literal[
    "retention", "review", "recall", "feedback", "false-positive", "early-warning", "notification", "final-report",
    "node-incident", "contact-test", "acknowledge", "answer",
]  # fmt: skip
INCIDENT_STAGES: Final[tuple[DutyKind, ...]] = ("early-warning", "notification", "final-report")
ATTESTATION_GRACE: Final = timedelta(hours=24)
"""An attestation is late a day after the deletion was due: the recipient's node may have been down that night."""

EXPIRY_REMINDERS: Final = (90, 30, 7)
"""Days before the end of an agreement or a card at which people are reminded."""


@dataclass(frozen=True, slots=True)
class Owed:
    """One duty with its clock; `due_at` is None where the agreement sets no time.

    `subject`: the release, object or incident it is about. `reference`: what tells two duties on one subject apart.
    """

    kind: DutyKind
    term: str
    agreement_id: str
    agreement_version: int
    owed_by: NationId
    owed_to: NationId
    subject: str
    reference: str
    lane: Lane
    started_at: datetime
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class Occasion:
    """What a duty arises from: an agreement, what it is about, when and in which lane."""

    agreement: Agreement
    subject: str
    lane: Lane
    at: datetime
    reference: str = ""

    def owed(self, kind: DutyKind, term: str, by: NationId, to: NationId, within: timedelta | None) -> Owed:
        """Return a duty that begins now."""
        document = self.agreement.document
        due = None if within is None else self.at + within
        return Owed(
            kind, term, document.id, document.version, by, to, self.subject, self.reference, self.lane, self.at, due
        )


@dataclass(frozen=True, slots=True)
class RetainedWord:
    """One word as retention sees it; a greater `order` is a newer version of the same object."""

    key: int
    originator: NationId
    order: tuple[datetime, int]
    delete_after: datetime


def due_instants(words: Sequence[RetainedWord]) -> Mapping[int, datetime]:
    """Return when each word for one object falls due: the strictest of its originator's for it and newer versions.

    >>> from datetime import UTC
    >>> day = [datetime(2026, 1, number, tzinfo=UTC) for number in range(1, 10)]
    >>> older, newer = (RetainedWord(key, NationId("XA"), (day[key], key), day[8 - 4 * key]) for key in (0, 1))
    >>> sorted(each.day for each in due_instants([older, newer]).values())
    [5, 5]
    """
    return {
        word.key: min(
            other.delete_after for other in words if other.originator == word.originator and other.order >= word.order
        )
        for word in words
    }


def release_duties(occasion: Occasion, sender: NationId, recipient: NationId) -> Iterable[Owed]:
    """Yield what a recipient owes for one release: deletion with an attestation, and a review where it is agreed."""
    terms = occasion.agreement.document.terms
    days = effective_terms(occasion.agreement.document, sender, recipient).retention_days
    yield occasion.owed("retention", "retention_days", recipient, sender, timedelta(days=days) + ATTESTATION_GRACE)
    if terms.review_after_days is not None:
        yield occasion.owed("review", "review_after_days", recipient, sender, timedelta(days=terms.review_after_days))


def recall_duty(occasion: Occasion, sender: NationId, recipient: NationId) -> Owed:
    """Return what a recipient owes once an object is recalled; without `recall_hours` no clock runs on it."""
    hours = occasion.agreement.document.terms.recall_hours
    return occasion.owed("recall", "recall_hours", recipient, sender, None if hours is None else timedelta(hours=hours))


def feedback_duty(occasion: Occasion, holder: NationId, giver: NationId) -> Owed | None:
    """Return the sighting that a holder owes after a confirmed hit, where feedback is agreed."""
    feedback = occasion.agreement.document.terms.feedback
    if feedback is None or feedback.sighting_hours is None:
        return None
    return occasion.owed("feedback", "feedback", holder, giver, timedelta(hours=feedback.sighting_hours))


def false_positive_duty(occasion: Occasion, holder: NationId, giver: NationId) -> Owed | None:
    """Return the opinion that a holder owes after a false positive, where feedback on those is agreed."""
    feedback = occasion.agreement.document.terms.feedback
    if feedback is None or feedback.false_positive_hours is None:
        return None
    return occasion.owed("false-positive", "feedback", holder, giver, timedelta(hours=feedback.false_positive_hours))


def incident_duties(
    occasion: Occasion, own: NationId, severity: SeverityName, sectors: frozenset[Sector]
) -> Iterable[Owed]:
    """Yield the three notices owed to every party that receives, where an own incident is grave enough."""
    agreed = occasion.agreement.document.terms.notification
    if agreed is None or Severity.parse(severity) < Severity.parse(agreed.severity):
        return
    if agreed.sectors and sectors.isdisjoint(agreed.sectors):
        return
    hours = (agreed.early_warning_hours, agreed.notification_hours, agreed.final_report_hours)
    for other in receivers(occasion.agreement, own):
        for stage, within in zip(INCIDENT_STAGES, hours, strict=True):
            yield occasion.owed(stage, "notification", own, other, timedelta(hours=within))


def node_incident_duties(occasion: Occasion, own: NationId) -> Iterable[Owed]:
    """Yield the notice owed to every party that receives, where this node itself had an incident."""
    baseline = occasion.agreement.document.terms.baseline
    if baseline is None or baseline.node_incident_hours is None:
        return
    for other in receivers(occasion.agreement, own):
        yield occasion.owed("node-incident", "baseline", own, other, timedelta(hours=baseline.node_incident_hours))


def response_duties(
    occasion: Occasion, asked: NationId, asker: NationId, request: RequestKind, urgency: Urgency
) -> Iterable[Owed]:
    """Yield when a request has to be acknowledged and answered, where a time is agreed for its kind and urgency."""
    for agreed in occasion.agreement.document.terms.response_times:
        if (agreed.request, agreed.urgency) == (request, urgency):
            hours = timedelta(hours=agreed.acknowledge_hours), timedelta(hours=agreed.answer_hours)
            yield occasion.owed("acknowledge", "response_times", asked, asker, hours[0])
            yield occasion.owed("answer", "response_times", asked, asker, hours[1])
            return


def contact_test(occasion: Occasion, own: NationId, other: NationId) -> Owed | None:
    """Return the next test of another party's emergency contact, where one is agreed."""
    agreed = occasion.agreement.document.terms.emergency_contact
    if agreed is None:
        return None
    return occasion.owed("contact-test", "emergency_contact", own, other, timedelta(days=agreed.test_every_days))


def receivers(agreement: Agreement, own: NationId) -> tuple[NationId, ...]:
    """Return the other nations that receive under an agreement; an observer sees no objects."""
    others = (NationId(each.nation) for each in agreement.document.parties if each.role != "observer")
    return tuple(sorted(nation for nation in others if nation != own))


def lapses_on_exit(agreement: Agreement, own: NationId, at: datetime) -> Mapping[NationId, datetime]:
    """Return of which nations' objects under this agreement must be gone here since when, because a party left.

    Where `own` left, everything that others gave; else what the nation that left had given.
    """
    leaving = agreement.document.terms.leaving
    if leaving is None or leaving.on_exit != "delete":
        return {}
    since = {nation: left for nation, left in agreement.leaving.items() if left <= at}
    if own in since:
        return {nation: min(since[own], since.get(nation, since[own])) for nation in agreement.parties - {own}}
    return since


def reminders_reached(until: datetime, at: datetime) -> tuple[int, ...]:
    """Return the numbers of days before an end, of 90, 30 and 7, that are reached while it has not come.

    >>> from datetime import UTC
    >>> reminders_reached(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 2, 10, tzinfo=UTC))
    (90, 30)
    """
    left = until - at
    return tuple(days for days in EXPIRY_REMINDERS if timedelta() < left <= timedelta(days=days))
