"""Run what is due, one source after the other, woken by due times and by people."""

from __future__ import annotations

import fcntl
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from mithaq.exchange.sources import store
from mithaq.exchange.sources.model import Followed, Outcome
from mithaq.exchange.sources.running import Running
from mithaq.exchange.sources.service import SOURCE_CHANGED
from mithaq.exchange.sources.settings import BUSY_S, LONGEST_REST_S, RETRY_S
from mithaq.kernel.clock import Clock
from mithaq.kernel.database import Database
from mithaq.kernel.errors import Error
from mithaq.kernel.wake import WakeListener

_log = logging.getLogger(__name__)


class SourceWorker:
    """Follow the sources of one node."""

    def __init__(self, db: Database, running: Running, clock: Clock, run_dir: Path) -> None:
        self._db = db
        self._running = running
        self._clock = clock
        self._run_dir = run_dir

    def run(self, stop: threading.Event) -> None:
        """Run sources until stopped."""
        with WakeListener(self._run_dir, "sources", (SOURCE_CHANGED,)) as listener:
            while not stop.is_set():
                try:
                    rest_s = self.step()
                except (Error, SQLAlchemyError) as error:
                    _log.error("sources: %s", error)
                    stop.wait(RETRY_S)
                    continue
                if rest_s > 0:
                    listener.wait(rest_s)

    def step(self) -> float:
        """Run the source that has been due for longest; return for how many seconds none is, 0 after a run."""
        with self._db.read() as connection:
            followed = store.active(connection)
        rest_s = LONGEST_REST_S
        for each in followed:
            wait_s = (each.progress.due_at - self._clock.now()).total_seconds()
            if wait_s > 0:
                return min(wait_s, rest_s)
            if run_one(self._running, each, self._run_dir) is not None:
                return 0.0
            rest_s = BUSY_S
        return rest_s


def run_one(running: Running, followed: Followed, run_dir: Path) -> Outcome | None:
    """Run one source, unless another process of this machine runs it now; whatever fails is noted in its record.

    Raises:
        DatabaseFailed: nothing could be noted.
    """
    with _alone(run_dir, followed.source.id) as is_alone:
        if not is_alone:
            return None
        try:
            return running.run(followed)
        except Error:
            raise
        except Exception:  # noqa: BLE001 - the boundary of one source: the others go on, and this one says so
            _log.exception("the source %s failed", followed.source.name)
            return running.broken(followed)


@contextmanager
def _alone(run_dir: Path, source_id: str) -> Iterator[bool]:
    """Hold a source while it is run; the lock falls with the process, however it ends."""
    run_dir.mkdir(parents=True, exist_ok=True)
    with (run_dir / f"{source_id}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
