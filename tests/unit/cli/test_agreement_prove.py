"""`mithaq agreement prove`: what holds of every release under a text, in words."""

from pathlib import Path

from tests.unit.cli.conftest import Desk, befriend


def test_theorems_on_a_signed_agreement_are_read_as_sentences(xa: Desk, agreed: str) -> None:
    said = xa("agreement", "prove", agreed)
    assert said.code == 0
    assert "proved: In no direction does anything leave above the ceilings that the text sets for it." in said.out
    assert "refuted" not in said.out
    rows = xa.json("agreement", "prove", agreed)
    assert {row["holds"] for row in rows} == {True}
    assert {row["directions"] for row in rows} == {2, 4}
    assert {row["counterexample"] for row in rows} == {None}


def test_a_draft_is_proved_before_anybody_signs_it(xa: Desk, xb: Desk, tmp_path: Path) -> None:
    befriend(xa, xb)
    draft = str(tmp_path / "draft.json")
    xa("agreement", "draft", draft)
    assert xa("agreement", "prove", draft).code == 0


def test_an_agreement_that_is_not_here_and_a_file_that_is_no_text_are_told_apart(xa: Desk, tmp_path: Path) -> None:
    assert xa("agreement", "prove", "agreement--00000000-0000-4000-8000-000000000000").code == 3
    bad = tmp_path / "bad.json"
    bad.write_text('{"tlp": "red", "tlp": "clear"}')
    assert xa("agreement", "prove", str(bad)).code == 1
