"""The use cases of telemetry: which sources there are, how they are doing, and lines pushed to them."""

import errno
import os
import re
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from sqlalchemy import Connection

from mithaq.kernel.database import Database, Transaction
from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.nations.constituents import store as constituents
from mithaq.telemetry import store
from mithaq.telemetry.errors import BadSource, UnknownSource
from mithaq.telemetry.feeds import Feed, checked, written
from mithaq.telemetry.folder import is_pattern, matching
from mithaq.telemetry.health import Vitals, vitals
from mithaq.telemetry.lake import keeping
from mithaq.telemetry.model import BrokenLine, Format, Source
from mithaq.telemetry.push import unpacked
from mithaq.telemetry.settings import TelemetryLimits
from mithaq.telemetry.spool import Spool, spool_folder
from mithaq.telemetry.store import Position, SourceStatus

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
SOURCES_CHANGED = "telemetry.sources.changed"
ERASURE_ASKED = "telemetry.erasure.asked"
RETENTION_CHANGED = "telemetry.retention.changed"
MAX_RETAIN_DAYS = 36_500


class Condition(StrEnum):
    """How a source does, in a word; the first two and a changed one need somebody."""

    UNREADABLE = "unreadable"
    SILENT = "silent"
    CHANGED = "changed"
    USUAL = "usual"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class Reading:
    """A source's status, how much of it waits to be read, and how it does."""

    status: SourceStatus
    waiting_bytes: int
    trouble: str
    vitals: Vitals

    @property
    def condition(self) -> Condition:
        """Say in a word how the source does, the worst first."""
        if self.trouble:
            return Condition.UNREADABLE
        if self.vitals.is_silent:
            return Condition.SILENT
        if self.vitals.gone:
            return Condition.CHANGED
        return Condition.USUAL if self.status.last_read_at else Condition.EMPTY


