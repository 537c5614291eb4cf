"""The signed word of a recipient: what it was given under one release is erased, or a recall is carried out.

It speaks of this release's copy alone. That the same object may be known here by another nation's word or by this
nation's own is nobody else's business and is not said.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from mithaq.exchange.duties.errors import BadAttestation
from mithaq.exchange.duties.settings import MAX_ATTESTATION_BYTES
from mithaq.exchange.settings import MAX_NUMBER, MAX_OBJECTS_PER_RELEASE
from mithaq.kernel import canonical
from mithaq.kernel.clock import from_rfc3339, rfc3339
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane

ATTESTATION_TYPE = "application/vnd.mithaq.attestation+json"
FORMAT = 1
_MAX_TEXT = 300
What = Literal["deletion", "recall"]


@dataclass(frozen=True, slots=True)
class Attestation:
    """What `by` says to `to` about one release; `digest` is the SHA-256 of the signed envelope it got.

    `complete`: nothing of this release is held any more. `told` and `confirmed`, of a recall: how many onward
    recipients were told and have confirmed, over all hops; they are counted by path and never named.
    """

    id: str
    what: What
    by: NationId
    to: NationId
    release_id: str
    digest: str
    lane: Lane
    objects: tuple[str, ...]
    term: str
    at: datetime
    complete: bool
    told: int = 0
    confirmed: int = 0

    def encode(self) -> bytes:
        """Return the canonical bytes that are signed."""
        return canonical.dumps(
            {
                "format_version": FORMAT,
                "id": self.id,
                "what": self.what,
                "by": self.by,
                "to": self.to,
                "release_id": self.release_id,
                "digest": self.digest,
                "lane": str(self.lane),
                "objects": list(self.objects),
                "term": self.term,
                "at": rfc3339(self.at),
                "complete": self.complete,
                "onward": {"told": self.told, "confirmed": self.confirmed},
            }
        )


def read_attestation(payload: bytes) -> Attestation:
    """Read the payload of an attestation whose signature was verified.

    Raises:
        BadJson: the payload is not canonical JSON.
        BadAttestation: a newer format, or a field that is missing or malformed.
    """
    value = canonical.loads_canonical(payload, max_bytes=MAX_ATTESTATION_BYTES, subject="attestation")
    try:
        if value["format_version"] != FORMAT:
            found = str(value["format_version"])[:20]
            raise BadAttestation("attestation format %(found)s is not read here", found=found)
        return _attestation(value)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadAttestation(
            "a field of the attestation is missing or malformed: %(detail)s", detail=str(error)[:80]
        ) from error


def _attestation(value: dict[str, Any]) -> Attestation:
    if value["what"] not in ("deletion", "recall") or not isinstance(value["complete"], bool):
        raise ValueError("no such statement")
    objects = tuple(_text(each) for each in value["objects"])
    if len(objects) > MAX_OBJECTS_PER_RELEASE:
        raise ValueError("more objects than a release may carry")
    told, confirmed = _count(value["onward"]["told"]), _count(value["onward"]["confirmed"])
    if confirmed > told:
        raise ValueError("more have confirmed than were told")
    return Attestation(
        id=_text(value["id"]),
        what=value["what"],
        by=NationId(_text(value["by"])),
        to=NationId(_text(value["to"])),
        release_id=_text(value["release_id"]),
        digest=_text(value["digest"]),
        lane=Lane.parse(value["lane"]),
        objects=objects,
        term=_text(value["term"]),
        at=from_rfc3339(value["at"]),
        complete=value["complete"],
        told=told,
        confirmed=confirmed,
    )


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _MAX_TEXT or not value.isprintable():
        raise ValueError(f"{str(value)[:20]!a} is no name")
    return value


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_NUMBER:
        raise ValueError(f"{str(value)[:20]!a} is no number that is used here")
    return value
