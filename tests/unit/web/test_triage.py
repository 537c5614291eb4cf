"""Triage on the pages: one row a group, what others would learn, and what is decided in two keys."""

import re
from dataclasses import replace
from datetime import datetime

import pytest

from mithaq.detection.hits.record import record_hits
from mithaq.detection.model import Dismissal, HitState, RuleSight
from mithaq.detection.settings import BreakerLimits
from mithaq.kernel.lane import ACTUAL
from mithaq.nations.people.model import Role
from mithaq.node.composition import Node
from mithaq.node.health.hitting import breakers
from tests.country import Country, deliver
from tests.sight import hit_of
from tests.unit.web.test_actions import Post, SignIn, actions, disputing


def told(node: Node, country: Country, at: datetime, *events: int, limits: BreakerLimits | None = None) -> int:
    """Let a country's own first indicator be seen in some events; return the number of the group."""
    with node.db.write(at) as tx:
        record_hits(tx, [hit_of(country, event, 1, at) for event in events], limits)
    with node.db.read() as connection:
        return node.triage.page(connection).groups[0].row


@pytest.fixture
def first(countries: list[Country], at: datetime) -> Country:
    countries[0].add(1, at)
    return countries[0]


def test_a_group_is_one_row_with_its_count_and_opens_to_its_lines(
    signed_in: SignIn, node: Node, first: Country, at: datetime
) -> None:
    number = told(node, first, at, 1, 2, 3)
    client = signed_in(Role.DUTY_OFFICER)
    page = client.get("/detection").text
    assert page.count(f'href="/detection/groups/{number}"') == 1
    assert f"/detection/groups/{number}/confirm?up_to=3" in page
    opened = client.get(f"/detection/groups/{number}").text
    assert opened.count("id.orig_h") == 3
    assert "What others may learn" in opened
    assert client.get("/detection/groups/999").status_code == 404
    assert client.get("/detection/groups/%D9%A1").status_code == 404


def test_the_level_of_a_rule_is_shown_and_lower_ones_are_left_out_where_that_is_asked(
    signed_in: SignIn, node: Node, first: Country, at: datetime
) -> None:
    hit = hit_of(first, 1, 1, at)
    with node.db.write(at) as tx:
        for event, level in enumerate(("low", "critical")):
            rule = RuleSight(level, f"A rule of level {level}", level, ())
            record_hits(tx, [replace(hit, hit_id=level, event_id=f"event-{event}", sight=rule)])
    client = signed_in(Role.DUTY_OFFICER)
    whole, part = client.get("/detection").text, client.get("/detection?level=high").text
    assert ("A rule of level low" in whole, "A rule of level critical" in whole) == (True, True)
    assert ("A rule of level low" in part, "A rule of level critical" in part) == (False, True)
    assert client.get("/detection?level=loud").status_code == 200


def test_what_is_expected_here_is_one_click_and_one_undo(
    signed_in: SignIn, post: Post, node: Node, first: Country, at: datetime
) -> None:
    number = told(node, first, at, 1, 2)
    client = signed_in(Role.DUTY_OFFICER)
    answer = post(client, f"/detection/groups/{number}/dismiss", why="benign", up_to="2")
    assert f"done={number}" in str(answer.url) + answer.headers.get("location", "")
    assert f"/detection/groups/{number}/reopen" in client.get(f"/detection?done={number}").text
    post(client, f"/detection/groups/{number}/reopen")
    with node.db.read() as connection:
        (group,) = node.triage.page(connection, state=HitState.NEW).groups
    assert group.new == 2
    assert actions(node)[:2] == [("detection.reopen", "done"), ("detection.dismiss", "done")]


def test_what_is_expected_for_a_month_says_so_until_it_is_taken_back(
    signed_in: SignIn, post: Post, node: Node, first: Country, at: datetime
) -> None:
    number = told(node, first, at, 1)
    client = signed_in(Role.DUTY_OFFICER)
    assert "these, and further ones for 30 days" in client.get(f"/detection/groups/{number}").text
    post(client, f"/detection/groups/{number}/dismiss", why="benign", up_to="1", days="30")
    told(node, first, at, 2)
    assert f"/detection/groups/{number}" not in client.get("/detection").text
    page = client.get(f"/detection/groups/{number}").text
    assert ("Further ones are expected" in page, "Further hits are expected until" in page) == (True, True)
    post(client, f"/detection/groups/{number}/reopen")
    assert "expected until" not in client.get(f"/detection/groups/{number}").text


