"""A partner's collection, its accounts, and what was given: frozen values, no I/O, no clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mithaq.exchange.taxii.model import Collection
from mithaq.kernel.ids import NationId
from mithaq.kernel.reason import Reason
from mithaq.standards.tlp import Tlp


@dataclass(frozen=True, slots=True)
class PartnerShelf:
    """What one nation may read under one agreement; the fields are those of a constituent's `Shelf`."""

    id: int
    nation: NationId
    agreement_id: str
    collection: Collection
    last_added: datetime
    key: bytes


@dataclass(frozen=True, slots=True)
class PartnerAccount:
    """What a program of a nation signs in with, for one agreement; its secret is not kept.

    `ended_for`: what stood against it when the node ended it by itself; nothing where a person did.
    """

    id: str
    shelf: int
    name: str
    created_by: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    ended_for: Sequence[Reason] = ()
    used_at: datetime | None = None
    refused_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """One object in one release to the nation, as the release log has it.

    `outcome` is that of the nation's receipt, None before there is one; `tlp`, `delete_after`: under which it went.
    """

    sequence: int
    lane: str
    outcome: str | None
    is_refused: bool
    tlp: Tlp
    delete_after: datetime
