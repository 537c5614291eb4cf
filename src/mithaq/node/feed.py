"""Follow the journal from an event loop: long-polls and live pages wake the moment something is committed.

One listener serves all followers of a process. A follower pulls at its own pace and holds nothing but a sequence
number, so a slow reader costs no memory and loses nothing: what has left the shared tail is read from the database.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import anyio.to_thread
from sqlalchemy.exc import SQLAlchemyError

from mithaq.kernel import journal
from mithaq.kernel.database import Database
from mithaq.kernel.errors import Error
from mithaq.kernel.journal import Entry
from mithaq.kernel.wake import WakeListener

_log = logging.getLogger(__name__)
TAIL_ENTRIES = 1_000
PAGE_ENTRIES = 200
RECOVERY_S = 5.0
"""How often the database is looked at when no wake came: only the recovery, never the path."""


class Feed:
    """The journal of one node, to be followed by many."""

    def __init__(self, db: Database, run_dir: Path, name: str = "feed") -> None:
        self._db = db
        self._run_dir = run_dir
        self._name = name
        self._tail: deque[Entry] = deque(maxlen=TAIL_ENTRIES)
        self._last = -1
        self._followers = 0
        self._grown = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None

    async def follow(self, after: int | None, *, heartbeat_s: float = 15.0) -> AsyncGenerator[list[Entry]]:
        """Yield entries after a sequence number as they are committed; an empty list is a heartbeat.

        `after=None` starts with what is committed from now on.
        """
        with self._followed():
            seq = await anyio.to_thread.run_sync(self._newest) if after is None else after
            while True:
                grown = self._grown
                batch = await self._after(seq)
                if batch:
                    seq = batch[-1].seq
                    yield batch
                elif not await _set_within(grown, heartbeat_s):
                    yield []

    async def wait(self, timeout_s: float) -> bool:
        """Wait until the journal has grown, or the time is over; tell which."""
        with self._followed():
            return await _set_within(self._grown, timeout_s)

    @contextlib.contextmanager
    def _followed(self) -> Iterator[None]:
        self._followers += 1
        if self._listening is None:
            self._last, self._grown = -1, asyncio.Event()
            self._tail.clear()
            self._listening = asyncio.get_running_loop().create_task(self._listen())
        try:
            yield
        finally:
            self._followers -= 1
            if not self._followers and self._listening is not None:
                self._listening.cancel()
                self._listening = None

    async def _listen(self) -> None:
        with WakeListener(self._run_dir, self._name) as listener:
            while True:
                try:
                    await self._catch_up()
                except (Error, SQLAlchemyError) as error:
                    _log.warning("the journal cannot be read, and is tried again: %s", error)
                await listener.wait_async(RECOVERY_S)

    async def _catch_up(self) -> None:
        if self._last < 0:
            self._last = await anyio.to_thread.run_sync(self._newest)
            self._tell()
        while batch := await anyio.to_thread.run_sync(self._read, self._last):
            self._tail.extend(batch)
            self._last = batch[-1].seq
            self._tell()

    def _tell(self) -> None:
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()

    async def _after(self, seq: int) -> list[Entry]:
        if self._tail and self._tail[0].seq <= seq + 1:
            found: list[Entry] = []
            for entry in reversed(self._tail):
                if entry.seq <= seq:
                    break
                found.append(entry)
            return found[::-1][:PAGE_ENTRIES]
        if 0 <= self._last <= seq:
            return []
        return await anyio.to_thread.run_sync(self._read, seq)

    def _read(self, after: int) -> list[Entry]:
        with self._db.read() as connection:
            return journal.entries(connection, after, limit=PAGE_ENTRIES)

    def _newest(self) -> int:
        with self._db.read() as connection:
            return journal.last_seq(connection)


async def _set_within(event: asyncio.Event, timeout_s: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), timeout_s)
    except TimeoutError:
        return False
    return True
