"""What belongs together at one instant: the database, the lake's segments it names, and the lines still to be read.

Files are held by hard links while the node goes on: a sealed segment never changes, an open one only grows, and its
committed length is in the database. A segment that was turned into Parquet in the meantime makes another attempt.
"""

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from mithaq.kernel import journal
from mithaq.kernel.database import Database
from mithaq.kernel.durable import UNFINISHED
from mithaq.node.backup import rows
from mithaq.node.backup.errors import BackupFailed
from mithaq.node.backup.settings import SNAPSHOT_ATTEMPTS
from mithaq.node.data_folder import DataFolder
from mithaq.node.migrations import revision_of
from mithaq.telemetry.lake.open_segment import segment_path
from mithaq.telemetry.store import CLOSED, OPEN, SEALED, Segment, list_segments

SQLITE, ROWS = "database.sqlite", "database.rows"
LAKE, SPOOL = "lake", "spool"
SEALED_SUFFIXES = (".events.parquet", ".values.parquet", ".index")
_STAGE = ".backup-stage"
_LOCK = ".backup.lock"
_NOT_KEPT = frozenset({"run", "logs", "cache", LAKE, SPOOL})


@dataclass(frozen=True, slots=True)
class Kept:
    """One file of a snapshot: the name it gets, where its bytes are, and how many of them count."""

    name: str
    path: Path
    size: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything of one instant."""

    files: tuple[Kept, ...]
    database: str
    revision: str
    rows: dict[str, int]
    journal: int


class _LakeMoved(Exception):
    """A segment that the snapshot names was sealed or merged before it could be held."""


@contextmanager
def snapshot(folder: DataFolder, db: Database) -> Iterator[Snapshot]:
    """Hold a node as it is at one instant, while it goes on.

    Raises:
        BackupFailed: another backup is running, the database is damaged, or the disk is full.
    """
    stages = [parent / _STAGE for parent in (folder.root, folder.root / LAKE, folder.root / SPOOL)]
    with _alone(folder.root):
        _clear(stages)
        try:
            yield _taken(folder.root, db, stages[0])
        finally:
            _clear(stages)


def _taken(root: Path, db: Database, stage: Path) -> Snapshot:
    try:
        stage.mkdir(mode=0o700)
        lines = _hold_spool(root)
        for _ in range(SNAPSHOT_ATTEMPTS):
            with suppress(_LakeMoved):
                taken = _database_and_lake(root, db, stage)
                lines |= _hold_spool(root)
                return replace(taken, files=(*_plain_files(root, db), *taken.files, *lines.values()))
    except OSError as error:
        raise BackupFailed("%(detail)s", subject=str(root), detail=os.strerror(error.errno or 0)) from error
    raise BackupFailed("the lake changed too often while it was held; try again", subject=str(root))


def _database_and_lake(root: Path, db: Database, stage: Path) -> Snapshot:
    with _reading(db) as connection:
        revision = revision_of(connection)
        if revision is None:
            raise BackupFailed("the database was never migrated", subject=str(root))
        held = _hold_lake(root, connection)
        path = stage / (SQLITE if db.dialect == "sqlite" else ROWS)
        if db.dialect == "sqlite":
            _copy_sqlite(connection, path)
        else:
            with path.open("xb") as file:
                file.writelines(rows.dump(connection))
        database = Kept(path.name, path, path.stat().st_size)
        return Snapshot(
            (database, *held), database.name, revision, rows.count(connection), journal.last_seq(connection)
        )


@contextmanager
def _reading(db: Database) -> Iterator[Connection]:
    """Open one unchanging view of the database, however long it is read."""
    with db.engine.connect() as connection:
        if db.dialect == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin():
            yield connection


def _copy_sqlite(connection: Connection, path: Path) -> None:
    """Copy the database with SQLite's online backup, inside the view that is open already."""
    source: Any = connection.connection.driver_connection
    with closing(sqlite3.connect(path)) as copy:
        try:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
            verdict = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
        except sqlite3.Error as error:
            raise BackupFailed("the database could not be copied: %(detail)s", detail=str(error)[:200]) from error
    if verdict != "ok":
        raise BackupFailed("the database is damaged: %(detail)s", detail=str(verdict)[:200])