class Telemetry:
    """The sources of a node."""

    def __init__(self, db: Database, data: Path, limits: TelemetryLimits | None = None) -> None:
        self._db = db
        self._data = data
        self._limits = limits or TelemetryLimits()
        self._spool = Spool(data)

    def add_source(
        self,
        name: str,
        *,
        path: str,
        line_format: Format,
        by: str,
        at: datetime,
        lane: Lane = ACTUAL,
        feed: Feed | None = None,
        retain_days: int | None = None,
        constituent: str = "",
    ) -> Source:
        """Follow a file, every file of a folder (`FOLDER`, `FOLDER/*.log`), or take what comes over the network.

        With an empty path lines are pushed over HTTP, or come from the feed. What it gives is kept for `retain_days`,
        or for good; `constituent` says in whose networks it stands.

        Raises:
            BadSource: the name or path cannot be used, the name is taken, or there is no such constituent.
        """
        _check_days(name, retain_days)
        if not _NAME.fullmatch(name):
            raise BadSource("a source is named in lower case letters, digits, dots and dashes", subject=name[:80])
        if path and not Path(path).is_absolute():
            raise BadSource("the path of a source must be absolute", subject=name)
        if path and Path(path).is_dir():
            path = str(Path(path) / "*")
        if path and feed is not None:
            raise BadSource("a source is a file or has a feed, not both", subject=name)
        source = Source(name, path, line_format, lane, written(checked(feed, name)) if feed else "")
        if source.is_pushed:
            spool_folder(self._data, name).mkdir(parents=True, exist_ok=True)
        with self._db.write(at) as tx:
            if constituent and constituents.find(tx.connection, constituent) is None:
                raise BadSource("there is no such constituent", subject=constituent[:80])
            if any(each.source == name for each in keeping.pending_erasures(tx.connection)):
                raise BadSource("what a source of that name gave is still being deleted", subject=name)
            if not store.add_source(tx, source, retain_days=retain_days, constituent=constituent):
                raise BadSource("there is a source of that name already", subject=name)
            _announce(tx, source, by)
        return source

    def change_feed(self, source: Source, feed: Feed, *, by: str, at: datetime) -> None:
        """Let what a source gives come from elsewhere, a folder that was moved for instance.

        Raises:
            BadSource: the feed cannot be used.
        """
        changed = replace(source, feed=written(checked(feed, source.name)))
        with self._db.write(at) as tx:
            store.change_feed(tx, changed.name, changed.feed)
            _announce(tx, changed, by)

    def remove_source(self, name: str, *, by: str, at: datetime) -> None:
        """Stop following a source; what it gave stays in the lake.

        Raises:
            UnknownSource: there is none of that name.
        """
        with self._db.write(at) as tx:
            status = store.get_source(tx.connection, name)
            if status is None:
                raise UnknownSource("there is no source of that name", subject=name)
            store.remove_source(tx, name)
            _announce(tx, status.source, by)

    def retain(self, name: str, days: int | None, *, by: str, at: datetime) -> None:
        """Keep what a source gives for so many days, or with None for good; what is older is deleted soon.

        Raises:
            UnknownSource: there is none of that name.
            BadSource: the number cannot be used.
        """
        _check_days(name, days)
        with self._db.write(at) as tx:
            if not store.retain(tx, name, days):
                raise UnknownSource("there is no source of that name", subject=name)
            tx.append(RETENTION_CHANGED, subject=name, lane=ACTUAL, actor=by, detail={"days": days})

    def erase(self, name: str, *, by: str, at: datetime) -> None:
        """Remove a source, and have everything deleted that it ever gave, hits' lines and answers included.

        Raises:
            UnknownSource: there is no source of that name, and nothing in the lake of one.
        """
        with self._db.write(at) as tx:
            status = store.get_source(tx.connection, name)
            if status is None and not keeping.of_source(tx.connection, name):
                raise UnknownSource("there is no source of that name", subject=name)
            if status is not None:
                store.remove_source(tx, name)
                _announce(tx, status.source, by)
            keeping.ask_erasure(tx, name, by)
            tx.append(ERASURE_ASKED, subject=name, lane=ACTUAL, actor=by, detail={})

    def sources_of(self, constituent: str) -> list[str]:
        """Return the names of the sources that stand in a constituent's networks."""
        with self._db.read() as connection:
            return [each.source.name for each in store.list_sources(connection) if each.constituent == constituent]

    def holdings(self) -> list[keeping.Holding]:
        """Return what the lake has of each source, also of those that were removed."""
        with self._db.read() as connection:
            return keeping.holdings(connection)

    def troubled(self) -> list[store.Segment]:
        """Return the segments of the lake that cannot be read, or not whole."""
        with self._db.read() as connection:
            return keeping.troubled(connection)

    def erasures(self, *, limit: int = 20) -> list[keeping.Erasure]:
        """Return what was asked to be deleted, newest first."""
        with self._db.read() as connection:
            return list(keeping.list_erasures(connection, limit=limit))

    def push(self, name: str, body: bytes, *, content_type: str = "", content_encoding: str = "") -> int:
        """Keep pushed lines durably and return their number; the detector reads them at once.

        Raises:
            UnknownSource: there is none of that name, or it is a file.
            PushRefused: there is no room; a subclass says that the body is too large or cannot be read.
        """
        self.pushed(name)
        lines = unpacked(
            body,
            content_type=content_type,
            content_encoding=content_encoding,
            max_bytes=self._limits.max_push_bytes,
        )
        return self._spool.append(name, lines, self._limits)

    def pushed(self, name: str) -> Source:
        """Return a source that takes pushed lines.

        Raises:
            UnknownSource: there is none of that name, or its lines come from elsewhere.
        """
        with self._db.read() as connection:
            status = store.get_source(connection, name)
        if status is None or not status.source.is_pushed or status.source.feed:
            raise UnknownSource("there is no source of that name that takes pushed lines", subject=name)
        return status.source

    def readings(self, at: datetime) -> list[Reading]:
        """Return every source, its counts, how much of it waits to be read, and how it does at that instant."""
        with self._db.read() as connection:
            return [self._reading(connection, status, at) for status in store.list_sources(connection)]

    def broken(self, name: str, *, limit: int) -> list[BrokenLine]:
        """Return the newest lines of a source that could not be read.

        Raises:
            UnknownSource: there is none of that name.
        """
        with self._db.read() as connection:
            if store.get_source(connection, name) is None:
                raise UnknownSource("there is no source of that name", subject=name)
            return store.list_broken(connection, name, limit=limit)

    def _reading(self, connection: Connection, status: SourceStatus, at: datetime) -> Reading:
        source = status.source
        folder = spool_folder(self._data, source.name)
        files = sorted(folder.glob("*.ndjson")) if source.is_pushed else _files(Path(source.path))
        read = {each.inode: each for each in store.positions_of(connection, source.name)}
        waiting, trouble = 0, ""
        for path in files:
            try:
                found = path.stat()
            except OSError as error:
                trouble = f"{path.name}: {error.strerror}"
                continue
            waiting += _unread(found.st_size, read.get(found.st_ino))
        if source.path and not files and not Path(source.path).parent.is_dir():
            trouble = f"{Path(source.path).parent}: {os.strerror(errno.ENOENT)}"
        looked, _ = store.looked_of(connection, source.name)
        minutes = store.minutes_of(connection, source.name)
        return Reading(status, waiting, trouble, vitals(minutes, looked, store.newest_of(connection, status), at))


def _files(path: Path) -> list[Path]:
    return matching(path) if is_pattern(path) else [path]


def _unread(size: int, position: Position | None) -> int:
    """Return how many bytes of a file wait; what a compressed one expands to is not known before it is read."""
    if position is None:
        return size
    return 0 if position.closed and position.size == size else max(0, size - position.offset)


def _check_days(name: str, days: int | None) -> None:
    if days is not None and not 1 <= days <= MAX_RETAIN_DAYS:
        raise BadSource("a source is kept for 1 to %(limit)d days", subject=name[:80], limit=MAX_RETAIN_DAYS)


def _announce(tx: Transaction, source: Source, by: str) -> None:
    tx.append(SOURCES_CHANGED, subject=source.name, lane=source.lane, actor=by, detail={})
