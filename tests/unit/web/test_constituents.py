"""Constituents and collections on a page: who may do what, what is shown once, what is refused."""

from collections.abc import Callable

import pytest
from httpx import Response
from starlette.testclient import TestClient

from mithaq.nations.people.model import Role, Verb
from mithaq.nations.people.rules import PERMISSIONS
from mithaq.node.composition import Node
from tests.unit.web.test_actions import actions

SignIn = Callable[..., TestClient]
Post = Callable[..., Response]
GRID = {"id": "grid-operator", "name_en": "National Grid", "name_ar": "الشبكة الوطنية", "contact": "soc@grid.example"}
FEED = {"alias": "feed", "title": "National feed", "action": "internally-visible-actions", "purpose": "defence",
        "use": "both", "floor": "TLP:AMBER"}  # fmt: skip


@pytest.fixture
def administrator(signed_in: SignIn, post: Post) -> TestClient:
    client = signed_in(Role.ADMINISTRATOR)
    assert post(client, "/constituents", sector=["energy", "water"], **GRID).status_code == 303
    return client


@pytest.fixture
def releaser(signed_in: SignIn) -> TestClient:
    return signed_in(Role.RELEASER, name="Omar")


def test_a_constituent_is_written_down_and_named_in_the_readers_language(administrator: TestClient, node: Node) -> None:
    (made,) = node.constituents.all()
    assert made.names == {"en": "National Grid", "ar": "الشبكة الوطنية"}
    assert made.sectors == {"energy", "water"}
    assert "National Grid" in administrator.get("/constituents").text
    administrator.get("/constituents?lang=ar")
    assert "الشبكة الوطنية" in administrator.get("/constituents").text
    assert actions(node)[0] == ("constituent.add", "done")


def test_an_id_that_cannot_be_used_is_refused_with_the_reason(administrator: TestClient, post: Post) -> None:
    for wrong in ({**GRID, "id": "Grid Operator"}, GRID, {**GRID, "id": "other", "name_en": "", "name_ar": ""}):
        assert post(administrator, "/constituents", **wrong).status_code == 422


def test_a_secret_is_shown_once_and_opens_what_was_chosen(
    administrator: TestClient, releaser: TestClient, post: Post, node: Node
) -> None:
    assert post(releaser, "/collections", audience="grid-operator", **FEED).status_code == 303
    (feed,) = node.collections.all()
    shown = post(administrator, "/constituents/grid-operator/account",
                 name="firewall", door="plain", collection=feed.id, days="30")  # fmt: skip
    secret = shown.text.split('class="secret" dir="ltr">', 1)[1].split("<", 1)[0]
    known = node.constituents.sign_in(secret, "grid-operator", node.clock.now(), door="plain")
    assert known is not None
    assert (known[1].collection, known[1].may_write) == (feed.id, False)
    assert node.constituents.sign_in(secret, None, node.clock.now(), door="taxii") is None
    page = administrator.get("/constituents/grid-operator").text
    assert secret not in page
    assert "National feed" in page
    assert post(administrator, "/constituents/grid-operator/revoke", account=known[1].id).status_code == 303
    assert node.constituents.sign_in(secret, None, node.clock.now(), door="plain") is None


@pytest.mark.parametrize(
    "wrong",
    [{"days": "0"}, {"days": "9999"}, {"days": "x"}, {"door": "window"}, {"collection": "nonsense"}, {"name": ""}],
)
def test_an_account_that_cannot_be_is_refused(
    administrator: TestClient, post: Post, node: Node, wrong: dict[str, str]
) -> None:
    fields = {"name": "siem", "door": "", "collection": "", "days": "30"} | wrong
    assert post(administrator, "/constituents/grid-operator/account", **fields).status_code in (404, 422)
    assert node.constituents.accounts("grid-operator") == []


def test_none_of_a_disabled_constituents_programs_is_let_in(administrator: TestClient, post: Post, node: Node) -> None:
    post(administrator, "/constituents/grid-operator/disable")
    assert node.constituents.all()[0].disabled_at is not None
    assert "Let its programs in again" in administrator.get("/constituents/grid-operator").text
    post(administrator, "/constituents/grid-operator/enable")
    assert node.constituents.all()[0].disabled_at is None


def test_a_releaser_says_who_reads_a_collection(
    administrator: TestClient, releaser: TestClient, post: Post, node: Node
) -> None:
    assert post(releaser, "/collections", types="indicator malware", labels="apt", **FEED).status_code == 303
    (feed,) = node.collections.all()
    assert (feed.types, feed.labels, feed.can_read, feed.can_write) == ({"indicator", "malware"}, {"apt"}, True, True)
    chosen = {"collection": feed.id, "constituent": "grid-operator"}
    assert post(releaser, "/collections/allow", **chosen).status_code == 303
    assert [shelf.constituent for shelf in node.collections.audience("feed")] == ["grid-operator"]
    assert post(releaser, "/collections/exclude", **chosen).status_code == 303
    assert node.collections.audience("feed") == []
    assert post(releaser, "/collections/exclude", **chosen).status_code == 422
    assert post(releaser, "/collections/close", collection=feed.id).status_code == 303
    assert "Closed" in releaser.get("/constituents").text
    assert post(releaser, "/collections", **FEED | {"title": "Two\nlines"}).status_code == 422
    assert administrator.get("/constituents").status_code == 200


@pytest.mark.parametrize("role", Role)
def test_a_role_sees_the_forms_that_it_may_use(signed_in: SignIn, post: Post, node: Node, role: Role) -> None:
    node.constituents.add("grid-operator", {"en": "Grid"}, [], "soc@grid.example", node.clock.now())
    client = signed_in(role)
    pages = client.get("/constituents").text + client.get("/constituents/grid-operator").text
    assert ("Make an account" in pages) == (Verb.PEOPLE_MANAGE in PERMISSIONS[role])
    assert ("Make a collection" in pages) == (Verb.RELEASE_DECIDE in PERMISSIONS[role])


def test_who_is_not_there_is_said_to_be_so(signed_in: SignIn) -> None:
    assert signed_in(Role.ANALYST).get("/constituents/nobody").status_code == 404
