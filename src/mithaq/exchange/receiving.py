"""Take a partner's releases: verify, admit or quarantine with reasons, and owe a receipt."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select

from mithaq.agreements.model import Agreement
from mithaq.exchange import store
from mithaq.exchange.consent import Passage, permits, read_consent
from mithaq.exchange.context import Context
from mithaq.exchange.errors import BadFrame, OutOfSequence
from mithaq.exchange.frame import Unverified
from mithaq.exchange.gatekeeping import NAMED_BY_TERMS, policy_for
from mithaq.exchange.log.attached import MISSING
from mithaq.exchange.log.record import record_of_receipt
from mithaq.exchange.owed import Owed, Proven
from mithaq.exchange.proving import must_wait
from mithaq.exchange.recalling import take_back
from mithaq.exchange.receipt import Outcome, Receipt
from mithaq.exchange.release_document import RELEASE_TYPE, ReleasedObject, ReleaseDocument, read_release
from mithaq.exchange.settings import MAX_QUARANTINE_BYTES_PER_PARTNER, PROTOCOL_VERSION, SIGNATURE_WINDOW_S
from mithaq.intelligence.model import NewObject, Provenance
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.database import Transaction, insert_ignore
from mithaq.kernel.errors import Error
from mithaq.kernel.ids import NationId
from mithaq.kernel.reason import Reason
from mithaq.kernel.signing import VerifyKey, verify
from mithaq.nations.keys.authority import demand_authorised
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


@dataclass(frozen=True, slots=True)
class Verified:
    """A release whose seal, signature, parties and number hold; its content is not yet judged."""

    document: ReleaseDocument
    envelope: bytes
    attached: bytes

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the signed envelope, as the receipt names it."""
        return hashlib.sha256(self.envelope).hexdigest()


@dataclass(frozen=True, slots=True)
class Quarantined:
    """An object that was not admitted, with all reasons."""

    object_id: str
    body: bytes
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Admitted:
    """What of a verified release may enter the holdings, and what may not."""

    verified: Verified
    objects: tuple[NewObject, ...]
    quarantined: tuple[Quarantined, ...]
    proven: Proven


class Receiving:
    """The recipient's half of the partner channel."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._owed = Owed(context)

    def cursor(self, sender: NationId) -> int:
        """Return the number of the last release taken from a partner."""
        with self._context.db.read() as connection:
            return _cursor(connection, sender)

    def take(self, sender: NationId, frame: Unverified, at: datetime) -> Outcome | None:
        """Verify, admit and store one frame; `None` when it was taken before.

        Raises:
            BadFrame, BadSeal, BadSignature, BadJson, BadRelease: it is not what the partner released to this nation.
            KeysExpired: its root officials do not authorise the key on its card, or no longer.
            OutOfSequence: a release before it is missing, or it repeats a number with other bytes.
        """
        with self._context.db.read() as connection:
            partner = self._context.partners.get(connection, sender)
        verified = self._verify(partner, frame, at)
        if self._was_taken(verified):
            return None
        admitted = self._admit(partner, verified, at)
        with self._context.db.write(at) as tx:
            return self._keep(tx, admitted)

    def note_trouble(self, sender: NationId, error: Error | None, at: datetime) -> None:
        """Keep what stands in the way of a partner's channel, or that nothing does."""
        with self._context.db.read() as connection:
            known = connection.execute(
                select(store.channels.c.trouble).where(store.channels.c.partner == sender)
            ).scalar_one_or_none()
        trouble = {"code": error.code, "message": error.message, "params": error.params} if error else None
        if trouble != known:
            with self._context.db.write(at) as tx:
                store.set_channel(tx, sender, trouble=trouble, trouble_at=at)

    def _verify(self, partner: Partner, frame: Unverified, at: datetime) -> Verified:
        header, own = frame.header, self._context.own
        if header.sender != partner.nation:
            raise BadFrame(
                "a frame of %(found)s on the channel of %(partner)s", found=header.sender, partner=partner.nation
            )
        if header.recipient != own:
            raise BadFrame("the frame is meant for %(recipient)s, not for this nation", recipient=header.recipient)
        demand_authorised(partner, at)
        envelope, attached = frame.open(self._context.signer)
        payload = verify(envelope, partner.card.verify_key, RELEASE_TYPE, subject=f"release of {partner.nation}")
        document = read_release(payload)
        if (document.sender, document.recipient, document.sequence) != (partner.nation, own, header.sequence):
            raise BadFrame(
                "the signed release names other parties or another number than its frame", subject=document.id
            )
        return Verified(document, envelope, attached)

    def _was_taken(self, verified: Verified) -> bool:
        document = verified.document
        expected = self.cursor(document.sender) + 1
        if document.sequence > expected:
            raise OutOfSequence(
                "number %(found)s came where %(expected)s is due; the gap is asked for again",
                subject=document.id,
                found=document.sequence,
                expected=expected,
            )
        if document.sequence == expected:
            return False
        query = select(store.received.c.digest).where(
            store.received.c.sender == document.sender, store.received.c.sequence == document.sequence
        )
        with self._context.db.read() as connection:
            known = connection.execute(query).scalar_one_or_none()
        if known != verified.digest:
            raise OutOfSequence(
                "number %(found)s was used before for another release", subject=document.id, found=document.sequence
            )
        return True

    def _admit(self, partner: Partner, verified: Verified, at: datetime) -> Admitted:
        document = verified.document
        with self._context.db.read() as connection:
            reference = document.agreement
            agreement = (
                self._context.agreements.find(connection, reference.id, reference.version) if reference else None
            )
            keys = self._context.agreements.keys(connection)
        proven = self._owed.verify(partner, document, verified.digest, verified.attached, agreement, at)
        if document.action != "release":
            return Admitted(verified, (), (), proven)
        whole = _against_the_whole(document, agreement, at) + proven.against
        admission = _Admission(partner, document, agreement, at, whole, bool(verified.attached), keys)
        objects: list[NewObject] = []
        quarantined: list[Quarantined] = []
        for place, each in enumerate(document.objects, 1):
            outcome = admission.of(each, place)
            (objects if isinstance(outcome, NewObject) else quarantined).append(outcome)  # type: ignore[arg-type]
        return Admitted(verified, tuple(objects), tuple(quarantined), proven)

    def _keep(self, tx: Transaction, admitted: Admitted) -> Outcome | None:
        verified, document = admitted.verified, admitted.verified.document
        if _cursor(tx.connection, document.sender) + 1 != document.sequence:
            return None  # taken meanwhile: a channel to the partner's earlier address was still open
        report = self._context.holdings.store(tx, admitted.objects)
        bodies = {each.stix.id: each.body for each in admitted.objects}
        quarantined = admitted.quarantined + tuple(
            Quarantined(object_id, bodies[object_id], (reason,)) for object_id, reason in report.refused
        )
        for object_id in document.withdrawn:
            take_back(tx, self._context.holdings, object_id, document.lane, document.sender, "withdrawn by its sender")
        outcome = _outcome(document, len(quarantined))
        refused = [
            {"object": each.object_id, "reasons": [reason.as_json() for reason in each.reasons]} for each in quarantined
        ]
        tx.execute(store.received.insert().values(**_received_row(verified, outcome, refused, tx.at)))
        self._owed.note(tx, document, admitted.proven)
        receipt = _receipt(verified, outcome, refused, tx.at)
        self._context.log.append(tx, [record_of_receipt(receipt, document.lane, "receipt-given")])
        _keep_quarantined(tx, document, quarantined)
        store.set_channel(tx, document.sender, received_sequence=document.sequence, fetched_at=tx.at)
        tx.append(
            "exchange.quarantined" if outcome == "quarantined" else "exchange.admitted",
            subject=document.id,
            lane=document.lane,
            actor=f"nation:{document.sender}",
            detail={
                "outcome": outcome,
                "sequence": document.sequence,
                "objects": len(document.objects) + len(document.withdrawn),
                "quarantined": len(quarantined),
                "dated": rfc3339(document.at),
            },
        )
        return outcome


