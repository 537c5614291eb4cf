"""The detector's process: wait for news from the journal or the sources, and take a step."""

import logging
import select
import threading
from pathlib import Path

from mithaq.detection.detector import Detector
from mithaq.detection.hunts.unsealed import LaunchHunter
from mithaq.detection.readers import KINDS
from mithaq.detection.settings import DetectionLimits
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.warninglists import WarningLists
from mithaq.kernel.clock import Clock
from mithaq.kernel.database import Database
from mithaq.kernel.errors import Error
from mithaq.kernel.wake import WakeListener
from mithaq.telemetry.settings import TelemetryLimits
from mithaq.telemetry.watch import Watch

_log = logging.getLogger(__name__)


def run(
    db: Database,
    holdings: Holdings,
    data: Path,
    run_dir: Path,
    *,
    launch_hunter: LaunchHunter,
    clock: Clock,
    stop: threading.Event,
    limits: DetectionLimits | None = None,
    telemetry_limits: TelemetryLimits | None = None,
    warning_lists: WarningLists | None = None,
) -> None:
    """Detect until `stop` is set.

    Raises:
        DetectorRunning: another process detects on this data folder.
        LakeBroken: the lake's open segment is damaged.
    """
    detector = Detector(
        db,
        holdings,
        data,
        launch_hunter,
        limits=limits,
        telemetry_limits=telemetry_limits,
        warning_lists=warning_lists,
    )
    try:
        with WakeListener(run_dir, "detector", KINDS) as journal_news:
            detector.start(clock.now())
            _follow(detector, journal_news, clock, stop)
    finally:
        detector.close()


def _follow(detector: Detector, journal_news: WakeListener, clock: Clock, stop: threading.Event) -> None:
    watch = Watch(detector.folders)
    try:
        while not stop.is_set():
            try:
                if detector.learn(clock.now()):
                    watch.close()
                    watch = Watch(detector.folders)
                busy = detector.read(clock.now())
                detector.hunts.step(clock.now())
            except Error as error:  # a full disk or a busy database: nothing moved on, so try again
                _log.error("%s (%s)", error, error.private)
                stop.wait(detector.limits.recovery_check_s)
                continue
            if not busy:
                detector.prepare()
                timeout_s = detector.hunts.wait_s(clock.now(), detector.limits.recovery_check_s)
                _wait(journal_news, watch, timeout_s)
    finally:
        watch.close()


def _wait(journal_news: WakeListener, watch: Watch, timeout_s: float) -> None:
    """Sleep until there is news; the timeout is for what no news tells: time itself."""
    readable: list[WakeListener | Watch] = [journal_news, watch]
    select.select(readable, [], [], timeout_s)
    journal_news.drain()
    watch.drain()
