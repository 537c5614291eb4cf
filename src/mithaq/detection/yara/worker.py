"""Scan until stopped: wait for news from the journal or the folders, and take a step. It holds no keys."""

from __future__ import annotations

import logging
import select
import threading
import time
from pathlib import Path
from typing import Final

from mithaq.detection.yara.quarantine import erase_old
from mithaq.detection.yara.readers import KINDS, READER
from mithaq.detection.yara.scanning import Scanning
from mithaq.detection.yara.settings import YaraLimits
from mithaq.intelligence.service import Holdings
from mithaq.kernel.clock import Clock
from mithaq.kernel.database import Database
from mithaq.kernel.errors import Error
from mithaq.kernel.wake import WakeListener
from mithaq.telemetry.watch import Watch

_log = logging.getLogger(__name__)
_RETRY_S: Final = 1.0
_ERASE_S: Final = 3_600.0


def run(
    db: Database,
    holdings: Holdings,
    data: Path,
    run_dir: Path,
    *,
    clock: Clock,
    stop: threading.Event,
    kept_days: int,
    limits: YaraLimits | None = None,
) -> None:
    """Scan until `stop` is set; uploaded files are erased after `kept_days`."""
    scanning = Scanning(db, holdings, data, limits=limits)
    with WakeListener(run_dir, READER, KINDS) as news:
        loop = _Loop(scanning, news, clock, data, kept_days)
        try:
            while not stop.is_set():
                try:
                    loop.step()
                except Error as error:  # a full spool or a busy database: nothing moved on, so try again
                    _log.error("files: %s (%s)", error, error.private)
                    stop.wait(_RETRY_S)
        finally:
            loop.close()


class _Loop:
    """What lies between the steps: what is watched, and since when nothing was to be done."""

    def __init__(self, scanning: Scanning, news: WakeListener, clock: Clock, data: Path, kept_days: int) -> None:
        self._scanning = scanning
        self._news = news
        self._clock = clock
        self._data = data
        self._kept_days = kept_days
        self._watch: Watch | None = None
        self._busy_at = time.monotonic()
        self._erased_at = -_ERASE_S
        self._is_resting = True

    def step(self) -> None:
        """Take in what is new, scan, and wait where there is nothing to do."""
        if self._watch is None:
            self._scanning.start(self._clock.now())
            self._watch_folders()
        if self._scanning.learn(self._clock.now()):
            self._watch_folders()
        self._erase()
        self._scanning.look(self._clock.now())
        if self._scanning.step(self._clock.now()):
            self._busy_at, self._is_resting = time.monotonic(), False
            return
        if not self._is_resting and time.monotonic() - self._busy_at > self._scanning.limits.idle_s:
            self._scanning.close()
            self._is_resting = True
        self._wait()

    def close(self) -> None:
        """End the processes and stop watching."""
        self._scanning.close()
        if self._watch is not None:
            self._watch.close()

    def _watch_folders(self) -> None:
        if self._watch is not None:
            self._watch.close()
        self._watch = Watch([folder.path for folder in self._scanning.folders], recursive=True)

    def _erase(self) -> None:
        if time.monotonic() - self._erased_at >= _ERASE_S:
            self._erased_at = time.monotonic()
            erase_old(self._data, self._clock.now(), self._kept_days)

    def _wait(self) -> None:
        limits = self._scanning.limits
        timeout_s = limits.settle_s if self._scanning.is_unsettled else limits.recovery_check_s
        readable: list[WakeListener | Watch] = [self._news]
        if self._watch is not None:
            readable.append(self._watch)
        select.select(readable, [], [], timeout_s)
        self._news.drain()
        if self._watch is not None:
            self._watch.drain()
