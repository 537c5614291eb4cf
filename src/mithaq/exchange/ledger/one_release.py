"""One release with everything this node can say of it: parties, objects, receipt, signatures, proof."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, select

from mithaq.exchange import store
from mithaq.exchange.context import Context
from mithaq.exchange.duties.store import erased_releases
from mithaq.exchange.errors import UnknownRelease
from mithaq.exchange.ledger.proof_state import NOTHING, Cosigner, Emergency, Proof, ProofState, proof_of
from mithaq.exchange.ledger.releases import WITHOUT_BYTES
from mithaq.exchange.log import store as log_store
from mithaq.exchange.log.attached import read_attached
from mithaq.exchange.log.policy import requirement
from mithaq.exchange.log.record import label_of
from mithaq.exchange.receipt import RECEIPT_TYPE
from mithaq.exchange.release_document import RELEASE_TYPE, ReleaseDocument, read_release
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.errors import Error
from mithaq.kernel.ids import NationId
from mithaq.kernel.reason import Reason
from mithaq.kernel.signing import read_envelope
from mithaq.kernel.tlog.checkpoint import verified
from mithaq.kernel.tlog.errors import BadNote
from mithaq.kernel.tlog.note import Note
from mithaq.nations.keys.model import KnownKey
from mithaq.nations.names import witness_keys
from mithaq.standards import stix


class Signature(StrEnum):
    """What a signature came to, checked now."""

    HOLDS = "holds"
    RETIRED = "holds-retired"
    COMPROMISED = "holds-compromised"
    BROKEN = "broken"
    ERASED = "erased"


@dataclass(frozen=True, slots=True)
class Checked:
    """A signature of a nation, checked against every key its officials ever authorised; the key that holds, or none.

    `RETIRED`: that key signs nothing new any more. `COMPROMISED`: it was revoked, whenever this was signed.
    """

    signature: Signature
    key_id: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """The recipient's word; `checked` is None for this nation's own, which is signed when it is delivered."""

    outcome: str
    at: datetime
    delivered: bool
    refused: Sequence[tuple[str, tuple[Reason, ...]]]
    checked: Checked | None


@dataclass(frozen=True, slots=True)
class OneRelease:
    """One release in either direction. `objects` are pairs of id and version, and empty once its bytes were erased.

    `digest` is the SHA-256 of the signed envelope, which the receipt and the log name.
    """

    release_id: str
    sender: NationId
    recipient: NationId
    sequence: int
    action: str
    lane: str
    agreement_id: str
    agreement_version: int
    purpose: str
    label: str
    digest: str
    at: datetime
    objects: Sequence[tuple[str, str]]
    receipt: Receipt | None
    checked: Checked
    proof: ProofState
    proof_due_at: datetime | None = None


def sent(context: Context, connection: Connection, recipient: NationId, sequence: int) -> OneRelease:
    """Return a release of this nation.

    Raises:
        UnknownRelease: nothing went to that nation under that number.
    """
    table, inside = store.sent, store.sent_objects
    here = (table.c.recipient == recipient, table.c.sequence == sequence)
    query = select(*WITHOUT_BYTES, table.c.envelope, table.c.receipt).where(*here)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise UnknownRelease("there is no release of that number here", subject=f"{recipient} {sequence}")
    objects = select(inside.c.object_id, inside.c.version).where(
        inside.c.recipient == recipient, inside.c.sequence == sequence
    )
    return OneRelease(
        release_id=row.release_id,
        sender=context.own,
        recipient=recipient,
        sequence=sequence,
        action=row.action,
        lane=row.lane,
        agreement_id=row.agreement_id,
        agreement_version=row.agreement_version,
        purpose=row.purpose,
        label=row.label,
        digest=row.digest,
        at=row.sent_at,
        objects=[(each.object_id, each.version) for each in connection.execute(objects.order_by(inside.c.object_id))],
        receipt=_their_receipt(context, connection, row) if row.outcome and row.action != "lost" else None,
        checked=_check(row.envelope, RELEASE_TYPE, context.partners.keys(connection, context.own)),
        proof=proof_of(context, connection, row),
    )


def _their_receipt(context: Context, connection: Connection, row: Any) -> Receipt:
    refused = [(str(each["object"]), _reasons(each["reasons"])) for each in row.refused or ()]
    keys = context.partners.keys(connection, NationId(row.recipient))
    return Receipt(
        row.outcome, row.receipted_at, delivered=True, refused=refused, checked=_check(row.receipt, RECEIPT_TYPE, keys)
    )


def _reasons(values: Iterable[Any]) -> tuple[Reason, ...]:
    return tuple(Reason.of_json(each) for each in values)


def _check(envelope: bytes | None, kind: str, keys: Sequence[KnownKey]) -> Checked:
    """Verify a kept envelope anew, with every key that was ever authorised; the newest is tried first."""
    if not envelope:
        return Checked(Signature.ERASED)
    try:
        read = read_envelope(bytes(envelope))
    except Error:
        return Checked(Signature.BROKEN)
    known = next((each for each in reversed(keys) if read.payload_type == kind and read.holds_for(each.key)), None)
    if known is None:
        return Checked(Signature.BROKEN)
    if known.compromised_at is not None:
        return Checked(Signature.COMPROMISED, known.key.key_id, known.compromised_at)
    if known.retired_at is not None:
        return Checked(Signature.RETIRED, known.key.key_id, known.retired_at)
    return Checked(Signature.HOLDS, known.key.key_id)


def received(context: Context, connection: Connection, sender: NationId, sequence: int) -> OneRelease:
    """Return a release that a partner sent; of one whose bytes were erased, what its kept head says.

    Raises:
        UnknownRelease: nothing came from that nation under that number.
    """
    table = store.received
    here = (table.c.sender == sender, table.c.sequence == sequence)
    row = connection.execute(select(table).where(*here)).one_or_none()
    if row is None:
        raise UnknownRelease("there is no release of that number here", subject=f"{sender} {sequence}")
    document = read_release(read_envelope(bytes(row.envelope)).payload) if row.envelope else None
    head = _head(document) if document else _kept_head(connection, sender, sequence)
    refused = [(str(each["object"]), _reasons(each["reasons"])) for each in row.refused]
    proof, due_at = _proof_that_came(context, connection, row, head["agreement"])
    return OneRelease(
        release_id=row.release_id,
        sender=sender,
        recipient=context.own,
        sequence=sequence,
        action=row.action,
        lane=row.lane,
        agreement_id=head["agreement"][0],
        agreement_version=head["agreement"][1],
        purpose=head["purpose"],
        label=head["label"],
        digest=row.digest,
        at=row.received_at,
        objects=head["objects"],
        receipt=Receipt(row.outcome, row.received_at, delivered=not row.receipt_due, refused=refused, checked=None),
        checked=_check(row.envelope, RELEASE_TYPE, context.partners.keys(connection, sender)),
        proof=proof,
        proof_due_at=due_at,
    )


def _head(document: ReleaseDocument) -> dict[str, Any]:
    reference = document.agreement
    inside = [_named(each.body) for each in document.objects]
    return {
        "agreement": (reference.id, reference.version) if reference else ("", 0),
        "purpose": document.purpose,
        "label": label_of(document).label if document.objects else "",
        "objects": inside + [(each, "") for each in document.withdrawn],
    }


def _named(body: bytes) -> tuple[str, str]:
    try:
        read = stix.parse(body)
    except Error:
        return "", ""
    return read.id, rfc3339(read.modified) if read.modified else ""


def _kept_head(connection: Connection, sender: NationId, sequence: int) -> dict[str, Any]:
    table = erased_releases
    here = (table.c.sender == sender, table.c.sequence == sequence)
    kept = connection.scalar(select(table.c.head).where(*here)) or {}
    reference = kept.get("agreement") or {}
    return {
        "agreement": (str(reference.get("id", "")), int(reference.get("version", 0))),
        "purpose": str(kept.get("purpose", "")),
        "label": "",
        "objects": [],
    }


def _proof_that_came(
    context: Context, connection: Connection, row: Any, agreement: tuple[str, int]
) -> tuple[ProofState, datetime | None]:
    """Return the proof that is kept of a partner's release, or by when it is due."""
    table = log_store.proofs
    here = (table.c.sender == row.sender, table.c.sequence == row.sequence)
    kept = connection.execute(select(table).where(*here)).one_or_none()
    if kept is None:
        return NOTHING, None
    emergency = Emergency(kept.emergency, None, None) if kept.emergency else None
    if kept.proof is None:
        return ProofState("", None, Proof.OWED, emergency=emergency), kept.due_at
    attached = read_attached(bytes(kept.proof))
    checkpoint = attached.proof.checkpoint
    known = context.agreements.find(connection, *agreement)
    required = requirement(known if row.action == "release" else None, NationId(row.sender), context.own)
    state = ProofState(
        origin=checkpoint.origin,
        leaf=attached.proof.leaf,
        stage=Proof.PROVEN if required.needed else Proof.UNNEEDED,
        needed=required.needed,
        cosigned=_cosigners(context, connection, attached.proof.note, checkpoint.size),
        checkpoint_size=checkpoint.size,
        emergency=emergency,
    )
    return state, None


