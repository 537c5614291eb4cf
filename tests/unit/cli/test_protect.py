"""`mithaq object protect` and what `mithaq why` tells of protected versions."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import Desk, befriend, exchange
from tests.unit.release.test_exposure import thing

TERMS = b"""
attribution = "must-not"
"""


@pytest.fixture
def protecting(xa: Desk, xb: Desk, tmp_path: Path) -> str:
    """An agreement in force between both that protects the source; its id."""
    befriend(xa, xb)
    befriend(xb, xa)
    draft, copy, back, terms = (
        str(tmp_path / name) for name in ("draft", "xa.agreement", "xb.agreement", "terms.toml")
    )
    Path(terms).write_bytes(TERMS)
    assert xa("agreement", "draft", "--title-en", "Quiet", "--title-ar", "هدوء", "--terms", terms, draft).code == 0
    agreement_id: str = xa.one("agreement", "propose", draft)["id"]
    assert xa("agreement", "export", agreement_id, copy).code == 0
    xb.one("agreement", "import", copy)
    xb.one("agreement", "sign", agreement_id)
    assert xb("agreement", "export", agreement_id, back).code == 0
    assert xa.one("agreement", "import", back)["state"] == "in-force"
    return agreement_id


def add(desk: Desk, value: str) -> str:
    added = desk.one("indicator", "add", value, "--tlp", "green", "--pap", "green", "--name", "a beacon")
    return str(added["id"])


def test_the_protected_version_is_shown_without_keeping_or_releasing_it(xa: Desk, xb: Desk, protecting: str) -> None:
    original = add(xa, "evil.example")
    shown = xa.one("object", "protect", original, "--agreement", protecting)
    assert shown["shows"] == ["source-identity"]
    assert shown["body"]["name"] == "a beacon"
    assert "created_by_ref" not in shown["body"]
    assert xa("object", "show", shown["protected_version"]).code == 3
    assert json.loads(xa("object", "protect", original, "--agreement", protecting).out) == shown["body"]
    assert exchange(xa, xb) == []


def test_an_object_that_has_no_protected_version_is_refused_with_the_reason(
    xa: Desk, protecting: str, tmp_path: Path
) -> None:
    odd = thing("x-acme", x_value="A")
    (tmp_path / "odd.json").write_text(json.dumps({"type": "bundle", "id": "bundle--1", "objects": [odd]}))
    assert xa("object", "import", str(tmp_path / "odd.json"), "--tlp", "green").code == 0
    refused = xa("object", "protect", odd["id"], "--agreement", protecting)
    assert (refused.code, refused.out.strip()) == (4, "without x_value it would be no x-acme")
    assert xa("object", "protect", "indicator--none", "--agreement", protecting).code == 3
    assert xa("object", "protect", odd["id"], "--agreement", "agreement--none").code != 0


def test_why_tells_which_version_went_instead(xa: Desk, xb: Desk, protecting: str) -> None:
    original = add(xa, "evil.example")
    assert xa("release", "order", protecting).code == 0
    assert exchange(xa, xb) == ["admitted"]
    (answer,) = judged(xa, original)
    assert (answer["allowed"], answer["protected_version_went"]) == (False, True)
    made = answer["protected_version"]
    assert f"A protected version went instead: {made}" in xa("why", original, "XB").out
    assert xb("object", "show", made).code == 0
    assert xb("object", "show", original).code == 3


def judged(desk: Desk, object_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = desk.one("why", object_id, "XB")["agreements"]
    return found
