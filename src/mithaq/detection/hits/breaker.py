"""The breaker: an object that suddenly hits everything in a source is stopped there until a person has looked.

How many hits were written in the running window is kept in the database, in the transaction of the hits themselves:
the live detector and the hunter count together, and a restart forgets nothing. What comes while an object is stopped
is counted and not written.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    PrimaryKeyConstraint,
    Table,
    Text,
    bindparam,
    select,
    tuple_,
)

from mithaq.detection.errors import NotStopped
from mithaq.detection.model import Hit
from mithaq.detection.settings import BreakerLimits
from mithaq.kernel.database import Timestamp, Transaction, insert_ignore, metadata, upsert
from mithaq.kernel.lane import Lane

STOPPED = "detection.breaker.stopped"
RESUMED = "detection.breaker.resumed"
KEPT_OFF = "detection.breaker.kept-off"

hit_rates = Table(
    "hit_rates",
    metadata,
    Column("lane", Text, nullable=False),
    Column("indicator_id", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("window_at", Timestamp, nullable=False),
    Column("written", BigInteger, nullable=False),
    Column("held_back", BigInteger, nullable=False),
    Column("stopped_at", Timestamp),
    Column("last_at", Timestamp),
    Column("standing", Text, nullable=False),
    PrimaryKeyConstraint("lane", "indicator_id", "source"),
    Index("hit_rates_by_standing", "standing"),
)
_KEY: Final = ("lane", "indicator_id", "source")
_CHANGED: Final = ("window_at", "written", "held_back", "stopped_at", "last_at", "standing")
_PART: Final = 300
_Key = tuple[str, str, str]
_THESE: Final = (
    select(hit_rates)
    .where(tuple_(*(hit_rates.c[name] for name in _KEY)).in_(bindparam("keys", expanding=True)))
    .order_by(*_KEY)
    .with_for_update()
)


class Standing(StrEnum):
    """Whether hits of an object in a source are written: yes, not until a person looks, or not by decision."""

    RUNNING = "running"
    STOPPED = "stopped"
    KEPT_OFF = "kept-off"


@dataclass(frozen=True, slots=True)
class Rate:
    """How often an object hits in a source: hits `written` since `window_at`, and `held_back` since it was stopped."""

    lane: Lane
    indicator_id: str
    source: str
    window_at: datetime
    written: int = 0
    held_back: int = 0
    stopped_at: datetime | None = None
    last_at: datetime | None = None
    standing: Standing = Standing.RUNNING

    def take(self, count: int, at: datetime, limits: BreakerLimits) -> tuple["Rate", int]:
        """Return the rate after so many more hits, and how many of them may be written."""
        rate = self
        if at - rate.window_at >= timedelta(seconds=limits.window_s):
            rate = replace(rate, window_at=at, written=0)
        if rate.standing is not Standing.RUNNING:
            return replace(rate, held_back=rate.held_back + count, last_at=at), 0
        room = max(0, limits.hits_a_window - rate.written)
        if count <= room:
            return replace(rate, written=rate.written + count), count
        stopped = replace(rate, standing=Standing.STOPPED, stopped_at=at, last_at=at)
        return replace(stopped, written=rate.written + room, held_back=count - room), room


def let_through(
    tx: Transaction, hits: Sequence[Hit], limits: BreakerLimits, unknown: Callable[[Sequence[Hit]], Sequence[Hit]]
) -> list[Hit]:
    """Return the new hits that may be written, and stop what hits too often.

    `unknown` leaves out what is written down already; it is not asked of what is stopped, so that a flood costs one
    look at the rates.
    """
    if not hits:
        return []
    known = _rates(tx, sorted({_key(hit) for hit in hits}))
    running = [hit for hit in hits if known[_key(hit)].standing is Standing.RUNNING]
    held = [hit for hit in hits if known[_key(hit)].standing is not Standing.RUNNING]
    together: dict[_Key, list[Hit]] = defaultdict(list)
    for hit in (*unknown(running), *held):
        together[_key(hit)].append(hit)
    through: list[Hit] = []
    after: list[Rate] = []
    for key, found in together.items():
        rate, room = known[key].take(len(found), tx.at, limits)
        after.append(rate)
        through += found[:room]
        if rate.standing is not known[key].standing:
            detail = {"source": rate.source, "written": rate.written}
            tx.append(STOPPED, subject=rate.indicator_id, lane=rate.lane, actor="node", detail=detail)
    upsert(tx, hit_rates, [_row(rate) for rate in after], keys=_KEY, changed=_CHANGED)
    return through


def stopped(connection: Connection, *, kept_off: bool = False, limit: int = 100) -> list[Rate]:
    """Return what was stopped, newest first; with `kept_off` also what a person decided to keep off."""
    standings = [Standing.STOPPED.value, *([Standing.KEPT_OFF.value] if kept_off else [])]
    query = select(hit_rates).where(hit_rates.c.standing.in_(standings))
    return [_rate(row) for row in connection.execute(query.order_by(hit_rates.c.stopped_at.desc()).limit(limit))]


def rates_of(connection: Connection, indicator_id: str, lane: Lane) -> list[Rate]:
    """Return where an object does not hit because it was stopped or is kept off."""
    here = (hit_rates.c.lane == str(lane), hit_rates.c.indicator_id == indicator_id)
    query = select(hit_rates).where(*here, hit_rates.c.standing != Standing.RUNNING.value)
    return [_rate(row) for row in connection.execute(query.order_by(hit_rates.c.source))]


def resume(tx: Transaction, indicator_id: str, source: str, lane: Lane, by: str) -> int:
    """Let an object hit in a source again; return how many hits were held back.

    Raises:
        NotStopped: it is not stopped there.
    """
    rate = _not_running(tx, indicator_id, source, lane)
    running = replace(rate, standing=Standing.RUNNING, window_at=tx.at, written=0, held_back=0, stopped_at=None)
    upsert(tx, hit_rates, [_row(running)], keys=_KEY, changed=_CHANGED)
    tx.append(RESUMED, subject=indicator_id, lane=lane, actor=by, detail=_held_back(rate))
    return rate.held_back


def keep_off(tx: Transaction, indicator_id: str, source: str, lane: Lane, by: str) -> None:
    """Decide that what was stopped stays so: it hits no more in that source, and nobody is reminded.

    Raises:
        NotStopped: it is not stopped there.
    """
    rate = _not_running(tx, indicator_id, source, lane)
    kept = replace(rate, standing=Standing.KEPT_OFF)
    upsert(tx, hit_rates, [_row(kept)], keys=_KEY, changed=_CHANGED)
    tx.append(KEPT_OFF, subject=indicator_id, lane=lane, actor=by, detail=_held_back(rate))


def _not_running(tx: Transaction, indicator_id: str, source: str, lane: Lane) -> Rate:
    found = tx.execute(_THESE, {"keys": [(str(lane), indicator_id, source)]}).one_or_none()
    rate = _rate(found) if found is not None else None
    if rate is None or rate.standing is Standing.RUNNING:
        raise NotStopped("%(object)s is not stopped in %(source)s", object=indicator_id[:120], source=source[:80])
    return rate


def _key(hit: Hit) -> _Key:
    return str(hit.lane), hit.indicator_id, hit.source


def _rates(tx: Transaction, keys: Sequence[_Key]) -> dict[_Key, Rate]:
    """Return the rate of each, held by this transaction; begun where there is none."""
    insert_ignore(tx, hit_rates, [_row(Rate(Lane(key[0]), key[1], key[2], tx.at)) for key in keys])
    found: dict[_Key, Rate] = {}
    for start in range(0, len(keys), _PART):
        for row in tx.execute(_THESE, {"keys": keys[start : start + _PART]}):
            found[row.lane, row.indicator_id, row.source] = _rate(row)
    return found


def _held_back(rate: Rate) -> dict[str, str | int]:
    return {"source": rate.source, "held_back": rate.held_back}


def _row(rate: Rate) -> dict[str, Any]:
    return {
        "lane": str(rate.lane),
        "indicator_id": rate.indicator_id,
        "source": rate.source,
        "window_at": rate.window_at,
        "written": rate.written,
        "held_back": rate.held_back,
        "stopped_at": rate.stopped_at,
        "last_at": rate.last_at,
        "standing": rate.standing.value,
    }


def _rate(row: Any) -> Rate:
    return Rate(
        Lane(row.lane),
        row.indicator_id,
        row.source,
        row.window_at,
        row.written,
        row.held_back,
        row.stopped_at,
        row.last_at,
        Standing(row.standing),
    )
