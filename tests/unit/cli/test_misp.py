"""MISP at the console: a feed as files, what does not go out, an object as an event."""

import json
from pathlib import Path

from tests.misp import ATTRIBUTE, EVENT, event, file_of
from tests.scripted import Reply, scripted
from tests.unit.cli.conftest import Desk


def test_a_feed_is_written_and_what_does_not_go_out_is_explained(xa: Desk, tmp_path: Path) -> None:
    assert xa("constituent", "add", "grid-operator", "--name-en", "Grid", "--contact", "soc@x").code == 0
    assert xa("collection", "add", "feed", "--title", "Feed", "--for", "grid-operator").code == 0
    kept = tmp_path / "event.json"
    kept.write_bytes(file_of())
    assert xa("object", "import", "--misp", str(kept)).code == 0
    folder = tmp_path / "feed"
    (written,) = xa.json("misp", "feed", str(folder), "--constituent", "grid-operator")
    assert (written["events"], written["removed"]) == (0, 0)  # no worker has filled the shelf as yet
    assert json.loads((folder / "manifest.json").read_bytes()) == {}
    (refused,) = xa.json("misp", "refused", "--constituent", "grid-operator")
    assert (refused["event"], refused["from"]) == (EVENT, "XA")
    assert any("are not released to this constituent" in why for why in refused["why"])
    (shown,) = xa.json("object", "misp", f"indicator--{ATTRIBUTE}1")
    assert shown == {"event": event(distribution="1"), "lost": [], "against": []}
    assert xa("object", "misp", f"indicator--{ATTRIBUTE}9").code == 3
    assert xa("misp", "feed", str(folder), "--constituent", "nobody").code == 3
    assert xa("misp", "refused", "--constituent", "nobody").code == 3
    assert xa("misp", "feed", str(kept / "x"), "--constituent", "grid-operator").code == 1


def test_an_account_names_the_version_that_its_misp_compares(xa: Desk) -> None:
    assert xa("constituent", "add", "grid-operator", "--name-en", "Grid", "--contact", "soc@x").code == 0
    assert xa("constituent", "token", "grid-operator", "--misp-version", "2.4.198").code == 0
    assert xa("constituent", "token", "grid-operator", "--misp-version", "new").code == 1


def test_events_are_pushed_to_a_constituents_own_misp_and_a_failure_is_said(xa: Desk, tmp_path: Path) -> None:
    assert xa("constituent", "add", "grid-operator", "--name-en", "Grid", "--contact", "soc@x").code == 0
    assert xa("misp", "push", "--to", "grid-operator").code == 3
    with scripted(lambda asked: Reply(b"[]")) as world:
        place = ("grid-operator", world.address, "--secret-file", "-")
        assert xa("misp", "target", "add", *place, stdin=b"key\n").code == 1, "no TLS, and loopback"
        lenient = ("--lenient", "private-network", "--lenient", "credential-over-http")
        assert xa("misp", "target", "add", *place, *lenient, stdin=b"key\n").code == 0
        (listed,) = xa.json("misp", "target", "list")
        assert (listed["constituent"], listed["address"]) == ("grid-operator", world.address)
        pushed = xa("misp", "push", "--to", "grid-operator", "--dry-run")
        assert (pushed.code, world.asked) == (0, []), "nothing is released to it, so nothing is asked"
        assert "There is nothing that it wants." in pushed.out + pushed.err
    assert xa("misp", "target", "remove", "grid-operator").code == 0
    assert xa("misp", "target", "remove", "grid-operator").code == 3
    assert xa.json("misp", "target", "list") == []


def test_an_import_says_what_a_newer_version_gives_no_more(xa: Desk, tmp_path: Path) -> None:
    older, newer = tmp_path / "older.json", tmp_path / "newer.json"
    older.write_bytes(file_of())
    newer.write_bytes(file_of(timestamp="1600000500", Attribute=event()["Attribute"][:1]))
    assert xa("object", "import", "--misp", str(older)).code == 0
    said = xa("object", "import", "--misp", str(newer))
    assert said.code == 0
    assert "5 taken back" in said.out + said.err
    assert xa.json("object", "search", f"indicator--{ATTRIBUTE}2") == []
    (gone,) = xa.json("object", "search", f"is:withdrawn indicator--{ATTRIBUTE}2 from:xa")
    assert gone["from"] == []
    assert xa.one("object", "import", "--misp", str(older))["withdrawn"] == 5  # an older file brings nothing back
    assert xa("object", "search", "from:source:nobody").code == 0
    refused = xa("object", "search", "from:france")
    assert refused.code == 1
    assert "constituent:NAME" in refused.err
