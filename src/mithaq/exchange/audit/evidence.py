"""Everything about one release in one signed file, for a dispute, and its check by anybody from the file alone."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from mithaq.agreements.model import Agreement
from mithaq.agreements.rules import agreement_of
from mithaq.exchange import store
from mithaq.exchange.audit.folder import read_stale_card
from mithaq.exchange.context import Context
from mithaq.exchange.errors import BadAudit, Erased
from mithaq.exchange.log import store as log_store
from mithaq.exchange.log.attached import check_attached, read_attached
from mithaq.exchange.log.policy import keys_of, requirement
from mithaq.exchange.log.record import record_of_release
from mithaq.exchange.proving import Proving
from mithaq.exchange.receipt import RECEIPT_TYPE, read_receipt
from mithaq.exchange.release_document import RELEASE_TYPE, ReleaseDocument, read_release
from mithaq.kernel import canonical
from mithaq.kernel.clock import from_rfc3339, rfc3339
from mithaq.kernel.ids import NationId
from mithaq.kernel.signing import Envelope, read_envelope, verify
from mithaq.nations.model import Card
from mithaq.nations.store import partners as partner_cards

EVIDENCE_TYPE = "application/vnd.mithaq.evidence+json"
FORMAT = 1
MAX_EVIDENCE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Checked:
    """What an evidence file shows beyond doubt, to whoever holds these fingerprints to be the nations'."""

    release_id: str
    sender: str
    recipient: str
    at: datetime
    gathered_by: str
    agreement_id: str
    witnesses: tuple[str, ...]
    emergency: str
    receipts: tuple[str, ...]
    fingerprints: Mapping[str, str]


def gather(context: Context, own_card: bytes, release_id: str, at: datetime) -> bytes:
    """Return the signed evidence about a release that this nation sent or received.

    Raises:
        Erased: it was erased because its time was over.
        BadAudit: there is no such release here, or it has no proof yet.
    """
    with context.db.read() as connection:
        found = _sent(context, connection, release_id, at) or _received(connection, release_id)
        if found is None:
            raise BadAudit("there is no release of that name here, or no proof of it yet", subject=release_id[:80])
        document = read_release(read_envelope(found["release"].encode()).payload)
        reference = document.agreement
        agreement = context.agreements.find(connection, reference.id, reference.version) if reference else None
        cards = {row.nation: bytes(row.card).decode() for row in connection.execute(select(partner_cards))}
    wanted = {document.sender, document.recipient} | (agreement.parties if agreement else frozenset())
    cards[context.own] = own_card.decode()
    payload = {
        "format_version": FORMAT,
        "release_id": release_id,
        "gathered_by": context.own,
        "at": rfc3339(at),
        "agreement": agreement.envelope.encode().decode() if agreement else None,
        "cards": {nation: card for nation, card in sorted(cards.items()) if nation in wanted},
        **found,
    }
    return context.signer.sign(EVIDENCE_TYPE, canonical.dumps(payload))


def check(data: bytes) -> Checked:
    """Verify an evidence file from its bytes alone.

    Checked, in this order: the file's own signature; the release under its sender's card; the agreement's signatures
    and that it is the one cited; the proof, its log, cosignatures and record; the receipts under the recipient's card.

    Raises:
        BadAudit: it is incomplete or says other than its parts.
        BadCard, BadJson, BadSignature, BadRelease, BadNote, BadProof, BadRecord, BadReceipt: a part does not hold.
    """
    outer = read_envelope(data, subject="evidence", max_bytes=MAX_EVIDENCE_BYTES)
    value = canonical.loads_canonical(outer.payload, max_bytes=MAX_EVIDENCE_BYTES, subject="evidence")
    try:
        if outer.payload_type != EVIDENCE_TYPE or value["format_version"] != FORMAT:
            raise BadAudit("no evidence in format 1")
        return _checked(value, outer)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadAudit("the evidence is incomplete: %(detail)s", detail=ascii(str(error)[:80])) from error


