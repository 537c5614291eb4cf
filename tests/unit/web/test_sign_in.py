"""Signing in, staying signed in, signing out, language and theme."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from mithaq.nations.people.model import Role
from mithaq.node.composition import Node
from mithaq.web.sign_in import _safe

SignIn = Callable[..., TestClient]


def test_opening_a_link_does_not_use_it_up(browser: TestClient, node: Node) -> None:
    _, secret = node.people.link("Layla", frozenset({Role.ANALYST}), node.clock.now())
    assert secret in browser.get(f"/link?t={secret}").text
    assert browser.post("/link", data={"t": secret}).status_code == 303


def test_a_used_link_is_refused_with_a_sentence(browser: TestClient, node: Node) -> None:
    _, secret = node.people.link("Layla", frozenset({Role.ANALYST}), node.clock.now())
    browser.post("/link", data={"t": secret})
    browser.cookies.clear()
    answer = browser.post("/link", data={"t": secret})
    assert answer.status_code == 422
    assert "used already" in answer.text


def test_the_first_sign_in_leads_to_enrolling_a_passkey(browser: TestClient, node: Node) -> None:
    _, secret = node.people.link("Layla", frozenset({Role.ANALYST}), node.clock.now())
    assert browser.post("/link", data={"t": secret}).headers["location"] == "/passkeys"


def test_the_session_cookie_is_this_nodes_own_and_unreadable_to_scripts(browser: TestClient, node: Node) -> None:
    _, secret = node.people.link("Layla", frozenset({Role.ANALYST}), node.clock.now())
    cookie = browser.post("/link", data={"t": secret}).headers["set-cookie"]
    assert cookie.startswith("mithaq-xa-session=")
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Domain" not in cookie


def test_the_session_ends_with_its_time(signed_in: SignIn, node: Node) -> None:
    client = signed_in(Role.ANALYST)
    assert client.get("/").status_code == 200
    node.clock.at += timedelta(hours=12)
    assert client.get("/").status_code == 303


def test_signing_out_shuts_the_pages(signed_in: SignIn, token_of: Callable[[TestClient], str]) -> None:
    client = signed_in(Role.ANALYST)
    assert client.post("/sign-out", data={"_csrf": token_of(client)}).headers["location"] == "/sign-in"
    assert client.get("/").status_code == 303


def test_a_stranger_is_brought_back_to_the_page_asked_for(browser: TestClient) -> None:
    assert browser.get("/audit?before=7").headers["location"] == "/sign-in?next=/audit%3Fbefore%3D7"


def test_a_fragment_asked_for_by_a_stranger_sends_the_whole_page_to_sign_in(browser: TestClient) -> None:
    answer = browser.get("/overview/panels", headers={"hx-request": "true"})
    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/sign-in")


@pytest.mark.parametrize(
    "path",
    ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "", "evil", "/a\nb", "\\\\x"],
)
def test_after_sign_in_nobody_is_led_elsewhere(path: str) -> None:
    assert _safe(path) == "/"


def test_a_path_of_this_node_is_kept() -> None:
    assert _safe("/intelligence?q=a%20b") == "/intelligence?q=a%20b"


def test_a_chosen_language_is_kept_and_the_page_stays(browser: TestClient) -> None:
    answer = browser.get("/sign-in?next=/audit&lang=ar")
    assert answer.headers["location"] == "/sign-in?next=%2Faudit"
    page = browser.get("/sign-in").text
    assert '<html lang="ar" dir="rtl"' in page


def test_the_browsers_language_is_used_until_one_is_chosen(browser: TestClient) -> None:
    assert 'lang="fr"' in browser.get("/sign-in", headers={"accept-language": "fr-CH, en;q=0.5"}).text


def test_an_unknown_theme_is_ignored(browser: TestClient) -> None:
    browser.get("/sign-in?theme=neon")
    assert 'data-theme="auto"' in browser.get("/sign-in").text
    browser.get("/sign-in?theme=dark")
    assert 'data-theme="dark"' in browser.get("/sign-in").text


def test_on_a_bare_address_the_page_offers_a_host_name(browser: TestClient) -> None:
    page = browser.get("/sign-in", headers={"host": "127.0.0.1:8471"}).text
    assert "http://localhost:8471/sign-in" in page
    assert "data-passkey" not in page


def test_a_broken_passkey_answer_is_told_to_the_script(browser: TestClient) -> None:
    answer = browser.post("/sign-in/passkey", json={"ceremony": 1})
    assert answer.status_code == 422
    assert answer.json()["code"] == "passkey-refused"


def test_sign_in_options_are_bound_to_this_host(browser: TestClient) -> None:
    begun = browser.post("/sign-in/passkey/options", json={}).json()
    assert begun["options"]["rpId"] == "localhost"
    assert begun["options"]["userVerification"] == "required"
