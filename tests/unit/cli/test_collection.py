"""Collections at the console."""

from tests.unit.cli.conftest import Desk


def test_a_collection_is_made_listed_opened_to_somebody_and_closed(xa: Desk) -> None:
    for each in ("grid-operator", "central-bank"):
        assert xa("constituent", "add", each, "--name-en", each, "--contact", "soc@x").code == 0
    made = xa("collection", "add", "feed", "--title", "National feed", "--for", "grid-operator", "--type", "indicator")
    assert made.code == 0
    (listed,) = xa.json("collection", "list")
    assert (listed["alias"], listed["may"], listed["carries"], listed["state"]) == (
        "feed",
        "read",
        ["indicator"],
        "open",
    )
    assert listed["id"] == made.out.strip()
    assert xa("collection", "allow", "feed", "central-bank").code == 0
    assert [each["constituent"] for each in xa.json("collection", "show", "feed")] == ["grid-operator", "central-bank"]
    assert xa("collection", "exclude", "feed", "grid-operator").code == 0
    assert [each["constituent"] for each in xa.json("collection", "show", listed["id"])] == ["central-bank"]
    assert xa("collection", "close", "feed").code == 0
    assert xa.json("collection", "list")[0]["state"] == "closed"
    assert xa("collection", "allow", "feed", "grid-operator").code == 1


def test_the_console_says_who_reads_an_object_and_who_does_not_and_why(xa: Desk) -> None:
    assert xa("constituent", "add", "grid-operator", "--name-en", "Grid", "--contact", "soc@x").code == 0
    assert xa("collection", "add", "feed", "--title", "Feed", "--for", "grid-operator").code == 0
    read = xa.one("indicator", "add", "evil.example", "--tlp", "green", "--pap", "green")["id"]
    kept = xa.one("indicator", "add", "dark.example", "--tlp", "green")["id"]
    assert xa("collection", "why", "feed", read).out.strip() == "grid-operator reads it."
    refused = xa("collection", "why", "feed", kept)
    assert (refused.code, "PAP:RED" in refused.out) == (4, True)
    (told,) = xa.one("collection", "why", "feed", read)["constituents"]
    assert told == {"constituent": "grid-operator", "reasons": []}
    assert xa("collection", "why", "feed", read.replace("0", "1")).code == 3


def test_what_is_unknown_or_unusable_says_so(xa: Desk) -> None:
    assert xa("collection", "show", "feed").code == 3
    assert xa("collection", "add", "feed", "--title", "T", "--for", "nobody").code == 3
    assert xa("collection", "add", "F!", "--title", "T").code == 1
    assert xa("collection", "add", "feed", "--title", "T", "--no-read").code == 1
    assert xa("collection", "add", "feed", "--title", "T", "--type", "No Type").code == 1
    assert xa("collection", "add", "feed", "--title", "T").code == 0
    assert xa("collection", "add", "other", "--title", "T").code == 1, "clients choose by title"
    assert xa("collection", "exclude", "feed", "nobody").code == 1
