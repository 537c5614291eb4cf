"""The table of scanned files: which file of which source was seen, what became of it, and which rules it was asked."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
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
    update,
)

from mithaq.detection.yara.files import Found
from mithaq.kernel.database import Timestamp, Transaction, metadata, row_id
from mithaq.kernel.reason import Reason

files = Table(
    "scanned_files",
    metadata,
    row_id(),
    Column("source", Text, nullable=False),
    # Below the source's folder; bytes, because a file's name may be no text.
    Column("path", LargeBinary, nullable=False),
    Column("device", BigInteger, nullable=False),
    Column("inode", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("modified_ns", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    # Why it was not scanned, or not wholly; JSON, and empty for none.
    Column("reason", LargeBinary, nullable=False),
    Column("tries", Integer, nullable=False),
    # Grows with each line that the source gets about the file: with the row it is the line's place.
    Column("version", Integer, nullable=False),
    Column("sha256", Text, nullable=False),
    # The newest object of rules that it was asked.
    Column("asked_up_to", BigInteger, nullable=False),
    # The objects whose rules were true of it; JSON.
    Column("matched", LargeBinary, nullable=False),
    Column("found_at", Timestamp, nullable=False),
    Column("scanned_at", Timestamp),
    UniqueConstraint("source", "path"),
    Index("scanned_files_waiting", "source", "state", "row"),
)
_VERSION_BITS: Final = 16


class FileState(StrEnum):
    """What became of a file."""

    WAITING = "waiting"
    SCANNED = "scanned"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A file of a source, as it is remembered."""

    row: int
    source: str
    found: Found
    state: FileState
    found_at: datetime
    reason: Reason | None = None
    tries: int = 0
    version: int = 0
    sha256: str = ""
    asked_up_to: int = 0
    matched: tuple[str, ...] = ()
    scanned_at: datetime | None = None

    @property
    def place(self) -> int:
        """Return the place of the line that is written next about it: the same after a crash."""
        return self.row << _VERSION_BITS | self.version & (1 << _VERSION_BITS) - 1


_OF_SOURCE: Final = select(files).where(files.c.source == bindparam("source")).order_by(files.c.row)
_WAITING: Final = (
    select(files)
    .where(files.c.source == bindparam("source"), files.c.state == FileState.WAITING.value)
    .order_by(files.c.tries, files.c.row)
    .limit(bindparam("limit", type_=Integer))
)
_TO_ASK: Final = (
    select(files)
    .where(
        files.c.source == bindparam("source"),
        files.c.state == FileState.SCANNED.value,
        files.c.asked_up_to < bindparam("newest"),
        files.c.row > select(func.max(files.c.row)).scalar_subquery() - bindparam("past", type_=Integer),
    )
    .order_by(files.c.row.desc())
    .limit(1)
)
_COUNTS: Final = select(files.c.source, files.c.state, func.count()).group_by(files.c.source, files.c.state)
_UNFINISHED: Final = (
    select(files.c.source, func.count())
    .where(files.c.state == FileState.SCANNED.value, files.c.reason != b"")
    .group_by(files.c.source)
)


def of_source(connection: Connection, source: str) -> list[KnownFile]:
    """Return every file of a source that is remembered."""
    return [_known(row) for row in connection.execute(_OF_SOURCE, {"source": source})]


def waiting(connection: Connection, source: str, limit: int) -> list[KnownFile]:
    """Return files of a source that wait, those that failed before last."""
    return [_known(row) for row in connection.execute(_WAITING, {"source": source, "limit": limit})]


def to_ask(connection: Connection, source: str, newest: int, past: int) -> KnownFile | None:
    """Return the newest file that was scanned before the newest rules came, among so many of the past."""
    given = {"source": source, "newest": newest, "past": past}
    row = connection.execute(_TO_ASK, given).one_or_none()
    return None if row is None else _known(row)


def newest(connection: Connection, source: str | None, limit: int) -> list[KnownFile]:
    """Return the files that were found last, of one source or of all."""
    query = select(files).order_by(files.c.row.desc()).limit(limit)
    if source is not None:
        query = query.where(files.c.source == source)
    return [_known(row) for row in connection.execute(query)]


def counts(connection: Connection) -> dict[tuple[str, str], int]:
    """Count files by source and state."""
    return {(row[0], row[1]): row[2] for row in connection.execute(_COUNTS)}


def unfinished(connection: Connection) -> dict[str, int]:
    """Count, by source, the files of which not every rule could be asked."""
    return {row[0]: row[1] for row in connection.execute(_UNFINISHED)}


def add(tx: Transaction, source: str, found: Sequence[Found]) -> None:
    """Remember new files: they wait to be scanned, or are refused."""
    rows = [
        {
            "source": source,
            **_of_found(each),
            "tries": 0,
            "version": 0,
            "sha256": "",
            "asked_up_to": 0,
            "matched": b"[]",
            "found_at": tx.at,
        }
        for each in found
    ]
    if rows:
        tx.execute(files.insert(), rows)


def changed(tx: Transaction, known: KnownFile, found: Found) -> None:
    """A file is another one than it was: it waits again. What was found in it before stays until then."""
    tx.execute(_by_row(known).values(**_of_found(found), tries=0, found_at=tx.at))


def scanned(tx: Transaction, known: KnownFile, *, reason: Reason | None, lines: int) -> None:
    """Keep what became of a scan: `known` with its new hash and rules; `lines` were written about it."""
    values = {
        "state": FileState.SCANNED.value,
        "reason": _json(reason),
        "sha256": known.sha256,
        "asked_up_to": known.asked_up_to,
        "matched": msgspec.json.encode(known.matched),
        "version": known.version + lines,
        "scanned_at": tx.at,
    }
    tx.execute(_by_row(known).values(**values))


def failed(tx: Transaction, known: KnownFile, state: FileState, reason: Reason) -> None:
    """Keep why a file could not be scanned; it waits on, is refused, or is gone."""
    tx.execute(_by_row(known).values(state=state.value, reason=_json(reason), tries=known.tries + 1))


def forget(tx: Transaction, source: str) -> None:
    """Forget the files of a source that is no more."""
    tx.execute(files.delete().where(files.c.source == source))


def forget_files(tx: Transaction, rows: Sequence[int]) -> None:
    """Forget files that are no longer there."""
    tx.execute(files.delete().where(files.c.row.in_(list(rows))))


def _by_row(known: KnownFile) -> Any:
    return update(files).where(files.c.row == known.row)


def _of_found(found: Found) -> dict[str, Any]:
    return {
        "path": os.fsencode(found.path),
        "device": found.device,
        "inode": found.inode,
        "size": found.size,
        "modified_ns": found.modified_ns,
        "state": (FileState.WAITING if found.refused is None else FileState.REFUSED).value,
        "reason": _json(found.refused),
    }


def _json(reason: Reason | None) -> bytes:
    return b"" if reason is None else msgspec.json.encode(reason)


def _known(row: Any) -> KnownFile:
    return KnownFile(
        row=row.row,
        source=row.source,
        found=Found(os.fsdecode(row.path), row.device, row.inode, row.size, row.modified_ns),
        state=FileState(row.state),
        found_at=row.found_at,
        reason=msgspec.json.decode(row.reason, type=Reason) if row.reason else None,
        tries=row.tries,
        version=row.version,
        sha256=row.sha256,
        asked_up_to=row.asked_up_to,
        matched=tuple(msgspec.json.decode(row.matched, type=list[str])),
        scanned_at=row.scanned_at,
    )
