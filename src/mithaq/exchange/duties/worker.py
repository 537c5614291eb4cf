"""Keep the duties in a node's worker: woken by the journal or by the next deadline, never a busy poll."""

import logging
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from mithaq.exchange.context import Context
from mithaq.exchange.duties.attestations import Attestations
from mithaq.exchange.duties.readers import KINDS, READER, Bookkeeping
from mithaq.exchange.duties.sweep import Sweep
from mithaq.kernel import journal
from mithaq.kernel.clock import Clock
from mithaq.kernel.errors import Error
from mithaq.kernel.wake import WakeListener

_log = logging.getLogger(__name__)
_RETRY_S = 5.0
_KEEPERS_S = 5.0
"""How long detection is given to erase its copies before the attestation is tried again."""

_GATHER_S = 1.0
"""How long news gathers before the books are kept again: no duty is due within a second, and releases go first."""

_DOUBT = timedelta(minutes=1)
"""How soon a clock that was not believed is looked at again."""


class DutyWorker:
    """One thread: keep the books, do what is due, sign what is true, and sleep until the next deadline."""

    def __init__(self, context: Context, clock: Clock, run_dir: Path, keepers: Sequence[str]) -> None:
        self._context = context
        self._clock = clock
        self._run_dir = run_dir
        self._reader = Bookkeeping(context).reader()
        self._sweep = Sweep(context)
        self._attestations = Attestations(context, keepers)
        self._next: datetime | None = None
        self._doubts = False

    def run(self, stop: threading.Event) -> None:
        """Work until stopped; what fails is tried again."""
        with WakeListener(self._run_dir, READER, KINDS) as listener:
            while not stop.is_set():
                try:
                    rest_s = self.step()
                except Error as error:
                    _log.error("duties: %s (%s)", error, error.private)
                    rest_s = _RETRY_S
                listener.wait(rest_s)
                stop.wait(_GATHER_S)

    def step(self) -> float:
        """Do everything that is due now; return for how many seconds nothing else is."""
        at = self._clock.now()
        self.keep_books(at)
        if self._next is None or at >= self._next:
            self._next = self.sweep(at)
        elif not self._doubts:
            self._next = min(self._next, self._sweep.wake_at(at))
        while self._attestations.sign(at):
            pass
        rest_s = max(0.0, (self._next - self._clock.now()).total_seconds())
        return min(rest_s, _KEEPERS_S) if self._attestations.wait_for_keepers() else rest_s

    def keep_books(self, at: datetime) -> None:
        """Let the reader catch up with the journal."""
        while journal.run_once(self._context.db, self._reader, at):
            pass

    def sweep(self, at: datetime) -> datetime:
        """Do what is due and return when to look again; a node does this before anything else when it starts."""
        doubt = self._sweep.run(at).doubt
        self._doubts = doubt is not None
        if doubt is None:
            return self._sweep.wake_at(at)
        _log.error("duties: the clock is not believed (%s): nothing is deleted; see mithaq doctor", doubt)
        return at + _DOUBT
