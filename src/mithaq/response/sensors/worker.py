"""Make bundles as soon as the journal says that something has changed, until stopped."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from mithaq.kernel import journal
from mithaq.kernel.clock import Clock
from mithaq.kernel.database import Database
from mithaq.kernel.errors import Error
from mithaq.kernel.wake import WakeListener
from mithaq.response.sensors.readers import NEWS, READER, reader
from mithaq.response.sensors.service import Sensors
from mithaq.response.sensors.settings import LONGEST_PAUSE_S, LOOK_S, PAUSES

_log = logging.getLogger(__name__)
_RETRY_S = 1.0


def run(
    db: Database,
    sensors: Sensors,
    run_dir: Path,
    clock: Clock,
    stop: threading.Event,
    spent: Callable[[], float] = time.monotonic,
) -> None:
    """Keep every sensor's bundle as it should be.

    One that takes long to make is not made without rest: what a sensor fetches is judged when it fetches it.
    """
    erasing = reader()
    with WakeListener(run_dir, READER, NEWS) as listener:
        while not stop.is_set():
            began = spent()
            try:
                while journal.run_once(db, erasing, clock.now()):
                    pass
                sensors.refresh_all(clock.now())
                stop.wait(min(PAUSES * (spent() - began), LONGEST_PAUSE_S))
                listener.wait(LOOK_S)
            except Error as error:
                _log.error("sensors: %s (%s)", error, error.private)
                stop.wait(_RETRY_S)
