"""`mithaq partner token`, `accounts`, `revoke` and `withheld`: what a partner's programs read over TAXII."""

from mithaq.exchange.taxii.partners.service import PartnerAccounts
from mithaq.kernel.clock import SystemClock
from mithaq.kernel.ids import NationId
from tests.unit.cli.conftest import Desk, befriend

SUSPENDED = ["agreement-suspended", "party-suspended"]


def test_an_account_is_made_listed_and_ended(xa: Desk, agreed: str) -> None:
    made = xa.one("partner", "token", "XB", agreed, "--name", "opencti", "--days", "30")
    assert (made["user"], made["state"]) == ("XB", "in-use")
    (row,) = xa.json("partner", "accounts", "XB")
    assert (row["id"], row["agreement"], row["collection"], row["objects"], row["ended_for"]) == (
        made["id"], agreed, made["collection"], 0, [],
    )  # fmt: skip
    assert made["token"] not in xa("partner", "accounts", "XB").out
    assert xa.json("partner", "withheld", "XB") == []
    assert xa.one("partner", "revoke", made["id"])["state"] == "revoked"
    assert xa.one("partner", "accounts", "XB")["state"] == "revoked"
    assert xa("partner", "revoke", made["id"]).code == 1


def test_a_suspended_agreement_is_told_as_what_stands_against_everything(xa: Desk, agreed: str) -> None:
    secret = xa.one("partner", "token", "XB", agreed)["token"]
    xa("agreement", "suspend", agreed)
    (said,) = xa.json("partner", "withheld", "XB")
    assert (said["object"], [each["code"] for each in said["reasons"]]) == (None, SUSPENDED)
    assert agreed in xa("partner", "withheld", "XB").out
    with xa.country() as country:
        assert PartnerAccounts(country.context).sign_in(secret, NationId("XB"), SystemClock().now()) is None
    (row,) = xa.json("partner", "accounts", "XB")
    assert [each["code"] for each in row["ended_for"]] == SUSPENDED


def test_a_nation_or_an_agreement_that_is_not_known_is_not_found(xa: Desk, xb: Desk) -> None:
    assert xa("partner", "accounts", "XB").code == 3
    befriend(xa, xb)
    unknown = "agreement--11111111-1111-4111-8111-111111111111"
    assert xa("partner", "token", "XB", unknown).code == 3
    assert "No program" in xa("partner", "accounts", "XB").err
