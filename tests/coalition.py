"""The demonstration's three nodes as real processes, for tests that need a whole coalition."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from mithaq.cli.demo import nodes
from mithaq.cli.demo.nodes import DemoNode
from mithaq.cli.demo.story import Stage
from tests import forks
from tests.running import alive, environment, until


@dataclass
class Member:
    """One nation of the coalition: what the demonstration knows of it, and its supervised processes."""

    demo: DemoNode

    def start(self) -> None:
        """Serve the node, as its operator would."""
        log = self.demo.root / "logs" / "node.log"
        line = ["--data", str(self.demo.root), "--passphrase-file", str(self.demo.passphrase_file), "serve"]
        self.demo.pid = forks.Fork(line, environment(), Path(os.devnull), log, log).pid

    def processes(self) -> list[psutil.Process]:
        """Return the supervisor and everything below it."""
        try:
            supervisor = psutil.Process(self.demo.pid)
            return [supervisor, *supervisor.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []


@contextmanager
def running_coalition(folder: Path) -> Iterator[list[Member]]:
    """Found three nodes under one agreement and run them until the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    members = [Member(demo) for demo in nodes.found_coalition(folder, datetime.now(UTC))]
    try:
        for member in members:
            member.start()
        nodes.wait_until_serving([member.demo for member in members])
        nodes.share_warning_lists([member.demo for member in members])
        yield members
    finally:
        _stop(members)


def _stop(members: list[Member]) -> None:
    """End every node; one that does not end by itself is killed, and that is a failure."""
    whole = [process for member in members for process in member.processes()]
    for member in members:
        for supervisor in member.processes()[:1]:
            supervisor.terminate()
    try:
        until(lambda: not alive(whole), 20, lambda: str(alive(whole)))
    finally:
        for process in alive(whole):
            process.kill()


@contextmanager
def stages_of(members: list[Member]) -> Iterator[list[Stage]]:
    """Open every node's services beside its running processes."""
    stages = [Stage(member.demo, member.demo.open()) for member in members]
    try:
        yield stages
    finally:
        for stage in stages:
            stage.node.close()


def processes_naming(text: str) -> list[psutil.Process]:
    """Return every living process of this machine with a text in its command line."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and any(text in part for part in process.cmdline()):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found
