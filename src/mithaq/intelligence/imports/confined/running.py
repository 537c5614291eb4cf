"""Run what reads hostile bytes as a program of its own: without keys, environment or files, and within limits."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from mithaq.intelligence.errors import ConfinedFailed


@dataclass(frozen=True, slots=True)
class Limits:
    """What one confined process may take: memory, processor time, time on the clock, and bytes of output."""

    memory_bytes: int
    cpu_s: int
    wall_s: int
    output_bytes: int


def run_confined(worker: str, file: bytes, limits: Limits) -> list[bytes]:
    """Give a file to a worker beside this module, and return the lines it wrote; what is over its limit ends it.

    Raises:
        ConfinedFailed: it died, took too long or wrote too much.
    """
    program = Path(__file__).resolve().parent / worker
    command = [sys.executable, "-I", str(program), str(limits.memory_bytes), str(limits.cpu_s)]
    with tempfile.TemporaryFile() as given:
        given.write(file)
        given.seek(0)
        with subprocess.Popen(  # noqa: S603 - our own program, the file is its standard input
            command, stdin=given, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={"LANG": "C.UTF-8"}, cwd="/"
        ) as process:
            timer = threading.Timer(limits.wall_s, process.kill)
            timer.start()
            try:
                output = process.stdout.read(limits.output_bytes + 1) if process.stdout else b""
                if len(output) > limits.output_bytes:
                    process.kill()
            finally:
                timer.cancel()
            code = process.wait()
    if len(output) > limits.output_bytes:
        raise ConfinedFailed("reading it gives more than %(max)s bytes", max=limits.output_bytes)
    if code != 0:
        raise ConfinedFailed("reading it took more than it may, or failed (%(code)s)", code=code)
    return output.splitlines()
