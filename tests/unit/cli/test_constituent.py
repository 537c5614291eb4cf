"""Constituents at the console."""

from tests.unit.cli.conftest import Desk


def test_a_constituent_is_added_listed_given_an_account_and_shut_out(xa: Desk) -> None:
    added = xa("constituent", "add", "grid-operator", "--name-en", "Grid", "--sector", "energy", "--contact", "soc@x")
    assert (added.code, added.out.strip()) == (0, "grid-operator")
    (listed,) = xa.json("constituent", "list")
    assert (listed["id"], listed["sectors"], listed["state"]) == ("grid-operator", ["energy"], "enabled")
    (made,) = xa.json("constituent", "token", "grid-operator", "--name", "splunk", "--days", "30")
    assert made["user"] == "grid-operator"
    assert made["token"].startswith("mithaq_")
    (shown,) = xa.json("constituent", "show", "grid-operator")
    assert (shown["name"], shown["may"], shown["last used"], shown["state"]) == ("splunk", "read", None, "in-use")
    assert "token" not in shown
    assert xa("constituent", "revoke", made["id"]).code == 0
    assert xa.json("constituent", "show", "grid-operator")[0]["state"] == "revoked"
    assert xa("constituent", "disable", "grid-operator").code == 0
    assert xa.json("constituent", "list")[0]["state"] == "disabled"
    assert xa("constituent", "enable", "grid-operator").code == 0


def test_what_is_unknown_or_unusable_says_so(xa: Desk) -> None:
    assert xa("constituent", "show", "nobody").code == 3
    assert xa("constituent", "add", "X!", "--name-en", "X", "--contact", "soc@x").code == 1
    assert xa("constituent", "add", "grid", "--name-en", "X", "--sector", "moon", "--contact", "soc@x").code == 2
