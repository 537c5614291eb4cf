"""`mithaq duty` and `mithaq incident` as an operator uses them."""

from datetime import UTC, datetime

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