def _checked(value: dict[str, Any], outer: Envelope) -> Checked:
    cards = {str(nation): read_stale_card(card.encode()) for nation, card in value["cards"].items()}
    if any(card.nation != nation for nation, card in cards.items()):
        raise BadAudit("a card under another nation's name")
    if not outer.holds_for(cards[value["gathered_by"]].verify_key):
        raise BadAudit("the evidence is not signed by the nation that gathered it")
    release = value["release"].encode()
    sender = cards[read_release(read_envelope(release).payload).sender]
    document = read_release(verify(release, sender.verify_key, RELEASE_TYPE, subject="release"))
    if document.id != value["release_id"]:
        raise BadAudit("the evidence is about another release than it says")
    agreement = _agreement(value["agreement"], document, cards)
    required = requirement(agreement if document.action == "release" else None, document.sender, document.recipient)
    attached = read_attached(value["proof"].encode())
    witnesses = {NationId(nation): keys_of(card) for nation, card in cards.items() if nation in required.nations}
    digest = hashlib.sha256(release).hexdigest()
    gathered = from_rfc3339(value["at"])
    expected = record_of_release(document, digest)
    record = check_attached(attached, expected, sender, witnesses, required.needed, gathered)
    names = {each.name for each in attached.proof.note.signatures}
    return Checked(
        release_id=document.id,
        sender=document.sender,
        recipient=document.recipient,
        at=document.at,
        gathered_by=value["gathered_by"],
        agreement_id=document.agreement.id if document.agreement else "",
        witnesses=tuple(sorted(nation for nation, keys in witnesses.items() if keys[0].name in names)),
        emergency=record.detail if record.action == "emergency" else "",
        receipts=tuple(_receipt(each.encode(), document, digest, cards) for each in value["receipts"]),
        fingerprints={nation: card.fingerprint for nation, card in sorted(cards.items())},
    )


def _agreement(envelope: str | None, document: ReleaseDocument, cards: Mapping[str, Card]) -> Agreement | None:
    if envelope is None or document.agreement is None:
        if envelope is not None or document.agreement is not None:
            raise BadAudit("the agreement is not the one the release cites")
        return None
    whole = read_envelope(envelope.encode())
    keys = {NationId(nation): card.verify_key for nation, card in cards.items()}
    agreement = agreement_of(whole, keys)
    if agreement.reference != document.agreement:
        raise BadAudit("the agreement is not the one the release cites")
    if agreement.missing:
        raise BadAudit("the agreement is not signed by all its parties")
    return agreement


def _receipt(envelope: bytes, document: ReleaseDocument, digest: str, cards: Mapping[str, Card]) -> str:
    receipt = read_receipt(verify(envelope, cards[document.recipient].verify_key, RECEIPT_TYPE, subject="receipt"))
    said = (receipt.release_id, receipt.digest, receipt.sender, receipt.recipient)
    if said != (document.id, digest, document.sender, document.recipient):
        raise BadAudit("a receipt of another release")
    return receipt.outcome


def _sent(context: Context, connection: Connection, release_id: str, at: datetime) -> dict[str, Any] | None:
    row = connection.execute(select(store.sent).where(store.sent.c.release_id == release_id)).one_or_none()
    if row is None or row.leaf is None:
        return None
    if row.envelope is None:
        raise _erased(row)
    attached = Proving(context).attached(row, at)
    receipts = [bytes(row.receipt).decode()] if row.receipt else []
    return {"release": bytes(row.envelope).decode(), "proof": attached.decode(), "receipts": receipts}


def _received(connection: Connection, release_id: str) -> dict[str, Any] | None:
    inside, proofs = store.received, log_store.proofs
    same = (inside.c.sender == proofs.c.sender) & (inside.c.sequence == proofs.c.sequence)
    query = select(inside, proofs.c.proof).outerjoin(proofs, same).where(inside.c.release_id == release_id)
    row = connection.execute(query).one_or_none()
    if row is not None and not row.envelope:
        raise _erased(row)
    if row is None or row.proof is None:
        return None
    return {"release": bytes(row.envelope).decode(), "proof": bytes(row.proof).decode(), "receipts": []}


def _erased(row: Any) -> Erased:
    return Erased(
        "this release was erased when its time was over; what stays is its digest %(digest)s, the receipt and the leaf",
        subject=row.release_id,
        digest=row.digest,
    )
