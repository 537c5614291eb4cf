"""`mithaq release` and `mithaq why`: what leaves, what does not, and why, said to people and programs."""

from pathlib import Path

import pytest

from mithaq.node.language import translator
from tests.unit.cli.conftest import Desk, befriend, desk, exchange, run


@pytest.fixture
def shared(xa: Desk, xb: Desk, agreed: str) -> tuple[str, str]:
    """One indicator that went to XB, and one that was withheld."""
    assert xa("release", "order", agreed).code == 0
    green = xa.one("indicator", "add", "evil.example", "--tlp", "green", "--pap", "green")["id"]
    red = xa.one("indicator", "add", "secret.example", "--tlp", "red")["id"]
    assert exchange(xa, xb) == ["admitted"]
    return green, red


def test_a_standing_order_is_given_listed_and_ended(xa: Desk, agreed: str) -> None:
    assert xa.json("release", "orders") == []
    assert xa.json("release", "order", agreed, "--purpose", "defence") == [
        {"agreement": agreed, "title": "Joint defence", "purpose": "defence"}
    ]
    assert xa.json("release", "stop", agreed) == []


def test_an_order_for_another_purpose_is_refused_and_one_that_cannot_work_yet_is_said(xa: Desk, agreed: str) -> None:
    assert xa("release", "order", agreed, "--purpose", "research").code == 4
    xa("agreement", "suspend", agreed)
    assert "Nothing leaves under this agreement yet" in xa("release", "order", agreed).err


def test_what_went_and_what_did_not_is_listed_with_receipts_and_reasons(
    xa: Desk, shared: tuple[str, str], agreed: str
) -> None:
    green, red = shared
    sent = xa.one("release", "sent")
    assert (sent["partner"], sent["objects"], sent["agreement"], sent["outcome"]) == ("XB", [green], agreed, "admitted")
    assert xa.one("release", "receipts")["release"] == sent["release"]
    assert xa.json("release", "receipts", "--missing") == []
    withheld = xa.one("release", "withheld")
    assert withheld["object"] == red
    assert "tlp-ceiling" in {reason["code"] for reason in withheld["reasons"]}
    assert all(reason["remedy"] for reason in withheld["reasons"])


def test_lists_are_narrowed_by_partner_and_object(xa: Desk, shared: tuple[str, str]) -> None:
    green, red = shared
    assert len(xa.json("release", "sent", "--partner", "XB", "--object", green)) == 1
    assert xa.json("release", "sent", "--object", red) == []
    assert xa.json("release", "withheld", "--object", green) == []
    assert xa("release", "sent", "--partner", "XC").code == 3


def test_what_a_partner_did_not_admit_is_told_with_its_reasons(xa: Desk, xb: Desk, agreed: str) -> None:
    xa("release", "order", agreed)
    xb("agreement", "suspend", agreed)
    refused = xa.one("indicator", "add", "evil.example", "--tlp", "green", "--pap", "green")["id"]
    assert exchange(xa, xb) == ["quarantined"]
    told = xa("release", "receipts")
    assert f"XB did not admit {refused}" in told.err
    assert "the agreement is suspended" in told.err
    there = xb.one("release", "quarantine")
    assert (there["partner"], there["object"]) == ("XA", refused)


def test_a_veto_wins_over_the_agreement_until_it_is_lifted(xa: Desk, agreed: str) -> None:
    added = xa.one("indicator", "add", "evil.example", "--tlp", "green", "--pap", "green")["id"]
    for whom in ((), ("XB",)):
        assert xa("why", added, "XB").code == 0
        xa("release", "veto", added, *whom)
        (refused,) = xa.one("why", added, "XB")["agreements"]
        assert [reason["code"] for reason in refused["reasons"]] == ["veto"]
        xa("release", "unveto", added, *whom)
    assert xa("release", "veto", added, "XC").code == 3


