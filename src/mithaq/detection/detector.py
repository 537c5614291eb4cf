"""The live detector, a step at a time: learn what to look for, read what the sensors saw, keep hits and events.

It holds no keys. One transaction carries the hits, the journal entries, the position in the source and the length of
the source's open segment, so after a crash every line is matched and kept exactly once.
"""

import logging
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from mithaq.detection.errors import DetectorRunning
from mithaq.detection.hits.record import record_hits
from mithaq.detection.hunts.retro import newest
from mithaq.detection.hunts.unsealed import Hunts, LaunchHunter
from mithaq.detection.origins import Origins
from mithaq.detection.readers import News
from mithaq.detection.rulebook.held import Outcome
from mithaq.detection.rulebook.rulebook import Rulebook, save
from mithaq.detection.settings import DetectionLimits
from mithaq.detection.watchlist import Watchlist
from mithaq.detection.yara.matching import matched_events, rule_matches
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.warninglists import WarningLists
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
        warning_lists: WarningLists | None = None,
    ) -> None:
        self.limits = limits or DetectionLimits()
        self._telemetry_limits = telemetry_limits or TelemetryLimits()
        self._db = db
        self._data = data
        self._news = News()
        self._watchlist = Watchlist(holdings)
        self._rules = Rulebook(holdings, data)
        self._origins = Origins(holdings, warning_lists)
        self._tape = Tape(db, data, self._telemetry_limits)
        self.hunts = Hunts(db, Origins(holdings, warning_lists), self._tape, self.limits, launch_hunter)
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
        self._origins.prepare()
        with self._db.read() as connection:
            count = self._watchlist.load(connection, at)
            rules = self._rules.load(connection, at)
        _log.info("%d observables are looked for, and %d Sigma rules are asked", count, len(rules))
        self._prime(rules)
        self._save_rules(self._rules.untold(rules), at)
        self.hunts.resume(at)
        self._open_sources()

    def learn(self, at: datetime) -> bool:
        """Take in what the journal tells; say whether the sources changed."""
        while journal.run_once(self._db, self._news.reader, at):
            pass
        rows = self._news.take_rows()
        erased = self._news.take_erased()
        if erased or rows:
            self._watchlist.forget()
            self._rules.forget()
            self._origins.forget()
        if erased:
            with self._db.read() as connection:
                self._rules.prune(connection, at)
            self.hunts.forget()
        for start in range(0, len(rows), self.limits.load_rows):
            part = rows[start : start + self.limits.load_rows]
            with self._db.read() as connection:
                taken = self._watchlist.refresh(connection, part)
                rules = self._rules.refresh(connection, part, at)
            self.hunts.asked([row for row in part if row not in rules], taken, at)
        self._take_rules(at)
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

    def prepare(self) -> None:
        """Make ready for the first Sigma rule, beside this work; for a moment at which nothing else is to be done."""
        self._rules.keeper.prepare()

    def is_busy(self) -> bool:
        """Tell whether a hunt goes on, or a rule is not in force yet."""
        return self.hunts.is_busy() or self._rules.keeper.is_busy()

    def rules_settled(self, timeout_s: float) -> bool:
        """Wait until every rule that was learnt is compiled and the index is made; False where that takes longer."""
        return self._rules.keeper.wait(timeout_s)

    def close(self) -> None:
        """Close every file; nothing is lost that was read."""
        self._rules.keeper.close()
        self.hunts.stop()
        for intake in self._intakes:
            intake.close()
        self._tape.close()

    def _keep(self, intake: Intake, batch: Batch, at: datetime) -> None:
        hits = []
        candidates = self._watchlist.candidates(batch.block)
        found = self._rules.found(batch.block)
        files = matched_events(batch.block)
        if candidates or found or files:
            with self._db.read() as connection:
                matches = self._watchlist.matches(connection, candidates, at) if candidates else []
                matches += self._rules.matches(connection, batch.block, found, at) if found else []
                matches += rule_matches(connection, files, at)
                hits = self._origins.hits(connection, matches, at, retro=False)
        grown = self._tape.append(batch.block, at)
        with self._db.write(at) as tx:
            record_hits(tx, hits, self.limits.breaker)
            intake.save(tx, batch)
            self._tape.save(tx, grown)
        self._tape.committed(grown)
        intake.committed(batch)
        self._rules.committed(batch.source.name)

    def _take_rules(self, at: datetime) -> None:
        """Let what was compiled beside this work count from now on; only then its past is hunted through."""
        outcomes = self._rules.take()
        self._prime(outcomes)
        self._save_rules(outcomes, at)
        followed = [each.change.held.row for each in outcomes if each.change.held is not None and each.problem is None]
        refused = [each.change.held.row for each in outcomes if each.change.held is not None and each.problem]
        self.hunts.rules_live(followed, refused, at)

    def _prime(self, outcomes: Sequence[Outcome]) -> None:
        """Let correlations go on from the newest lines, which are in the lake already."""
        for lane, rules in self._rules.correlating(outcomes).items():
            self._rules.prime(lane, rules, newest(self._tape.unsealed(), lane, self.limits.primed_bytes))

    def _save_rules(self, outcomes: Sequence[Outcome], at: datetime) -> None:
        if outcomes:
            with self._db.write(at) as tx:
                save(tx, outcomes)

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
