"""`mithaq agreement lint`, `diff`, `counter`, and an amendment shown before it is signed."""

import json
from pathlib import Path

from tests.unit.cli.conftest import Desk, befriend


def test_a_sound_draft_has_nothing_wrong_and_a_contradiction_ends_with_one(xa: Desk, xb: Desk, tmp_path: Path) -> None:
    befriend(xa, xb)
    draft = str(tmp_path / "draft")
    xa("agreement", "draft", "--template", "bilateral", draft)
    assert (xa("agreement", "lint", draft).code, xa.json("agreement", "lint", draft)) == (0, [])
    bad = str(tmp_path / "bad")
    xa("agreement", "counter", bad, "--from", draft, "--set", 'lanes=["actual"]')
    said = xa("--json", "agreement", "lint", bad)
    row = json.loads(said.out.splitlines()[0])
    assert (said.code, row["severity"], row["term"]) == (1, "error", "purposes")
    assert row["sentence"] in xa("agreement", "lint", bad).out
    assert xa("agreement", "lint", "agreement--nix").code == 3


def test_a_difference_is_said_in_sentences_for_each_direction(xa: Desk, xb: Desk, tmp_path: Path) -> None:
    befriend(xa, xb)
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    xa("agreement", "draft", one)
    told = xa("agreement", "counter", two, "--from", one, "--set", "tlp_ceiling=TLP:GREEN", "--set", "recall_hours=24")
    assert told.code == 0
    text = xa("agreement", "diff", one, two).out
    assert text == told.err
    assert "* in every direction: less passes" in text
    assert "  + Nothing labelled above TLP:GREEN is shared" in text
    assert "  + A recall is carried out within 24 hours." in text
    assert [(row["term"], row["narrower"]) for row in xa.json("agreement", "diff", one, two)] == [
        ("tlp_ceiling", True), ("recall_hours", False),
    ]  # fmt: skip
    assert "Nothing changes" in xa("agreement", "diff", one, one).out


def test_a_counter_proposal_outside_the_vocabulary_is_refused(xa: Desk, xb: Desk, tmp_path: Path) -> None:
    befriend(xa, xb)
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    xa("agreement", "draft", one)
    for change in ("tlp_ceiling=PINK", "surprise=1", "tlp_ceiling.deep=1", "kinds=null"):
        assert xa("agreement", "counter", two, "--from", one, "--set", change).code == 1
    assert not Path(two).exists()


def test_an_amendment_shows_what_it_changes_before_it_is_signed(
    xa: Desk, xb: Desk, agreed: str, tmp_path: Path
) -> None:
    answer, copy = str(tmp_path / "answer"), str(tmp_path / "answer.agreement")
    xb("agreement", "counter", answer, "--from", agreed, "--set", "tlp_ceiling=TLP:RED")
    assert xb.one("agreement", "propose", answer)["version"] == 2
    xb("agreement", "export", agreed, copy)
    xa.one("agreement", "import", copy)
    refused = xa("agreement", "sign", agreed, stdin=b"n\n")
    assert (refused.code, "more passes" in refused.err) == (130, True)
    assert xa.one("agreement", "show", agreed)["missing"] == ["XA"]
    assert "more passes" in xa("agreement", "diff", f"{agreed}@1", agreed).out
    assert xa("agreement", "sign", agreed, "--yes").code == 0
    assert xa.one("agreement", "show", agreed)["missing"] == []


def test_a_draft_is_tried_on_what_came_in_lately(xa: Desk, xb: Desk, agreed: str, tmp_path: Path) -> None:
    assert xa("indicator", "add", "evil.example", "--tlp", "amber", "--pap", "green").code == 0
    stricter = str(tmp_path / "stricter")
    xa("agreement", "counter", stricter, "--from", agreed, "--set", "tlp_ceiling=TLP:GREEN")
    (row,) = xa.json("agreement", "simulate", stricter, "--since", "7d")
    assert (row["recipient"], row["more"], row["less"]) == ("XB", 0, 1)
    assert [each["code"] for each in row["reasons"]] == ["tlp-ceiling"]
    assert "goes today, and would not" in xa("agreement", "simulate", stricter).out
    assert xa("agreement", "simulate", stricter, "--since", "soon").code == 2
