"""The journal's readers: each has a durable cursor that moves in the transaction of its effects."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Integer, bindparam, func, select

from mithaq.kernel.database import Database, Transaction, cursors, journal, upsert
from mithaq.kernel.lane import Lane

BATCH = 500
_DURABLE_EVERY = 2_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One state change: what happened to which subject, when, by whom, in which lane."""

    seq: int
    at: datetime
    kind: str
    subject: str
    lane: Lane
    actor: str
    detail: dict[str, Any]


@dataclass(slots=True)
class Reader:
    """What one capability does when the journal says something happened.

    `handle` runs inside the transaction that moves the cursor, so its database effects happen exactly once. `prepare`
    is given the same entries before that transaction is opened, for what takes long; it changes nothing.
    `at_once` is the most it handles in one transaction. `position` is how far this process has looked; entries of
    other kinds move it without a write.
    """

    name: str
    kinds: frozenset[str]
    handle: Callable[[Transaction, Sequence[Entry]], None]
    at_once: int = BATCH
    position: int = field(default=-1)
    prepare: Callable[[Sequence[Entry]], None] | None = None


_AFTER = (
    select(journal)
    .where(journal.c.seq > bindparam("after"))
    .order_by(journal.c.seq)
    .limit(bindparam("limit", type_=Integer))
)
_AFTER_OF_KINDS = _AFTER.where(journal.c.kind.in_(bindparam("kinds", expanding=True)))
_LAST = select(func.coalesce(func.max(journal.c.seq), 0))
_OWED = select(func.coalesce(func.max(journal.c.seq), 0)).where(
    journal.c.seq > bindparam("after"), journal.c.kind.in_(bindparam("kinds", expanding=True))
)
_CURSOR = select(cursors.c.seq).where(cursors.c.reader == bindparam("reader"))


def entries(
    connection: Connection, after: int, *, limit: int = BATCH, kinds: frozenset[str] | None = None
) -> list[Entry]:
    """Return the entries after a sequence number, oldest first."""
    asked: dict[str, Any] = {"after": after, "limit": limit}
    if kinds is None:
        return [_entry(row) for row in connection.execute(_AFTER, asked)]
    return [_entry(row) for row in connection.execute(_AFTER_OF_KINDS, asked | {"kinds": sorted(kinds)})]


def newest(
    connection: Connection, *, before: int | None, limit: int, kinds: frozenset[str] | None = None
) -> list[Entry]:
    """Return entries newest first, before a sequence number."""
    query = select(journal).order_by(journal.c.seq.desc()).limit(limit)
    if before is not None:
        query = query.where(journal.c.seq < before)
    if kinds is not None:
        query = query.where(journal.c.kind.in_(sorted(kinds)))
    return [_entry(row) for row in connection.execute(query)]


def last_seq(connection: Connection) -> int:
    """Return the newest sequence number, 0 for an empty journal."""
    return connection.scalar(_LAST) or 0


def lag(connection: Connection, reader: str) -> int:
    """Return how many entries lie behind a reader's durable cursor."""
    return last_seq(connection) - _cursor(connection, reader)


def owed(connection: Connection, reader: str, kinds: frozenset[str]) -> int:
    """Return the newest entry that a reader of these kinds still has to handle, in whichever process; 0 for none."""
    asked = {"after": _cursor(connection, reader), "kinds": sorted(kinds)}
    return connection.scalar(_OWED, asked) or 0


def has_handled(connection: Connection, reader: str, seq: int) -> bool:
    """Tell whether a reader has handled an entry that it was owed."""
    return _cursor(connection, reader) >= seq


def run_once(db: Database, reader: Reader, at: datetime) -> int:
    """Let the reader handle the next batch; return how many entries were passed, 0 when it is up to date."""
    with db.read() as connection:
        if reader.position < 0:
            reader.position = _cursor(connection, reader.name)
        batch = entries(connection, reader.position)
    if not batch:
        return 0
    wanted = [entry for entry in batch if entry.kind in reader.kinds]
    if len(wanted) > reader.at_once:
        wanted = wanted[: reader.at_once]
        batch = [entry for entry in batch if entry.seq <= wanted[-1].seq]
    if wanted and reader.prepare is not None:
        reader.prepare(wanted)
    if wanted or batch[-1].seq - reader.position >= _DURABLE_EVERY:
        with db.write(at) as transaction:
            ahead = _cursor(transaction.connection, reader.name)
            if ahead > reader.position:  # another process reads under this name: never apply twice
                reader.position = ahead
                return len(batch)
            if wanted:
                reader.handle(transaction, wanted)
            _move(transaction, reader.name, batch[-1].seq)
    reader.position = batch[-1].seq
    return len(batch)


def _cursor(connection: Connection, reader: str) -> int:
    return connection.scalar(_CURSOR, {"reader": reader}) or 0


def _move(transaction: Transaction, reader: str, seq: int) -> None:
    upsert(transaction, cursors, [{"reader": reader, "seq": seq}], keys=["reader"], changed=["seq"])


def _entry(row: Any) -> Entry:
    return Entry(row.seq, row.at, row.kind, row.subject, Lane(row.lane), row.actor, row.detail)
