"""Tables of detection: hits, and the hunts that new indicators ask for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    func,
    select,
)

from mithaq.detection.hits import groups
from mithaq.detection.hits.sights import columns_of, erase_seen, erased_columns, seen_columns, seen_in, sight_of
from mithaq.detection.model import Companion, Dismissal, Expectation, Hit, HitState, Origin, Span, group_key
from mithaq.kernel.database import Json, Timestamp, Transaction, insert_ignore, metadata, row_id
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane

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
    # Of a hit on a rule, what made it true; the columns of observables are empty then.
    Column("rule", Json),
    Column("warned", Json, nullable=False, server_default="[]"),
    Column("group_row", BigInteger, nullable=False, server_default="0"),
    UniqueConstraint("event_id", "indicator_id", "lane"),
    Index("hits_by_lane", "lane", "row"),
    Index("hits_by_group", "group_row", "row"),
    Index("hits_by_indicator", "indicator_id"),
)
hunts = Table(
    "hunts",
    metadata,
    row_id(),
    Column("object_row", BigInteger, nullable=False, index=True),
    Column("requested_at", Timestamp, nullable=False),
    Column("done_at", Timestamp, index=True),
    # Of a hunt that reads the lake itself: in how many parts, and how many are read.
    Column("parts", Integer, nullable=False, server_default="0"),
    Column("parts_done", Integer, nullable=False, server_default="0"),
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

_PART = 500
_KNOWN = select(hits.c.hit_id).where(hits.c.hit_id.in_(bindparam("ids", expanding=True)))
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
    """Insert the hits that are not known yet; return those, dismissed already where somebody expects them."""
    if not new:
        return []
    places = groups.places_of(tx, new)
    # Another writer of these groups has ended, or waits for this one.
    fresh = [_as_expected(hit, places[group_key(hit)].expected, tx.at) for hit in unknown(tx, new)]
    insert_ignore(tx, hits, [_row(hit) | {"group_row": places[group_key(hit)].row} for hit in fresh])
    insert_ignore(tx, companions, [row for hit in fresh for row in _companion_rows(hit)])
    groups.count_in(tx, fresh, places)
    return fresh


def unknown(tx: Transaction, found: Sequence[Hit]) -> list[Hit]:
    """Return the hits that are not written down yet, each once."""
    wanted = {hit.hit_id: hit for hit in found}
    ids = list(wanted)
    for start in range(0, len(ids), _PART):
        for known in tx.connection.scalars(_KNOWN, {"ids": ids[start : start + _PART]}):
            del wanted[known]
    return list(wanted.values())


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
    group: int | None = None,
    after: int | None = None,
    limit: int = 100,
) -> list[Hit]:
    """Return hits newest first; `after` is the row of the last one of the page before."""
    query = select(hits).order_by(hits.c.row.desc()).limit(limit)
    if lane is not None and group is None:  # a group is of one lane
        query = query.where(hits.c.lane == str(lane))
    if state is not None:
        query = query.where(hits.c.state == state.value)
    if indicator_id is not None:
        query = query.where(hits.c.indicator_id == indicator_id)
    if group is not None:
        query = query.where(hits.c.group_row == group)
    if after is not None:
        query = query.where(hits.c.row < after)
    return [_hit(row) for row in connection.execute(query)]


def count_hits(connection: Connection, lane: Lane) -> HitCounts:
    """Count the hits of a lane by state."""
    counts = groups.count_groups(connection, lane)
    return HitCounts(counts.hits_new, counts.hits_confirmed, counts.hits_dismissed)


def newest_row(connection: Connection) -> int:
    """Return the row of the newest hit, 0 where there is none."""
    return connection.scalar(select(func.max(hits.c.row))) or 0


def undecided(connection: Connection, group: int, up_to: int | None = None) -> tuple[Span, Hit] | None:
    """Return how many hits of a group are new, up to a hit's row, with the newest of them; None where none is."""
    new = _new_in(group, up_to)
    seen = (func.count(), func.min(hits.c.event_at), func.max(hits.c.event_at), func.max(hits.c.row))
    count, first_at, last_at, newest = connection.execute(select(*seen).where(*new)).one()
    if not count:
        return None
    hit = _hit(connection.execute(select(hits).where(hits.c.row == newest)).one())
    return Span(count, first_at, last_at), hit


def decide(tx: Transaction, wanted: str, decision: Decision) -> bool:
    """Record a decision about a new hit; tell whether it still was new."""
    group = tx.connection.scalar(select(hits.c.group_row).where(hits.c.hit_id == wanted)) or 0
    new = (hits.c.hit_id == wanted, hits.c.state == HitState.NEW.value)
    return _decide(tx, group, new, decision) == 1


def decide_group(tx: Transaction, group: int, up_to: int, decision: Decision) -> int:
    """Record a decision about all new hits of a group up to a row; return how many there were."""
    return _decide(tx, group, _new_in(group, up_to), decision)


def reopen_group(tx: Transaction, group: int) -> int:
    """Make the hits of a group new again that were dismissed as benign, expect no more; return how many there were."""
    groups.expect(tx, group, None)
    benign = (hits.c.group_row == group, hits.c.dismissed_as == Dismissal.BENIGN.value)
    nothing = Decision(HitState.NEW, "")
    count = tx.execute(hits.update().where(*benign).values(**_decided(nothing), decided_at=None)).rowcount
    if count:
        groups.count_out(tx, group, -count, HitState.NEW, None)
    return count


