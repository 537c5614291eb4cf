"""Every page: who gets in, which forms are taken, what every response carries."""

import re
from collections.abc import Callable
from datetime import datetime

import pytest
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from mithaq.kernel import journal
from mithaq.nations.people.model import Actor, Role, Verb
from mithaq.nations.people.rules import PERMISSIONS, permit_any
from mithaq.node.composition import Node
from mithaq.web.app import DOORS, create_app
from mithaq.web.doors import Access, Door
from mithaq.web.security import content_security_policy
from tests.country import Country, deliver
from tests.world import XB, Treaty

SignIn = Callable[..., TestClient]
PUBLIC = {
    ("GET", "/sign-in"),
    ("POST", "/sign-in/passkey/options"),
    ("POST", "/sign-in/passkey"),
    ("GET", "/link"),
    ("POST", "/link"),
    ("POST", "/sign-out"),
}


def address(door: Door) -> str:
    return door.path.replace("{", "").replace("}", "")


def test_the_public_pages_are_exactly_those_of_signing_in() -> None:
    assert {(door.method, door.path) for door in DOORS if door.needs is Access.PUBLIC} == PUBLIC


def test_no_page_is_served_past_its_door(node: Node) -> None:
    pages = create_app(node).routes[-1]
    assert isinstance(pages, Mount)
    served = {route.path for route in pages.routes if isinstance(route, Route)}
    assert served == {door.path for door in DOORS}


def test_a_stranger_is_sent_to_sign_in(browser: TestClient) -> None:
    for door in DOORS:
        answer = browser.request(door.method, address(door))
        if door.needs is Access.PUBLIC:
            assert answer.status_code in {200, 303, 422}, door
        else:
            assert answer.status_code == 303, door
            assert answer.headers["location"].startswith("/sign-in"), door


@pytest.mark.parametrize("role", Role)
def test_a_role_opens_the_doors_of_its_verbs_and_no_other(
    signed_in: SignIn, token_of: Callable[[TestClient], str], role: Role
) -> None:
    client = signed_in(role)
    token = token_of(client)
    for door in DOORS:
        if isinstance(door.needs, Access) or door.path == "/live":
            continue
        verbs = {door.needs} if isinstance(door.needs, Verb) else {*door.needs}
        data = {"_csrf": token} if door.method == "POST" else None
        answer = client.request(door.method, address(door), data=data)
        allowed = {200, 303, 404, 422} if verbs & PERMISSIONS[role] else {403}
        assert answer.status_code in allowed, door


def test_a_refusal_says_why_and_who_could_and_is_audited(signed_in: SignIn, node: Node) -> None:
    answer = signed_in(Role.ANALYST).get("/audit")
    assert "audit.read" in answer.text
    assert "director" in answer.text
    with node.db.read() as connection:
        last = journal.newest(connection, before=None, limit=1)[0]
    assert (last.kind, last.subject, last.detail["outcome"]) == ("people.action", "/audit", "refused")


def test_a_page_of_several_rights_opens_to_who_holds_one_and_names_all_to_who_holds_none() -> None:
    several = [door for door in DOORS if isinstance(door.needs, tuple)]
    assert [door.path for door in several] == ["/exchange/{nation}"]
    holder = Actor("person--x", "Omar", frozenset({Verb.AUDIT_READ}))
    reason = permit_any(holder, (Verb.RELEASE_READ, Verb.PARTNER_MANAGE))
    assert reason is not None
    assert "release.read, partner.manage" in reason.sentence()
    assert str(reason.params["roles"]).startswith("duty-officer, ")
    assert str(reason.params["roles"]).endswith(", administrator")


@pytest.mark.parametrize("role", Role)
def test_of_a_partner_each_role_sees_its_part_and_nothing_stands_for_the_rest(
    signed_in: SignIn, countries: list[Country], at: datetime, role: Role
) -> None:
    first, second, _ = countries
    first.order(Treaty(at), at)
    object_id = first.add(1, at)
    deliver(first, second, at)
    page = signed_in(role).get("/exchange/XB")
    assert page.status_code == 200
    exchanged = ("Released to this partner", "Received from this partner", "Withheld, and why", object_id, "/sent/1")
    reads, manages = (verb in PERMISSIONS[role] for verb in (Verb.RELEASE_READ, Verb.PARTNER_MANAGE))
    assert [words in page.text for words in exchanged] == [reads] * len(exchanged)
    assert ("/exchange/XB/suspend" in page.text) == manages
    assert "Fingerprint, to compare by voice" in page.text
    assert reads != manages, "no role holds both, so that each part is seen alone"


