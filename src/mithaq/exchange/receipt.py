"""The recipient's signed word about one release."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from mithaq.exchange.errors import BadReceipt
from mithaq.exchange.settings import MAX_NUMBER, MAX_RECEIPT_BYTES
from mithaq.kernel import canonical
from mithaq.kernel.clock import from_rfc3339, rfc3339
from mithaq.kernel.ids import NationId
from mithaq.kernel.reason import Reason

RECEIPT_TYPE = "application/vnd.mithaq.receipt+json"
FORMAT = 1
Outcome = Literal["admitted", "partly-admitted", "quarantined", "withdrawn", "void"]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one release at its recipient; `digest` is the SHA-256 of the signed envelope it got."""

    sender: NationId
    recipient: NationId
    release_id: str
    sequence: int
    digest: str
    outcome: Outcome
    at: datetime
    refused: tuple[tuple[str, tuple[Reason, ...]], ...] = ()

    def encode(self) -> bytes:
        """Return the canonical bytes that the recipient signs."""
        return canonical.dumps(
            {
                "format_version": FORMAT,
                "sender": self.sender,
                "recipient": self.recipient,
                "release_id": self.release_id,
                "sequence": self.sequence,
                "digest": self.digest,
                "outcome": self.outcome,
                "at": rfc3339(self.at),
                "refused": [
                    {"object": name, "reasons": [reason.as_json() for reason in reasons]}
                    for name, reasons in self.refused
                ],
            }
        )


def read_receipt(payload: bytes) -> Receipt:
    """Read the payload of a receipt whose signature was verified.

    Raises:
        BadJson: the payload is not canonical JSON.
        BadReceipt: a newer format, or a field that is missing or malformed.
    """
    value = canonical.loads_canonical(payload, max_bytes=MAX_RECEIPT_BYTES, subject="receipt")
    try:
        if value["format_version"] != FORMAT:
            raise BadReceipt("receipt format %(found)s is not read here", found=str(value["format_version"])[:20])
        return _receipt(value)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadReceipt(
            "a field of the receipt is missing or malformed: %(detail)s", detail=str(error)[:80]
        ) from error


def _receipt(value: dict[str, Any]) -> Receipt:
    if not isinstance(value["sequence"], int) or not 0 < value["sequence"] <= MAX_NUMBER:
        raise ValueError("no such number")
    if value["outcome"] not in ("admitted", "partly-admitted", "quarantined", "withdrawn", "void"):
        raise ValueError("no such outcome")
    return Receipt(
        sender=NationId(value["sender"]),
        recipient=NationId(value["recipient"]),
        release_id=str(value["release_id"]),
        sequence=value["sequence"],
        digest=str(value["digest"]),
        outcome=value["outcome"],
        at=from_rfc3339(value["at"]),
        refused=tuple(
            (str(each["object"]), tuple(Reason.of_json(reason) for reason in each["reasons"]))
            for each in value["refused"]
        ),
    )