def _cursor(connection: Connection, sender: NationId) -> int:
    query = select(store.channels.c.received_sequence).where(store.channels.c.partner == sender)
    return connection.execute(query).scalar_one_or_none() or 0


def _against_the_whole(document: ReleaseDocument, agreement: Agreement | None, at: datetime) -> tuple[Reason, ...]:
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


class _Admission:
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
            carried=() if terms.originator == document.sender else (replace(terms, hops=terms.hops - 1),),
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
            request = replace(request, exposes=shown | NAMED_BY_TERMS if item.carried else shown)
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


def _outcome(document: ReleaseDocument, quarantined: int) -> Outcome:
    match document.action:
        case "withdraw":
            return "withdrawn"
        case "void":
            return "void"
    if not quarantined:
        return "admitted"
    return "quarantined" if quarantined >= len(document.objects) else "partly-admitted"


def _receipt(verified: Verified, outcome: Outcome, refused: Sequence[Any], at: datetime) -> Receipt:
    document = verified.document
    return Receipt(
        sender=document.sender,
        recipient=document.recipient,
        release_id=document.id,
        sequence=document.sequence,
        digest=verified.digest,
        outcome=outcome,
        at=at,
        refused=tuple((each["object"], tuple(map(Reason.of_json, each["reasons"]))) for each in refused),
    )


def _received_row(verified: Verified, outcome: Outcome, refused: Sequence[Any], at: datetime) -> dict[str, Any]:
    document = verified.document
    return {
        "sender": document.sender,
        "sequence": document.sequence,
        "release_id": document.id,
        "digest": verified.digest,
        "envelope": verified.envelope,
        "action": document.action,
        "lane": str(document.lane),
        "outcome": outcome,
        "refused": list(refused),
        "received_at": at,
        "receipt_due": True,
    }


def _keep_quarantined(tx: Transaction, document: ReleaseDocument, quarantined: Sequence[Quarantined]) -> None:
    """Keep what was not admitted; where a partner has filled its share of the disk, only ids and reasons."""
    held = select(func.coalesce(func.sum(func.length(store.quarantine.c.body)), 0)).where(
        store.quarantine.c.sender == document.sender
    )
    room = MAX_QUARANTINE_BYTES_PER_PARTNER - (tx.connection.scalar(held) or 0) if quarantined else 0
    keeps_bodies = sum(len(each.body) for each in quarantined) <= room
    rows = [
        {
            "sender": document.sender,
            "release_id": document.id,
            "object_id": each.object_id,
            "body": each.body if keeps_bodies else b"",
            "reasons": [reason.as_json() for reason in each.reasons],
            "at": tx.at,
        }
        for each in quarantined
    ]
    insert_ignore(tx, store.quarantine, rows)
