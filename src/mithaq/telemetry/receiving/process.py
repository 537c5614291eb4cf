"""The receiver's process: one listener or reader for each source with a feed, begun and ended as sources change.

It holds no keys; a feed that fails does not touch the others. Beside that it looks at the newest lines of every
source now and then, to say how the source does.
"""

import asyncio
import logging
import threading
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

from mithaq.kernel.clock import Clock
from mithaq.kernel.database import Database
from mithaq.kernel.errors import Error
from mithaq.kernel.wake import WakeListener
from mithaq.telemetry import store
from mithaq.telemetry.errors import BadSource
from mithaq.telemetry.feeds import FilesFeed, NatsFeed, SyslogFeed, feed_of
from mithaq.telemetry.looking import look
from mithaq.telemetry.model import BrokenLine, Source
from mithaq.telemetry.receiving.basket import Basket, Told
from mithaq.telemetry.receiving.jetstream import JetStreamReader
from mithaq.telemetry.receiving.syslog import SyslogListener
from mithaq.telemetry.service import SOURCES_CHANGED
from mithaq.telemetry.settings import TelemetryLimits
from mithaq.telemetry.spool import Spool, spool_folder

_log = logging.getLogger(__name__)
_CHECK_S: Final = 1.0
_RETRY_S: Final = 1.0
_LOOK_S: Final = 15.0


@dataclass(slots=True)
class _Running:
    feed: SyslogFeed | NatsFeed
    task: asyncio.Task[None]
    part: "Basket | JetStreamReader"


class Receiver:
    """The feeds of a node."""

    def __init__(self, db: Database, data: Path, clock: Clock, limits: TelemetryLimits | None = None) -> None:
        self._db = db
        self._spool = Spool(data)
        self._clock = clock
        self._limits = limits or TelemetryLimits()
        self._data = data
        self._looked_at: datetime | None = None
        self._running: dict[str, _Running] = {}

    async def run(self, run_dir: Path, stop: threading.Event) -> None:
        """Receive until stopped."""
        with WakeListener(run_dir, "receiver", (SOURCES_CHANGED,)) as news:
            try:
                while not stop.is_set():
                    try:
                        await self.step()
                        await self._look()
                    except Error as error:
                        _log.error("%s (%s)", error, error.private)
                    await news.wait_async(_CHECK_S)
            finally:
                await self.close()

    async def step(self) -> None:
        """Begin the feeds that are new, end those that are gone, and keep what was told."""
        wanted = {source.name: (source, feed) for source, feed in await asyncio.to_thread(self._feeds)}
        for name, running in list(self._running.items()):
            if name not in wanted or wanted[name][1] != running.feed or running.task.done():
                await self._end(name)
        for name, (source, feed) in wanted.items():
            if name not in self._running:
                self._begin(source, feed)
        await asyncio.to_thread(self._keep_told)

    async def _look(self) -> None:
        """Look at the sources' newest lines now and then."""
        at = self._clock.now()
        if self._looked_at is None or abs((at - self._looked_at).total_seconds()) >= _LOOK_S:
            self._looked_at = at
            await asyncio.to_thread(look, self._db, self._data, self._limits, at)

    async def close(self) -> None:
        """End every feed; what was taken is written."""
        for name in list(self._running):
            await self._end(name)

    def _feeds(self) -> list[tuple[Source, SyslogFeed | NatsFeed]]:
        found: list[tuple[Source, SyslogFeed | NatsFeed]] = []
        with self._db.read() as connection:
            for status in store.list_sources(connection):
                try:
                    feed = feed_of(status.source.feed)
                except BadSource as error:
                    _log.error("%s: %s", status.source.name, error)
                    continue
                if feed is not None and not isinstance(feed, FilesFeed):
                    found.append((status.source, feed))
        return found

    def _begin(self, source: Source, feed: SyslogFeed | NatsFeed) -> None:
        if isinstance(feed, NatsFeed):
            folder = spool_folder(self._spool.data, source.name)
            reader = JetStreamReader(feed, lambda body, place: self._append_at(source.name, body, place), folder)
            self._running[source.name] = _Running(feed, asyncio.create_task(reader.run()), reader)
            return
        basket = Basket(partial(self._append, source.name))
        listener = SyslogListener(feed, basket, self._limits)
        task = asyncio.create_task(_listen(listener, basket))
        self._running[source.name] = _Running(feed, task, basket)

    def _append(self, source: str, body: bytes) -> int:
        return self._spool.append(source, body, self._limits)

    def _append_at(self, source: str, body: bytes, place: int) -> int:
        return self._spool.append(source, body, self._limits, place=place)

    async def _end(self, name: str) -> None:
        running = self._running.pop(name)
        running.task.cancel()
        await asyncio.gather(running.task, return_exceptions=True)

    def _keep_told(self) -> None:
        """Keep what was passed over as broken lines of its source, and what is the matter with its feed."""
        for name, running in self._running.items():
            told, running.part.told = running.part.told, Told({})
            if not told.counts:
                continue
            broken = [
                BrokenLine(name, 0, 0, reason if count == 1 else f"{reason} ({count} times)")
                for reason, count in told.counts.items()
            ]
            with self._db.write(self._clock.now()) as tx:
                store.save_broken(tx, broken, keep=self._limits.broken_lines_kept)
                store.count_lines(tx, name, lines=0, events=0, broken=sum(told.counts.values()))


async def _listen(listener: SyslogListener, basket: Basket) -> None:
    writing = asyncio.create_task(basket.run())
    try:
        while True:
            try:
                await listener.start()
                break
            except OSError as error:
                _log.error("syslog cannot be listened for: %s", error)
                basket.told.add(f"syslog cannot be listened for: {error}")
                await listener.close()
                await asyncio.sleep(_RETRY_S)
        await asyncio.Event().wait()
    finally:
        await listener.close()
        basket.end()
        await writing


def run(db: Database, data: Path, run_dir: Path, *, clock: Clock, stop: threading.Event) -> None:
    """Work until stopped."""
    asyncio.run(Receiver(db, data, clock).run(run_dir, stop))
