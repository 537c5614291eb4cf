"""`mithaq agreement`: from a draft to a text in force, in sentences a director can read."""

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Desk, befriend, desk


def test_a_draft_becomes_an_agreement_in_force_by_files_alone(xa: Desk, xb: Desk, agreed: str) -> None:
    for each in (xa, xb):
        row = each.one("agreement", "list")
        assert (row["id"], row["state"], row["parties"], row["missing"]) == (agreed, "in-force", ["XA", "XB"], [])
    assert xa.one("agreement", "show", agreed)["hash"] == xb.one("agreement", "show", agreed)["hash"]


def test_what_is_missing_is_said_with_the_next_step(xa: Desk, xb: Desk, tmp_path: Path) -> None:
    befriend(xa, xb)
    draft = str(tmp_path / "draft.json")
    assert "mithaq agreement propose" in xa("agreement", "draft", draft).err
    proposed = xa("agreement", "propose", draft)
    assert "Not signed by all" in proposed.out
    assert "Not in force until signed by XB" in proposed.err


def test_terms_are_sentences_in_the_readers_language(xa: Desk, agreed: str) -> None:
    english, arabic = (xa("agreement", "show", agreed, lang=lang).out for lang in ("en", "ar"))
    assert "- Nothing labelled above TLP:AMBER is shared; an unlabelled object counts as TLP:RED." in english
    assert "الدفاع المشترك" in arabic
    assert "الدولة XB" in arabic


def test_a_draft_says_what_was_asked_for(xa: Desk, xb: Desk, tmp_path: Path) -> None:
    befriend(xa, xb)
    terms = tmp_path / "terms.toml"
    terms.write_text('kinds = ["malware"]\nretention_days = 7\n[onward]\nmode = "parties"\n')
    asked = ("--terms", str(terms), "--tlp-ceiling", "TLP:GREEN", "--purposes", "defence,warning", "--constituents",
             "--retention-days", "14", "--from", "2030-01-01", "--valid-days", "10", "--lanes", "actual")  # fmt: skip
    document = json.loads(xa("agreement", "draft", *asked).out)
    assert document["terms"] == {
        "kinds": ["malware"],
        "tlp_ceiling": "TLP:GREEN",
        "pap_ceiling": "PAP:AMBER",
        "purposes": ["defence", "warning"],
        "onward": {"mode": "parties", "constituents": True},
        "retention_days": 14,
        "lanes": ["actual"],
    }
    assert (document["not_before"], document["not_after"]) == ("2030-01-01T00:00:00.000Z", "2030-01-11T00:00:00.000Z")


def test_an_amendment_follows_from_the_version_before(xa: Desk, agreed: str, tmp_path: Path) -> None:
    draft = str(tmp_path / "second.json")
    xa("agreement", "draft", "--amends", agreed, "--tlp-ceiling", "TLP:GREEN", draft)
    second = xa.one("agreement", "propose", draft)
    assert (second["version"], second["state"], second["title"]) == (2, "partly-signed", "Joint defence")
    first = xa.one("agreement", "show", agreed, "--version", "1")
    assert json.loads(Path(draft).read_text())["previous_hash"] == first["hash"]
    assert [row["version"] for row in xa.json("agreement", "list")] == [2]
    assert [row["version"] for row in xa.json("agreement", "list", "--all")] == [2, 1]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--kinds", "everything"), "everything is none of"),
        (("--with", "XC"), "XC: no card of this nation is known here"),
        (("--terms", "absent.toml"), "there is no such file"),
        (("--amends", "agreement--nix"), "no such agreement"),
    ],
)
def test_a_draft_of_what_cannot_be_agreed_is_refused(xa: Desk, xb: Desk, words: tuple[str, ...], reason: str) -> None:
    befriend(xa, xb)
    said = xa("agreement", "draft", *words)
    assert said.code in (1, 2, 3)
    assert said.out == ""
    assert reason in said.err


@pytest.mark.parametrize(
    ("terms", "reason"), [("surprise = 1", "no term surprise"), ("[", "no TOML"), ("retention_days = 0", "vocabulary")]
)
def test_a_file_of_terms_is_read_strictly(xa: Desk, xb: Desk, tmp_path: Path, terms: str, reason: str) -> None:
    befriend(xa, xb)
    (tmp_path / "terms.toml").write_text(terms)
    said = xa("agreement", "draft", "--terms", str(tmp_path / "terms.toml"))
    assert (said.code, said.out) == (1, "")
    assert reason in said.err


def test_a_draft_needs_somebody_to_agree_with(xa: Desk) -> None:
    assert "no partner is trusted here yet" in xa("agreement", "draft").err


def test_a_draft_that_was_edited_badly_is_refused_and_nothing_is_signed(xa: Desk, xb: Desk, tmp_path: Path) -> None:
    befriend(xa, xb)
    draft = tmp_path / "draft.json"
    xa("agreement", "draft", str(draft))
    for found, put in (('"TLP:AMBER"', '"TLP:PINK"'), ('"defence"', '"conquest"'), ('"title"', '"titel"')):
        broken = draft.read_text().replace(found, put)
        said = xa("agreement", "propose", "-", stdin=broken.encode())
        assert said.code == 1
        assert "vocabulary" in said.err
    assert "twice" in xa("agreement", "propose", "-", stdin=b'{"id":1,"id":2}').err
    assert xa.json("agreement", "list") == []


def test_an_agreement_is_found_by_a_beginning_that_only_one_has(xa: Desk, agreed: str) -> None:
    short = agreed.removeprefix("agreement--")[:6]
    assert xa.one("agreement", "show", short)["id"] == agreed
    assert xa("agreement", "show", "abc").code == 3
    assert xa("agreement", "show", "ffffffff").code == 3


def test_two_agreements_that_begin_alike_are_not_guessed(xa: Desk, agreed: str, tmp_path: Path) -> None:
    draft = tmp_path / "twin.json"
    xa("agreement", "draft", str(draft))
    document = json.loads(draft.read_text())
    twin = agreed[:-1] + ("0" if agreed[-1] != "0" else "1")
    xa("agreement", "propose", "-", stdin=json.dumps(document | {"id": twin}).encode())
    said = xa("agreement", "suspend", agreed[:20])
    assert (said.code, "several agreements" in said.err) == (3, True)
    assert xa.one("agreement", "show", agreed)["state"] == "in-force"


def test_suspension_is_this_nations_alone_and_ends_when_told(xa: Desk, xb: Desk, agreed: str) -> None:
    assert xa.one("agreement", "suspend", agreed)["state"] == "suspended"
    assert xb.one("agreement", "show", agreed)["state"] == "in-force"
    assert xa.one("agreement", "resume", agreed)["state"] == "in-force"


def test_an_agreement_of_others_is_refused(xa: Desk, xb: Desk, agreed: str, tmp_path: Path) -> None:
    stranger = desk(tmp_path, "XD")
    xa("agreement", "export", agreed, str(tmp_path / "seen"))
    said = stranger("agreement", "import", str(tmp_path / "seen"))
    assert said.code == 4
    assert "no party" in said.err
