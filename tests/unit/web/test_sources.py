"""Sources on a page: how each is doing, who may do what, what waits in quarantine."""

from collections.abc import Callable

import pytest
from httpx import Response
from starlette.testclient import TestClient

from mithaq.exchange.sources import store
from mithaq.exchange.sources.model import Unfit
from mithaq.kernel.reason import Reason
from mithaq.nations.people.model import Role, Verb
from mithaq.nations.people.rules import PERMISSIONS
from mithaq.node.composition import Node
from tests.unit.web.test_actions import actions

SignIn = Callable[..., TestClient]
Post = Callable[..., Response]
WHY = Reason("too-deep", "nested deeper than %(max)s levels", {"max": 64})


@pytest.fixture
def followed(node: Node) -> Node:
    node.sources.add("osint", "misp-feed", "https://osint.example/feed/?key=s3cretkey", node.clock.now())
    node.sources.add("vendor", "list", "https://vendor.example/list.txt", node.clock.now())
    source = node.sources.get("vendor").source
    with node.db.write(node.clock.now()) as tx:
        store.change(tx, source.id, reason=WHY.as_json(), failures=2)
        store.put_aside(tx, source.id, [Unfit("<script>alert(1)</script>", b"{}", WHY)])
    return node


def test_a_nation_without_sources_is_told_what_would_be_there(signed_in: SignIn) -> None:
    assert "would be here" in signed_in(Role.ANALYST).get("/sources").text


def test_what_needs_somebody_comes_first_and_says_why(signed_in: SignIn, followed: Node) -> None:
    page = signed_in(Role.ADMINISTRATOR).get("/sources").text
    assert page.index("vendor") < page.index("osint")
    assert "nested deeper than 64 levels" in page


def test_an_address_is_shown_without_what_may_be_a_key(signed_in: SignIn, followed: Node) -> None:
    page = signed_in(Role.ANALYST).get("/sources/osint").text
    assert "https://osint.example/feed/" in page
    assert "s3cretkey" not in page


def test_a_source_is_paused_resumed_and_fetched(signed_in: SignIn, post: Post, followed: Node) -> None:
    client = signed_in(Role.DUTY_OFFICER)
    assert post(client, "/sources/osint/pause").status_code == 303
    assert followed.sources.get("osint").progress.standing == "paused"
    assert post(client, "/sources/osint/fetch").status_code == 422
    assert post(client, "/sources/osint/resume").status_code == 303
    assert post(client, "/sources/osint/fetch").status_code == 303
    assert followed.sources.get("osint").progress.standing == "active"
    assert [action for action, _ in actions(followed)[:3]] == ["source.fetch", "source.resume", "source.pause"]
    assert post(client, "/sources/nobody/pause").status_code == 404


def test_what_was_put_aside_is_read_and_thrown_away_by_who_may(signed_in: SignIn, post: Post, followed: Node) -> None:
    reader, releaser = signed_in(Role.ADMINISTRATOR), signed_in(Role.RELEASER, name="Omar")
    assert "&lt;script&gt;" not in reader.get("/sources/vendor").text
    page = releaser.get("/sources/vendor").text
    assert "&lt;script&gt;" in page
    assert "<script>alert" not in page
    (waiting,) = followed.sources.quarantine("vendor")
    assert post(releaser, "/sources/vendor/retry").status_code == 303
    assert len(followed.sources.quarantine("vendor")) == 1, "it is still no object"
    assert post(releaser, "/sources/vendor/discard", row=str(waiting.row)).status_code == 303
    assert followed.sources.quarantine("vendor") == []


@pytest.mark.parametrize("role", Role)
def test_a_role_sees_the_buttons_that_it_may_use(signed_in: SignIn, followed: Node, role: Role) -> None:
    page = signed_in(role).get("/sources/vendor").text
    assert ("Fetch now" in page) == (Verb.INTELLIGENCE_WRITE in PERMISSIONS[role])
    assert ("Throw away" in page) == (Verb.QUARANTINE_DECIDE in PERMISSIONS[role])
