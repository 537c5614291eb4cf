"""Take a partner's releases: verify, admit or quarantine with reasons, and owe a receipt."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from mithaq.exchange import store
from mithaq.exchange.context import Context
from mithaq.exchange.errors import BadFrame, OutOfSequence
from mithaq.exchange.frame import Unverified
from mithaq.exchange.kept_reasons import kept_json
from mithaq.exchange.log.record import record_of_receipt
from mithaq.exchange.owed import Owed, Proven
from mithaq.exchange.recalling import take_back
from mithaq.exchange.receipt import Outcome
from mithaq.exchange.receiving.admission import Admission, against_the_whole
from mithaq.exchange.receiving.record import Quarantined, keep_quarantined, outcome_of, receipt_of, received_row
from mithaq.exchange.release_document import RELEASE_TYPE, ReleaseDocument, read_release
from mithaq.intelligence.model import NewObject
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.database import Transaction
from mithaq.kernel.errors import Error
from mithaq.kernel.ids import NationId
from mithaq.kernel.signing import verify
from mithaq.nations.keys.authority import demand_authorised
from mithaq.nations.model import Partner


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
        whole = against_the_whole(document, agreement, at) + proven.against
        admission = Admission(partner, document, agreement, at, whole, bool(verified.attached), keys)
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
        outcome = outcome_of(document, len(quarantined))
        refused = kept_json(
            {"object": each.object_id, "reasons": [reason.as_json() for reason in each.reasons]} for each in quarantined
        )
        receipt = receipt_of(document, verified.digest, outcome, refused, tx.at)
        tx.execute(store.received.insert().values(**received_row(document, receipt, verified.envelope, refused)))
        self._owed.note(tx, document, admitted.proven)
        self._context.log.append(tx, [record_of_receipt(receipt, document.lane, "receipt-given")])
        keep_quarantined(tx, document, quarantined)
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
