"""A partner's TAXII collections on its page: who gives an account, what is told to whom, why something is withheld."""

from collections.abc import Callable
from pathlib import Path

import pytest
from httpx import Response
from starlette.testclient import TestClient

from mithaq.exchange.taxii.partners.shelving import PartnerShelving
from mithaq.kernel import journal
from mithaq.nations.people.model import Role
from mithaq.node.composition import Node
from mithaq.standards.tlp import Tlp
from tests.country import Country, deliver
from tests.unit.web.test_actions import actions
from tests.world import XB, Treaty

SignIn = Callable[..., TestClient]
Post = Callable[..., Response]


@pytest.fixture
def administrator(signed_in: SignIn) -> TestClient:
    return signed_in(Role.ADMINISTRATOR)


def settle(node: Node) -> None:
    shelving = PartnerShelving(node.channel, node.clock.now)
    reader = shelving.reader()
    while journal.run_once(node.db, reader, node.clock.now()) or shelving.fill(node.clock.now()):
        pass


def given(node: Node, client: TestClient, post: Post) -> str:
    agreement = Treaty(node.clock.now()).agreement_id
    shown = post(client, "/exchange/XB/account", agreement=agreement, name="opencti", days="30")
    assert shown.status_code == 200, shown.text
    settle(node)
    return shown.text.split('class="secret" dir="ltr">', 1)[1].split("<", 1)[0]


def test_an_account_is_given_once_and_ended_on_the_partners_page(
    administrator: TestClient, post: Post, node: Node
) -> None:
    secret = given(node, administrator, post)
    known = node.partner_accounts.sign_in(secret, XB, node.clock.now())
    assert known is not None
    page = administrator.get("/exchange/XB").text
    assert secret not in page
    assert "opencti" in page
    assert known[0].collection.id in page
    assert post(administrator, "/exchange/XB/revoke", account=known[1].id).status_code == 303
    assert node.partner_accounts.sign_in(secret, XB, node.clock.now()) is None
    assert [action for action, _ in actions(node)[:2]] == ["partner.account-sign-in", "partner.account-ended"]


@pytest.mark.parametrize("days", ["0", "400", "-1", "many", ""])
def test_an_account_of_no_length_is_refused(administrator: TestClient, post: Post, node: Node, days: str) -> None:
    agreement = Treaty(node.clock.now()).agreement_id
    answer = post(administrator, "/exchange/XB/account", agreement=agreement, name="opencti", days=days)
    assert answer.status_code == 422


def test_no_account_is_offered_or_given_under_a_suspended_agreement(
    administrator: TestClient, post: Post, node: Node
) -> None:
    agreement = Treaty(node.clock.now()).agreement_id
    assert "/exchange/XB/account" in administrator.get("/exchange/XB").text
    node.agreements.set_suspended(agreement, True, at=node.clock.now(), actor="person--1")
    assert "/exchange/XB/account" not in administrator.get("/exchange/XB").text
    answer = post(administrator, "/exchange/XB/account", agreement=agreement, name="opencti", days="30")
    assert (answer.status_code, "suspended" in answer.text) == (422, True)


def test_only_who_manages_partners_gives_accounts(signed_in: SignIn, post: Post, node: Node) -> None:
    analyst = signed_in(Role.AUDITOR, name="Omar")
    agreement = Treaty(node.clock.now()).agreement_id
    answer = post(analyst, "/exchange/XB/account", agreement=agreement, name="opencti", days="30")
    assert answer.status_code == 403


def test_what_is_withheld_over_taxii_is_told_with_its_reason_to_who_may_read_releases(
    administrator: TestClient, signed_in: SignIn, post: Post, node: Node, countries: list[Country], tmp_path: Path
) -> None:
    del tmp_path
    xa, xb, _ = countries
    xa.order(Treaty(node.clock.now()), node.clock.now())
    given(node, administrator, post)
    name = xa.add(1, node.clock.now(), tlp=Tlp.GREEN)
    xa.plan(node.clock.now())
    xb.context.agreements.set_suspended(
        Treaty(node.clock.now()).agreement_id, True, at=node.clock.now(), actor="person--1"
    )
    assert deliver(xa, xb, node.clock.now()) == ["quarantined"]
    settle(node)
    releaser = signed_in(Role.RELEASER, name="Omar")
    taxii = releaser.get("/exchange/XB").text.split('id="taxii"', 1)[1].split("</section>", 1)[0]
    assert "XB did not admit it" in taxii
    assert name in taxii
    seen = administrator.get("/exchange/XB").text
    assert name not in seen, "who manages partners need not know what was released"
