"""Tables of detection: hits, and the hunts that new indicators ask for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    func,
    select,
)

from mithaq.detection.model import Companion, Dismissal, Hit, HitState, Origin, Sight
from mithaq.kernel.database import Timestamp, Transaction, insert_ignore, metadata, row_id
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane
from mithaq.standards.observable import Observable

hits = Table(
    "hits",
    metadata,
    row_id(),
    Column("hit_id", Text, nullable=False, unique=True),
    Column("event_id", Text, nullable=False),
    Column("event_at", Timestamp, nullable=False),
    Column("source", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("field", Text, nullable=False),
    Column("seen_type", Text, nullable=False),
    Column("seen_value", Text, nullable=False),
    Column("matched_type", Text, nullable=False),
    Column("matched_value", Text, nullable=False),
    Column("indicator_id", Text, nullable=False),
    Column("object_row", BigInteger, nullable=False),
    Column("origin_source", Text, nullable=False),
    Column("origin_nation", Text, nullable=False),
    Column("agreement_id", Text),
    Column("agreement_version", Integer),
    Column("lane", Text, nullable=False),
    Column("retro", Boolean, nullable=False),
    Column("matched_at", Timestamp, nullable=False),
    Column("state", Text, nullable=False),
    Column("decided_by", Text, nullable=False),
    Column("decided_at", Timestamp),
    Column("sighting_id", Text, nullable=False),
    Column("dismissed_as", Text, nullable=False, server_default=""),
    Column("reason", Text, nullable=False, server_default=""),
    Column("opinion_id", Text, nullable=False, server_default=""),
    UniqueConstraint("event_id", "indicator_id", "lane"),
    Index("hits_by_lane", "lane", "row"),
    Index("hits_by_indicator", "indicator_id"),
)
hunts = Table(
    "hunts",
    metadata,
    row_id(),
    Column("object_row", BigInteger, nullable=False, index=True),
    Column("requested_at", Timestamp, nullable=False),
    Column("done_at", Timestamp, index=True),
)

companions = Table(
    "hit_companions",
    metadata,
    Column("hit_id", Text, primary_key=True),
    # In the order of the events.
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("event_id", Text, nullable=False),
    Column("event_at", Timestamp, nullable=False),
    Column("kind", Text, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("field", Text, nullable=False),
    Column("seen_type", Text, nullable=False),
    Column("seen_value", Text, nullable=False),
    Column("matched_type", Text, nullable=False),
    Column("matched_value", Text, nullable=False),
)

REDACTED = "[erased]"
"""Stands where a hit named a value whose object was deleted."""

_PART = 500
_ANSWERS_KEPT = 1_000


@dataclass(frozen=True, slots=True)
class HitCounts:
    """How many hits a lane has, by what was decided about them."""

    new: int = 0
    confirmed: int = 0
    dismissed: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided about a hit, and what was made of it."""

    state: HitState
    by: str
    sighting_id: str = ""
    dismissed_as: Dismissal | None = None
    reason: str = ""
    opinion_id: str = ""


def add_hits(tx: Transaction, new: Sequence[Hit]) -> list[Hit]:
    """Insert the hits that are not known yet; return those."""
    if not new:
        return []
    wanted = [hit.hit_id for hit in new]
    known = set(_in_parts(tx.connection, wanted))
    fresh = {hit.hit_id: hit for hit in new if hit.hit_id not in known}
    insert_ignore(tx, hits, [_row(hit) for hit in fresh.values()])
    insert_ignore(tx, companions, [row for hit in fresh.values() for row in _companion_rows(hit)])
    return list(fresh.values())


def get_hit(connection: Connection, wanted: str) -> Hit | None:
    """Return one hit by its identifier."""
    row = connection.execute(select(hits).where(hits.c.hit_id == wanted)).one_or_none()
    return None if row is None else replace(_hit(row), companions=_companions_of(connection, wanted))


def list_hits(
    connection: Connection,
    *,
    lane: Lane | None = None,
    state: HitState | None = None,
    indicator_id: str | None = None,
    after: int | None = None,
    limit: int = 100,
) -> list[Hit]:
    """Return hits newest first; `after` is the row of the last one of the page before."""
    query = select(hits).order_by(hits.c.row.desc()).limit(limit)
    if lane is not None:
        query = query.where(hits.c.lane == str(lane))
    if state is not None:
        query = query.where(hits.c.state == state.value)
    if indicator_id is not None:
        query = query.where(hits.c.indicator_id == indicator_id)
    if after is not None:
        query = query.where(hits.c.row < after)
    return [_hit(row) for row in connection.execute(query)]


def count_hits(connection: Connection, lane: Lane) -> HitCounts:
    """Count the hits of a lane by state."""
    query = select(hits.c.state, func.count()).where(hits.c.lane == str(lane)).group_by(hits.c.state)
    return HitCounts(**{row[0]: row[1] for row in connection.execute(query)})


def decide(tx: Transaction, wanted: str, decision: Decision) -> bool:
    """Record a decision about a new hit; tell whether it still was new."""
    values = {
        "state": decision.state.value,
        "decided_by": decision.by,
        "decided_at": tx.at,
        "sighting_id": decision.sighting_id,
        "dismissed_as": decision.dismissed_as or "",
        "reason": decision.reason,
        "opinion_id": decision.opinion_id,
    }
    new = (hits.c.hit_id == wanted, hits.c.state == HitState.NEW.value)
    return tx.execute(hits.update().where(*new).values(**values)).rowcount == 1


def last_opinion(connection: Connection, indicator_id: str, lane: Lane) -> str:
    """Return the opinion that the newest false positive of an indicator led to, empty where there is none."""
    of_indicator = (hits.c.indicator_id == indicator_id, hits.c.lane == str(lane), hits.c.opinion_id != "")
    query = select(hits.c.opinion_id).where(*of_indicator).order_by(hits.c.decided_at.desc(), hits.c.row.desc())
    return connection.scalar(query.limit(1)) or ""


