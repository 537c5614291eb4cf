"""The process that compiles and scans, seen from the node: a question, an answer, or why there is none."""

import signal
import socket
import subprocess
import threading
from typing import Final

import msgspec

from mithaq.detection.yara import child
from mithaq.detection.yara.errors import ScannerEnded
from mithaq.detection.yara.wire import REPLIES, Reply, Request, receive, send
from mithaq.kernel.confined import start

_START_S: Final = 30.0


class Process:
    """One process; it is begun with the first question, and anew after it has ended."""

    def __init__(self, memory_bytes: int, cpu_s: int) -> None:
        self._memory_bytes = memory_bytes
        self._cpu_s = cpu_s
        self.begun = 0
        """How many processes there were: what one was given, the next does not have."""

        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None

    @property
    def is_running(self) -> bool:
        """Tell whether there is a process that was asked before and has not failed."""
        return self._process is not None

    def ask(self, request: Request, *, wait_s: float, descriptor: int | None = None) -> Reply:
        """Return the answer to a question.

        Raises:
            ScannerEnded: the process died, took too long or too much, or answered nonsense; the next question
                begins another one.
        """
        extra = 0.0 if self._connection is not None else _START_S
        connection = self._connection or self._begin()
        late = threading.Event()
        timer = threading.Timer(wait_s + extra, self._end, (late,))
        timer.start()
        try:
            send(connection, request, descriptor)
            frame, _ = receive(connection)
            if frame:
                answer: Reply = REPLIES.decode(frame)
                return answer
        except (OSError, ValueError, msgspec.DecodeError) as error:
            raise self._ended(late, wait_s) from error
        finally:
            timer.cancel()
        raise self._ended(late, wait_s)

    def close(self) -> None:
        """End the process."""
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = self._connection = None

    def _begin(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            end = theirs.fileno()
            self._process = start(child.__file__, end, self._memory_bytes, self._cpu_s, pass_fds=[end])
        self._connection = ours
        self.begun += 1
        return ours

    def _end(self, late: threading.Event) -> None:
        process = self._process
        if process is not None:
            late.set()
            process.kill()

    def _ended(self, late: threading.Event, wait_s: float) -> ScannerEnded:
        """Say how the process ended."""
        code = None
        if self._process is not None:
            try:
                code = self._process.wait(timeout=1.0)
            except subprocess.TimeoutExpired:
                code = None
        self.close()
        if late.is_set():
            return ScannerEnded("it took longer than %(limit)s seconds", limit=round(wait_s))
        if code is None:
            return ScannerEnded("it answered nonsense")
        if code == -signal.SIGXCPU:
            return ScannerEnded("it took too much processor time")
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(code)
        return ScannerEnded("it crashed or needed too much memory (%(signal)s)", signal=name)
