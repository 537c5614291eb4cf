"""A process that has loaded the program once and forks nodes on demand, as `mithaq demo` does.

Run as a program it reads one JSON order a line, {"root": ..., "passphrase_file": ...}, and answers with a process id.
"""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

from mithaq.cli.demo.nodes import DemoNode
from mithaq.cli.roles import preload, roles
from mithaq.node.supervisor import Supervisor, fork_role


class Nursery:
    """The tests' hand on that process; a test that has threads of its own must not fork."""

    def __init__(self) -> None:
        root = Path(__file__).resolve().parents[1]
        command = [sys.executable, "-m", "tests.nursery"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root)

    def start(self, demo: DemoNode) -> int:
        """Start a node and return its supervisor's id."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"root": str(demo.root), "passphrase": str(demo.passphrase_file)}) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """End the process; nodes that still run end with it."""
        self._process.communicate(timeout=20)


def _supervise(root: Path, passphrase_file: Path) -> None:
    os.setpgid(0, 0)
    Supervisor(roles(root, lambda: passphrase_file.read_bytes().strip()), root / "logs").run()


def main() -> None:
    preload()
    for line in sys.stdin:
        _reap()
        order = json.loads(line)
        root = Path(order["root"])
        pid = fork_role(root.name, partial(_supervise, root, Path(order["passphrase"])), root / "logs" / "node.log")
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


if __name__ == "__main__":
    main()
