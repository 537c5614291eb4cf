"""What the lake holds of whom, what of it is kept too long, what cannot be read, and what is to be deleted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import BigInteger, Column, ColumnElement, Connection, Table, Text, case, func, select

from mithaq.kernel.database import Timestamp, Transaction, insert_ignore, metadata
from mithaq.telemetry.store import CLOSED, SEALED, Segment, segments, sources

erasures = Table(
    "lake_erasures",
    metadata,
    Column("source", Text, primary_key=True),
    Column("asked_at", Timestamp, primary_key=True, autoincrement=False),
    Column("asked_by", Text, nullable=False),
    Column("done_at", Timestamp),
    Column("events", BigInteger, nullable=False, server_default="0"),
)
_MAX_TROUBLE_CHARS: Final = 300


@dataclass(frozen=True, slots=True)
class Erasure:
    """The wish that everything a source gave is deleted; `events` are those of the lake, once it is done."""

    source: str
    asked_at: datetime
    asked_by: str
    done_at: datetime | None = None
    events: int = 0


@dataclass(frozen=True, slots=True)
class Holding:
    """What the lake has of a source: segments, events, bytes as they came, how many segments cannot be read whole.

    `waiting_bytes` are of segments that are closed and not sealed yet, the first of them since `waiting_since`.
    """

    source: str
    segments: int
    events: int
    bytes: int
    oldest_at: datetime
    troubled: int
    waiting_bytes: int = 0
    waiting_since: datetime | None = None


def holdings(connection: Connection) -> list[Holding]:
    """Return what the lake has of each source, by name, of sources that were removed too."""
    query = select(
        segments.c.source,
        func.count().label("segments"),
        func.sum(segments.c.events).label("events"),
        func.sum(segments.c.bytes).label("bytes"),
        func.min(segments.c.opened_at).label("oldest_at"),
        func.sum(case((segments.c.trouble != "", 1), else_=0)).label("troubled"),
        func.sum(case((segments.c.state == CLOSED, segments.c.bytes), else_=0)).label("waiting_bytes"),
        func.min(case((segments.c.state == CLOSED, segments.c.closed_at))).label("waiting_since"),
    ).where(segments.c.source != "")
    rows = connection.execute(query.group_by(segments.c.source).order_by(segments.c.source))
    return [
        Holding(
            source=row.source,
            segments=row.segments,
            events=int(row.events),
            bytes=int(row.bytes),
            oldest_at=row.oldest_at,
            troubled=int(row.troubled),
            waiting_bytes=int(row.waiting_bytes),
            waiting_since=row.waiting_since,
        )
        for row in rows
    ]


def troubled(connection: Connection) -> list[Segment]:
    """Return the segments that cannot be read, or not whole, oldest first."""
    return _segments(connection, segments.c.trouble != "")


def of_source(connection: Connection, source: str) -> list[Segment]:
    """Return every segment of a source, oldest first."""
    return _segments(connection, segments.c.source == source)


def expired(connection: Connection, at: datetime) -> list[Segment]:
    """Return the sealed segments whose time is over at this instant.

    A segment's time begins when it is closed, so what is deleted was kept for that long at least.
    """
    kept = select(sources.c.name, sources.c.retain_days).where(sources.c.retain_days.is_not(None))
    found: list[Segment] = []
    for name, days in connection.execute(kept.order_by(sources.c.name)).all():
        limit = at - timedelta(days=days)
        found += _segments(
            connection, segments.c.source == name, segments.c.state == SEALED, segments.c.closed_at <= limit
        )
    return found


def mark(tx: Transaction, segment: int, trouble: str) -> None:
    """Say why a segment cannot be read; with nothing, that it can."""
    tx.execute(segments.update().where(segments.c.segment == segment).values(trouble=trouble[:_MAX_TROUBLE_CHARS]))


def ask_erasure(tx: Transaction, source: str, by: str) -> None:
    """Keep the wish that everything a source gave is deleted."""
    insert_ignore(tx, erasures, [{"source": source, "asked_at": tx.at, "asked_by": by}])


def pending_erasures(connection: Connection) -> list[Erasure]:
    """Return what is to be deleted and is not yet, the oldest wish first."""
    query = select(erasures).where(erasures.c.done_at.is_(None)).order_by(erasures.c.asked_at, erasures.c.source)
    return [Erasure(**row) for row in connection.execute(query).mappings()]


def list_erasures(connection: Connection, *, limit: int) -> Sequence[Erasure]:
    """Return what was asked to be deleted, newest first."""
    query = select(erasures).order_by(erasures.c.asked_at.desc(), erasures.c.source).limit(limit)
    return [Erasure(**row) for row in connection.execute(query).mappings()]


def finish_erasure(tx: Transaction, erasure: Erasure, events: int) -> None:
    """Remember that everything of it is deleted."""
    this = (erasures.c.source == erasure.source, erasures.c.asked_at == erasure.asked_at)
    tx.execute(erasures.update().where(*this).values(done_at=tx.at, events=events))


def _segments(connection: Connection, *conditions: ColumnElement[bool]) -> list[Segment]:
    query = select(segments).where(*conditions).order_by(segments.c.segment)
    return [Segment(**row) for row in connection.execute(query).mappings()]