def redact_hits(tx: Transaction, object_rows: Sequence[int]) -> None:
    """Erase the values in hits on objects that are no longer held; that, when and by whose word there was one stays."""
    values = {"raw": b"", "seen_value": REDACTED, "matched_value": REDACTED, "reason": ""}
    for start in range(0, len(object_rows), _PART):
        gone = hits.c.object_row.in_(object_rows[start : start + _PART])
        tx.execute(companions.delete().where(companions.c.hit_id.in_(select(hits.c.hit_id).where(gone))))
        tx.execute(hits.update().where(gone).values(**values))


def request_hunts(tx: Transaction, object_rows: Iterable[int]) -> None:
    """Ask for a retro-hunt for each of these objects."""
    rows = [{"object_row": row, "requested_at": tx.at} for row in object_rows]
    if rows:
        tx.execute(hunts.insert(), rows)


def pending_hunts(connection: Connection, *, limit: int) -> dict[int, int]:
    """Return the oldest unanswered hunts as {hunt: object row}."""
    query = select(hunts.c.row, hunts.c.object_row).where(hunts.c.done_at.is_(None))
    return {row[0]: row[1] for row in connection.execute(query.order_by(hunts.c.row).limit(limit))}


def answer_hunts_for(tx: Transaction, object_rows: Sequence[int]) -> None:
    """Answer the hunts for these objects with nothing found."""
    for start in range(0, len(object_rows), _PART):
        part = hunts.c.object_row.in_(object_rows[start : start + _PART])
        tx.execute(hunts.update().where(part, hunts.c.done_at.is_(None)).values(done_at=tx.at))
    _forget_answers(tx)


def finish_hunts(tx: Transaction, numbers: Sequence[int]) -> None:
    """Remember that these hunts were answered."""
    for start in range(0, len(numbers), _PART):
        part = numbers[start : start + _PART]
        tx.execute(hunts.update().where(hunts.c.row.in_(part)).values(done_at=tx.at))
    _forget_answers(tx)


def _forget_answers(tx: Transaction) -> None:
    newest = tx.connection.scalar(select(func.max(hunts.c.row))) or 0
    tx.execute(hunts.delete().where(hunts.c.done_at.is_not(None), hunts.c.row < newest - _ANSWERS_KEPT))


def _in_parts(connection: Connection, wanted: Sequence[str]) -> Iterable[str]:
    for start in range(0, len(wanted), _PART):
        part = wanted[start : start + _PART]
        yield from connection.scalars(select(hits.c.hit_id).where(hits.c.hit_id.in_(part)))


def _companion_rows(hit: Hit) -> list[dict[str, Any]]:
    return [
        {
            "hit_id": hit.hit_id,
            "place": place,
            "event_id": each.event_id,
            "event_at": each.event_at,
            "kind": each.kind,
            "raw": each.raw,
            "field": each.sight.field,
            "seen_type": each.sight.seen.type,
            "seen_value": each.sight.seen.value,
            "matched_type": each.sight.matched.type,
            "matched_value": each.sight.matched.value,
        }
        for place, each in enumerate(hit.companions)
    ]


def _companions_of(connection: Connection, wanted: str) -> tuple[Companion, ...]:
    query = select(companions).where(companions.c.hit_id == wanted).order_by(companions.c.place)
    return tuple(
        Companion(row.event_id, row.event_at, row.kind, row.raw, _sight(row)) for row in connection.execute(query)
    )


def _sight(row: Any) -> Sight:
    seen, matched = Observable(row.seen_type, row.seen_value), Observable(row.matched_type, row.matched_value)
    return Sight(row.field, seen, matched)


def _row(hit: Hit) -> dict[str, Any]:
    return {
        "hit_id": hit.hit_id,
        "event_id": hit.event_id,
        "event_at": hit.event_at,
        "source": hit.source,
        "kind": hit.kind,
        "raw": hit.raw,
        "field": hit.sight.field,
        "seen_type": hit.sight.seen.type,
        "seen_value": hit.sight.seen.value,
        "matched_type": hit.sight.matched.type,
        "matched_value": hit.sight.matched.value,
        "indicator_id": hit.indicator_id,
        "object_row": hit.object_row,
        "origin_source": hit.origin.source,
        "origin_nation": hit.origin.nation,
        "agreement_id": hit.origin.agreement_id,
        "agreement_version": hit.origin.agreement_version,
        "lane": str(hit.lane),
        "retro": hit.retro,
        "matched_at": hit.matched_at,
        "state": hit.state.value,
        "decided_by": hit.decided_by,
        "decided_at": hit.decided_at,
        "sighting_id": hit.sighting_id,
        "dismissed_as": hit.dismissed_as or "",
        "reason": hit.reason,
        "opinion_id": hit.opinion_id,
    }


def _hit(row: Any) -> Hit:
    return Hit(
        row=row.row,
        hit_id=row.hit_id,
        event_id=row.event_id,
        event_at=row.event_at,
        source=row.source,
        kind=row.kind,
        raw=row.raw,
        sight=_sight(row),
        indicator_id=row.indicator_id,
        object_row=row.object_row,
        origin=Origin(row.origin_source, NationId(row.origin_nation), row.agreement_id, row.agreement_version),
        lane=Lane(row.lane),
        retro=row.retro,
        matched_at=row.matched_at,
        state=HitState(row.state),
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        sighting_id=row.sighting_id,
        dismissed_as=Dismissal(row.dismissed_as) if row.dismissed_as else None,
        reason=row.reason,
        opinion_id=row.opinion_id,
    )