def test_a_veto_on_what_already_left_says_who_has_it(xa: Desk, shared: tuple[str, str]) -> None:
    said = xa("release", "veto", shared[0])
    assert "XB had it before" in said.err
    assert f"mithaq object withdraw {shared[0]}" in said.err


@pytest.mark.parametrize("lang", ["en", "fr", "ar"])
def test_why_names_every_failing_clause_and_its_remedy_in_three_languages(xa: Desk, agreed: str, lang: str) -> None:
    added = xa.one("indicator", "add", "secret.example", "--tlp", "red")["id"]
    xa("agreement", "suspend", agreed)
    said = xa("why", added, "XB", "--purpose", "warning", lang=lang)
    assert said.code == 4
    words = translator(lang)
    expected = {"agreement-suspended", "party-suspended", "tlp-ceiling", "tlp-red-named", "pap-ceiling", "purpose"}
    (judged,) = xa("--json", "why", added, "XB", "--purpose", "warning", lang=lang).rows[0]["agreements"]
    assert {reason["code"] for reason in judged["reasons"]} == expected
    for reason in judged["reasons"]:
        assert reason["reason"] in said.out
        assert reason["remedy"] in said.out
    assert words.gettext("the agreement is suspended") in said.out
    assert (lang == "en") == (words.gettext("the agreement is suspended") == "the agreement is suspended")


def test_why_says_that_it_may_go_and_that_it_went(xa: Desk, shared: tuple[str, str]) -> None:
    said = xa("why", shared[0], "XB")
    assert said.code == 0
    assert f"{shared[0]} may go to XB for defence." in said.out
    assert "XB has this object already." in said.out


def test_why_without_any_agreement_says_so(xa: Desk, xb: Desk, tmp_path: Path) -> None:
    befriend(xa, xb)
    added = xa.one("indicator", "add", "evil.example", "--tlp", "green")["id"]
    said = xa("why", added, "XB")
    assert said.code == 4
    assert "No agreement with XB:" in said.out


def test_why_of_what_is_not_here_is_not_found(xa: Desk, agreed: str) -> None:
    assert xa("why", "indicator--absent", "XB").code == 3
    assert xa("why", "indicator--absent", "XD").code == 3


def test_empty_lists_are_said_to_people_and_nothing_to_programs(xa: Desk) -> None:
    for verb in ("orders", "sent", "receipts", "withheld", "quarantine"):
        said = xa("release", verb)
        assert (said.code, said.out) == (0, "")
        assert said.err
        assert xa("--json", "release", verb).out == ""


def test_foreign_text_cannot_rewrite_the_terminal(xa: Desk, tmp_path: Path) -> None:
    evil = desk(tmp_path, "XE")
    settings = evil.root / "mithaq.toml"
    settings.write_text(settings.read_text().replace("duty@x.example", "duty\\u001b[2J\\u202e@x.example"))
    assert evil("card", "renew").code == 0
    evil("card", "export", str(tmp_path / "evil"))
    shown = xa("partner", "add", str(tmp_path / "evil")).out
    assert "duty[2J@x.example" in shown
    assert not set("\x1b\u202e") & set(shown)


def test_no_node_in_the_folder_is_said_with_the_remedy(tmp_path: Path) -> None:
    said = run("--data", str(tmp_path / "absent"), "--lang", "en", "release", "sent")
    assert said.code == 1
    assert "run `mithaq init` first" in said.err


def test_whoever_adds_an_indicator_hears_at_once_who_gets_it_and_who_does_not_and_why(xa: Desk, agreed: str) -> None:
    def heard(*words: str) -> str:
        return xa("indicator", "add", *words, "--tlp", "green", "--agreement", agreed).err

    assert heard("good.example", "--pap", "green") == f"XB gets it under {agreed}.\n"
    refused = heard("bad.example")
    assert refused.startswith(f"XB does not get it under {agreed}:\n  1. ")
    assert "PAP:RED" in refused
    assert xa("indicator", "add", "own.example", "--tlp", "green").err == ""
