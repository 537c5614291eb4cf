"""Programs of ours that read hostile bytes: started with nothing of this process, and limited for good."""

from __future__ import annotations

import logging
import resource
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path
from typing import IO


def start(
    program: str | None,
    *arguments: str | int,
    stdin: IO[bytes] | int = subprocess.DEVNULL,
    stdout: IO[bytes] | int = subprocess.DEVNULL,
    pass_fds: Collection[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a module as a program, by its `__file__`.

    It gets no environment, no folder to look for modules in, and of the open files only those that are named.
    """
    if program is None:
        raise ValueError("a module without a file")
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-I", str(Path(program).resolve()), *map(str, arguments)],
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.DEVNULL,
        pass_fds=pass_fds,
        env={"LANG": "C.UTF-8"},
        cwd="/",
    )


def limit(memory_bytes: int, cpu_s: int) -> None:
    """Limit this process for good: it may not grow, spin, write files or log."""
    for kind, value in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        resource.setrlimit(kind, (value, value))
    logging.disable(logging.CRITICAL)