def test_confirming_says_first_who_would_learn_what_and_covers_what_was_shown(
    signed_in: SignIn, post: Post, node: Node, first: Country, at: datetime
) -> None:
    number = told(node, first, at, 1, 2)
    client = signed_in(Role.DUTY_OFFICER)
    page = client.get(f"/detection/groups/{number}/confirm?up_to=1").text
    assert "Neither the lines" in page
    assert "Nobody else learns of it." in page
    post(client, f"/detection/groups/{number}/confirm", up_to="1")
    with node.db.read() as connection:
        (group,) = node.triage.page(connection).groups
    assert (group.confirmed, group.new) == (1, 1)
    assert post(client, f"/detection/groups/{number}/confirm", up_to="1").status_code == 422


def test_a_false_positive_of_a_group_needs_words(
    signed_in: SignIn, post: Post, node: Node, first: Country, at: datetime
) -> None:
    number = told(node, first, at, 1)
    client = signed_in(Role.DUTY_OFFICER)
    assert "autofocus" in client.get(f"/detection/groups/{number}/false-positive?up_to=1").text
    assert post(client, f"/detection/groups/{number}/dismiss", why="false-positive").status_code == 422
    post(client, f"/detection/groups/{number}/dismiss", why="false-positive", reason="a mirror")
    with node.db.read() as connection:
        (group,) = node.triage.page(connection).groups
    assert (group.state, group.dismissed_as) == (HitState.DISMISSED, Dismissal.FALSE_POSITIVE)


def test_a_partners_indicator_says_to_whom_a_decision_would_go_as_the_gate_judges_now(
    signed_in: SignIn, node: Node, countries: list[Country], at: datetime
) -> None:
    from mithaq.intelligence.model import ReleaseInstruction

    own, other = countries[0], countries[0].neighbours
    giver = next(iter(other.values()))
    with giver.db.read() as connection:
        agreement = giver.context.agreements.all(connection)[0].document.id
    giver.add(1, at, to=ReleaseInstruction(agreement, (own.nation,), "defence"))
    assert deliver(giver, own, at) == ["admitted"]
    number = told(node, own, at, 1)
    page = re.sub(r"<[^>]+>|[\u2068\u2069]", "", signed_in(Role.DUTY_OFFICER).get(f"/detection/groups/{number}").text)
    assert f"{giver.nation} gets it under the agreement" in page
    assert f"{giver.nation} learns nothing of it under the agreement" in page, "its terms know no opinions"


def test_what_was_stopped_stands_on_the_page_and_in_the_doctor_until_somebody_decides(
    signed_in: SignIn, post: Post, node: Node, first: Country, at: datetime
) -> None:
    told(node, first, at, *range(5), limits=BreakerLimits(hits_a_window=2))
    stix_id = hit_of(first, 1, 1, at).indicator_id
    client = signed_in(Role.DUTY_OFFICER)
    assert "Stopped because it hit too often" in client.get("/detection").text
    with node.db.read() as connection:
        (finding,) = breakers(connection)
    assert (finding.code, finding.reason.params["count"]) == ("hit-breaker", 3)
    assert "held back" in signed_in(Role.ANALYST).get(f"/intelligence/{stix_id}").text
    post(client, "/detection/stopped", object=stix_id, source="zeek-conn", lane=str(ACTUAL), standing="running")
    assert "Stopped because it hit too often" not in client.get("/detection").text
    with node.db.read() as connection:
        assert list(breakers(connection)) == []


def test_a_disputed_indicator_is_lowered_on_its_page(
    signed_in: SignIn, post: Post, node: Node, countries: list[Country], at: datetime
) -> None:
    disputing(node, countries[0], at)
    stix_id = "indicator--00000000-0000-4000-8000-000000000001"
    client = signed_in(Role.ANALYST, Role.RELEASER)
    assert "Lower the confidence" in client.get(f"/intelligence/{stix_id}").text
    assert post(client, f"/intelligence/{stix_id}/revise", change="confidence", confidence="101").status_code >= 400
    post(client, f"/intelligence/{stix_id}/revise", change="confidence", confidence="7")
    (newest, *_) = countries[0].held(stix_id)
    assert newest.stix.confidence == 7
    assert [asked.recipients for asked in newest.instructions] == [(country,) for country in ("XB",)]
    page = signed_in(Role.ANALYST).get(f"/intelligence/{stix_id}").text
    assert "Lower the confidence" not in page, "who may not release does not see the form"
