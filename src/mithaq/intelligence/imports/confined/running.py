"""Have hostile bytes read in a process of their own: without keys, environment or files, and within limits."""

from __future__ import annotations

import atexit
import os
import socket
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import IO, Final

from mithaq.intelligence.errors import ConfinedFailed
from mithaq.intelligence.imports.confined import nursery
from mithaq.intelligence.settings import NURSERY_IDLE_S
from mithaq.kernel.confined import start

_CODE_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Limits:
    """What one confined process may take: memory, processor time, time on the clock, and bytes of output."""

    memory_bytes: int
    cpu_s: int
    wall_s: int
    output_bytes: int


def run_confined(worker: str, file: bytes, limits: Limits) -> list[bytes]:
    """Give a file to a worker, a module beside this one, and return the lines it wrote; what is over its limit ends it.

    Raises:
        ConfinedFailed: it died, took too long or wrote too much.
    """
    output, code = _read(worker, file, limits)
    if code is None and not output:  # its nursery ended at that very moment
        output, code = _read(worker, file, limits)
    if len(output) > limits.output_bytes:
        raise ConfinedFailed("reading it gives more than %(max)s bytes", max=limits.output_bytes)
    if code != 0:
        raise ConfinedFailed(
            "reading it took more than it may, or failed (%(code)s)", code="?" if code is None else code
        )
    return output.splitlines()


def _read(worker: str, file: bytes, limits: Limits) -> tuple[bytes, int | None]:
    """Return what the worker wrote, to a byte more than it may, and its exit code; None when nobody knows it."""
    with tempfile.TemporaryFile() as given:
        given.write(file)
        given.seek(0)
        with _NURSERIES[worker].child(given, limits) as (lines, line):
            timer = threading.Timer(limits.wall_s, line.shutdown, (socket.SHUT_WR,))
            timer.start()
            try:
                output = lines.read(limits.output_bytes + 1)
                if len(output) > limits.output_bytes:
                    return output, None
                code = line.recv(_CODE_BYTES)
            finally:
                timer.cancel()
    return output, int(code) if code else None


class _Nursery:
    """The process that forks for one kind of worker: started when it is asked, gone when it was idle for long."""

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._asking = threading.Lock()
        self._requests: socket.socket | None = None

    @contextmanager
    def child(self, file: IO[bytes], limits: Limits) -> Iterator[tuple[IO[bytes], socket.socket]]:
        """Yield what a new worker writes, and the line on which its exit code comes; it ends with the block."""
        taken, given = os.pipe()
        line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with line, os.fdopen(taken, "rb") as lines:
            with theirs, os.fdopen(given, "wb") as output:
                message = f"{limits.memory_bytes} {limits.cpu_s}".encode()
                self._ask(message, [file.fileno(), output.fileno(), theirs.fileno()])
            yield lines, line

    def close(self) -> None:
        """Let the process end, with whatever it reads."""
        with self._asking:
            if self._requests is not None:
                self._requests.close()
                self._requests = None

    def _ask(self, message: bytes, descriptors: list[int]) -> None:
        with self._asking:
            if self._requests is not None:
                try:
                    socket.send_fds(self._requests, [message], descriptors)
                except ConnectionError:
                    self._requests.close()
                else:
                    return
            self._requests = self._started()
            socket.send_fds(self._requests, [message], descriptors)

    def _started(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with closing(theirs):
            end = theirs.fileno()
            process = start(nursery.__file__, self._worker, NURSERY_IDLE_S, end, pass_fds=[end])
        threading.Thread(target=process.wait, name="nursery", daemon=True).start()
        return ours


class _Nurseries(defaultdict[str, _Nursery]):
    def __missing__(self, worker: str) -> _Nursery:
        return self.setdefault(worker, _Nursery(worker))


_NURSERIES: Final = _Nurseries()


@atexit.register
def _close() -> None:
    for each in _NURSERIES.values():
        each.close()
