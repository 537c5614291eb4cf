"""Back a running node up into one file, and found it anew from that file."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import msgspec
from sqlalchemy import MetaData, make_url
from sqlalchemy.exc import SQLAlchemyError

from mithaq import __version__
from mithaq.kernel.database import Database
from mithaq.kernel.errors import Error
from mithaq.node.backup import rows
from mithaq.node.backup.archive import ArchiveReader, ArchiveWriter, Head, Manifest
from mithaq.node.backup.errors import BackupFailed, BadBackup, RestoreRefused
from mithaq.node.backup.settings import CHUNK_BYTES
from mithaq.node.backup.snapshot import ROWS, SQLITE, Kept, snapshot
from mithaq.node.data_folder import DataFolder
from mithaq.node.migrations import migrate, present_revision, refuse_newer
from mithaq.node.settings import BadSettings, Settings, write_settings


@dataclass(frozen=True, slots=True)
class Restored:
    """A node that was founded anew: where, what it is, and what is in it."""

    root: Path
    head: Head
    manifest: Manifest


def backup(folder: DataFolder, db: Database, nation: str, target: Path, passphrase: bytes, at: datetime) -> Manifest:
    """Write a node, running or not, into one new file that only its passphrase opens.

    Raises:
        BackupFailed: the file exists, the passphrase is too short, or the disk is full; nothing is left of it.
    """
    if target.exists():
        raise BackupFailed("it is there already; nothing was overwritten", subject=str(target))
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with snapshot(folder, db) as taken, _new_file(part) as file:
            head = Head(
                program=__version__, nation=nation, made_at=at, revision=taken.revision, database=taken.database
            )
            archive = ArchiveWriter(file, passphrase, head)
            for kept in taken.files:
                archive.add(kept.name, _blocks(kept))
            manifest = archive.finish(taken.rows, taken.journal)
            file.flush()
            os.fsync(file.fileno())
        part.rename(target)
    except OSError as error:
        raise BackupFailed("%(detail)s", subject=str(target), detail=os.strerror(error.errno or 0)) from error
    finally:
        part.unlink(missing_ok=True)
    return manifest


def restore(source: Path, root: Path, passphrase: bytes, *, database: str = "") -> Restored:
    """Found a node anew in a folder that does not exist yet; where anything is wrong, nothing is left behind.

    The database becomes SQLite in that folder, or is put into the empty database at the address that is given.

    Raises:
        RestoreRefused: the folder exists, or the database is not empty.
        BadBackup: the passphrase is wrong, or the file is foreign, changed, cut off, or of a newer format.
        DatabaseNewer: a newer program made the backup.
    """
    if root.exists() or root.is_symlink():
        raise RestoreRefused("there is something already; a node is restored into a new folder", subject=str(root))
    if database and present_revision(database) is not None:
        raise RestoreRefused("the database is not empty", subject=make_url(database).render_as_string())
    fresh = root.with_name(f".{root.name}.{secrets.token_hex(4)}.restoring")
    try:
        with source.open("rb") as file:
            restored = _unpacked(ArchiveReader(file, passphrase), fresh, database)
        fresh.rename(root)
    except OSError as error:
        raise BadBackup(
            "%(detail)s", subject=str(error.filename or source), detail=os.strerror(error.errno or 0)
        ) from error
    except SQLAlchemyError as error:
        raise BadBackup(
            "the database refused what is in the backup", subject=str(source), private=str(error)
        ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return Restored(root, restored.head, restored.manifest)


@contextmanager
def rehearsed(source: Path, passphrase: bytes) -> Iterator[Restored]:
    """Restore into a passing folder, to be looked at; it is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="mithaq-rehearsal-") as folder:
        yield restore(source, Path(folder) / "node", passphrase)


def _unpacked(archive: ArchiveReader, root: Path, database: str) -> Restored:
    refuse_newer(archive.head.revision)
    if archive.head.database not in {SQLITE, ROWS}:
        raise BadBackup("its database is of a kind that is not read here", subject=archive.head.database[:80])
    root.mkdir(mode=0o700)
    for name, blocks in archive.members():
        _write(root, name, blocks)
    folder = DataFolder(root)
    folder.prepare()
    _settle(folder, database)
    url = database or f"sqlite:///{folder.database}"
    _place_database(folder, archive.head, url)
    _compare(url, archive.manifest)
    return Restored(root, archive.head, archive.manifest)


def _write(root: Path, name: str, blocks: Iterator[bytes]) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _new_file(path) as file:
        for block in blocks:
            file.write(block)
        file.flush()
        os.fsync(file.fileno())


def _settle(folder: DataFolder, database: str) -> None:
    """Let the settings name the database that was restored, never the one the backup was made of."""
    try:
        settings = msgspec.toml.decode(folder.settings.read_bytes(), type=Settings)
    except (FileNotFoundError, msgspec.DecodeError, ValueError) as error:
        raise BadSettings("the backup holds no settings that can be read", private=str(error)) from error
    if settings.database != database:
        write_settings(folder.settings, msgspec.structs.replace(settings, database=database))


def _place_database(folder: DataFolder, head: Head, url: str) -> None:
    copy = folder.root / head.database
    if not copy.exists():
        raise BadBackup("the backup holds no database")
    if head.database == SQLITE and url.startswith("sqlite"):
        copy.rename(folder.database)
        return
    target = Database.open(url)
    try:
        migrate(url, head.revision)
        with target.engine.connect().execution_options(mithaq_write=True) as connection, connection.begin():
            rows.load(connection, _rows_of(copy))
    except (Error, SQLAlchemyError):
        _empty(target)
        raise
    finally:
        target.close()
    copy.unlink()


def _empty(target: Database) -> None:
    """Leave a database as it was found, empty."""
    known = MetaData()
    with target.engine.connect().execution_options(mithaq_write=True) as connection, connection.begin():
        known.reflect(connection)
        known.drop_all(connection)


def _rows_of(copy: Path) -> Iterator[bytes]:
    if copy.name == ROWS:
        yield from _blocks(Kept(copy.name, copy, copy.stat().st_size))
        return
    source = Database.open(f"sqlite:///{copy}")
    try:
        with source.read() as connection:
            yield from rows.dump(connection)
    finally:
        source.close()


def _compare(url: str, manifest: Manifest) -> None:
    database = Database.open(url)
    try:
        with database.read() as connection:
            found = rows.count(connection)
    finally:
        database.close()
    for table, count in manifest.rows.items():
        if found.get(table) != count:
            raise BadBackup(
                "the table %(table)s has %(found)s rows instead of %(count)s",
                table=table,
                found=found.get(table, 0),
                count=count,
            )


def _new_file(path: Path) -> BinaryIO:
    """Create a file that only its owner may read, and that was not there."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    return os.fdopen(descriptor, "wb")


def _blocks(kept: Kept) -> Iterator[bytes]:
    left = kept.size
    with kept.path.open("rb") as file:
        while left > 0 and (block := file.read(min(left, CHUNK_BYTES))):
            left -= len(block)
            yield block
