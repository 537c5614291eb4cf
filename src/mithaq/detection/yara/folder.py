"""One watched folder: what is new in it or has changed, noted before anything is scanned."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final

from mithaq.detection.yara import store
from mithaq.detection.yara.files import Found, found_in
from mithaq.detection.yara.settings import YaraLimits
from mithaq.detection.yara.store import KnownFile
from mithaq.kernel.database import Database
from mithaq.telemetry.feeds import FilesFeed
from mithaq.telemetry.model import Source

_ROWS_AT_ONCE: Final = 1_000


class WatchedFolder:
    """A source whose lines are about files."""

    def __init__(self, db: Database, source: Source, feed: FilesFeed, limits: YaraLimits) -> None:
        self.source = source
        self.feed = feed
        self.path = Path(feed.folder)
        self.trouble = ""
        self.is_unsettled = False
        """A file in it is still being written: look again soon."""

        self._db = db
        self._limits = limits
        self._growing: dict[str, datetime] = {}

    def look(self, at: datetime) -> None:
        """Note what is new, what has changed, and what is gone."""
        try:
            listed = {each.path: each for each in found_in(self.path)}
        except OSError as error:
            self.trouble = error.strerror or str(error)
            return
        self.trouble, self.is_unsettled = "", False
        self._growing = {path: since for path, since in self._growing.items() if path in listed}
        with self._db.read() as connection:
            known = {each.found.path: each for each in store.of_source(connection, self.source.name)}
        new = [each for path, each in listed.items() if path not in known and self._is_settled(each, at)]
        other = [
            (known[path], each)
            for path, each in listed.items()
            if path in known and not each.is_like(known[path].found) and self._is_settled(each, at)
        ]
        gone = [each.row for path, each in known.items() if path not in listed]
        self._note(new, other, gone, at)

    def _note(self, new: list[Found], other: list[tuple[KnownFile, Found]], gone: list[int], at: datetime) -> None:
        for start in range(0, max(len(new), len(other), len(gone)), _ROWS_AT_ONCE):
            part = slice(start, start + _ROWS_AT_ONCE)
            with self._db.write(at) as tx:
                store.add(tx, self.source.name, new[part])
                for known, found in other[part]:
                    store.changed(tx, known, found)
                store.forget_files(tx, gone[part])

    def _is_settled(self, found: Found, at: datetime) -> bool:
        """Tell whether nobody seems to write it any more; one from the future or that never rests is taken as it is."""
        age_s = at.timestamp() - found.modified_ns / 1e9
        if found.refused is not None or not 0 <= age_s < self._limits.settle_s:
            self._growing.pop(found.path, None)
            return True
        if (at - self._growing.setdefault(found.path, at)).total_seconds() >= self._limits.longest_settle_s:
            del self._growing[found.path]
            return True
        self.is_unsettled = True
        return False
