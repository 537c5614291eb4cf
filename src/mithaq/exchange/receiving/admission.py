"""Judge what a verified release brings, object by object, from the recipient's side."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from mithaq.agreements.model import Agreement
from mithaq.exchange.consent import Passage, permits, read_consent
from mithaq.exchange.gatekeeping import NAMED_BY_TERMS, policy_for
from mithaq.exchange.log.attached import MISSING
from mithaq.exchange.proving import must_wait
from mithaq.exchange.receiving.record import Quarantined
from mithaq.exchange.release_document import ReleasedObject, ReleaseDocument
from mithaq.exchange.settings import PROTOCOL_VERSION, SIGNATURE_WINDOW_S
from mithaq.intelligence.model import NewObject, Provenance
from mithaq.kernel.errors import Error
from mithaq.kernel.ids import NationId
from mithaq.kernel.reason import Reason
from mithaq.kernel.signing import VerifyKey
from mithaq.nations.model import Partner
from mithaq.release.exposure import Policy, exposed
from mithaq.release.facts import AgreementFacts, agreement_facts
from mithaq.release.model import Item, Recipient, Request
from mithaq.release.rules import judge
from mithaq.release.scope import scope_of
from mithaq.standards import stix
from mithaq.standards.pap import pap_of
from mithaq.standards.tlp import tlp_of

_APPROVED_THERE = 2
"""Who approved a release is the sender's word: the recipient judges as if enough persons had."""


def against_the_whole(document: ReleaseDocument, agreement: Agreement | None, at: datetime) -> tuple[Reason, ...]:
    """Return what stands against every object of a release alike."""
    reasons = []
    if document.at > at + timedelta(seconds=SIGNATURE_WINDOW_S):
        skew = int((document.at - at).total_seconds())
        reasons.append(
            Reason(
                "from-the-future",
                "the release is dated %(skew)s seconds ahead of this node's clock",
                {"skew": skew},
                "compare both nodes' clocks",
            )
        )
    if agreement is not None and document.agreement != agreement.reference:
        reasons.append(
            Reason(
                "agreement-text",
                "the agreement is cited with a hash that is not the text signed here",
                {},
                "compare the agreement's text with the partner",
            )
        )
    return tuple(reasons)


class Admission:
    """Judge each object of one release from the recipient's side, by the same clauses the sender had to pass."""

    def __init__(
        self,
        partner: Partner,
        document: ReleaseDocument,
        agreement: Agreement | None,
        at: datetime,
        whole: tuple[Reason, ...],
        came_with_proof: bool,
        keys: Mapping[NationId, VerifyKey],
    ) -> None:
        self._partner = partner
        self._document = document
        self._agreement = agreement
        self._at = at
        self._whole = whole
        self._came_with_proof = came_with_proof
        self._keys = keys
        self._agreed: AgreementFacts | None = None
        self._policy: Policy | None = None

    def of(self, released: ReleasedObject, place: int) -> NewObject | Quarantined:
        """Return the object ready to be stored, or why it may not be; `place` names one that has no id."""
        try:
            parsed = stix.parse(released.body)
        except Error as error:
            reason = Reason(error.code, error.message, error.params, "ask the sender to correct the object")
            return Quarantined(error.subject or f"object {place}", released.body, (*self._whole, reason))
        new = self._new(released, parsed)
        reasons = self._whole + self._reasons(released, parsed)
        return Quarantined(parsed.id, released.body, reasons) if reasons else new

    def _reasons(self, released: ReleasedObject, parsed: stix.StixObject) -> tuple[Reason, ...]:
        terms, document = released.terms, self._document
        label = tlp_of(parsed.object_marking_refs)
        item = Item(
            id=parsed.id,
            version="",
            kind=parsed.type,
            digest="",
            tlp=max(terms.tlp, label) if label is not None else terms.tlp,
            pap=max(terms.pap, pap_of(parsed.labels) or terms.pap),
            lane=document.lane,
            originator=terms.originator,
            carried=()
            if terms.originator == document.sender
            else (msgspec.structs.replace(terms, hops=terms.hops - 1),),
            named_recipients=frozenset({document.recipient}),
            scope=scope_of(parsed),
        )
        request = Request(
            item=item,
            holder=document.sender,
            recipient=Recipient("nation", document.recipient),
            recipient_trusted=self._partner.is_trusted,
            agreement=self._agreement,
            purpose=document.purpose,
            status_at=self._at,
            approvals=_APPROVED_THERE,
            consented=self._is_consented(released, parsed),
            protocol=PROTOCOL_VERSION,
        )
        if self._agreed is None:
            self._agreed = agreement_facts(self._agreement, document.sender, request.recipient)
        if self._agreed.protected and self._agreement is not None:
            if self._policy is None:
                self._policy = policy_for(self._agreement.document, document.sender)
            shown = exposed(released.body, self._policy)
            request = msgspec.structs.replace(request, exposes=shown | NAMED_BY_TERMS if item.carried else shown)
        reasons = judge(request, min(document.at, self._at), self._agreed).reasons
        if not self._came_with_proof and item.tlp is not None and must_wait("release", item.tlp):
            return reasons if MISSING in self._whole else (*reasons, MISSING)  # labelled so by the object alone
        return reasons

    def _is_consented(self, released: ReleasedObject, parsed: stix.StixObject) -> bool:
        """Tell whether the originator's own signed consent to exactly this came with the object."""
        document, originator = self._document, released.terms.originator
        key = self._keys.get(originator)
        if key is None or not released.consent or document.agreement is None:
            return False
        passage = Passage(
            parsed.id,
            str(document.lane),
            hashlib.sha256(released.body).hexdigest(),
            originator,
            document.sender,
            document.recipient,
            document.agreement.id,
        )
        try:
            return permits(read_consent(released.consent, originator, key), passage, min(document.at, self._at))
        except Error:
            return False

    def _new(self, released: ReleasedObject, parsed: stix.StixObject) -> NewObject:
        document = self._document
        provenance = Provenance(
            source="partner",
            nation=document.sender,
            agreement_id=document.agreement.id if document.agreement else None,
            agreement_version=document.agreement.version if document.agreement else None,
            release_id=document.id,
            purpose=document.purpose,
            tlp=released.terms.tlp,
            pap=released.terms.pap,
            carried=released.terms.as_json(),
            received_at=self._at,
        )
        return NewObject(released.body, parsed, document.lane, provenance)
