"""The use cases of files: have them scanned, say what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mithaq.detection.yara import store
from mithaq.detection.yara.errors import FileRefused
from mithaq.detection.yara.quarantine import Read, keep, make, quarantine_folder
from mithaq.detection.yara.settings import YaraLimits
from mithaq.detection.yara.store import KnownFile
from mithaq.kernel.database import Database
from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.telemetry import store as telemetry_store
from mithaq.telemetry.feeds import FilesFeed, feed_of
from mithaq.telemetry.model import Format
from mithaq.telemetry.service import Telemetry

UPLOADS = "uploads"
"""The source of the files that people have scanned; those of another lane than `actual` have their own."""


@dataclass(frozen=True, slots=True)
class FileCounts:
    """How many files of a source wait, were scanned (some of them not by every rule), and were refused."""

    source: str
    folder: str
    waiting: int
    scanned: int
    refused: int
    unfinished: int


class Files:
    """The files that this node scans."""

    def __init__(self, db: Database, telemetry: Telemetry, data: Path, limits: YaraLimits | None = None) -> None:
        self._db = db
        self._telemetry = telemetry
        self._data = data
        self._limits = limits or YaraLimits()

    def upload(self, read: Read, *, name: str, by: str, at: datetime, lane: Lane = ACTUAL) -> str:
        """Keep a file to be scanned; return its SHA-256, which is its name from then on.

        Raises:
            FileRefused: it is too large, there is no room, or the name of the source is taken by another one.
        """
        folder = quarantine_folder(self._data, lane)
        self._ensure_source(lane, folder, by, at)
        return keep(folder, read, name=name, by=by, max_bytes=self._limits.max_file_bytes)

    def newest(self, source: str | None = None, limit: int = 50) -> list[KnownFile]:
        """Return the files that were found last."""
        with self._db.read() as connection:
            return store.newest(connection, source, limit)

    def counts(self) -> list[FileCounts]:
        """Count the files of each source by what became of them."""
        with self._db.read() as connection:
            counted = store.counts(connection)
            unfinished = store.unfinished(connection)
            sources = telemetry_store.list_sources(connection)
        found = [(status.source.name, feed_of(status.source.feed)) for status in sources]
        return [
            FileCounts(
                source=name,
                folder=feed.folder,
                waiting=counted.get((name, "waiting"), 0),
                scanned=counted.get((name, "scanned"), 0),
                refused=counted.get((name, "refused"), 0),
                unfinished=unfinished.get(name, 0),
            )
            for name, feed in found
            if isinstance(feed, FilesFeed)
        ]

    def _ensure_source(self, lane: Lane, folder: Path, by: str, at: datetime) -> None:
        name = source_of(lane)
        with self._db.read() as connection:
            status = telemetry_store.get_source(connection, name)
        here = FilesFeed(str(folder))
        if status is None:
            make(folder)
            self._telemetry.add_source(name, path="", line_format=Format.ECS, by=by, at=at, lane=lane, feed=here)
            return
        known = feed_of(status.source.feed)
        if not isinstance(known, FilesFeed) or Path(known.folder).parts[-2:] != folder.parts[-2:]:
            raise FileRefused("the source %(source)s is another one", source=name)
        if known != here:  # the node was restored, or its data moved
            self._telemetry.change_feed(status.source, here, by=by, at=at)


def source_of(lane: Lane) -> str:
    """Return the name of the source of a lane's uploaded files."""
    return UPLOADS if lane == ACTUAL else f"{UPLOADS}.{lane}"
