"""Enrol a passkey and sign in with it, with Chromium's virtual authenticator."""

from collections.abc import Callable
from typing import Any

from mithaq.nations.people.model import Role
from tests.ui.harness import Served

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


def test_a_passkey_is_enrolled_and_signs_in(visit: Callable[..., Any], served: Served) -> None:
    page = visit(served.link(Role.ANALYST, name="Omar"), signed_in=False)
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/passkeys")
    page.get_by_role("button", name="Enrol a passkey").click()
    page.get_by_text("Enrolled").wait_for()

    page.locator(".menu summary").nth(1).click()
    page.get_by_role("button", name="Sign out").click()
    page.goto("/intelligence?q=crane")
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url("**/intelligence?q=crane")
    assert page.locator("tbody tr").count() == 8


def test_a_passkey_that_nobody_gives_is_told_in_the_readers_language(visit: Callable[..., Any]) -> None:
    page = visit("/sign-in", lang="fr", signed_in=False)
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    page.get_by_role("button", name="Se connecter avec une clé d’accès").click()
    page.get_by_text("La clé d’accès n’a pas servi").wait_for(timeout=15_000)
