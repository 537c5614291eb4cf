"""What a leaf commits to: one release, withdrawal or receipt between two nations."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

import msgspec

from mithaq.agreements.model import Reference
from mithaq.exchange.errors import BadRecord
from mithaq.exchange.receipt import Receipt
from mithaq.exchange.release_document import ReleaseDocument
from mithaq.kernel import canonical
from mithaq.kernel.clock import from_rfc3339, rfc3339
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import BadLane, Lane
from mithaq.standards.tlp import Tlp

FORMAT = 1
SALT_BYTES = 32
MAX_RECORD_BYTES = 16 * 1024
Action = Literal["release", "withdraw", "void", "emergency", "receipt-given", "receipt-taken"]


@dataclass(frozen=True, slots=True)
class Record:
    """One leaf in words. `digest` is the SHA-256 of the signed release, or of the receipt's payload.

    `label` is the highest TLP inside; `decisions` the digest of all decisions, of a receipt that of the release it is
    about; `detail` an emergency's reason or a receipt's outcome.
    """

    release_id: str
    digest: str
    sender: NationId
    recipient: NationId
    sequence: int
    agreement: Reference | None
    label: str
    purpose: str
    lane: Lane
    action: Action
    decisions: str
    at: datetime
    detail: str = ""

    def encode(self) -> bytes:
        """Return the canonical bytes that are committed to (RFC 8785).

        Where nothing needs an escape a quicker encoder writes the same bytes.
        """
        value = self.as_json()
        quick = msgspec.json.encode(value, order="sorted")
        return quick if quick.isascii() and b"\\" not in quick else canonical.dumps(value)

    def as_json(self) -> dict[str, Any]:
        """Return the record as JSON values."""
        return {
            "format_version": FORMAT,
            "release_id": self.release_id,
            "digest": self.digest,
            "sender": self.sender,
            "recipient": self.recipient,
            "sequence": self.sequence,
            "agreement": self.agreement.as_json() if self.agreement else None,
            "label": self.label,
            "purpose": self.purpose,
            "lane": str(self.lane),
            "action": self.action,
            "decisions": self.decisions,
            "at": rfc3339(self.at),
            "detail": self.detail,
        }


def read_record(data: bytes) -> Record:
    """Read a record.

    Raises:
        BadJson: it is not canonical JSON.
        BadRecord: another format, or a field that is missing, malformed or too many.
    """
    value = canonical.loads_canonical(data, max_bytes=MAX_RECORD_BYTES, subject="record")
    try:
        record = _record(value)
    except (KeyError, TypeError, ValueError, AttributeError, BadLane) as error:
        raise BadRecord("no record of a release: %(detail)s", detail=ascii(str(error)[:80])) from error
    if record.as_json() != value:
        raise BadRecord("no record of a release: %(detail)s", detail="unknown fields")
    return record


def _record(value: dict[str, Any]) -> Record:
    reference = value["agreement"]
    texts = ("release_id", "digest", "sender", "recipient", "label", "purpose", "lane", "decisions", "at", "detail")
    if value["action"] not in get_args(Action) or not all(isinstance(value[name], str) for name in texts):
        raise ValueError("a field of another type")
    if isinstance(value["sequence"], bool) or not isinstance(value["sequence"], int):
        raise ValueError("no such number")
    return Record(
        release_id=value["release_id"],
        digest=value["digest"],
        sender=NationId(value["sender"]),
        recipient=NationId(value["recipient"]),
        sequence=value["sequence"],
        agreement=Reference(reference["id"], reference["version"], reference["hash"]) if reference else None,
        label=value["label"],
        purpose=value["purpose"],
        lane=Lane.parse(value["lane"]),
        action=value["action"],
        decisions=value["decisions"],
        at=from_rfc3339(value["at"]),
        detail=value["detail"],
    )


def commit(salt: bytes, record: bytes) -> bytes:
    """Return the entry of the log: it binds to the record and, without the salt, says nothing of it."""
    return hmac.digest(salt, record, "sha256")


def label_of(document: ReleaseDocument) -> Tlp:
    """Return the strictest label under which anything in a release travels."""
    return max((each.terms.tlp for each in document.objects), default=Tlp.CLEAR)


def record_of_release(document: ReleaseDocument, digest: str) -> Record:
    """Return what the log says of a release; its recipient computes the same from what it got."""
    return Record(
        release_id=document.id,
        digest=digest,
        sender=document.sender,
        recipient=document.recipient,
        sequence=document.sequence,
        agreement=document.agreement,
        label=label_of(document).label,
        purpose=document.purpose,
        lane=document.lane,
        action=document.action,
        decisions=_digest([each.decision for each in document.objects]),
        at=document.at,
    )


def record_of_receipt(receipt: Receipt, lane: Lane, action: Literal["receipt-given", "receipt-taken"]) -> Record:
    """Return what a log says of a receipt; giver and taker commit to the same digest."""
    return Record(
        release_id=receipt.release_id,
        digest=hashlib.sha256(receipt.encode()).hexdigest(),
        sender=receipt.sender,
        recipient=receipt.recipient,
        sequence=receipt.sequence,
        agreement=None,
        label=Tlp.CLEAR.label,
        purpose="",
        lane=lane,
        action=action,
        decisions=receipt.digest,
        at=receipt.at,
        detail=receipt.outcome,
    )


def _digest(decisions: Sequence[str]) -> str:
    return hashlib.sha256(canonical.dumps(list(decisions))).hexdigest()
