"""A real node fetches by itself: woken by the command, killed in the middle, whole in the end."""

import os
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.running import founded, serving, until
from tests.scripted import Asked, Reply, TaxiiScript, scripted
from tests.unit.exchange.sources.test_taxii_client import dated

pytestmark = pytest.mark.functional


def test_a_running_node_fetches_when_asked_and_after_its_worker_was_killed(tmp_path: Path) -> None:
    node = founded(tmp_path)
    deadly = {"30"}

    def killing(asked: Asked, reply: Reply) -> Reply:
        if asked.query.get("next") in deadly:
            deadly.clear()
            os.kill(node.roles()["worker"].pid, signal.SIGKILL)
        return reply

    def row() -> dict[str, Any]:
        (found,) = node.json("source", "list")
        return found

    script = TaxiiScript(dated(datetime.now(UTC), 60), most=10, change=killing)
    with scripted(script) as world, serving(node):
        add = ["source", "add", "partner", world.address + "/taxii2/", "--kind", "taxii", "--collection", "Indicators"]
        node.run(*add, "--tlp", "TLP:GREEN", "--lenient", "private-network")
        until(lambda: row()["stored"] == 60, 120, node.log)
        asked = [page.get("next") for page in world.queries("/objects/")]
        assert asked == [None, "10", "20", "30", "30", "40", "50"]
        script.objects += dated(datetime.now(UTC), 5, first=90_000)
        assert node.json("source", "fetch", "partner")[0]["state"] == "asked"
        until(lambda: len(world.queries("/objects/")) == 8, 60, node.log)
        until(lambda: row()["stored"] == 65, 60, node.log)
        assert row()["reason"] is None