def _cosigners(context: Context, connection: Connection, note: Note, size: int) -> list[Cosigner]:
    """Return the nations whose cosignatures on a kept checkpoint hold, under any keys they ever had."""
    nations = sorted({context.own, *(each.nation for each in context.partners.all(connection))})
    found = (_cosigned_at(context, connection, note, nation) for nation in nations)
    return [Cosigner(nation, size, at) for nation, at in zip(nations, found, strict=True) if at is not None]


def _cosigned_at(context: Context, connection: Connection, note: Note, nation: NationId) -> datetime | None:
    for each in reversed(context.partners.statements(connection, nation)):
        online = each.statement.online
        keys = witness_keys(nation, online.witness_ed25519, online.witness_mldsa44)
        try:
            times = verified(note, keys)
        except BadNote:
            continue
        if len(times) == len(keys):
            return datetime.fromtimestamp(min(times.values()), UTC)
    return None


def place_of(connection: Connection, nation: NationId, release_id: str) -> tuple[str, int]:
    """Return the direction (`sent` or `received`) and number of a release that was exchanged with a nation.

    Raises:
        UnknownRelease: there is none of that name.
    """
    out, came = store.sent, store.received
    queries = {
        "sent": select(out.c.sequence).where(out.c.recipient == nation, out.c.release_id == release_id),
        "received": select(came.c.sequence).where(came.c.sender == nation, came.c.release_id == release_id),
    }
    for direction, query in queries.items():
        sequence = connection.execute(query.limit(1)).scalar_one_or_none()
        if sequence is not None:
            return direction, sequence
    raise UnknownRelease("there is no release of that name here", subject=release_id[:80])
