"""The tray of reports on a page: read as text, taken by whom may write, and out of the tray then."""

from collections.abc import Callable
from email.message import EmailMessage

import pytest
from httpx import Response
from starlette.testclient import TestClient

from mithaq.exchange.event_versions import keep_event
from mithaq.intelligence.imports.inbox import Inbox, InboxSettings
from mithaq.intelligence.model import ImportTerms, StoredObject
from mithaq.kernel.lane import ACTUAL, TEST, Lane
from mithaq.nations.people.model import Role, Verb
from mithaq.nations.people.rules import PERMISSIONS
from mithaq.node.composition import Node
from mithaq.standards.tlp import Tlp
from tests.unit.web.test_actions import actions

SignIn = Callable[..., TestClient]
Post = Callable[..., Response]
TEXT = "رُصد login[.]post-rimal[.]example\nand 203[.]0[.]113[.]77 <script>alert(1)</script> CVE-2026-1111"


def inbox(node: Node) -> Inbox:
    return Inbox(node.holdings, node.warning_lists, keep_event)


def receive(node: Node, subject: str = "تحذير", text: str = TEXT, lane: Lane = ACTUAL) -> int:
    message = EmailMessage()
    message["From"], message["Subject"], message["Message-ID"] = "a@b.example", subject, f"<{len(subject)}@b.example>"
    message.set_content(text)
    message.add_attachment(b"{}", maintype="application", subtype="json", filename="bundle.json")
    inbox(node).take(message.as_bytes(), "m.eml", InboxSettings(), ImportTerms(node.nation, lane), node.clock.now())
    with node.db.read() as connection:
        return inbox(node).tray(connection, every=True)[0].row


def waiting(node: Node) -> list[int]:
    with node.db.read() as connection:
        return [each.row for each in inbox(node).tray(connection)]


def found(node: Node, query: str, lane: Lane = ACTUAL) -> list[StoredObject]:
    with node.db.read() as connection:
        return list(node.holdings.search(connection, query, lane, None, 10, at=node.clock.now()).objects)


def test_an_empty_tray_says_what_would_be_there(signed_in: SignIn) -> None:
    assert "No report waits" in signed_in(Role.ANALYST).get("/reports").text


def test_a_report_is_shown_as_text_with_its_values_and_what_is_known_of_them(signed_in: SignIn, node: Node) -> None:
    number = receive(node)
    client = signed_in(Role.ANALYST)
    listed = client.get("/reports").text
    assert "تحذير" in listed
    assert "bundle.json" in listed
    page = client.get(f"/reports/{number}").text
    assert "<script>alert" not in page
    assert 'value="login.post-rimal.example" checked' in page
    assert "CVE-2026-1111" in page
    for nobody in ("0", "999", "x", "9" * 40):
        assert client.get(f"/reports/{nobody}").status_code == 404


def test_chosen_values_become_indicators_of_a_report_and_the_message_leaves_the_tray(
    signed_in: SignIn, post: Post, node: Node
) -> None:
    number = receive(node)
    client = signed_in(Role.ANALYST)
    assert post(client, f"/reports/{number}/take", value=[], tlp="TLP:GREEN", days="30").status_code == 422
    assert waiting(node) == [number]
    chosen = {"value": ["203.0.113.77", "not-in-it.example"], "tlp": "TLP:GREEN", "pap": "PAP:GREEN", "days": "30"}
    answer = post(client, f"/reports/{number}/take", **chosen)
    assert answer.status_code == 303
    (indicator,) = found(node, "type:indicator 203.0.113.77")
    (report,) = found(node, "type:report")
    assert answer.headers["location"] == f"/intelligence/{report.stix.id}"
    assert (indicator.tlp, indicator.stix.id in report.stix.refs, report.stix.name) == (Tlp.GREEN, True, "تحذير")
    assert found(node, "type:indicator not-in-it.example") == []
    assert waiting(node) == []
    assert post(client, f"/reports/{number}/dismiss").status_code == 404
    assert actions(node)[0][0] == "report.take"


def test_a_message_stays_in_its_lane_and_one_that_is_dismissed_gives_nothing(
    signed_in: SignIn, post: Post, node: Node
) -> None:
    client = signed_in(Role.ANALYST)
    tested, dismissed = receive(node, "drill", lane=TEST), receive(node, "unwanted")
    assert post(client, f"/reports/{tested}/take", value=["203.0.113.77"], tlp="TLP:GREEN", days="x").status_code == 303
    assert found(node, "type:indicator 203.0.113.77") == []
    assert len(found(node, "type:indicator 203.0.113.77", TEST)) == 1
    assert post(client, f"/reports/{dismissed}/dismiss").status_code == 303
    assert (waiting(node), found(node, "type:indicator 203.0.113.77")) == ([], [])


@pytest.mark.parametrize("role", Role)
def test_who_may_write_is_offered_to_take_and_nobody_else(
    signed_in: SignIn, post: Post, node: Node, role: Role
) -> None:
    number, client = receive(node), signed_in(role)
    page = client.get(f"/reports/{number}")
    assert (page.status_code == 200) == (Verb.INTELLIGENCE_READ in PERMISSIONS[role])
    may_write = Verb.INTELLIGENCE_WRITE in PERMISSIONS[role]
    assert ("Take it" in page.text) == may_write
    if not may_write:
        assert post(client, f"/reports/{number}/dismiss").status_code == 403
        assert waiting(node) == [number]
