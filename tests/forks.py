"""Commands in processes of their own, forked from one process that has loaded the program.

What runs is `mithaq` itself, with its own streams, environment and exit code; only the loading, a second of a processor
each time, is shared. The forking process has no threads, whatever the tests have, and ends with the tests.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.loaded"])


class Fork:
    """One running command, with the part of `subprocess.Popen` that tests use."""

    def __init__(self, arguments: list[str], env: Mapping[str, str], stdin: Path, stdout: Path, stderr: Path) -> None:
        self.arguments = arguments
        self._process = _CONTEXT.Process(target=_command, args=(arguments, dict(env), stdin, stdout, stderr))
        self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    def wait(self, timeout_s: float) -> int:
        """Return the exit code, negative for the signal that ended it.

        Raises:
            subprocess.TimeoutExpired: it runs on.
        """
        self._process.join(timeout_s)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self.arguments, timeout_s)
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        if self._process.exitcode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()


def run(
    arguments: list[str], *, env: Mapping[str, str], stdin: str = "", timeout_s: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and return what it printed.

    Raises:
        subprocess.TimeoutExpired: it did not end in time, and was killed.
    """
    with TemporaryDirectory() as folder:
        streams = [Path(folder) / name for name in ("stdin", "stdout", "stderr")]
        for stream in streams:
            stream.write_text(stdin if stream.name == "stdin" else "", "utf-8")
        fork = Fork(arguments, env, *streams)
        try:
            code = fork.wait(timeout_s)
        except subprocess.TimeoutExpired:
            fork.kill()
            raise
        return subprocess.CompletedProcess(arguments, code, *(each.read_text("utf-8") for each in streams[1:]))


def _command(arguments: list[str], env: dict[str, str], stdin: Path, stdout: Path, stderr: Path) -> None:
    from mithaq.cli.main import main
    from mithaq.node.supervisor import die_with_parent

    die_with_parent()
    os.environ.clear()
    os.environ.update(env)
    for number, (path, flags) in enumerate(((stdin, os.O_RDONLY), (stdout, _APPEND), (stderr, _APPEND))):
        opened = os.open(path, flags, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin, sys.stdout, sys.stderr = (open(number, mode, closefd=False) for number, mode in enumerate("rww"))  # noqa: SIM115
    sys.argv = ["mithaq", *arguments]
    main()


_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND
