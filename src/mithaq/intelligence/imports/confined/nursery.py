"""A nursery: a process without keys that has imported what a worker needs, and forks for each file.

Started by `running.py` as a program of its own: the worker's name, the seconds after which it ends when nothing is
asked of it, and the descriptor of a socket. A request is one message: what the file may take (memory in bytes,
processor time in s), and three descriptors, the file, where the lines go, and the *line*, on which the exit code is
told. Who closes the other end of the line kills the worker. No file meets what another has left behind.
"""

from __future__ import annotations

import gc
import os
import selectors
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Final, NoReturn, Protocol

from mithaq.kernel.confined import limit

REQUEST_BYTES: Final = 64
_DESCRIPTORS: Final = 3


class Worker(Protocol):
    """A module that reads hostile bytes."""

    def prepare(self) -> None:
        """Import what takes long."""

    def work(self, file: bytes, cpu_s: int) -> None:
        """Read a file within this much processor time (s) and write lines to standard output."""


class _Nursery:
    """Fork for every request, tell how each child ended; whatever ends this process or its asker ends them all."""

    def __init__(self, worker: Worker, requests: socket.socket, idle_s: float) -> None:
        self._worker = worker
        self._requests = requests
        self._idle_s = idle_s
        self._children = 0
        self._ready = selectors.DefaultSelector()

    def run(self) -> None:
        """Serve until the other end is closed, or nothing was asked for long enough."""
        self._ready.register(self._requests, selectors.EVENT_READ, self._take)
        while True:
            events = self._ready.select(None if self._children else self._idle_s)
            if not events and not self._children:
                return
            for key, _ in events:
                react: Callable[[], None] = key.data
                react()

    def _take(self) -> None:
        message, descriptors, _, _ = socket.recv_fds(self._requests, REQUEST_BYTES, _DESCRIPTORS)
        if not message:
            os.killpg(0, signal.SIGKILL)
        memory_bytes, cpu_s = map(int, message.split())
        file, output, line = descriptors
        child = os.fork()
        if child == 0:
            self._work(file, output, memory_bytes, cpu_s)
        os.close(file)
        os.close(output)
        self._watch(child, os.pidfd_open(child), socket.socket(fileno=line))

    def _watch(self, child: int, handle: int, line: socket.socket) -> None:
        def given_up() -> None:
            self._ready.unregister(line)
            signal.pidfd_send_signal(handle, signal.SIGKILL)

        def ended() -> None:
            _, status = os.waitpid(child, 0)
            self._children -= 1
            self._ready.unregister(handle)
            os.close(handle)
            if line in self._ready.get_map():
                self._ready.unregister(line)
            with line, suppress(BrokenPipeError):
                line.send(str(os.waitstatus_to_exitcode(status)).encode())

        self._children += 1
        self._ready.register(handle, selectors.EVENT_READ, ended)
        self._ready.register(line, selectors.EVENT_READ, given_up)

    def _work(self, file: int, output: int, memory_bytes: int, cpu_s: int) -> NoReturn:
        code = 1
        try:
            os.dup2(file, sys.stdin.fileno())
            os.dup2(output, sys.stdout.fileno())
            os.closerange(sys.stderr.fileno() + 1, os.sysconf("SC_OPEN_MAX"))
            limit(memory_bytes, cpu_s)
            self._worker.work(sys.stdin.buffer.read(), cpu_s)
            sys.stdout.flush()
            code = 0
        finally:
            os._exit(code)


def main() -> None:
    """Import, then serve."""
    name, idle_s, requests = sys.argv[1:]
    os.setpgid(0, 0)  # so that all its children can be killed at once
    worker: Worker = import_module(f"mithaq.intelligence.imports.confined.{name}")
    worker.prepare()
    gc.freeze()
    _Nursery(worker, socket.socket(fileno=int(requests)), float(idle_s)).run()


if __name__ == "__main__":
    main()
