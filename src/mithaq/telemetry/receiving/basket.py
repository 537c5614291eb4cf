"""What waits to be written to the spool of one source: many messages, one sync; senders wait while it is full."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mithaq.telemetry.errors import PushRefused

_log = logging.getLogger(__name__)
_RETRY_S: Final = 1.0
_MAX_WRITE_BYTES: Final = 8 << 20
_MAX_HELD_BYTES: Final = 16 << 20

Append = Callable[[bytes], int]


@dataclass(slots=True)
class Told:
    """What was passed over, and why: counted by reason, so that a flood of it stays small."""

    counts: dict[str, int]

    def add(self, reason: str) -> None:
        """Count one more."""
        if len(self.counts) < 1000 or reason in self.counts:
            self.counts[reason] = self.counts.get(reason, 0) + 1


class Basket:
    """The messages of one source on their way to its spool."""

    def __init__(self, append: Append) -> None:
        self._append = append
        self._lines: list[bytes] = []
        self._bytes = 0
        self._filled = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._is_ending = False
        self.told = Told({})
        self.trouble = ""

    @property
    def is_full(self) -> bool:
        """Tell whether senders must wait, and datagrams are lost."""
        return self._bytes >= _MAX_HELD_BYTES

    def put(self, line: bytes) -> None:
        """Take one line."""
        if not line.strip():
            return
        self._lines.append(line)
        self._bytes += len(line) + 1
        self._filled.set()
        if self.is_full:
            self._has_room.clear()

    async def room(self) -> None:
        """Wait until more may be put."""
        await self._has_room.wait()

    async def run(self) -> None:
        """Write what comes, until `end`; it is never cancelled, since a write that has begun would count as none."""
        while not self._is_ending:
            await self._filled.wait()
            while not await self.flush() and not self._is_ending:
                await asyncio.sleep(_RETRY_S)  # a full disk: the senders wait, nothing that was taken is lost

    def end(self) -> None:
        """Let `run` write what is held, and return."""
        self._is_ending = True
        self._filled.set()

    async def flush(self) -> bool:
        """Write everything that is held; tell whether it could be."""
        while self._lines:
            taken, size = 0, 0
            while taken < len(self._lines) and size < _MAX_WRITE_BYTES:
                size += len(self._lines[taken]) + 1
                taken += 1
            body = b"\n".join(self._lines[:taken]) + b"\n"
            try:
                await asyncio.to_thread(self._append, body)
            except PushRefused as error:
                if str(error) != self.trouble:
                    _log.error("%s (%s)", error, error.private)
                self.trouble = str(error)
                return False
            self.trouble = ""
            del self._lines[:taken]
            self._bytes -= size
            self._has_room.set()
        self._filled.clear()
        return True
