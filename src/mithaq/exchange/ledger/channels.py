"""Each partner's channel as people see it, and how much there is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, func, select

from mithaq.exchange import store
from mithaq.exchange.log.store import proofs
from mithaq.kernel.ids import NationId
from mithaq.kernel.reason import Reason

BEHIND_AFTER = timedelta(seconds=30)
"""News that waits longer than this for a partner, or for its receipt, is late."""


class ChannelState(StrEnum):
    """How the exchange with one partner goes."""

    IN_STEP = "in-step"
    BEHIND = "behind"
    NO_CONTACT = "no-contact"
    TROUBLE = "trouble"


@dataclass(frozen=True, slots=True)
class Unwitnessed:
    """The oldest release to a partner that waits for witnesses; what waits to be fetched is held back by it."""

    release_id: str
    sequence: int
    label: str


@dataclass(frozen=True, slots=True)
class Channel:
    """One partner: how far each side is, what waits, and what stands in the way."""

    partner: NationId
    received_sequence: int
    sent_sequence: int
    fetched_at: datetime | None
    asked_at: datetime | None
    waiting: int
    waiting_since: datetime | None
    unreceipted: int
    unreceipted_since: datetime | None
    trouble: Reason | None
    trouble_at: datetime | None
    unwitnessed: int = 0
    unwitnessed_since: datetime | None = None
    unwitnessed_first: Unwitnessed | None = None
    proofs_owed: int = 0
    proofs_overdue_since: datetime | None = None
    witness_trouble: Reason | None = None
    witness_trouble_at: datetime | None = None

    def state(self, at: datetime) -> ChannelState:
        """Return how the exchange goes at an instant; the worst that holds."""
        if self.trouble is not None:
            return ChannelState.TROUBLE
        if self.asked_at is None and self.fetched_at is None:
            return ChannelState.NO_CONTACT
        return ChannelState.BEHIND if self.lag(at) > BEHIND_AFTER else ChannelState.IN_STEP

    def lag(self, at: datetime) -> timedelta:
        """Return for how long the oldest news has waited for the partner or for its receipt."""
        times = (self.waiting_since, self.unreceipted_since, self.proofs_overdue_since)
        since = [each for each in times if each is not None]
        return max(at - min(since), timedelta()) if since else timedelta()


def channels(connection: Connection, partners: Sequence[NationId]) -> list[Channel]:
    """Return the channel of each partner, in the order given."""
    rows = {row.partner: row for row in connection.execute(select(store.channels))}
    waiting = _counts(connection, store.outbox.c.recipient, store.outbox.c.decided_at)
    open_ = _counts(connection, store.sent.c.recipient, store.sent.c.sent_at, store.sent.c.receipt.is_(None))
    unwitnessed = _counts(connection, store.sent.c.recipient, store.sent.c.sent_at, *store.WAITS_FOR_WITNESSES)
    columns = (store.sent.c.recipient, store.sent.c.release_id, store.sent.c.sequence, store.sent.c.label)
    oldest_last = select(*columns).where(*store.WAITS_FOR_WITNESSES).order_by(store.sent.c.sequence.desc())
    first = {row[0]: Unwitnessed(*row[1:]) for row in connection.execute(oldest_last)}
    owed = _counts(connection, proofs.c.sender, proofs.c.due_at, proofs.c.proof.is_(None))
    newest = select(store.sent.c.recipient, func.max(store.sent.c.sequence)).group_by(store.sent.c.recipient)
    sent = {row[0]: int(row[1]) for row in connection.execute(newest)}
    nothing: tuple[int, datetime | None] = (0, None)
    return [
        Channel(
            partner=partner,
            received_sequence=row.received_sequence if (row := rows.get(partner)) else 0,
            sent_sequence=sent.get(partner, 0),
            fetched_at=row.fetched_at if row else None,
            asked_at=row.asked_at if row else None,
            waiting=waiting.get(partner, nothing)[0],
            waiting_since=waiting.get(partner, nothing)[1],
            unreceipted=open_.get(partner, nothing)[0],
            unreceipted_since=open_.get(partner, nothing)[1],
            trouble=Reason.of_json(row.trouble) if row and row.trouble else None,
            trouble_at=row.trouble_at if row else None,
            unwitnessed=unwitnessed.get(partner, nothing)[0],
            unwitnessed_since=unwitnessed.get(partner, nothing)[1],
            unwitnessed_first=first.get(partner),
            proofs_owed=owed.get(partner, nothing)[0],
            proofs_overdue_since=owed.get(partner, nothing)[1],
            witness_trouble=Reason.of_json(row.witness_trouble) if row and row.witness_trouble else None,
            witness_trouble_at=row.witness_trouble_at if row else None,
        )
        for partner in partners
    ]


def _counts(connection: Connection, nation: Any, since: Any, *where: Any) -> dict[str, tuple[int, datetime | None]]:
    query = select(nation, func.count(), func.min(since)).where(*where).group_by(nation)
    return {row[0]: (row[1], row[2]) for row in connection.execute(query)}


def counts(connection: Connection) -> dict[str, int]:
    """Count releases sent, receipts held, objects withheld and quarantined."""
    receipts = select(func.count()).select_from(store.sent).where(store.sent.c.receipt.is_not(None))
    return {
        "released": connection.scalar(select(func.count()).select_from(store.sent)) or 0,
        "receipts": connection.scalar(receipts) or 0,
        "withheld": connection.scalar(select(func.count()).select_from(store.withheld)) or 0,
        "quarantined": connection.scalar(select(func.count()).select_from(store.quarantine)) or 0,
    }
