"""A node that runs and is written to is backed up; a node founded from that file takes its place."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from tests.running import RunningNode, founded, serving, until
from tests.world import XB, card_of

pytestmark = [pytest.mark.functional, pytest.mark.long]


def push(node: RunningNode, names: list[str]) -> None:
    lines = "".join(
        f'{{"ts":1764000000.0,"uid":"C{name}","id.orig_h":"192.0.2.1","query":"{name}"}}\n' for name in names
    )
    done = node.run("telemetry", "push", "sensor", "-", stdin=lines)
    assert done.returncode == 0


@contextmanager
def going_on(node: RunningNode) -> Iterator[list[str]]:
    """Push lines and add indicators until the block ends; what was acknowledged is in the list."""
    stop, done = threading.Event(), list[str]()

    def work() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            name = f"host{number}.example"
            node.run("indicator", "add", name, "--tlp", "green")
            push(node, [name])
            done.append(name)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield done
    finally:
        stop.set()
        thread.join()


def test_a_node_founded_from_the_backup_of_a_running_one_takes_its_place(tmp_path: Path) -> None:
    secret, file = tmp_path / "secret", tmp_path / "xa.backup"
    secret.write_text("a passphrase for backups alone")
    node = founded(tmp_path)
    card = tmp_path / "xb.card"
    card.write_bytes(card_of(XB, datetime.now(UTC)))
    with serving(node):
        node.run("telemetry", "source", "add", "sensor")
        node.run("partner", "add", str(card))
        push(node, ["early.example"])
        with going_on(node) as done:
            until(lambda: len(done) >= 2, 60, node.log)
            before = list(done)
            (made,) = node.json("backup", str(file), "--backup-passphrase-file", str(secret))
        journal = node.json("journal", "show", "--after", "0", "--limit", "10000")
    assert [row["seq"] for row in journal][: made["journal"]] == list(range(1, made["journal"] + 1))
    node.run("restore", str(file), "--rehearse", "--backup-passphrase-file", str(secret))

    again = RunningNode(tmp_path / "again", node.passphrase_file, node.port)
    again.run("restore", str(file), "--data", str(again.root), "--backup-passphrase-file", str(secret))
    with serving(again):
        kept = again.json("journal", "show", "--after", "0", "--limit", str(made["journal"]))
        assert kept == journal[: made["journal"]]
        assert [row["nation"] for row in again.json("partner", "list")] == ["XB"]
        values = {value for row in again.json("indicator", "list", "--limit", "500") for value in row["value"]}
        assert set(before) <= values
        served = httpx.get(f"{again.url}/partner/v1/card", trust_env=False, timeout=10).content
        assert served == (node.root / "card.json").read_bytes()
        until(lambda: len(again.json("hit", "list")) >= len(before), 30, again.log)
        again.run("indicator", "add", "early.example", "--tlp", "green")
        until(lambda: "early.example" in again.run("hit", "list").stdout, 30, again.log)
        (told,) = again.json("doctor")
        assert {each["code"] for each in told["findings"] if each["level"] == "wrong"} == set()
