"""The live detector, a step at a time: learn what to look for, read what the sensors saw, keep hits and events.

It holds no keys. One transaction carries the hits, the journal entries, the position in the source and the length of
the source's open segment, so after a crash every line is matched and kept exactly once.
"""

import logging
from datetime import datetime
from pathlib import Path

from mithaq.detection.errors import DetectorRunning
from mithaq.detection.hunts import Hunts, LaunchHunter
from mithaq.detection.origins import Origins
from mithaq.detection.readers import News
from mithaq.detection.record import record_hits
from mithaq.detection.settings import DetectionLimits
from mithaq.detection.watchlist import Watchlist
from mithaq.intelligence.service import Holdings
from mithaq.kernel import journal
from mithaq.kernel.database import Database
from mithaq.telemetry import store as telemetry_store
from mithaq.telemetry.intake import Batch, Intake
from mithaq.telemetry.lake.tape import Tape
from mithaq.telemetry.settings import TelemetryLimits

_log = logging.getLogger(__name__)


class Detector:
    """The state of the detector's process; a new one is begun after a crash."""

    def __init__(
        self,
        db: Database,
        holdings: Holdings,
        data: Path,
        launch_hunter: LaunchHunter,
        *,
        limits: DetectionLimits | None = None,
        telemetry_limits: TelemetryLimits | None = None,
    ) -> None:
        self.limits = limits or DetectionLimits()
        self._telemetry_limits = telemetry_limits or TelemetryLimits()
        self._db = db
        self._data = data
        self._news = News()
        self._watchlist = Watchlist(holdings)
        self._origins = Origins(holdings)
        self._tape = Tape(db, data, self._telemetry_limits)
        self.hunts = Hunts(db, holdings, self._tape, self.limits, launch_hunter)
        self._intakes: list[Intake] = []

    @property
    def folders(self) -> list[Path]:
        """Return the folders in which the sources' files grow."""
        return [each.path if each.source.is_pushed else each.path.parent for each in self._intakes]

    def start(self, at: datetime) -> None:
        """Load everything that is looked for and take up every source where it was left.

        Raises:
            DetectorRunning: another process has the lake's open segments.
        """
        if not self._tape.start():
            raise DetectorRunning("another detector is running on this data folder", subject=str(self._data))
        with self._db.read() as connection:
            count = self._watchlist.load(connection, at)
        _log.info("%d observables are looked for", count)
        self.hunts.resume(at)
        self._open_sources()

    def learn(self, at: datetime) -> bool:
        """Take in what the journal tells; say whether the sources changed."""
        while journal.run_once(self._db, self._news.reader, at):
            pass
        rows = self._news.take_rows()
        if self._news.take_erased() or rows:
            self._watchlist.forget()
            self._origins.forget()
        for start in range(0, len(rows), self.limits.load_rows):
            part = rows[start : start + self.limits.load_rows]
            with self._db.read() as connection:
                taken = self._watchlist.refresh(connection, part)
            self.hunts.asked(part, taken, at)
        changed = self._news.take_sources_changed()
        if changed:
            self._open_sources()
        if self._news.take_lake_asked():  # after the sources: what is erased is not read any more
            self.hunts.wake(at)
        return changed

    def read(self, at: datetime) -> bool:
        """Match and keep the next batch of every source; say whether any had one."""
        busy = False
        for intake in self._intakes:
            try:
                batch = intake.next(at)
            except OSError as error:
                _log.warning("the source %s cannot be read: %s", intake.source.name, error)
                continue
            if batch is not None:
                self._keep(intake, batch, at)
                busy = True
        return busy

    def close(self) -> None:
        """Close every file; nothing is lost that was read."""
        self.hunts.stop()
        for intake in self._intakes:
            intake.close()
        self._tape.close()

    def _keep(self, intake: Intake, batch: Batch, at: datetime) -> None:
        hits = []
        candidates = self._watchlist.candidates(batch.block)
        if candidates:
            with self._db.read() as connection:
                matches = self._watchlist.matches(connection, candidates, at)
                hits = self._origins.hits(connection, matches, at, retro=False)
        grown = self._tape.append(batch.block, at)
        with self._db.write(at) as tx:
            record_hits(tx, hits)
            intake.save(tx, batch)
            self._tape.save(tx, grown)
        self._tape.committed(grown)
        intake.committed(batch)

    def _open_sources(self) -> None:
        for intake in self._intakes:
            intake.close()
        with self._db.read() as connection:
            self._intakes = [
                Intake(
                    status.source,
                    self._data,
                    telemetry_store.positions_of(connection, status.source.name),
                    self._telemetry_limits,
                )
                for status in telemetry_store.list_sources(connection)
            ]