def _as_expected(hit: Hit, expected: Expectation | None, at: datetime) -> Hit:
    if expected is None:
        return hit
    dismissed = HitState.DISMISSED
    return replace(hit, state=dismissed, dismissed_as=Dismissal.BENIGN, decided_by=expected.by, decided_at=at)


def _new_in(group: int, up_to: int | None) -> list[ColumnElement[bool]]:
    new = [hits.c.group_row == group, hits.c.state == HitState.NEW.value]
    return new if up_to is None else [*new, hits.c.row <= up_to]


def _decide(tx: Transaction, group: int, which: Sequence[ColumnElement[bool]], decision: Decision) -> int:
    changed = hits.update().where(*which).values(**_decided(decision), decided_at=tx.at)
    count = tx.execute(changed).rowcount
    if count:
        groups.count_out(tx, group, count, decision.state, decision.dismissed_as)
    return count


def _decided(decision: Decision) -> dict[str, Any]:
    return {
        "state": decision.state.value,
        "decided_by": decision.by,
        "sighting_id": decision.sighting_id,
        "dismissed_as": decision.dismissed_as or "",
        "reason": decision.reason,
        "opinion_id": decision.opinion_id,
    }


def last_opinion(connection: Connection, indicator_id: str, lane: Lane) -> str:
    """Return the opinion that the newest false positive of an indicator led to, empty where there is none."""
    of_indicator = (hits.c.indicator_id == indicator_id, hits.c.lane == str(lane), hits.c.opinion_id != "")
    query = select(hits.c.opinion_id).where(*of_indicator).order_by(hits.c.decided_at.desc(), hits.c.row.desc())
    return connection.scalar(query.limit(1)) or ""


def redact_hits(tx: Transaction, object_rows: Sequence[int]) -> None:
    """Erase the values in hits on objects that are no longer held; that, when and by whose word there was one stays."""
    for start in range(0, len(object_rows), _PART):
        here = hits.c.object_row.in_(object_rows[start : start + _PART])
        shown = tx.connection.scalars(select(hits.c.group_row).where(here).distinct()).all()
        tx.execute(companions.delete().where(companions.c.hit_id.in_(select(hits.c.hit_id).where(here))))
        for of_rule, kind in ((False, hits.c.rule.is_(None)), (True, hits.c.rule.is_not(None))):
            values = {"raw": b"", "reason": "", **erased_columns(of_rule=of_rule)}
            tx.execute(hits.update().where(here, kind).values(**values))
        groups.redact_groups(tx, shown)


def redact_source(tx: Transaction, source: str) -> None:
    """Erase the lines and values of hits in what a source gave; that, when and on what there was one stays."""
    here = hits.c.source == source
    tx.execute(companions.delete().where(companions.c.hit_id.in_(select(hits.c.hit_id).where(here))))
    tx.execute(hits.update().where(here).values(raw=b"", reason=""))
    erase_seen(tx, hits, here)
    groups.redact_source(tx, source)


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


def save_progress(tx: Transaction, numbers: Sequence[int], done: int, parts: int) -> None:
    """Remember in how many parts the lake is read for these hunts, and how many are."""
    for start in range(0, len(numbers), _PART):
        here = hunts.c.row.in_(numbers[start : start + _PART])
        tx.execute(hunts.update().where(here).values(parts=parts, parts_done=done))


def hunts_under_way(connection: Connection) -> tuple[int, int, int]:
    """Return how many hunts have no answer, and of the one that is least far its parts that are read, and all."""
    waiting = hunts.c.done_at.is_(None)
    count = connection.scalar(select(func.count()).where(waiting)) or 0
    query = select(hunts.c.parts_done, hunts.c.parts).where(waiting, hunts.c.parts > 0)
    row = connection.execute(query.order_by(hunts.c.parts - hunts.c.parts_done).limit(1)).one_or_none()
    return (count, 0, 0) if row is None else (count, row.parts_done, row.parts)


def finish_hunts(tx: Transaction, numbers: Sequence[int]) -> None:
    """Remember that these hunts were answered."""
    for start in range(0, len(numbers), _PART):
        part = numbers[start : start + _PART]
        tx.execute(hunts.update().where(hunts.c.row.in_(part)).values(done_at=tx.at))
    _forget_answers(tx)


def _forget_answers(tx: Transaction) -> None:
    newest = tx.connection.scalar(select(func.max(hunts.c.row))) or 0
    tx.execute(hunts.delete().where(hunts.c.done_at.is_not(None), hunts.c.row < newest - _ANSWERS_KEPT))


def _companion_rows(hit: Hit) -> list[dict[str, Any]]:
    return [
        {
            "hit_id": hit.hit_id,
            "place": place,
            "event_id": each.event_id,
            "event_at": each.event_at,
            "kind": each.kind,
            "raw": each.raw,
            **seen_columns(each.sight),
        }
        for place, each in enumerate(hit.companions)
    ]


def _companions_of(connection: Connection, wanted: str) -> tuple[Companion, ...]:
    query = select(companions).where(companions.c.hit_id == wanted).order_by(companions.c.place)
    return tuple(
        Companion(row.event_id, row.event_at, row.kind, row.raw, seen_in(row)) for row in connection.execute(query)
    )


def _row(hit: Hit) -> dict[str, Any]:
    return {
        "hit_id": hit.hit_id,
        "event_id": hit.event_id,
        "event_at": hit.event_at,
        "source": hit.source,
        "kind": hit.kind,
        "raw": hit.raw,
        **columns_of(hit.sight),
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
        "warned": list(hit.warned),
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
        sight=sight_of(row),
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
        warned=tuple(row.warned),
    )