def test_an_administrator_suspends_a_partner_from_its_page_and_trusts_it_again(
    signed_in: SignIn, node: Node, token_of: Callable[[TestClient], str]
) -> None:
    client = signed_in(Role.ADMINISTRATOR)
    assert 'href="/exchange/XB"' in client.get("/").text
    with node.db.read() as connection:
        fingerprint = node.partners.get(connection, XB).card.fingerprint
    for act, shown, data in (("suspend", "Suspended", {}), ("confirm", "Trusted", {"fingerprint": fingerprint})):
        answer = client.post(f"/exchange/XB/{act}", data={"_csrf": token_of(client), **data})
        assert answer.headers["location"] == "/exchange/XB"
        page = client.get("/exchange/XB")
        assert page.status_code == 200
        assert f">{shown}<" in page.text


@pytest.mark.parametrize(
    ("path", "noun"),
    [("/", "/"), ("/detection/hits", "/detection"), ("/hunts", "/detection"), ("/reports", "/intelligence")],
)
def test_the_navigation_says_where_one_is(signed_in: SignIn, path: str, noun: str) -> None:
    page = signed_in(Role.ANALYST).get(path).text
    assert re.findall(r'href="([^"]*)" aria-current="page"', page) == [noun]


@pytest.mark.parametrize("token", ["", "x", "AAAA" * 24])
def test_a_form_without_the_sessions_token_is_not_taken(signed_in: SignIn, token: str) -> None:
    client = signed_in(*Role)
    for door in DOORS:
        if door.method == "POST":
            assert client.post(address(door), data={"_csrf": token}).status_code == 403, door
    assert client.get("/").status_code == 200


def test_one_sessions_token_is_not_taken_in_another(signed_in: SignIn, token_of: Callable[[TestClient], str]) -> None:
    first, second = signed_in(Role.ADMINISTRATOR), signed_in(Role.ADMINISTRATOR, name="Omar")
    answer = second.post("/people/disable", data={"_csrf": token_of(first), "person": "person--1"})
    assert answer.status_code == 403


def test_a_form_token_looks_different_on_every_page(signed_in: SignIn, token_of: Callable[[TestClient], str]) -> None:
    client = signed_in(Role.ANALYST)
    assert token_of(client) != token_of(client)


@pytest.mark.parametrize(
    "headers",
    [{"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}],
)
def test_a_form_from_another_site_is_refused(browser: TestClient, headers: dict[str, str]) -> None:
    assert browser.post("/sign-out", headers=headers).status_code == 403


def test_a_foreign_host_name_is_refused(browser: TestClient) -> None:
    assert browser.get("/sign-in", headers={"host": "evil.example"}).status_code == 421
    assert browser.get("/sign-in", headers={"host": "127.0.0.1:8471"}).status_code == 200


@pytest.mark.parametrize("path", ["/sign-in", "/", "/nowhere", "/static/app.css", "/static/none.js"])
def test_every_response_carries_the_policy(browser: TestClient, path: str) -> None:
    headers = browser.get(path).headers
    nonce = headers["content-security-policy"].split("'nonce-")[1].split("'")[0]
    assert headers["content-security-policy"] == content_security_policy(nonce)
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["x-frame-options"] == "DENY"


def test_the_policy_is_the_one_that_was_decided() -> None:
    assert content_security_policy("N") == (
        "default-src 'none'; script-src 'self' 'nonce-N'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'"
    )


def test_the_nonce_is_never_the_same_and_is_the_pages_own(browser: TestClient) -> None:
    first, second = browser.get("/sign-in"), browser.get("/sign-in")
    nonces = [page.headers["content-security-policy"].split("'nonce-")[1].split("'")[0] for page in (first, second)]
    assert nonces[0] != nonces[1]
    assert f'nonce="{nonces[0]}"' in first.text


def test_a_body_over_the_forms_limit_is_not_read(browser: TestClient) -> None:
    assert browser.post("/link", data={"t": "x" * (2 * 1024 * 1024)}).status_code == 413


def test_a_page_that_is_not_there_says_so(browser: TestClient) -> None:
    answer = browser.get("/nowhere")
    assert answer.status_code == 404
    assert "there is no such page here" in answer.text
