"""Scan the files of the watched folders, a step at a time: learn what to ask, note what is there, ask, write a line.

The line goes to the spool of the source, at a place that is the file's own, before what became of the file is noted:
after a crash in between the same line comes to the same place, and is the same event.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from mithaq.detection.yara import sensors, store
from mithaq.detection.yara.errors import FileRefused, FileUnreadable
from mithaq.detection.yara.event import Asked, Unfinished, line_of, named
from mithaq.detection.yara.files import open_beneath
from mithaq.detection.yara.folder import WatchedFolder
from mithaq.detection.yara.quarantine import is_quarantine
from mithaq.detection.yara.readers import News
from mithaq.detection.yara.rulebook import LaneRules, Rulebook
from mithaq.detection.yara.scanner import FileScan
from mithaq.detection.yara.settings import YaraLimits
from mithaq.detection.yara.store import FileState, KnownFile
from mithaq.intelligence.service import Holdings
from mithaq.kernel import journal
from mithaq.kernel.database import EPOCH, Database
from mithaq.kernel.reason import Reason
from mithaq.telemetry import store as telemetry_store
from mithaq.telemetry.feeds import FilesFeed, feed_of
from mithaq.telemetry.settings import TelemetryLimits
from mithaq.telemetry.spool import Spool

_log = logging.getLogger(__name__)
_UNFINISHED: Final = Reason(
    "yara-unfinished", "objects whose rules could not be asked to the end: %(count)s; %(problem)s"
)
_ROWS_AT_ONCE: Final = 500


class Scanning:
    """The state of what scans; a new one is begun after a crash."""

    def __init__(
        self,
        db: Database,
        holdings: Holdings,
        data: Path,
        *,
        limits: YaraLimits | None = None,
        telemetry_limits: TelemetryLimits | None = None,
    ) -> None:
        self.limits = limits or YaraLimits()
        self._telemetry_limits = telemetry_limits or TelemetryLimits()
        self._db = db
        self._data = data
        self._spool = Spool(data)
        self.rules = Rulebook(holdings, self.limits)
        self.folders: list[WatchedFolder] = []
        self._news = News()

    @property
    def is_unsettled(self) -> bool:
        """Tell whether a file is still being written, or waits for what is said of it."""
        return any(folder.is_unsettled for folder in self.folders)

    def start(self, at: datetime) -> None:
        """Take all rules and folders."""
        with self._db.read() as connection:
            self._news.loaded_seq = journal.last_seq(connection)
            count = self.rules.load(connection, at)
        _log.info("%d objects with rules are asked of files", count)
        self._open_folders()

    def learn(self, at: datetime) -> bool:
        """Take in what the journal tells; say whether the folders changed."""
        while journal.run_once(self._db, self._news.reader, at):
            pass
        rows = self._news.take_rows()
        for begin in range(0, len(rows), _ROWS_AT_ONCE):
            with self._db.read() as connection:
                self.rules.refresh(connection, rows[begin : begin + _ROWS_AT_ONCE])
        changed = self._news.take_sources_changed()
        if changed:
            self._open_folders()
        return changed

    def look(self, at: datetime) -> None:
        """Note what is new in the folders."""
        for folder in self.folders:
            folder.look(at)

    def step(self, at: datetime) -> bool:
        """Scan the next files of every folder; where there are none, ask new rules of old ones. Say whether any was."""
        busy = False
        for folder in self.folders:
            rules = self.rules.of_lane(folder.source.lane)
            with self._db.read() as connection:
                known = store.waiting(connection, folder.source.name, self.limits.files_a_step)
            for each in known:
                busy |= self._scan(folder, rules, each, at)
        if busy:
            return True
        for folder in self.folders:
            busy |= self._ask_again(folder, at)
        return busy or self.rules.merge()

    def close(self) -> None:
        """End the processes."""
        self.rules.rest()

    def _scan(self, folder: WatchedFolder, rules: LaneRules, known: KnownFile, at: datetime) -> bool:
        """Scan a file that waits; say whether something became of it."""
        about = self._about(folder, known, at)
        if about is None:
            folder.is_unsettled = True
            return False
        try:
            scan = self._asked(folder, rules, known)
        except FileRefused as error:
            self._fail(known, error, at)
            return True
        newest = rules.newest
        if scan.sha256 == known.sha256:  # touched, and the same: it has its line
            done = replace(known, asked_up_to=min(known.asked_up_to, newest))
            self._save(done, scan, at, lines=0)
            return True
        done = replace(known, sha256=scan.sha256, asked_up_to=newest, matched=_ids(rules, scan))
        self._write(folder, rules, known, scan, about)
        self._save(done, scan, at, lines=1)
        return True

    def _ask_again(self, folder: WatchedFolder, at: datetime) -> bool:
        """Ask new rules of the newest file that was scanned before they came; a line only where one is true."""
        rules = self.rules.of_lane(folder.source.lane)
        with self._db.read() as connection:
            known = store.to_ask(connection, folder.source.name, rules.newest, self.limits.past_files)
        if known is None:
            return False
        old, newest = known, rules.newest
        try:
            scan = self._asked(folder, rules, old, rules.after(old.asked_up_to))
        except FileRefused as error:
            self._fail(old, error, at)
            return True
        if scan.sha256 != old.sha256:  # changed behind its time: it is another file
            with self._db.write(at) as tx:
                store.changed(tx, old, old.found)
            return True
        fresh = [each for each in _ids(rules, scan) if each not in old.matched]
        if fresh:
            matches = tuple(each for each in scan.matches if rules.of[each.key][0] in fresh)
            about = self._about(folder, old, at) or {}
            self._write(folder, rules, old, replace(scan, matches=matches), about)
        done = replace(old, asked_up_to=newest, matched=(*old.matched, *fresh))
        self._save(done, scan, at, lines=1 if fresh else 0)
        return True

    def _asked(
        self, folder: WatchedFolder, rules: LaneRules, known: KnownFile, keys: Sequence[str] | None = None
    ) -> FileScan:
        descriptor = open_beneath(folder.path, known.found.path)
        try:
            return rules.scanner.scan(descriptor, os.fstat(descriptor).st_size, keys)
        finally:
            os.close(descriptor)

    def _about(self, folder: WatchedFolder, known: KnownFile, at: datetime) -> dict[str, Any] | None:
        """Return what is said of a file elsewhere; None while Zeek's log may still tell."""
        path = known.found.path
        if is_quarantine(self._data, folder.path):
            return sensors.told_by_uploader(folder.path, path)
        fuid = sensors.fuid_of(path) if folder.feed.log else ""
        if not fuid:
            return sensors.told_by_suricata(folder.path, path)
        told = sensors.told_by_zeek(Path(folder.feed.log), fuid)
        is_late = at - known.found_at >= timedelta(seconds=self.limits.zeek_log_s)
        return told if told or is_late else None

    def _write(
        self, folder: WatchedFolder, rules: LaneRules, known: KnownFile, scan: FileScan, about: dict[str, Any]
    ) -> None:
        asked = Asked(
            named(scan.matches, rules.of),
            [Unfinished(rules.of[key][0], reason.sentence()) for key, reason in scan.unfinished.items()],
        )
        modified = EPOCH + timedelta(microseconds=_sane(known.found.modified_ns // 1000))
        line = line_of(scan, asked, path=known.found.path, modified=modified, found_at=known.found_at, about=about)
        self._spool.append(folder.source.name, line + b"\n", self._telemetry_limits, place=known.place)

    def _save(self, done: KnownFile, scan: FileScan, at: datetime, *, lines: int) -> None:
        reason = None
        if scan.unfinished:
            problem = next(iter(scan.unfinished.values())).sentence()
            params: dict[str, str | int] = {"count": len(scan.unfinished), "problem": problem}
            reason = Reason(_UNFINISHED.code, _UNFINISHED.message, params)
        with self._db.write(at) as tx:
            store.scanned(tx, done, reason=reason, lines=lines)

    def _fail(self, known: KnownFile, error: FileRefused, at: datetime) -> None:
        reason = Reason(error.code, error.message, dict(error.params))
        state = FileState.REFUSED
        if isinstance(error, FileUnreadable) and known.tries + 1 < self.limits.tries:
            state = FileState.WAITING
        with self._db.write(at) as tx:
            store.failed(tx, known, state, reason)

    def _open_folders(self) -> None:
        self.folders = []
        with self._db.read() as connection:
            for status in telemetry_store.list_sources(connection):
                feed = feed_of(status.source.feed)
                if isinstance(feed, FilesFeed):
                    self.folders.append(WatchedFolder(self._db, status.source, feed, self.limits))


def _ids(rules: LaneRules, scan: FileScan) -> tuple[str, ...]:
    return tuple(dict.fromkeys(rules.of[each.key][0] for each in scan.matches))


def _sane(microseconds: int) -> int:
    """Keep a file's time within what a date can be."""
    last = (datetime(9999, 1, 1, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
    return min(max(microseconds, 0), last)
