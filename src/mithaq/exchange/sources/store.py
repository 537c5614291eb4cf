"""Tables and queries of sources, of what each has given, and of its quarantine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Integer,
    LargeBinary,
    Row,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    case,
    delete,
    func,
    select,
    update,
)

from mithaq.exchange.sources.model import Followed, Progress, Quarantined, Source, Terms, Unfit
from mithaq.exchange.sources.rules import storable
from mithaq.exchange.sources.settings import QUARANTINE_BODY_BYTES, QUARANTINE_BYTES, QUARANTINE_ROWS
from mithaq.kernel.database import Json, Timestamp, Transaction, metadata, row_id, upsert
from mithaq.kernel.lane import Lane
from mithaq.kernel.reason import Reason
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp

_ID_CHARACTERS: Final = 300

sources = Table(
    "sources",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("collection", Text, nullable=False),
    Column("every_s", Integer, nullable=False),
    Column("tlp", SmallInteger),
    Column("pap", SmallInteger),
    Column("labels", Json, nullable=False),
    Column("purpose", Text),
    Column("lane", Text, nullable=False),
    Column("flags", Json, nullable=False),
    Column("options", Json, nullable=False),
    Column("auth", Text, nullable=False),
    # Sealed under the key in the data folder: never plain, never in the journal.
    Column("credential", LargeBinary),
    Column("created_at", Timestamp, nullable=False),
    Column("turn", BigInteger, nullable=False),
    Column("standing", Text, nullable=False),
    Column("cursor", Json, nullable=False),
    Column("due_at", Timestamp, nullable=False),
    Column("tried_at", Timestamp),
    Column("succeeded_at", Timestamp),
    Column("failures", Integer, nullable=False),
    Column("reason", Json),
    Column("stored", BigInteger, nullable=False),
    Column("unkept", BigInteger, nullable=False),
)
held = Table(
    "source_held",
    metadata,
    # What a source gave last under each of its own names: an event's timestamp, the digest of a list's line.
    Column("source", Text, ForeignKey(sources.c.id), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("version", Text, nullable=False),
)
quarantine = Table(
    "source_quarantine",
    metadata,
    row_id(),
    Column("source", Text, ForeignKey(sources.c.id), nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("object_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("body", LargeBinary),
    Column("reason", Json, nullable=False),
    Column("first_at", Timestamp, nullable=False),
    Column("last_at", Timestamp, nullable=False),
    Column("times", Integer, nullable=False),
    UniqueConstraint("source", "digest"),
)

_BY_NAME = select(sources).where((sources.c.name == bindparam("name")) | (sources.c.id == bindparam("name")))
_ALL = select(sources).order_by(sources.c.name)
_ACTIVE = (
    select(sources)
    .where(sources.c.standing == "active")
    .order_by(sources.c.due_at, sources.c.tried_at.asc().nulls_first(), sources.c.id)
)
"""Who is due first; of those due at one instant who was tried longest ago."""
_ADVANCE = (sources.c.id == bindparam("of_id"), sources.c.turn == bindparam("of_turn"))
_WAITING = select(quarantine.c.source, func.count().label("rows")).group_by(quarantine.c.source)
_TOTALS = select(
    func.count().label("rows"), func.coalesce(func.sum(case((quarantine.c.body.is_not(None), quarantine.c.size))), 0)
).where(quarantine.c.source == bindparam("source"))
_KNOWN = select(quarantine.c.digest).where(
    quarantine.c.source == bindparam("source"), quarantine.c.digest.in_(bindparam("digests", expanding=True))
)
_AGAIN = (
    update(quarantine)
    .where(quarantine.c.source == bindparam("of_source"), quarantine.c.digest == bindparam("of_digest"))
    .values(times=quarantine.c.times + 1, last_at=bindparam("at"), reason=bindparam("why"))
)
_LISTED = (
    select(*(column for column in quarantine.c if column.name not in {"body", "digest"}),
           quarantine.c.body.is_not(None).label("is_kept"))
    .where(quarantine.c.source == bindparam("source"), quarantine.c.row > bindparam("after"))
    .order_by(quarantine.c.row)
    .limit(bindparam("limit", type_=Integer))
)  # fmt: skip
_HELD = select(held.c.key, held.c.version).where(held.c.source == bindparam("source"))


def add(tx: Transaction, source: Source, credential: bytes | None) -> None:
    """Insert a source that is due at once."""
    terms = source.terms
    tx.execute(
        sources.insert().values(
            id=source.id,
            name=source.name,
            kind=source.kind,
            address=source.address,
            collection=source.collection,
            every_s=source.every_s,
            tlp=None if terms.tlp is None else int(terms.tlp),
            pap=None if terms.pap is None else int(terms.pap),
            labels=list(terms.labels),
            purpose=terms.purpose,
            lane=str(terms.lane),
            flags=sorted(source.flags),
            options=dict(source.options),
            auth=source.auth,
            credential=credential,
            created_at=source.created_at,
            turn=0,
            standing="active",
            cursor={},
            due_at=source.created_at,
            failures=0,
            stored=0,
            unkept=0,
        )
    )


def remove(tx: Transaction, source_id: str) -> None:
    """Delete a source with its credential, its quarantine and what it was known to have given."""
    for table in (quarantine, held):
        tx.execute(delete(table).where(table.c.source == source_id))
    tx.execute(delete(sources).where(sources.c.id == source_id))


def find(connection: Connection, name: str) -> Followed | None:
    """Return a source by its name or id."""
    row = connection.execute(_BY_NAME, {"name": name}).first()
    return _followed(connection, [row])[0] if row else None


def all_of(connection: Connection) -> list[Followed]:
    """Return every source, by name."""
    return _followed(connection, connection.execute(_ALL).all())


def active(connection: Connection) -> list[Followed]:
    """Return the sources that are followed, the one that is due first in front."""
    return [Followed(_source(row), _progress(row)) for row in connection.execute(_ACTIVE)]


def credential_of(connection: Connection, source_id: str) -> bytes | None:
    """Return the sealed credential of a source."""
    sealed = connection.scalar(select(sources.c.credential).where(sources.c.id == source_id))
    return None if sealed is None else bytes(sealed)


def advance(tx: Transaction, source_id: str, turn: int, **values: Any) -> bool:
    """Change a source's progress, unless somebody else has since `turn`; tell whether it was changed."""
    statement = update(sources).where(*_ADVANCE).values(turn=turn + 1, **values)
    return bool(tx.execute(statement, {"of_id": source_id, "of_turn": turn}).rowcount == 1)


