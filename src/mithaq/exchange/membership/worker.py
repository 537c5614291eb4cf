"""Keep the membership logs: append what the journal tells of, show them to the other parties, compare with theirs."""

import logging
import threading
from pathlib import Path

from mithaq.exchange.context import Context
from mithaq.exchange.log.witnessing import SHOWN
from mithaq.exchange.membership.service import GREW, KINDS, READER, Membership
from mithaq.exchange.membership.watching import RETRY, Open, Watching
from mithaq.kernel.clock import Clock
from mithaq.kernel.errors import Error
from mithaq.kernel.wake import WakeListener

_log = logging.getLogger(__name__)
_RETRY_S = 1.0
_AGAIN_S = 60.0
"""How long a witness that did not answer is left alone; no release waits for it."""

_COMPARING = "exchange.membership.comparing"
_GATHER_S = 5.0
"""How long news gathers before logs are compared: releases go first, and each party has shown its log by then."""


class MembershipWorker:
    """One thread that follows the journal."""

    def __init__(self, context: Context, clock: Clock, run_dir: Path) -> None:
        self._clock = clock
        self._run_dir = run_dir
        self._membership = Membership(context)
        self._is_new = True

    def run(self, stop: threading.Event) -> None:
        """Work until stopped; what fails is tried again."""
        with WakeListener(self._run_dir, READER, KINDS) as listener:
            while not stop.is_set():
                try:
                    self.step()
                except Error as error:
                    _log.error("membership logs: %s (%s)", error, error.private)
                    stop.wait(_RETRY_S)
                else:
                    listener.wait(_AGAIN_S)

    def step(self) -> None:
        """Append what is new, then show it."""
        at = self._clock.now()
        self._membership.follow(at)
        self._membership.offer(at, to_all=self._is_new)
        self._is_new = False


class ComparingWorker:
    """One thread that reads the other parties' logs: when one was shown, when this nation's own grew, else seldom.

    It is another than the one that writes, so that a partner that does not answer keeps nothing out of the own logs.
    """

    def __init__(self, context: Context, clock: Clock, run_dir: Path, open_: Open) -> None:
        self._clock = clock
        self._run_dir = run_dir
        self._watching = Watching(context, open_)

    def run(self, stop: threading.Event) -> None:
        """Work until stopped; what fails is tried again."""
        with WakeListener(self._run_dir, _COMPARING, (GREW, SHOWN)) as listener:
            while not stop.wait(_GATHER_S):
                try:
                    self._watching.step(self._clock.now(), stop)
                except Error as error:
                    _log.error("comparing membership logs: %s (%s)", error, error.private)
                except Exception:  # noqa: BLE001 - a thread's outermost frame: no odd log ends the comparing for good
                    _log.exception("comparing membership logs")
                listener.wait(RETRY.total_seconds())
