"""Wake the readers of a node at once: one datagram to each socket in its run folder that waits for such news.

A listener says in its socket's name what it waits for, so that nobody is woken for what does not concern it.
"""

import asyncio
import binascii
import contextlib
import hashlib
import itertools
import os
import select
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

_SUFFIX = ".wake"
_ANYTHING = "any"
_NUMBERS = itertools.count(1)
_MAX_SOCKET_PATH = 100


@contextmanager
def short_path(path: Path) -> Iterator[str]:
    """Yield a path to the same place that fits a socket address (108 bytes on Linux)."""
    if len(os.fsencode(path)) <= _MAX_SOCKET_PATH:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _topic(kind: str) -> str:
    """Return four hexadecimal digits for a journal kind; a collision only wakes once too often."""
    return f"{binascii.crc_hqx(kind.encode(), 0):04x}"


class Waker:
    """Send a datagram to everyone who listens in a folder; nobody listening is no error."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        place = f"{socket.gethostname()}\0{run_dir.resolve()}"
        self.origin = hashlib.sha256(place.encode()).hexdigest()[:16]
        """Tells this run folder from that of another machine."""

    def wake(self, kinds: Iterable[str]) -> None:
        """Wake every listener that waits for one of these kinds of journal entry."""
        topics = {_ANYTHING, *map(_topic, kinds)}
        listening = self.run_dir.glob(f"*{_SUFFIX}")
        self._send(path for path in listening if not topics.isdisjoint(path.stem.rpartition("-")[2].split(".")))

    def wake_own(self) -> None:
        """Wake every listener of this process, whatever it waits for: something beside the journal has changed."""
        self._send(self.run_dir.glob(f"*-{os.getpid()}-*{_SUFFIX}"))

    def _send(self, listening: Iterable[Path]) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            for path in listening:
                try:
                    with short_path(path) as address:
                        sender.sendto(b"!", address)
                except BlockingIOError:
                    continue  # its queue is full: it will wake anyway
                except (ConnectionRefusedError, FileNotFoundError):
                    path.unlink(missing_ok=True)  # its process is gone


class WakeListener:
    """A socket that becomes readable when the journal has grown; one for each waiting thread or task.

    `kinds` are the journal kinds waited for, all by default.
    """

    def __init__(self, run_dir: Path, name: str, kinds: Iterable[str] | None = None) -> None:
        run_dir.mkdir(parents=True, exist_ok=True)
        topics = _ANYTHING if kinds is None else ".".join(sorted({_topic(kind) for kind in kinds}))
        self._path = run_dir / f"{name}-{os.getpid()}-{next(_NUMBERS)}-{topics}{_SUFFIX}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._path.unlink(missing_ok=True)  # a killed process had this id: in a container ids come again
        with short_path(self._path) as address:
            self._socket.bind(address)

    def fileno(self) -> int:
        """Return the descriptor, to be waited for together with others."""
        return self._socket.fileno()

    def wait(self, timeout_s: float) -> bool:
        """Block until woken or until the time is over; tell which."""
        readable, _, _ = select.select([self._socket], [], [], timeout_s)
        self.drain()
        return bool(readable)

    def drain(self) -> None:
        """Take all pending datagrams, so that the next wait waits for news."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self._socket.recv(16)

    async def wait_async(self, timeout_s: float) -> bool:
        """Wait as `wait` does, without blocking the event loop; one waiter at a time."""
        loop = asyncio.get_running_loop()
        woken = loop.create_future()

        def on_readable() -> None:
            if not woken.done():
                woken.set_result(True)

        loop.add_reader(self._socket.fileno(), on_readable)
        try:
            await asyncio.wait_for(woken, timeout_s)
        except TimeoutError:
            return False
        finally:
            loop.remove_reader(self._socket.fileno())
            self.drain()
        return True

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()
        self._path.unlink(missing_ok=True)

    def __enter__(self) -> "WakeListener":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
