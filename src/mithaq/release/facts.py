"""The flat typed record that clauses look at."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from mithaq.agreements.effective import ABOVE_RED, ACTIONS, WIDEST_ACTION, effective_terms
from mithaq.agreements.model import Agreement
from mithaq.kernel.ids import NationId
from mithaq.release.model import Carried, Recipient, Request, Scope
from mithaq.standards.pap import Pap
from mithaq.standards.severity import Severity
from mithaq.standards.tlp import Tlp

_NEVER = datetime(9999, 1, 1, tzinfo=UTC)
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_AMBER, _TLP_RED, _PAP_RED = Tlp.AMBER, Tlp.RED, Pap.RED  # Python 3.11 looks a member up by a slow descriptor
_NOTHING: frozenset[str] = frozenset()
_NOBODY: frozenset[NationId] = frozenset()


class AgreementFacts(msgspec.Struct, frozen=True, gc=False):
    """The part of the facts that one agreement gives for one direction, from a holder to a recipient."""

    agreement_signed: bool
    agreement_suspended: bool
    not_before: datetime
    not_after: datetime
    parties: frozenset[NationId]
    unsigned: frozenset[NationId]
    only_receivers: frozenset[NationId]
    observers: frozenset[NationId]
    suspended_parties: frozenset[NationId]
    leaves_at: datetime
    any_recipient: bool
    recipients: frozenset[str]
    excluded_recipients: frozenset[str]
    any_jurisdiction: bool
    jurisdictions: frozenset[str]
    stored_in: frozenset[str]
    protocol_needed: int
    kinds: frozenset[str]
    tlp_ceiling: Tlp
    pap_ceiling: Pap
    purposes: frozenset[str]
    lanes: frozenset[str]
    any_sector: bool
    scope_sectors: frozenset[str]
    any_campaign: bool
    scope_campaigns: frozenset[str]
    min_severity: Severity
    exclusions: frozenset[str]
    protected: frozenset[str]
    two_person_from: int
    status_max_age: timedelta


class Facts(AgreementFacts, frozen=True, gc=False):
    """Everything a clause may look at; what is missing has its strictest value."""

    at: datetime
    holder: str
    recipient: str
    recipient_trusted: bool
    status_until: datetime
    protocol: int
    purpose: str
    agreement_known: bool
    kind: str
    labelled: bool
    tlp: Tlp
    pap: Pap
    lane_kind: str
    sectors: frozenset[str]
    campaigns: frozenset[str]
    severity: Severity
    content: frozenset[str]
    exposes: frozenset[str]
    approvals: int
    originator: str
    onward_allowed: bool
    local_allowed: bool
    local_ceiling: Tlp
    hops: int
    max_hops: int
    action: int
    permitted_action: int
    carried_tlp: Tlp
    carried_purposes: frozenset[str]
    delete_after: datetime
    named_recipients: frozenset[NationId]
    withdrawn: bool
    withheld_refs: int
    vetoed: bool
    tlp_amber: Tlp = Tlp.AMBER
    tlp_red: Tlp = Tlp.RED
    pap_green: Pap = Pap.GREEN
    pap_amber: Pap = Pap.AMBER
    action_none: int = ACTIONS["none"]
    action_internal: int = ACTIONS["internally-visible-actions"]
    lane_actual: str = "actual"
    persons_needed: int = 2
    zero: int = 0


NO_AGREEMENT = AgreementFacts(
    agreement_signed=False, agreement_suspended=True, not_before=_NEVER, not_after=_LONG_AGO, parties=_NOBODY,
    unsigned=_NOBODY, only_receivers=_NOBODY, observers=_NOBODY, suspended_parties=_NOBODY, leaves_at=_NEVER,
    any_recipient=True, recipients=_NOTHING, excluded_recipients=_NOTHING, any_jurisdiction=True,
    jurisdictions=_NOTHING, stored_in=_NOTHING, protocol_needed=0, kinds=_NOTHING, tlp_ceiling=Tlp.CLEAR,
    pap_ceiling=Pap.CLEAR, purposes=_NOTHING, lanes=_NOTHING, any_sector=True, scope_sectors=_NOTHING,
    any_campaign=True, scope_campaigns=_NOTHING, min_severity=Severity.UNSTATED, exclusions=_NOTHING,
    protected=_NOTHING, two_person_from=ABOVE_RED, status_max_age=timedelta(),
)  # fmt: skip
"""What holds where no agreement is known: it is not concluded, binds nobody and allows nothing."""


def agreement_facts(agreement: Agreement | None, holder: NationId, recipient: Recipient) -> AgreementFacts:
    """Return what an agreement says for one direction, or the strictest facts where none is known."""
    if agreement is None:
        return NO_AGREEMENT
    nation = NationId(recipient.id)
    terms = effective_terms(agreement.document, holder, nation)
    return AgreementFacts(
        agreement_signed=agreement.is_concluded,
        agreement_suspended=agreement.suspended,
        not_before=agreement.not_before,
        not_after=agreement.not_after,
        parties=agreement.parties,
        unsigned=agreement.missing,
        only_receivers=agreement.of_role["associate"] | agreement.of_role["observer"],
        observers=agreement.of_role["observer"],
        suspended_parties=agreement.suspended_parties,
        leaves_at=min(agreement.leaving.get(holder, _NEVER), agreement.leaving.get(nation, _NEVER)),
        any_recipient=terms.recipients is None,
        recipients=terms.recipients or _NOTHING,
        excluded_recipients=terms.excluded_recipients,
        any_jurisdiction=terms.stored_in is None,
        jurisdictions=terms.stored_in or _NOTHING,
        stored_in=_stored_in(agreement, nation),
        protocol_needed=agreement.document.terms.baseline.protocol_version if agreement.document.terms.baseline else 0,
        kinds=terms.kinds.difference(*(agreement.suspended_kinds.get(each, _NOTHING) for each in (holder, nation))),
        tlp_ceiling=terms.tlp_ceiling,
        pap_ceiling=terms.pap_ceiling,
        purposes=terms.purposes,
        lanes=terms.lanes,
        any_sector=terms.sectors is None,
        scope_sectors=terms.sectors or _NOTHING,
        any_campaign=terms.campaigns is None,
        scope_campaigns=terms.campaigns or _NOTHING,
        min_severity=terms.min_severity,
        exclusions=terms.exclusions,
        protected=terms.protected,
        two_person_from=terms.two_person_from,
        status_max_age=timedelta(days=agreement.document.terms.status_max_age_days),
    )


def _stored_in(agreement: Agreement, nation: NationId) -> frozenset[str]:
    """Return where a party says that it keeps objects: at home, unless its entry in the agreement says otherwise."""
    for party in agreement.document.parties:
        if party.nation == nation:
            return frozenset(party.stored_in or (nation,))
    return _NOTHING


class Told(msgspec.Struct, frozen=True, gc=False):
    """All that the clauses read of a request, beside the instant and what its agreement says for its direction.

    Requests under one agreement with equal `Told` meet one verdict at one instant, with the same reasons, whatever else
    they say: no clause looks at an id, a version, a digest or a byte of the object.
    """

    holder: NationId
    recipient: Recipient
    recipient_trusted: bool
    status_at: datetime | None
    protocol: int
    purpose: str
    action: int
    kind: str
    tlp: Tlp | None
    pap: Pap | None
    lane: str
    scope: Scope
    exposes: frozenset[str]
    approvals: int
    consented: bool
    originator: NationId
    carried: tuple[Carried, ...]
    named_recipients: frozenset[NationId]
    is_withdrawn: bool
    withheld_refs: int
    vetoed: bool


def told_of(request: Request) -> Told:
    """Return what the clauses read of a request."""
    item = request.item
    return Told(
        request.holder,
        request.recipient,
        request.recipient_trusted,
        request.status_at,
        request.protocol,
        request.purpose,
        request.action,
        item.kind,
        item.tlp,
        item.pap,
        item.lane.value,
        item.scope,
        request.exposes,
        request.approvals,
        request.consented,
        item.originator,
        item.carried,
        item.named_recipients,
        item.is_withdrawn,
        request.withheld_refs,
        request.vetoed,
    )


def facts_of(request: Request, at: datetime, agreed: AgreementFacts | None = None) -> Facts:
    """Flatten a request; `agreed` saves rebuilding one direction's facts for many objects.

    Where several originators' terms apply to an item, the strictest of each counts.
    """
    if agreed is None:
        agreed = agreement_facts(request.agreement, request.holder, request.recipient)
    item = request.item
    passing = _strictest(item.carried, request, at) if item.carried else _NOT_CARRIED
    lane = item.lane
    said: tuple[Any, ...] = (  # in the order of the fields: by name it would take four times as long
        at,
        request.holder,
        request.recipient.id if request.recipient.kind == "nation" else str(request.recipient),
        request.recipient_trusted,
        request.status_at + agreed.status_max_age if request.status_at else _LONG_AGO,
        request.protocol,
        request.purpose,
        request.agreement is not None,
        item.kind,
        item.tlp is not None,
        _TLP_RED if item.tlp is None else item.tlp,
        max(_PAP_RED if item.pap is None else item.pap, passing.pap),
        "exercise" if lane.is_exercise else lane.value,
        item.scope.sectors,
        item.scope.campaigns,
        item.scope.severity,
        item.scope.content,
        request.exposes,
        request.approvals,
        item.originator,
        passing.onward_allowed,
        passing.local_allowed,
        passing.local_ceiling,
        passing.hops,
        passing.max_hops,
        request.action,
        passing.permitted_action,
        passing.tlp,
        passing.purposes,
        passing.delete_after,
        item.named_recipients,
        item.is_withdrawn,
        request.withheld_refs,
        request.vetoed,
    )
    return Facts(*msgspec.structs.astuple(agreed) + said)


class _Passing(NamedTuple):
    """What all originators of an item allow together."""

    onward_allowed: bool
    local_allowed: bool
    local_ceiling: Tlp
    pap: Pap
    tlp: Tlp
    purposes: frozenset[str]
    delete_after: datetime
    hops: int
    max_hops: int
    permitted_action: int


_NOT_CARRIED = _Passing(False, False, _AMBER, Pap.CLEAR, Tlp.CLEAR, _NOTHING, _NEVER, 0, 1, WIDEST_ACTION)
"""Of an item without an originator's terms: nothing limits its own nation, and nobody else may pass it on."""


def _strictest(carried: Sequence[Carried], request: Request, at: datetime) -> _Passing:
    ceilings = [terms.constituents_tlp for terms in carried if terms.constituents_tlp is not None]
    return _Passing(
        onward_allowed=all(_may_pass(terms, request, at) for terms in carried),
        local_allowed=len(ceilings) == len(carried),
        local_ceiling=min([_AMBER, *ceilings]),
        pap=max([terms.pap for terms in carried]),
        tlp=max([terms.tlp for terms in carried]),
        purposes=frozenset.intersection(*[terms.purposes for terms in carried]),
        delete_after=min([terms.delete_after for terms in carried]),
        hops=max([terms.hops for terms in carried]),
        max_hops=min([terms.max_hops for terms in carried]),
        permitted_action=min([terms.permitted_action for terms in carried]),
    )


def _may_pass(terms: Carried, request: Request, at: datetime) -> bool:
    """Tell whether one originator's terms let the object go on to the recipient; exclusion wins."""
    recipient = request.recipient.id
    if recipient in terms.excluded:
        return False
    if recipient in terms.onward_parties or (terms.onward == "originator-consent" and request.consented):
        return True
    return terms.public_after is not None and at >= terms.public_after
