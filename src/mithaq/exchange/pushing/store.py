"""Tables of pushing: the targets with their sealed keys, and which events went to each."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    LargeBinary,
    Table,
    Text,
    bindparam,
    delete,
    select,
    update,
)

from mithaq.exchange.pushing.model import Last, Sent, Target
from mithaq.kernel.database import Json, Timestamp, Transaction, metadata, upsert

targets = Table(
    "misp_push_targets",
    metadata,
    Column("constituent", Text, primary_key=True),
    Column("id", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("flags", Json, nullable=False),
    # Sealed under the key in the data folder: never plain, never in the journal.
    Column("credential", LargeBinary, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    # What the last push came to (`Last`), none where nothing was pushed yet: ids and reasons, no value.
    Column("last", Json),
)
pushed = Table(
    "misp_pushed",
    metadata,
    Column("constituent", Text, primary_key=True),
    Column("uuid", Text, primary_key=True),
    # Of the version that went last, in seconds since 1970.
    Column("timestamp", BigInteger().with_variant(Integer, "sqlite"), nullable=False),
    Column("at", Timestamp, nullable=False),
)
"""Which events left for a target, whatever it answered."""

_TARGET: Final = select(targets).where(targets.c.constituent == bindparam("constituent"))
_NEWEST: Final = (
    select(pushed.c.uuid, pushed.c.timestamp, pushed.c.at)
    .where(pushed.c.constituent == bindparam("constituent"))
    .order_by(pushed.c.at.desc(), pushed.c.uuid)
    .limit(bindparam("limit", type_=Integer))
)
_PUSHED: Final = select(pushed.c.uuid).where(pushed.c.constituent == bindparam("constituent")).order_by(pushed.c.uuid)


def keep(tx: Transaction, target: Target, sealed: bytes) -> None:
    """Keep a target; one that is there for the constituent is replaced."""
    row = {
        "constituent": target.constituent,
        "id": target.id,
        "address": target.address,
        "flags": sorted(target.flags),
        "credential": sealed,
        "created_at": target.created_at,
        "last": None,
    }
    changed = ("id", "address", "flags", "credential", "created_at", "last")
    upsert(tx, targets, [row], keys=("constituent",), changed=changed)


def remove(tx: Transaction, constituent: str) -> None:
    """Forget a target with its key, and what went to it."""
    tx.execute(delete(targets).where(targets.c.constituent == constituent))
    tx.execute(delete(pushed).where(pushed.c.constituent == constituent))


def find(connection: Connection, constituent: str) -> tuple[Target, bytes] | None:
    """Return a target with its sealed key."""
    row = connection.execute(_TARGET, {"constituent": constituent}).one_or_none()
    return None if row is None else (_target(row), bytes(row.credential))


def all_of(connection: Connection) -> list[Target]:
    """Return every target, by constituent."""
    return [_target(row) for row in connection.execute(select(targets).order_by(targets.c.constituent))]


def last_of(connection: Connection, constituent: str) -> Last | None:
    """Return what the last push to a target came to, None where there was none."""
    found = connection.scalar(select(targets.c.last).where(targets.c.constituent == constituent))
    return Last.of_json(found) if found else None


def note_last(tx: Transaction, target: Target, last: Last) -> None:
    """Note what a push came to, unless its target is another one by now."""
    here = (targets.c.constituent == target.constituent, targets.c.id == target.id)
    tx.execute(update(targets).where(*here).values(last=last.as_json()))


def newest(connection: Connection, constituent: str, limit: int) -> list[Sent]:
    """Return the events that left for a target, the newest first."""
    rows = connection.execute(_NEWEST, {"constituent": constituent, "limit": limit})
    return [Sent(row.uuid, datetime.fromtimestamp(row.timestamp, UTC), row.at) for row in rows]


def note(tx: Transaction, constituent: str, uuid: str, timestamp: int) -> None:
    """Note that an event is about to leave."""
    row = {"constituent": constituent, "uuid": uuid, "timestamp": timestamp, "at": tx.at}
    upsert(tx, pushed, [row], keys=("constituent", "uuid"), changed=("timestamp", "at"))


def went(connection: Connection, constituent: str) -> list[str]:
    """Return which events left for a target."""
    return list(connection.scalars(_PUSHED, {"constituent": constituent}))


def forget(tx: Transaction, constituent: str, uuids: Iterable[str]) -> None:
    """Forget events that are there no more."""
    gone = (pushed.c.constituent == constituent, pushed.c.uuid.in_(list(uuids)))
    tx.execute(delete(pushed).where(*gone))


def _target(row: Any) -> Target:
    return Target(row.id, row.constituent, row.address, frozenset(row.flags), row.created_at)