def count(tx: Transaction, source_id: str, *, stored: int, unkept: int) -> None:
    """Count what a source gave, and what of it could not even be put aside."""
    if stored or unkept:
        grown = {"stored": sources.c.stored + stored, "unkept": sources.c.unkept + unkept}
        tx.execute(update(sources).where(sources.c.id == source_id).values(**grown))


def change(tx: Transaction, source_id: str, **values: Any) -> None:
    """Change a source so that a run that is under way is overtaken."""
    tx.execute(update(sources).where(sources.c.id == source_id).values(turn=sources.c.turn + 1, **values))


def make_due(tx: Transaction, source_id: str) -> None:
    """Let a source be due now; a run that is under way goes on."""
    tx.execute(update(sources).where(sources.c.id == source_id).values(due_at=tx.at))


def versions_of(connection: Connection, source_id: str) -> dict[str, str]:
    """Return what a source gave last, by its own names."""
    return {row.key: row.version for row in connection.execute(_HELD, {"source": source_id})}


def note_versions(tx: Transaction, source_id: str, versions: Mapping[str, str]) -> None:
    """Note what a source has given."""
    rows = [{"source": source_id, "key": key, "version": version} for key, version in versions.items()]
    upsert(tx, held, rows, keys=["source", "key"], changed=["version"])


def forget_versions(tx: Transaction, source_id: str, keys: Iterable[str]) -> None:
    """Forget what a source gives no more."""
    gone = [{"of_source": source_id, "of_key": key} for key in keys]
    if gone:
        statement = delete(held).where(held.c.source == bindparam("of_source"), held.c.key == bindparam("of_key"))
        tx.execute(statement, gone)


def digest_of(unfit: Unfit) -> bytes:
    """Return what makes two unfit things the same: their bytes, or their names where they have none."""
    return hashlib.sha256(unfit.body or f"{unfit.kind} {storable(unfit.object_id)}".encode()).digest()


