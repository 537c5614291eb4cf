"""The words of response: what may be blocked, what may not and why, and the list that comes of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import msgspec

from mithaq.kernel.lane import Lane
from mithaq.kernel.reason import Reason
from mithaq.release.model import Item, Released, Withheld
from mithaq.standards.observable import Observable


class ListFormat(StrEnum):
    """In what form a blocklist is handed out."""

    PLAIN = "plain"
    RPZ = "rpz"
    SURICATA = "suricata"


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """One observable of one held object, with everything the rules ask about it.

    `decision` is the gate's word about the object and the recipient; `warned` the warning lists it stands on.
    """

    object_id: str
    kind: str
    observable: Observable
    lane: Lane
    stands: bool
    revoked: bool
    valid_from: datetime | None
    valid_until: datetime | None
    decision: Released[Item] | Withheld
    warned: tuple[str, ...] = ()
    is_public_suffix: bool = False


@dataclass(frozen=True, slots=True)
class NeverBlock:
    """A value that this nation never blocks, whoever says it is bad: with everything below or inside it."""

    observable: Observable
    note: str
    added_by: str
    added_at: datetime


class BlockEntry(msgspec.Struct, frozen=True, gc=False):
    """A value to block until it expires; it exists only for what the gate released to the list's recipient."""

    observable: Observable
    released: Released[Item]
    expires_at: datetime

    @property
    def object_id(self) -> str:
        """Return the object that says so."""
        return self.released.value.id


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """A value that is not blocked, with all reasons."""

    observable: Observable
    object_id: str
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Blocklist:
    """What one recipient is to block at one instant."""

    recipient: str
    at: datetime
    entries: tuple[BlockEntry, ...]
    refused: tuple[Refusal, ...]
    never: tuple[NeverBlock, ...]
