"""Groups of hits at the console: the same decisions as on the page, for a person and for a program."""

from datetime import UTC, datetime, timedelta

import pytest

from mithaq.detection.hits.record import record_hits
from mithaq.detection.settings import BreakerLimits
from mithaq.intelligence.model import ReleaseInstruction
from mithaq.kernel.clock import rfc3339
from tests.sight import hit_of
from tests.unit.cli.conftest import Desk, exchange
from tests.world import XB

FIRST = "indicator--00000000-0000-4000-8000-000000000001"


@pytest.fixture
def at() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def seen(desk: Desk, at: datetime, count: int, limits: BreakerLimits | None = None) -> None:
    """Let a nation's own first indicator be seen a few times."""
    with desk.country() as country:
        country.add(1, at)
        hits = [hit_of(country, event, 1, at + timedelta(seconds=event)) for event in range(count)]
        with country.db.write(at) as tx:
            record_hits(tx, hits, limits)


def test_a_group_is_listed_shown_confirmed_and_leaves_as_one_sighting(xa: Desk, at: datetime) -> None:
    seen(xa, at, 3)
    (row,) = xa.json("hit", "groups")
    assert (row["count"], row["new"], row["seen"], row["source"]) == (3, 3, "ipv4:198.51.0.1", "zeek-conn")
    shown = xa.one("hit", "group", str(row["group"]))
    assert (len(shown["hits"]), shown["if_confirmed"], shown["if_false_positive"]) == (3, [], [])
    assert "Nobody else learns of it." in xa("hit", "group", str(row["group"])).out
    sighting = xa.one("hit", "confirm", str(row["group"]), "--up-to", str(shown["up_to"]))["sighting"]
    assert '"count":3' in xa("object", "show", sighting, "--body").out
    assert xa("hit", "confirm", str(row["group"])).code == 1
    assert xa("hit", "group", "999").code == 3


def test_what_was_expected_is_taken_back(xa: Desk, at: datetime) -> None:
    seen(xa, at, 2)
    number = str(xa.one("hit", "groups")["group"])
    assert xa("hit", "dismiss", number, "--as", "benign").code == 0
    assert xa.one("hit", "reopen", number)["reopened"] == 2
    assert xa("hit", "reopen", number).code == 1


def test_what_is_expected_for_days_is_dismissed_as_it_comes(xa: Desk, at: datetime) -> None:
    seen(xa, at, 1)
    number = str(xa.one("hit", "groups")["group"])
    assert xa("hit", "dismiss", number, "--as", "benign", "--days", "30").code == 0
    seen(xa, at, 2)
    group = xa.one("hit", "groups")
    assert (group["state"], group["count"], group["new"]) == ("dismissed", 2, 0)
    assert group["expected_until"] > rfc3339(at + timedelta(days=30))
    (hit,) = xa.json("hit", "list", "--limit", "1")
    assert xa("hit", "dismiss", hit["hit"], "--as", "benign", "--days", "30").code == 2
    assert xa("hit", "dismiss", number, "--as", "false-positive", "--reason", "a mirror", "--days", "30").code == 1


def test_the_console_says_who_would_learn_what_of_a_partners_indicator(
    xa: Desk, xb: Desk, agreed_on_remarks: str, at: datetime
) -> None:
    with xa.country() as country:
        country.add(1, at, to=ReleaseInstruction(agreed_on_remarks, (XB,), "defence"))
    exchange(xa, xb)
    with xb.country() as country, country.db.write(at) as tx:
        record_hits(tx, [hit_of(country, 1, 1, at)])
    number = str(xb.one("hit", "groups")["group"])
    shown = xb.one("hit", "group", number)
    told = [(each["nation"], each["goes"]) for each in (*shown["if_confirmed"], *shown["if_false_positive"])]
    assert told == [("XA", True), ("XA", True)]
    assert f"XA gets it under {agreed_on_remarks}." in xb("hit", "group", number).out
    answer = xb.one("hit", "why-not", FIRST)
    assert (answer["looked_for"], answer["reasons"], answer["stopped"]) == (True, [], [])


def test_what_was_stopped_is_listed_and_resumed_or_kept_off(xa: Desk, at: datetime) -> None:
    seen(xa, at, 5, BreakerLimits(hits_a_window=2))
    (row,) = xa.json("hit", "stopped")
    assert (row["object"], row["standing"], row["held_back"]) == (FIRST, "stopped", 3)
    assert xa.one("hit", "why-not", FIRST)["stopped"][0]["source"] == "zeek-conn"
    assert xa.one("hit", "keep-off", FIRST, "zeek-conn")["standing"] == "kept-off"
    assert xa.one("hit", "resume", FIRST, "zeek-conn")["held_back"] == 3
    assert xa("hit", "resume", FIRST, "zeek-conn").code == 3
    assert xa.json("hit", "stopped") == []


def test_why_an_object_is_not_looked_for_is_said_with_every_reason(xa: Desk, at: datetime) -> None:
    said = xa("indicator", "add", "co[.]uk", "--tlp", "green")
    assert "public suffix" in said.err
    stix_id = xa.json("indicator", "list")[0]["id"]
    answer = xa.one("hit", "why-not", stix_id)
    assert (answer["looked_for"], [each["code"] for each in answer["reasons"]]) == (False, ["public-suffix"])
    assert xa("hit", "why-not", "indicator--00000000-0000-4000-8000-000000000999").code == 3


def test_an_own_indicator_is_lowered_and_revoked_and_not_both(xa: Desk, at: datetime) -> None:
    seen(xa, at, 1)
    assert xa.one("object", "revise", FIRST, "--confidence", "5")["recipients"] == []
    assert xa("object", "revise", FIRST, "--confidence", "5", "--revoke").code == 2
    assert xa.one("object", "revise", FIRST, "--revoke")["id"] == FIRST
    assert xa.one("hit", "why-not", FIRST)["reasons"][0]["code"] == "revoked"
