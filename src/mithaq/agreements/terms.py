"""The terms of an agreement as typed data: what may flow, and what becomes of it.

A term that is absent is not agreed: a limit that does not limit, a duty that is not owed. The seven terms without a
default are in every agreement. Nothing outside this vocabulary is read.

Source: FIRST IEP 2.0, ISO/IEC 27010 §8 and §13, NIST SP 800-150 §3.4, Directive (EU) 2022/2555 Art. 23 (times).
"""

from typing import Annotated, Literal

import msgspec

from mithaq.agreements.vocabulary import (
    CampaignId,
    Code,
    ContentClass,
    Count,
    Days,
    FieldClass,
    Hours,
    LaneKind,
    Licence,
    Line,
    ObjectKind,
    Operation,
    PapName,
    PermittedAction,
    Purpose,
    RequestKind,
    Sector,
    SeverityName,
    TlpName,
    Urgency,
)


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of an agreement: an unknown field is refused, a term that is not agreed is not written."""


class Onward(Part, frozen=True):
    """Whether the recipient may pass an object on.

    To nobody, to whom the originator consents, to every party, or to the `nations` named; through `max_hops` nations
    at most; inside the nation to constituents, up to a label; to everybody once `public_after_days` are over.
    """

    mode: Literal["none", "originator-consent", "parties", "named"]
    constituents: bool = False
    nations: list[Code] = []
    max_hops: Annotated[int, msgspec.Meta(ge=1, le=9)] | None = None
    constituents_tlp: TlpName | None = None
    public_after_days: Days | None = None


class Ceiling(Part, frozen=True):
    """A lower ceiling for one direction: objects that `sender` gives to `recipient` (absent: any party)."""

    tlp: TlpName
    sender: Code | None = None
    recipient: Code | None = None
    pap: PapName | None = None


class Transform(Part, frozen=True):
    """What is done to a class of fields before an object leaves."""

    fields: FieldClass
    operation: Operation


class Feedback(Part, frozen=True):
    """Within how many hours the recipient reports sightings and false positives."""

    sighting_hours: Hours | None = None
    false_positive_hours: Hours | None = None


class ResponseTime(Part, frozen=True):
    """Within how many hours a request is acknowledged and answered."""

    request: RequestKind
    urgency: Urgency
    acknowledge_hours: Hours
    answer_hours: Hours


class Notification(Part, frozen=True):
    """Which own incidents a party tells the others of, and by when: early warning, notification, final report."""

    severity: SeverityName
    early_warning_hours: Hours = 24
    notification_hours: Hours = 72
    final_report_hours: Hours = 720
    sectors: list[Sector] = []


class EmergencyContact(Part, frozen=True):
    """A contact that answers at any hour, tested by a call each so many days."""

    test_every_days: Days


class Reciprocity(Part, frozen=True):
    """A band for answers given to questions asked, in per cent; it is shown and never cuts anybody off."""

    answered_percent: Annotated[int, msgspec.Meta(ge=1, le=100)]
    over_days: Days = 365


class Research(Part, frozen=True):
    """What may be made of objects released for research."""

    licence: Licence = "none"
    derivatives: bool = False
    model_training: bool = False
    publication: Literal["never", "originator-consent", "free"] = "never"


class Handling(Part, frozen=True):
    """How the recipient keeps what it got. In transit everything is always sealed."""

    encrypted_at_rest: bool = False
    clearance: Line | None = None


class Baseline(Part, frozen=True):
    """What a party's node must be able to do, and how fast an incident of the node itself is told."""

    protocol_version: Count = 1
    node_incident_hours: Hours | None = None


class Jurisdiction(Part, frozen=True):
    """Where objects may be stored and processed, and on which legal basis."""

    stored_in: list[Code] = []
    legal_basis: Line | None = None


class Audit(Part, frozen=True):
    """Who may ask a party for proofs from its release log, and with how much notice."""

    by: Literal["parties", "depositary"] = "parties"
    notice_days: Days = 30


class Leaving(Part, frozen=True):
    """How a party withdraws, and what it still owes afterwards."""

    surviving: list[Literal["retention", "secrecy", "recall"]]
    notice_days: Days = 30
    on_exit: Literal["keep-under-terms", "delete"] = "keep-under-terms"


class Accession(Part, frozen=True):
    """How another nation may join: sponsors among the parties, and how many must agree."""

    sponsors: Count
    agreeing: Count


class Dispute(Part, frozen=True):
    """To whom a dispute goes, step by step; the evidence is the node's signed evidence file."""

    escalation: Annotated[list[Line], msgspec.Meta(min_length=1, max_length=9)]


class Terms(Part, frozen=True):
    """What may flow, and what becomes of it."""

    kinds: Annotated[list[ObjectKind], msgspec.Meta(min_length=1)]
    tlp_ceiling: TlpName
    pap_ceiling: PapName
    purposes: Annotated[list[Purpose], msgspec.Meta(min_length=1)]
    onward: Onward
    retention_days: Days
    lanes: Annotated[list[LaneKind], msgspec.Meta(min_length=1)]
    ceilings: Annotated[list[Ceiling], msgspec.Meta(max_length=400)] = []
    sectors: list[Sector] = []
    campaigns: Annotated[list[CampaignId], msgspec.Meta(max_length=200)] = []
    min_severity: SeverityName | None = None
    exclusions: list[ContentClass] = []
    recipients: list[Code] = []
    excluded_recipients: list[Code] = []
    permitted_actions: PermittedAction | None = None
    transforms: Annotated[list[Transform], msgspec.Meta(max_length=20)] = []
    attribution: Literal["may", "must", "must-not"] = "may"
    affected_party: Literal["may", "must-not", "via-originator"] = "may"
    two_person_from: TlpName | None = None
    witnesses: Annotated[int, msgspec.Meta(ge=0, le=9)] = 1
    status_max_age_days: Days = 30
    suspension_by: Count | None = None
    recipients_confidential: bool = True
    review_after_days: Days | None = None
    recall_hours: Hours | None = None
    feedback: Feedback | None = None
    response_times: Annotated[list[ResponseTime], msgspec.Meta(max_length=20)] = []
    notification: Notification | None = None
    emergency_contact: EmergencyContact | None = None
    compelled_disclosure: Literal["inform-originator", "as-law-requires"] | None = None
    reciprocity: Reciprocity | None = None
    research: Research | None = None
    handling: Handling | None = None
    baseline: Baseline | None = None
    jurisdiction: Jurisdiction | None = None
    audit: Audit | None = None
    leaving: Leaving | None = None
    accession: Accession | None = None
    dispute: Dispute | None = None
    no_warranty: bool = False


class Narrowing(Part, frozen=True):
    """The terms that a reservation changes for one party; each may only narrow what was agreed."""

    kinds: list[ObjectKind] | None = None
    tlp_ceiling: TlpName | None = None
    pap_ceiling: PapName | None = None
    purposes: list[Purpose] | None = None
    lanes: list[LaneKind] | None = None
    sectors: list[Sector] | None = None
    campaigns: list[CampaignId] | None = None
    min_severity: SeverityName | None = None
    exclusions: list[ContentClass] | None = None
    excluded_recipients: list[Code] | None = None
    permitted_actions: PermittedAction | None = None
    two_person_from: TlpName | None = None
    witnesses: Annotated[int, msgspec.Meta(ge=0, le=9)] | None = None
    retention_days: Days | None = None
    onward: Literal["none"] | None = None
    constituents: Literal[False] | None = None
