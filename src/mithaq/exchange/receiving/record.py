"""What a node keeps of a release that it took: its row, its receipt, and what was not admitted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from mithaq.exchange import store
from mithaq.exchange.receipt import Outcome, Receipt
from mithaq.exchange.release_document import ReleaseDocument
from mithaq.exchange.settings import MAX_QUARANTINE_BYTES_PER_PARTNER
from mithaq.kernel.database import Transaction, insert_ignore
from mithaq.kernel.reason import Reason


@dataclass(frozen=True, slots=True)
class Quarantined:
    """An object that was not admitted, with all reasons."""

    object_id: str
    body: bytes
    reasons: tuple[Reason, ...]


def outcome_of(document: ReleaseDocument, quarantined: int) -> Outcome:
    """Return what a release came to."""
    match document.action:
        case "withdraw":
            return "withdrawn"
        case "void":
            return "void"
    if not quarantined:
        return "admitted"
    return "quarantined" if quarantined >= len(document.objects) else "partly-admitted"


def receipt_of(
    document: ReleaseDocument, digest: str, outcome: Outcome, refused: Sequence[Any], at: datetime
) -> Receipt:
    """Return the receipt that is owed for a release."""
    return Receipt(
        sender=document.sender,
        recipient=document.recipient,
        release_id=document.id,
        sequence=document.sequence,
        digest=digest,
        outcome=outcome,
        at=at,
        refused=tuple((each["object"], tuple(map(Reason.of_json, each["reasons"]))) for each in refused),
    )


def received_row(
    document: ReleaseDocument, receipt: Receipt, envelope: bytes, refused: Sequence[Any]
) -> dict[str, Any]:
    """Return the row of a release that was taken."""
    return {
        "sender": document.sender,
        "sequence": document.sequence,
        "release_id": document.id,
        "digest": receipt.digest,
        "envelope": envelope,
        "action": document.action,
        "lane": str(document.lane),
        "outcome": receipt.outcome,
        "refused": list(refused),
        "received_at": receipt.at,
        "receipt_due": True,
    }


def keep_quarantined(tx: Transaction, document: ReleaseDocument, quarantined: Sequence[Quarantined]) -> None:
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
