"""Keep the membership logs: append what the journal tells of, and show them to the other parties."""

import logging
import threading
from pathlib import Path

from mithaq.exchange.context import Context
from mithaq.exchange.membership.service import KINDS, READER, Membership
from mithaq.kernel.clock import Clock
from mithaq.kernel.errors import Error
from mithaq.kernel.wake import WakeListener

_log = logging.getLogger(__name__)
_RETRY_S = 1.0
_AGAIN_S = 60.0
"""How long a witness that did not answer is left alone; no release waits for it."""


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
