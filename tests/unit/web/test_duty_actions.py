"""Duties settled and clocks started from a page: who may, what is kept, what is refused."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from html import unescape
from pathlib import Path

import msgspec
import pytest
from httpx import Response
from starlette.testclient import TestClient

from mithaq.agreements.terms import Baseline
from mithaq.exchange import ledger
from mithaq.exchange.duties.service import Duty
from mithaq.kernel import journal
from mithaq.kernel.clock import FixedClock
from mithaq.nations.people.model import Role, Verb
from mithaq.nations.people.rules import PERMISSIONS, usable_scopes
from mithaq.node.composition import Node
from tests.country import Country, fetch
from tests.trusting import ENERGY, INCIDENT, Troubled, troubled_three
from tests.unit.web.test_actions import actions
from tests.world import DEFAULT_TERMS, XA, XB, Treaty

SignIn = Callable[..., TestClient]
Post = Callable[..., Response]
KEEPERS = [role for role in Role if Verb.DUTY_KEEP in PERMISSIONS[role]]


@pytest.fixture
def countries(tmp_path: Path, at: datetime) -> Iterator[list[Country]]:
    found = troubled_three(tmp_path, at)
    yield found
    for country in found:
        country.db.close()


@pytest.fixture
def troubled(countries: list[Country], at: datetime) -> Troubled:
    return Troubled(countries, at)


def listed(node: Node, state: str = "open", **wanted: object) -> list[Duty]:
    with node.db.read() as connection:
        found = node.duties.listed(connection, node.clock.now(), state=state)
    return [each for each in found if all(getattr(each, name) == value for name, value in wanted.items())]


def said(answer: Response) -> str:
    return " ".join(unescape(answer.text).split())


def test_duty_officers_releasers_and_directors_keep_duties_and_no_program_does() -> None:
    assert KEEPERS == [Role.DUTY_OFFICER, Role.RELEASER, Role.DIRECTOR]
    assert usable_scopes(frozenset({Verb.DUTY_KEEP})) is not None


@pytest.mark.usefixtures("troubled")
@pytest.mark.parametrize("role", [role for role in Role if Verb.RELEASE_READ in PERMISSIONS[role]])
def test_only_who_may_keep_duties_sees_the_forms(signed_in: SignIn, node: Node, role: Role) -> None:
    client, (first, *_) = signed_in(role), listed(node, kind="early-warning")
    page, one = client.get("/duties").text, client.get(f"/duties/{first.row}").text
    keeps = role in KEEPERS
    assert (f'href="/duties/{first.row}"' in page) == keeps
    assert ("Start a clock" in page) == keeps
    assert (f'action="/duties/{first.row}/settle"' in one) == keeps
    assert "Early warning of an incident" in one


@pytest.mark.usefixtures("troubled")
def test_a_duty_is_settled_with_how_it_was_done_and_who_said_so(signed_in: SignIn, post: Post, node: Node) -> None:
    client = signed_in(Role.DUTY_OFFICER)
    first, *rest = listed(node, kind="early-warning", owed_by=XA)
    answer = post(client, f"/duties/{first.row}/settle", reason=" told by telephone: <b>07:40</b> ")
    assert answer.headers["location"] == "/duties"
    assert listed(node, kind="early-warning", owed_by=XA) == rest
    (settled,) = listed(node, "fulfilled", row=first.row)
    assert (settled.because, settled.settled_by[:8]) == ("told by telephone: <b>07:40</b>", "person--")
    assert actions(node)[0] == ("duty.settle", "done")
    for path in ("/duties", f"/duties/{first.row}"):
        assert "told by telephone: &lt;b&gt;07:40&lt;/b&gt;" in client.get(path).text
    with node.db.read() as connection:
        (told,) = journal.newest(connection, before=None, limit=1, kinds=frozenset({"exchange.duty"}))
    assert (told.detail["event"], told.actor) == ("fulfilled", settled.settled_by)
    assert "telephone" not in str(told.detail), "the journal holds no words"
    again = post(client, f"/duties/{first.row}/settle", reason="once more")
    assert again.status_code == 404


@pytest.mark.usefixtures("troubled")
def test_what_a_partner_has_answered_is_settled_too_and_what_the_node_settles_is_not(
    signed_in: SignIn, post: Post, node: Node
) -> None:
    client = signed_in(Role.RELEASER)
    (theirs,) = listed(node, kind="acknowledge", owed_by=XB)
    assert f'href="/duties/{theirs.row}"' in client.get("/duties").text
    assert post(client, f"/duties/{theirs.row}/settle", reason="it answered").status_code == 303
    (recall,) = listed(node, kind="recall")
    page = said(client.get(f"/duties/{recall.row}"))
    assert "The node settles it by itself" in page
    assert "/settle" not in page
    assert post(client, f"/duties/{recall.row}/settle", reason="I say so").status_code == 404
    assert listed(node, kind="recall") == [recall]


@pytest.mark.usefixtures("troubled")
@pytest.mark.parametrize("reason", ["", "   ", "x" * 501])
def test_without_a_usable_reason_nothing_is_settled(signed_in: SignIn, post: Post, node: Node, reason: str) -> None:
    before = listed(node)
    answer = post(signed_in(Role.DIRECTOR), f"/duties/{before[0].row}/settle", reason=reason)
    assert answer.status_code == 422
    assert listed(node) == before


@pytest.mark.parametrize("number", ["0", "999", "-1", "1e3", "9" * 40, "٣", "x"])
def test_a_duty_that_is_not_there_is_not_found(signed_in: SignIn, post: Post, number: str) -> None:
    client = signed_in(Role.DIRECTOR)
    assert client.get(f"/duties/{number}").status_code == 404
    assert post(client, f"/duties/{number}/settle", reason="done").status_code == 404


@pytest.mark.parametrize(("asker", "debtor"), [("partner", XA), ("own", XB)])
def test_a_request_starts_its_clocks_in_either_direction(
    signed_in: SignIn, post: Post, node: Node, troubled: Troubled, asker: str, debtor: str
) -> None:
    del troubled
    before = len(listed(node, owed_by=debtor, kind="answer"))
    client = signed_in(Role.DUTY_OFFICER)
    fields = {"agreement": ENERGY, "nation": "XB", "asker": asker, "request": "assistance", "urgency": "urgent"}
    assert f'value="{ENERGY}"' in client.get("/duties").text.split('action="/duties/requests"')[1]
    assert post(client, "/duties/requests", **fields).status_code == 303
    assert len(listed(node, owed_by=debtor, kind="answer")) == before + 1
    assert actions(node)[0] == ("duty.request", "done")
    count = len(listed(node))
    for wrong in ({"request": "ransom"}, {"urgency": ""}, {"nation": "XA"}, {"nation": "XD"}, {"agreement": "x"}):
        assert post(client, "/duties/requests", **(fields | wrong)).status_code in (404, 422), wrong
    assert len(listed(node)) == count


def test_incidents_start_the_clocks_that_agreements_ask_for(
    signed_in: SignIn, post: Post, node: Node, troubled: Troubled
) -> None:
    del troubled
    client, incident = signed_in(Role.DUTY_OFFICER), "incident--00000000-0000-4000-8000-0000000000aa"
    assert incident != INCIDENT
    fields = {"incident": incident, "severity": "high", "lane": "actual"}
    assert post(client, "/duties/incidents", **fields, sector=["energy", "water"]).status_code == 303
    assert {each.kind for each in listed(node, subject=incident)} == {"early-warning", "notification", "final-report"}
    assert actions(node)[0] == ("duty.incident", "done")
    count = len(listed(node))
    for wrong in ({"incident": "indicator--1"}, {"severity": "grave"}, {"sector": ["moon"]}, {"lane": "elsewhere"}):
        assert post(client, "/duties/incidents", **(fields | wrong)).status_code == 422, wrong
    assert len(listed(node)) == count


def test_an_incident_of_the_node_is_declared_by_who_confirms_it(
    signed_in: SignIn, post: Post, node: Node, troubled: Troubled, at: datetime
) -> None:
    client = signed_in(Role.DIRECTOR)
    assert post(client, "/duties/node-incidents").status_code == 422
    assert listed(node, kind="node-incident") == []
    assert post(client, "/duties/node-incidents", sure="yes").status_code == 422, "no agreement here asks for it"
    asks = msgspec.structs.replace(DEFAULT_TERMS, baseline=Baseline(node_incident_hours=6))
    treaty = Treaty(at, nations=(XA, XB), terms=asks, agreement_id=f"agreement--{7:08}-0000-4000-8000-000000000000")
    troubled.a.context.agreements.receive(treaty.envelope.encode(), at=at, actor="person--1")
    assert post(client, "/duties/node-incidents", sure="yes").status_code == 303
    assert [each.owed_to for each in listed(node, kind="node-incident")] == [XB]
    assert actions(node)[0] == ("duty.node-incident", "done")


def test_a_doubted_clock_is_believed_by_who_compared_it(signed_in: SignIn, post: Post, node: Node) -> None:
    assert isinstance(node.clock, FixedClock)
    node.clock.at += timedelta(days=30)
    client, reader = signed_in(Role.DUTY_OFFICER), signed_in(Role.AUDITOR, name="Omar")
    assert "This node’s clock jumped ahead" in reader.get("/duties").text
    assert "/duties/believe-clock" not in reader.get("/duties").text
    assert "/duties/believe-clock" in client.get("/duties").text
    assert post(client, "/duties/believe-clock").status_code == 422
    assert post(client, "/duties/believe-clock", sure="yes").status_code == 303
    assert "jumped ahead" not in client.get("/duties").text
    assert actions(node)[0] == ("duty.believe-clock", "done")


def test_a_releaser_lets_a_waiting_release_go_with_a_reason(
    signed_in: SignIn, post: Post, node: Node, troubled: Troubled
) -> None:
    client = signed_in(Role.RELEASER)
    page = client.get("/exchange/log").text
    release = page.split('name="release" value="', 1)[1].split('"', 1)[0]
    assert "/exchange/log/emergency" not in signed_in(Role.DIRECTOR, name="Omar").get("/exchange/log").text
    assert post(client, "/exchange/log/emergency", release=release, reason=" ").status_code == 422
    assert post(client, "/exchange/log/emergency", release="indicator--1", reason="x").status_code == 422
    assert post(client, "/exchange/log/emergency", release=release, reason="a hospital").status_code == 303
    assert actions(node)[0] == ("release.emergency", "done")
    assert f'value="{release}"' not in client.get("/exchange/log").text
    with node.db.read() as connection:
        (sent,) = [
            each for each in ledger.sent_to(connection, XB, before=None, limit=100) if each.release_id == release
        ]
    assert (sent.emergency, sent.waits) == (True, False)
    assert fetch(troubled.a, troubled.b, node.clock.now()), "it leaves now"
