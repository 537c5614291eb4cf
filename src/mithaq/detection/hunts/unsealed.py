"""Retro-hunts that need no engine: what the sealed lake cannot hold and the growing one is small enough to be asked.

What may be in the sealed lake, or is much to read, is left to the hunter, a process of its own that is started when it
is needed and ends.
"""

import logging
import subprocess
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from mithaq.detection import store
from mithaq.detection.hits.record import record_hits
from mithaq.detection.hunts.retro import matches_in
from mithaq.detection.model import Hit, Indicator
from mithaq.detection.origins import Origins
from mithaq.detection.questions import store as question_store
from mithaq.detection.settings import DetectionLimits
from mithaq.kernel.database import Database
from mithaq.telemetry.lake import keeping
from mithaq.telemetry.lake.index import Sought
from mithaq.telemetry.lake.tape import Tape

_log = logging.getLogger(__name__)
LaunchHunter = Callable[[], "subprocess.Popen[bytes]"]


class Hunts:
    """Decide when the hunter has to work; at most one runs, and waiting hunts go together."""

    def __init__(
        self, db: Database, origins: Origins, tape: Tape, limits: DetectionLimits, launch: LaunchHunter
    ) -> None:
        self._db = db
        self._origins = origins
        self._tape = tape
        self._limits = limits
        self._launch = launch
        self._process: subprocess.Popen[bytes] | None = None
        self._due_at: datetime | None = None
        self._answered: list[int] = []
        self._found: list[Hit] = []
        self._look_at: datetime | None = None

    def resume(self, at: datetime) -> None:
        """Take up what an earlier process left: hunts without an answer, segments that wait to be sealed."""
        if self._is_work_left(at):
            self.wake(at)

    def wake(self, at: datetime) -> None:
        """Take up what people ask of the lake; what is to be erased is closed, so that it can be deleted."""
        with self._db.read() as connection:
            erased = {each.source for each in keeping.pending_erasures(connection)}
        self._tape.turn(at, least_bytes=self._limits.ask_turn_bytes, sources=erased)
        self._due_at = at

    def asked(self, object_rows: Iterable[int], indicators: Sequence[Indicator], at: datetime) -> None:
        """Answer the hunts that need no engine, and leave the others to the hunter."""
        is_small = self._tape.unsealed_bytes <= self._limits.hunt_here_bytes
        here = [each for each in indicators if is_small and not self._may_be_sealed(each)]
        self._found += self._hits_in_unsealed(here, at)
        left = {each.row for each in indicators} - {each.row for each in here}
        self._answered += [row for row in object_rows if row not in left]
        if left and self._due_at is None:
            self._due_at = at + timedelta(seconds=self._limits.hunt_linger_s)

    def rules_live(self, followed: Sequence[int], refused: Sequence[int], at: datetime) -> None:
        """Leave the hunts for rules that are live to the hunter, which reads lines; what is refused is answered."""
        is_past = self._tape.unsealed_bytes > 0 or self._tape.has_sealed()
        self._answered += refused if is_past else [*refused, *followed]
        if followed and is_past and self._due_at is None:
            self._due_at = at + timedelta(seconds=self._limits.hunt_linger_s)

    def forget(self) -> None:
        """Ask the holdings anew: something in them has changed."""
        self._origins.forget()

    def step(self, at: datetime) -> None:
        """Write down what was answered; start the hunter if it is time, or see how it ended."""
        if self._answered:  # written here and not when asked, so that no event waits for it
            with self._db.write(at) as tx:
                record_hits(tx, self._found, self._limits.breaker)
                store.answer_hunts_for(tx, self._answered)
            self._answered, self._found = [], []
        if self._process is not None:
            self._reap(at)
            return
        if self._tape.turn(at) or self._is_time(at):
            self._due_at = at
        if self._due_at is not None and at >= self._due_at:
            self._due_at = None
            if self._is_work_left(at):  # the hunter before may have done it
                self._process = self._launch()

    def is_busy(self) -> bool:
        """Tell whether a hunter works or is about to."""
        return self._process is not None or self._due_at is not None

    def wait_s(self, at: datetime, longest_s: float) -> float:
        """Return for how long nothing is to be done here."""
        if self._process is not None or self._due_at is None:
            return longest_s
        return min(longest_s, max(0.0, (self._due_at - at).total_seconds()))

    def stop(self) -> None:
        """End a running hunter; its hunts stay asked for."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def _is_time(self, at: datetime) -> bool:
        """Look now and then whether something's time has come: no news tells of it."""
        if self._look_at is not None and at < self._look_at:
            return False
        self._look_at = at + timedelta(seconds=self._limits.look_every_s)
        with self._db.read() as connection:
            return bool(question_store.due(connection, at) or keeping.expired(connection, at))

    def _is_work_left(self, at: datetime) -> bool:
        if self._tape.has_closed() or self._tape.has_unreadable_index():
            return True
        with self._db.read() as connection:
            return bool(
                store.pending_hunts(connection, limit=1)
                or question_store.count_waiting(connection)
                or question_store.due(connection, at)
                or keeping.pending_erasures(connection)
                or keeping.expired(connection, at)
            )

    def _may_be_sealed(self, indicator: Indicator) -> bool:
        if any(each.type == "text" for each in indicator.anchors):  # no index has it
            return self._tape.has_sealed()
        return self._tape.may_hold([Sought.of(indicator.lane, each) for each in indicator.anchors])

    def _hits_in_unsealed(self, indicators: Sequence[Indicator], at: datetime) -> list[Hit]:
        if not indicators:
            return []
        matches = list(matches_in(self._tape.unsealed(), indicators, at))
        with self._db.read() as connection:
            return self._origins.hits(connection, matches, at, retro=True)

    def _reap(self, at: datetime) -> None:
        if self._process is None:
            return
        code = self._process.poll()
        if code is None:
            return
        self._process = None
        if code:
            _log.error("the hunter ended with code %d; its hunts are tried again", code)
            self._due_at = at + timedelta(seconds=self._limits.hunter_retry_s)
        self._tape.refresh()