def _hold_lake(root: Path, connection: Connection) -> list[Kept]:
    held = []
    for segment in list_segments(connection, (OPEN, CLOSED, SEALED)):
        if segment.state == SEALED:
            files = sealed_files(root, segment)  # of one that is known to be damaged, what is there
            held += [_hold(root, LAKE, path, None) for path in files if not segment.trouble or path.exists()]
        elif segment.bytes:
            held.append(_hold(root, LAKE, segment_path(root, segment.segment), segment.bytes))
        else:
            held.append(_begun(root, segment_path(root, segment.segment)))
    return held


def sealed_files(root: Path, segment: Segment) -> list[Path]:
    """Return the files that a sealed segment is made of."""
    stem = root / segment.path
    return [stem.with_name(stem.name + suffix) for suffix in SEALED_SUFFIXES]


def _hold_spool(root: Path) -> dict[str, Kept]:
    """Hold the pushed lines that wait; called before and after the database, so that none falls between."""
    held = {}
    for path in sorted((root / SPOOL).glob("*/*.ndjson")):
        with suppress(_LakeMoved):  # read to its end and removed: its lines are in the lake
            kept = _hold(root, SPOOL, path, None)
            held[kept.name] = Kept(kept.name, kept.path, _whole_lines(kept.path))
    return held


def _hold(root: Path, top: str, path: Path, size: int | None) -> Kept:
    name = path.relative_to(root)
    link = root / top / _STAGE / name
    link.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        if not link.exists():
            _link(path, link)
    except FileNotFoundError as error:
        raise _LakeMoved from error
    found = link.stat().st_size
    if size is not None and found < size:
        raise BackupFailed("the segment is shorter than what was committed", subject=name.as_posix())
    return Kept(name.as_posix(), link, found if size is None else size)


def _begun(root: Path, path: Path) -> Kept:
    """Return a segment that nothing was committed to; its file may not be there yet."""
    name = path.relative_to(root)
    empty = root / LAKE / _STAGE / name
    empty.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    empty.touch()
    return Kept(name.as_posix(), empty, 0)


def _link(path: Path, link: Path) -> None:
    try:
        os.link(path, link)
    except PermissionError:  # a file system without hard links
        shutil.copyfile(path, link)


def _whole_lines(path: Path) -> int:
    """Return the length of a growing file up to its last line feed."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - 64 * 1024)
            file.seek(start)
            place = file.read(end - start).rfind(b"\n")
            if place >= 0:
                return start + place + 1
            end = start
    return 0


def _plain_files(root: Path, db: Database) -> list[Kept]:
    """Return what is neither database nor telemetry: settings, card, keys, and whatever a capability keeps."""
    database = Path(db.engine.url.database or "").name if db.dialect == "sqlite" else ""
    kept = []
    for place, folders, names in os.walk(root):
        here = Path(place)
        skipped = _NOT_KEPT if here == root else frozenset[str]()
        folders[:] = sorted(name for name in folders if name not in skipped and not name.startswith("."))
        for name in sorted(names):
            path = here / name
            passing = name.startswith(".") or path.suffix == UNFINISHED or (database and name.startswith(database))
            if not passing and path.is_file():
                kept.append(Kept(path.relative_to(root).as_posix(), path, path.stat().st_size))
    return kept


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    descriptor = os.open(root / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BackupFailed("another backup of this node is running", subject=str(root)) from error
        yield
    finally:
        os.close(descriptor)


def _clear(stages: list[Path]) -> None:
    for stage in stages:
        shutil.rmtree(stage, ignore_errors=True)
