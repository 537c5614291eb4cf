"""`mithaq journal`: what happened, in order, also while it happens."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.unit.cli.conftest import Desk


@pytest.fixture
def busy(xa: Desk) -> Desk:
    for number in range(3):
        xa("indicator", "add", f"host{number}.example", "--tlp", "green")
    xa("release", "veto", "indicator--1")
    return xa


def test_entries_are_shown_in_order_and_can_be_paged_from_either_end(busy: Desk) -> None:
    whole = busy.json("journal", "show")
    assert [row["seq"] for row in whole] == [1, 2, 3, 4, 5]
    assert [row["seq"] for row in busy.json("journal", "show", "--after", "1", "--limit", "2")] == [2, 3]
    assert [row["seq"] for row in busy.json("journal", "show", "--before", "4", "--limit", "2")] == [2, 3]
    assert busy("journal", "show", "--after", "1", "--before", "3").code == 2


def test_entries_of_one_kind_are_shown(busy: Desk) -> None:
    (veto,) = busy.json("journal", "show", "--kind", "exchange.orders")
    assert (veto["subject"], veto["actor"], veto["detail"]) == ("indicator--1", "operator", {"order": "veto"})
    assert "Nothing of that kind happened." in busy("journal", "show", "--kind", "nothing.like.it").err


def test_people_see_when_what_and_who(busy: Desk) -> None:
    out = busy("journal", "show").out
    assert "exchange.orders" in out
    assert "operator" in out


@pytest.fixture
def following(busy: Desk) -> Iterator[subprocess.Popen[str]]:
    line = ["--data", str(busy.root), "--json", "journal", "follow", "--after", "4", "--kind", "exchange.orders"]
    command = [sys.executable, "-c", "from mithaq.cli.main import main; main()", *line]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.communicate()


def test_a_follower_sees_an_entry_the_moment_it_is_committed(busy: Desk, following: subprocess.Popen[str]) -> None:
    assert following.stdout is not None
    assert json.loads(following.stdout.readline())["seq"] == 5
    busy("indicator", "add", "other.example", "--tlp", "green")
    busy("release", "veto", "indicator--2")
    told = json.loads(following.stdout.readline())
    assert (told["seq"], told["subject"]) == (7, "indicator--2")
