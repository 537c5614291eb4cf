"""The demonstration's three nodes as real processes, for tests that need a whole coalition."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psutil

from mithaq.cli.demo import nodes
from mithaq.cli.demo.nodes import DemoNode
from mithaq.cli.demo.story import Stage


@contextmanager
def running_coalition(folder: Path) -> Iterator[list[DemoNode]]:
    """Found and run three nodes under one agreement until the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    coalition = nodes.found_coalition(folder, datetime.now(UTC))
    try:
        nodes.start(coalition)
        nodes.wait_until_serving(coalition)
        yield coalition
    finally:
        nodes.stop(coalition)


@contextmanager
def stages_of(coalition: list[DemoNode]) -> Iterator[list[Stage]]:
    """Open every node's services beside its running processes."""
    stages = [Stage(node, node.open()) for node in coalition]
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
