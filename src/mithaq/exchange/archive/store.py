"""What is kept of the archives that partners sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Table, Text, func, select, update

from mithaq.exchange import store
from mithaq.exchange.archive.settings import ARCHIVES_REMEMBERED
from mithaq.exchange.sending.record import LOST, last_sequence
from mithaq.kernel.database import Json, Timestamp, Transaction, metadata, upsert
from mithaq.kernel.ids import NationId

archives = Table(
    "exchange_archives",
    metadata,
    Column("partner", Text, primary_key=True),
    Column("digest", Text, primary_key=True),
    Column("at", Timestamp, nullable=False),
    Column("imported_at", Timestamp, nullable=False),
    Column("took", Json, nullable=False),
    Column("owed", Json, nullable=False),
)
"""Each archive that was imported: when it was made, which of its letters were taken, which proofs it asks for."""


@dataclass(frozen=True, slots=True)
class Before:
    """What is known of a partner's earlier archives when one comes in."""

    newest: datetime | None
    imported_at: datetime | None


def before(connection: Connection, partner: NationId, digest: str) -> Before:
    """Return when the newest archive of a partner was made, and when this very one was imported before."""
    newest = connection.execute(
        select(archives.c.at).where(archives.c.partner == partner).order_by(archives.c.at.desc()).limit(1)
    ).scalar_one_or_none()
    same = select(archives.c.imported_at).where(archives.c.partner == partner, archives.c.digest == digest)
    return Before(newest, connection.execute(same).scalar_one_or_none())


def keep(tx: Transaction, partner: NationId, row: dict[str, Any]) -> None:
    """Note an archive that was imported; one that was imported before is noted anew."""
    changed = ("imported_at", "took", "owed")
    upsert(tx, archives, [{"partner": partner, **row}], keys=("partner", "digest"), changed=changed)


def remembered(connection: Connection, partner: NationId) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return the digests taken from a partner's last archives, and the proofs that its newest asks for."""
    query = select(archives.c.took, archives.c.owed).where(archives.c.partner == partner)
    rows = connection.execute(query.order_by(archives.c.at.desc()).limit(ARCHIVES_REMEMBERED)).all()
    took = dict.fromkeys(each for row in rows for each in row.took)
    return tuple(took), tuple(rows[0].owed) if rows else ()


def confirmed(connection: Connection, partner: NationId) -> int:
    """Return the number up to which a partner said that it has this nation's releases, 0 where it never did."""
    query = select(store.channels.c.asked_after).where(store.channels.c.partner == partner)
    return connection.execute(query).scalar_one_or_none() or 0


def receipted(connection: Connection, partner: NationId) -> int:
    """Return the number up to which a partner's receipts are here without a gap."""
    sent = store.sent
    missing = select(func.min(sent.c.sequence)).where(
        sent.c.recipient == partner, sent.c.receipt.is_(None), sent.c.action != LOST
    )
    first = connection.scalar(missing)
    return last_sequence(connection, partner) if first is None else int(first) - 1


def unproven(connection: Connection, partner: NationId, sequences: Iterable[int]) -> dict[int, tuple[str, str]]:
    """Return action and label of releases by their numbers."""
    sent = store.sent
    query = select(sent.c.sequence, sent.c.action, sent.c.label).where(
        sent.c.recipient == partner, sent.c.sequence.in_(list(sequences)), sent.c.leaf.is_not(None)
    )
    return {row.sequence: (row.action, row.label or "") for row in connection.execute(query)}


def receipts_arrived(tx: Transaction, partner: NationId, up_to: int) -> None:
    """Note that a partner has this nation's receipts up to a number."""
    received = store.received
    here = (received.c.sender == partner, received.c.sequence <= up_to, received.c.receipt_due.is_(True))
    tx.execute(update(received).where(*here).values(receipt_due=False))


def letters_arrived(tx: Transaction, partner: NationId, digests: Iterable[str]) -> None:
    """Note that a partner has taken these letters."""
    letters = store.letters
    here = (letters.c.recipient == partner, letters.c.delivered_at.is_(None), letters.c.digest.in_(list(digests)))
    tx.execute(update(letters).where(*here).values(delivered_at=tx.at, refusal=""))
