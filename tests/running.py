"""A real node for tests: founded by `mithaq init`, run by `mithaq serve` in a process of its own on loopback."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from mithaq.nations.errors import SignerUnreachable
from mithaq.nations.signer import RemoteSigner
from mithaq.node.data_folder import DataFolder
from mithaq.node.founding import own_card
from tests import forks

START_S = 120
"""A node needs about five seconds to answer; a machine on which much else runs is given time."""

ROLES = ("signer", "web", "worker", "detector", "receiver")


@dataclass
class RunningNode:
    """One nation's node: its folder, its passphrase, its address, and the process that supervises it."""

    root: Path
    passphrase_file: Path
    port: int
    supervisor: forks.Fork | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def run(self, *arguments: str, check: bool = True, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run one command of the node's operator, who has no passphrase: keys are the running signer's."""
        line = self._line(*arguments)
        done = forks.run(line, env=environment(), stdin=stdin)
        assert not check or done.returncode == 0, (arguments, done.returncode, done.stdout, done.stderr)
        return done

    def json(self, *arguments: str) -> list[dict[str, Any]]:
        """Run one command and return the objects it printed."""
        return [json.loads(line) for line in self.run("--json", *arguments).stdout.splitlines()]

    def start(self) -> None:
        line, log = self._line("--passphrase-file", str(self.passphrase_file), "serve"), self.root / "serve.log"
        self.supervisor = forks.Fork(line, environment(), Path(os.devnull), log, log)
        until(lambda: self.answers() and len(self.roles()) == len(ROLES), START_S, self.log)

    def answers(self) -> bool:
        try:
            answer = httpx.get(f"{self.url}/readyz", verify=False, trust_env=False, timeout=2)
            return answer.status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def signs(self) -> bool:
        """Tell whether the signer answers."""
        signer = RemoteSigner(self.root / "run")
        try:
            return signer.verify_key == own_card(DataFolder(self.root)).verify_key
        except SignerUnreachable:
            return False
        finally:
            signer.close()

    def roles(self) -> dict[str, psutil.Process]:
        """Return the running process of each role, told apart by the log it writes to."""
        assert self.supervisor is not None
        found = {}
        for child in psutil.Process(self.supervisor.pid).children():
            for opened in _open_files(child):
                if opened.parent == self.root / "logs" and opened.stem in ROLES:
                    found[opened.stem] = child
        return found

    def processes(self) -> list[psutil.Process]:
        """Return every process of the node."""
        assert self.supervisor is not None
        whole = psutil.Process(self.supervisor.pid)
        return [whole, *whole.children(recursive=True)]

    def log(self) -> str:
        logs = [self.root / "serve.log", *sorted((self.root / "logs").glob("*.log"))]
        return "\n".join(f"== {log.name}\n{log.read_text('utf-8', 'replace')[-3000:]}" for log in logs if log.exists())

    def _line(self, *arguments: str) -> list[str]:
        return ["--data", str(self.root), *arguments]


def founded(folder: Path, nation: str = "XA") -> RunningNode:
    """Found a node by the command."""
    port, passphrase = free_port(), folder / f"{nation}.passphrase"
    line = [
        "--data", str(folder / nation), "init", "--nation", nation, "--name-en", f"Nation {nation}",
        "--contact", f"duty@{nation.lower()}.example", "--port", str(port), "--new-passphrase-file", str(passphrase),
    ]  # fmt: skip
    done = forks.run(line, env=environment())
    assert done.returncode == 0, done.stderr
    return RunningNode(folder / nation, passphrase, port)


@contextmanager
def serving(node: RunningNode) -> Iterator[RunningNode]:
    """Run the node until the block ends; no process outlives it, whatever happens."""
    processes: list[psutil.Process] = []
    try:
        node.start()
        processes = node.processes()
        yield node
    finally:
        assert node.supervisor is not None
        processes = list({each.pid: each for each in [*processes, *_still(node)]}.values())
        node.supervisor.send_signal(signal.SIGTERM)
        try:
            node.supervisor.wait(20)
        except subprocess.TimeoutExpired:
            node.supervisor.kill()
            node.supervisor.wait(10)
        for process in alive(processes):
            process.kill()


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Return those of the processes that have not ended."""
    return [each for each in processes if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


def until(holds: Callable[[], object], seconds: float, why: Callable[[], str] = str) -> None:
    """Wait until something holds, and fail with what is known where it never does."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, why()
        time.sleep(0.05)


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _still(node: RunningNode) -> list[psutil.Process]:
    try:
        return node.processes()
    except psutil.NoSuchProcess:
        return []


def _open_files(process: psutil.Process) -> list[Path]:
    try:
        return [Path(each.path) for each in process.open_files()]
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return []


def environment() -> dict[str, str]:
    return {name: text for name, text in os.environ.items() if not name.startswith("MITHAQ_")} | {"LC_ALL": "C.UTF-8"}
