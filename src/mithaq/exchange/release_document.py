"""The signed document a recipient gets: objects' original bytes with the originator's terms.

Versioned apart from the program: `format_version` 1. A newer one is refused with a clear text.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec

from mithaq.agreements.model import Agreement, Reference
from mithaq.exchange.errors import BadRelease
from mithaq.exchange.settings import MAX_FRAME_BYTES, MAX_NUMBER, MAX_OBJECTS_PER_RELEASE
from mithaq.kernel import canonical
from mithaq.kernel.clock import from_rfc3339, rfc3339
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane
from mithaq.release.model import Carried, Item, Released
from mithaq.release.rules import carried_terms

RELEASE_TYPE = "application/vnd.mithaq.release+json"
FORMAT = 1
_MAX_NAME_CHARS = 300
_write = msgspec.json.Encoder(order="sorted").encode
Action = Literal["release", "withdraw", "void"]


class ReleasedObject(msgspec.Struct, frozen=True, gc=False):
    """One object in a release: its original bytes, the terms it carries and the digest of the decision.

    `consent`: the originator's signed consent that it is passed on, where its terms ask for one.
    """

    body: bytes
    terms: Carried
    decision: str
    consent: bytes = b""


class _Written(msgspec.Struct, gc=False):
    """A released object as it is written; `terms`: the place of its terms in the document."""

    body: str
    terms: int
    decision: str
    consent: str | msgspec.UnsetType


@dataclass(frozen=True, slots=True)
class ReleaseDocument:
    """What one nation says to one other under one sequence number.

    `withdraw` names objects the recipient holds; `void` fills the number of a release that may no longer go.
    """

    id: str
    sender: NationId
    recipient: NationId
    sequence: int
    at: datetime
    action: Action
    lane: Lane
    agreement: Reference | None
    purpose: str
    objects: tuple[ReleasedObject, ...] = ()
    withdrawn: tuple[str, ...] = ()

    def encode(self) -> bytes:
        """Return the canonical bytes that are signed.

        All values are texts and safe whole numbers under keys of ASCII: written in order, they are canonical.
        """
        terms, objects = self._written()
        return _write(
            {
                "format_version": FORMAT,
                "id": self.id,
                "sender": self.sender,
                "recipient": self.recipient,
                "sequence": self.sequence,
                "at": rfc3339(self.at),
                "action": self.action,
                "lane": str(self.lane),
                "agreement": self.agreement.as_json() if self.agreement else None,
                "purpose": self.purpose,
                "terms": [each.as_json() for each in terms],
                "objects": objects,
                "withdrawn": self.withdrawn,
            }
        )

    def _written(self) -> tuple[list[Carried], list[_Written]]:
        """Return each of the terms once, and the objects as they name them by place."""
        places: dict[Carried, int] = {}
        objects = []
        last: Carried | None = None
        place = 0
        for each in self.objects:
            if each.terms is not last:  # most objects of a release share one value, which need not be compared
                last, place = each.terms, places.setdefault(each.terms, len(places))
            consent = each.consent.decode() if each.consent else msgspec.UNSET
            objects.append(_Written(each.body.decode(), place, each.decision, consent))
        return list(places), objects


def objects_under(
    agreement: Agreement,
    released: Iterable[tuple[bytes, Released[Item], bytes]],
    sender: NationId,
    recipient: NationId,
    at: datetime,
) -> tuple[ReleasedObject, ...]:
    """Return what the gate handed out, each with its original bytes and consent, under the terms that it carries."""
    known: dict[tuple[object, ...], Carried] = {}
    last: tuple[object, ...] | None = None
    terms: Carried | None = None
    objects = []
    for body, decision, consent in released:
        item = decision.value
        alike = (item.originator, item.tlp, item.pap, item.carried)
        if terms is None or alike != last:  # most are as the one before: comparing costs a tenth of hashing
            terms = known[alike] = known.get(alike) or carried_terms(item, agreement, sender, recipient, at)
            last = alike
        objects.append(ReleasedObject(body, terms, decision.decision, consent))
    return tuple(objects)


def read_release(payload: bytes) -> ReleaseDocument:
    """Read the payload of a release whose signature was verified.

    Raises:
        BadJson: the payload is not canonical JSON.
        BadRelease: a newer format, or a field that is missing or malformed.
    """
    value = canonical.loads_canonical(payload, max_bytes=MAX_FRAME_BYTES, subject="release")
    if not isinstance(value, dict) or value.get("format_version") != FORMAT:
        found = str(value.get("format_version"))[:20] if isinstance(value, dict) else "none"
        raise BadRelease("release format %(found)s is not read here, this node reads format 1", found=found)
    try:
        return _document(value)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise BadRelease(
            "a field of the release is missing or malformed: %(detail)s",
            subject=ascii(str(value.get("id"))[:80])[1:-1],
            detail=str(error)[:80],
        ) from error


def _document(value: dict[str, Any]) -> ReleaseDocument:
    terms = [Carried.of_json(each) for each in value["terms"]]
    reference = value["agreement"]
    if value["action"] not in ("release", "withdraw", "void"):
        raise ValueError("no such action")
    if len(value["objects"]) > MAX_OBJECTS_PER_RELEASE:
        raise ValueError("more objects than a release may carry")
    return ReleaseDocument(
        id=_text(value["id"]),
        sender=NationId(value["sender"]),
        recipient=NationId(value["recipient"]),
        sequence=_whole(value["sequence"]),
        at=from_rfc3339(value["at"]),
        action=value["action"],
        lane=Lane.parse(value["lane"]),
        agreement=Reference(_text(reference["id"]), _whole(reference["version"]), _text(reference["hash"]))
        if reference
        else None,
        purpose=_text(value["purpose"]),
        objects=tuple(
            ReleasedObject(
                each["body"].encode(),
                terms[_whole(each["terms"])],
                _text(each["decision"]),
                each.get("consent", "").encode(),
            )
            for each in value["objects"]
        ),
        withdrawn=tuple(_text(each) for each in value["withdrawn"]),
    )


def _text(value: Any) -> str:
    """Return a name of the protocol: short and printable, so that any database keeps it and any log shows it."""
    if not isinstance(value, str) or len(value) > _MAX_NAME_CHARS or not value.isprintable():
        raise ValueError(f"{str(value)[:20]!a} is no name")
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_NUMBER:
        raise ValueError(f"{str(value)[:20]!a} is no number that is used here")
    return value
