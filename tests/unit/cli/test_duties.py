"""`mithaq duty` and `mithaq incident` as an operator uses them."""

import json
from datetime import UTC, datetime, timedelta

from mithaq.exchange.duties import record
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from mithaq.release.obligations import Owed
from tests.obliged import keep_books
from tests.unit.cli.conftest import Desk, exchange


def test_what_is_owed_is_listed_from_both_sides(xa: Desk, xb: Desk, agreed: str) -> None:
    xa.one("indicator", "add", "evil.example", "--tlp", "green", "--pap", "green", "--agreement", agreed)
    assert exchange(xa, xb) == ["admitted"]
    with xa.country() as one:
        keep_books(one, datetime.now(UTC))
    (owed,) = [row for row in xa.json("duty", "list") if row["kind"] == "retention"]
    assert (owed["by"], owed["to"], owed["state"], owed["agreement"]) == ("XB", "XA", "open", agreed)
    endings = [row["kind"] for row in xa.json("duty", "list", "--due", "400d") if row["state"] == "open"]
    assert "card-ends" in endings
    assert xa("duty", "list", "--due", "soon").code == 2


def owed(subject: str, by: str, started: datetime, hours: int) -> Owed:
    """A review that one nation owes the other, due so many hours after it began."""
    nations = (NationId(by), NationId("XB" if by == "XA" else "XA"))
    due = started + timedelta(hours=hours)
    return Owed("review", "review_after_days", "agreement--1", 1, *nations, subject, "", ACTUAL, started, due)


def test_what_is_overdue_is_listed_first_and_doctor_names_what_this_nation_owes(xa: Desk) -> None:
    begun = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=100)
    late = [owed(f"release--{number}", "XB", begun, 2) for number in range(25)]
    mine, ahead = owed("release--mine", "XA", begun, 90), owed("release--ahead", "XA", begun, 200)
    with xa.country() as country, country.db.write(begun) as tx:
        record.owe(tx, [owed("release--done", "XB", begun, 1), ahead, *late, mine])
        assert record.settle(tx, [1], "person--1") == 1
    listed = xa("duty", "list", "--all", "--limit", "26")
    assert listed.code == 1
    rows = xa.json("duty", "list", "--all")
    assert [row["subject"] for row in rows if row["kind"] == "review"] == [
        *(each.subject for each in late), "release--mine", "release--done", "release--ahead",
    ]  # fmt: skip
    assert (rows[25]["by"], rows[25]["to"], rows[25]["agreement"]) == ("XA", "XB", "agreement--1")
    assert rows[25]["overdue_since"] == (begun + timedelta(hours=90)).isoformat(timespec="milliseconds")[:-6] + "Z"
    assert [row["overdue_since"] for row in rows[26:28]] == [None, None]
    assert "agreement--1" in listed.out
    assert "overdue since" in listed.out
    found = [each for each in json.loads(xa("--json", "doctor").out)["findings"] if each["code"] == "duty"]
    assert "release--mine" in found[0]["finding"]
    assert "XB under agreement--1" in found[0]["finding"]
    assert f"{begun + timedelta(hours=90):%Y-%m-%d %H:%M} UTC" in found[0]["finding"]
    assert [each["level"] for each in found] == ["wrong"] + ["warning"] * 19


def test_a_request_without_an_agreed_time_is_refused_and_an_unknown_duty_not_found(
    xa: Desk, xb: Desk, agreed: str
) -> None:
    started = xa("duty", "start", "assistance", "--agreement", agreed, "--from", "XB", "--to", "XA")
    assert (started.code, "no agreement in force sets a time" in started.err) == (4, True)
    assert xa("duty", "done", "99").code == 3
    assert xa("duty", "start", "assistance", "--agreement", "agreement--x", "--from", "XB", "--to", "XA").code == 3


def test_an_incident_needs_its_grade_and_an_agreement_that_asks_for_notices(xa: Desk, xb: Desk, agreed: str) -> None:
    incident = "incident--00000000-0000-4000-8000-000000000001"
    assert xa("incident", "declare", incident).code == 2
    assert xa("incident", "declare", incident, "--severity", "critical").code == 4
    assert xa("incident", "declare", "--node").code == 4


def test_a_person_says_that_the_clock_is_right(xa: Desk) -> None:
    assert "believed" in xa.one("duty", "believe-clock")
    told = [row for row in xa.json("journal", "show") if row["kind"] == "exchange.duty"]
    assert [row["detail"]["event"] for row in told] == ["clock-believed"]
