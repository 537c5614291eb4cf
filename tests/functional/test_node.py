"""A real node: founded and run by the commands, its processes killed, its telemetry matched."""

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import httpx
import pytest

from mithaq.nations.rules import read_card
from mithaq.node.composition import compose
from mithaq.node.migrations import newest_revision, present_revision
from tests.running import ROLES, RunningNode, alive, founded, serving, until
from tests.world import XB, card_of

pytestmark = pytest.mark.functional


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    with serving(founded(tmp_path_factory.mktemp("node"))) as running:
        yield running


def get(node: RunningNode, path: str) -> httpx.Response:
    return httpx.get(f"{node.url}{path}", trust_env=False, timeout=10, headers={"accept": "text/html"})


def test_a_stranger_is_shown_the_way_to_sign_in_and_nothing_else(node: RunningNode) -> None:
    answer = get(node, "/")
    assert answer.status_code in (303, 307, 302)
    page = get(node, answer.headers["location"])
    assert page.status_code == 200
    assert "Nation XA" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_a_one_time_link_from_the_command_opens_the_overview_once(node: RunningNode) -> None:
    (linked,) = node.json("person", "link", "Layla", "--role", "duty-officer")
    path = "/" + linked["url"].split("/", 3)[3]
    with httpx.Client(base_url=node.url, trust_env=False, follow_redirects=True) as browser:
        shown = browser.get(path)
        assert shown.status_code == 200
    assert "Layla" in node.run("person", "list").stdout


def test_the_card_at_the_partner_door_is_the_nations_own(node: RunningNode) -> None:
    served = get(node, "/partner/v1/card").content
    assert served == (node.root / "card.json").read_bytes()
    (shown,) = node.json("card", "show")
    assert read_card(served, datetime.now(UTC)).fingerprint == shown["fingerprint"]


def test_serving_brings_an_older_database_to_the_newest_revision_and_refuses_a_newer_one(tmp_path: Path) -> None:
    node = founded(tmp_path)
    database = node.root / "mithaq.db"
    database.unlink()
    with serving(node):
        assert present_revision(f"sqlite:///{database}") == newest_revision()
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    refused = node.run("--passphrase-file", str(node.passphrase_file), "serve", check=False)
    assert refused.returncode == 1
    assert "revision 9999, this program knows none after" in refused.stderr


def test_a_command_without_a_passphrase_signs_through_the_running_node(node: RunningNode, tmp_path: Path) -> None:
    card, draft = tmp_path / "xb.json", tmp_path / "draft.json"
    card.write_bytes(card_of(XB, datetime.now(UTC)))
    (added,) = node.json("partner", "add", str(card))
    node.run("partner", "confirm", "XB", "--fingerprint", added["fingerprint"])
    node.run("agreement", "draft", "--with", "XB", "--title-en", "Joint defence", str(draft))
    (proposed,) = node.json("agreement", "propose", str(draft))
    assert (proposed["signed_by"], proposed["missing"]) == (["XA"], ["XB"])


def test_every_process_that_is_killed_is_started_again_and_the_node_still_detects(tmp_path: Path) -> None:
    with serving(founded(tmp_path)) as node:
        node.run("telemetry", "source", "add", "sensor")
        for role in ROLES:
            before = node.roles()[role]
            os.kill(before.pid, signal.SIGKILL)
            until(partial(is_replaced, node, role, before.pid), 20, node.log)
            until(lambda: node.answers() and node.signs(), 20, node.log)
        assert detects(node, "beacon.example")


def test_sigterm_leaves_no_process_behind(tmp_path: Path) -> None:
    node = founded(tmp_path)
    with serving(node):
        processes = node.processes()
        assert len(processes) >= len(ROLES) + 1
        assert node.supervisor is not None
        node.supervisor.send_signal(signal.SIGTERM)
        assert node.supervisor.wait(15) == 0
        assert alive(processes) == []


def test_when_the_supervisor_is_killed_its_processes_end_too(tmp_path: Path) -> None:
    node = founded(tmp_path)
    with serving(node):
        processes = node.processes()
        assert node.supervisor is not None
        node.supervisor.kill()
        node.supervisor.wait(5)
        until(lambda: alive(processes) == [], 15, lambda: str([each.as_dict(["pid", "name"]) for each in processes]))


def test_a_node_that_was_stopped_starts_again_where_it_was(tmp_path: Path) -> None:
    node = founded(tmp_path)
    with serving(node):
        node.run("indicator", "add", "first.example", "--tlp", "green")
    with serving(node):
        assert [each["value"] for each in node.json("indicator", "list")] == [["first.example"]]


def is_replaced(node: RunningNode, role: str, pid: int) -> bool:
    present = node.roles().get(role)
    return present is not None and present.pid != pid


def detects(node: RunningNode, name: str) -> bool:
    """Add an indicator, push one line that names it, and wait for the hit."""
    node.run("indicator", "add", name, "--tlp", "green")
    line = b'{"ts":1764000000.0,"uid":"C1","id.orig_h":"192.0.2.1","id.resp_h":"192.0.2.53","query":"' + name.encode()
    with closing(compose(node.root)) as opened:
        opened.telemetry.push("sensor", line + b'","proto":"udp"}\n')
    until(lambda: node.json("hit", "list"), 20, node.log)
    return True