def put_aside(tx: Transaction, source_id: str, unfit: Sequence[Unfit]) -> int:
    """Keep what could not be admitted, within the bounds of a source; return how many could only be counted.

    What is there already is counted, and its reason renewed.
    """
    found = {digest_of(each): each for each in unfit}
    if not found:
        return 0
    known = {bytes(each) for each in tx.connection.scalars(_KNOWN, {"source": source_id, "digests": list(found)})}
    again = [
        {"of_source": source_id, "of_digest": digest, "at": tx.at, "why": _reason(found[digest])} for digest in known
    ]
    if again:
        tx.execute(_AGAIN, again)
    rows, size = tx.connection.execute(_TOTALS, {"source": source_id}).one()
    room, left = QUARANTINE_ROWS - int(rows), QUARANTINE_BYTES - int(size)
    fresh = [(digest, each) for digest, each in found.items() if digest not in known]
    kept = []
    for digest, each in fresh[: max(0, room)]:
        has_room = len(each.body) <= min(left, QUARANTINE_BODY_BYTES)
        left -= len(each.body) if has_room else 0
        kept.append(_unfit_row(tx, source_id, digest, each, has_room=has_room))
    if kept:
        tx.execute(quarantine.insert(), kept)
    return len(fresh) - len(kept)


def _unfit_row(tx: Transaction, source_id: str, digest: bytes, unfit: Unfit, *, has_room: bool) -> dict[str, Any]:
    return {
        "source": source_id,
        "digest": digest,
        "object_id": storable(unfit.object_id[:_ID_CHARACTERS]),
        "kind": unfit.kind,
        "size": len(unfit.body),
        "body": unfit.body if unfit.body and has_room else None,
        "reason": _reason(unfit),
        "first_at": tx.at,
        "last_at": tx.at,
        "times": 1,
    }


def _reason(unfit: Unfit) -> dict[str, Any]:
    told = unfit.reason.as_json()
    params = {key: storable(value) if isinstance(value, str) else value for key, value in told["params"].items()}
    return told | {"params": params}


def listed(connection: Connection, source_id: str, *, after: int = 0, limit: int = 1000) -> list[Quarantined]:
    """Return what waits in a source's quarantine, oldest first."""
    asked = {"source": source_id, "after": after, "limit": limit}
    return [
        Quarantined(
            row.row,
            row.object_id,
            row.kind,
            row.size,
            bool(row.is_kept),
            Reason.of_json(row.reason),
            row.first_at,
            row.last_at,
            row.times,
        )
        for row in connection.execute(_LISTED, asked)
    ]


def kept_body(connection: Connection, row: int) -> bytes | None:
    """Return the bytes of something in quarantine."""
    body = connection.scalar(select(quarantine.c.body).where(quarantine.c.row == row))
    return None if body is None else bytes(body)


def release(tx: Transaction, source_id: str, rows: Iterable[int]) -> int:
    """Take rows out of a source's quarantine; return how many there were."""
    chosen = list(rows)
    of_source = quarantine.c.source == source_id
    return sum(
        tx.execute(delete(quarantine).where(of_source, quarantine.c.row.in_(chosen[start : start + 500]))).rowcount
        for start in range(0, len(chosen), 500)
    )


def release_event(tx: Transaction, source_id: str, key: str) -> None:
    """Take an event out of quarantine that has been admitted since."""
    tx.execute(
        delete(quarantine).where(
            quarantine.c.source == source_id, quarantine.c.kind == "event", quarantine.c.object_id == key
        )
    )


def release_lines(tx: Transaction, source_id: str, before: datetime) -> None:
    """Take bad lines out of quarantine that a list has no more."""
    stale = (quarantine.c.source == source_id, quarantine.c.kind == "line", quarantine.c.last_at < before)
    tx.execute(delete(quarantine).where(*stale))


def _followed(connection: Connection, rows: Sequence[Row[Any]]) -> list[Followed]:
    waiting: dict[str, int] = {row.source: row.rows for row in connection.execute(_WAITING)}
    return [Followed(_source(row), _progress(row), waiting.get(row.id, 0)) for row in rows]


def _source(row: Any) -> Source:
    terms = Terms(
        None if row.tlp is None else Tlp(row.tlp),
        None if row.pap is None else Pap(row.pap),
        tuple(row.labels),
        row.purpose,
        Lane.parse(row.lane),
    )
    return Source(
        row.id,
        row.name,
        row.kind,
        row.address,
        row.every_s,
        row.created_at,
        terms,
        row.collection,
        frozenset(row.flags),
        row.options,
        row.auth,
    )


def _progress(row: Any) -> Progress:
    due_at: datetime = row.due_at
    return Progress(
        row.turn,
        row.standing,
        row.cursor,
        due_at,
        row.tried_at,
        row.succeeded_at,
        row.failures,
        Reason.of_json(row.reason) if row.reason else None,
        row.stored,
        row.unkept,
    )
