"""What people read of an object on a console: said in words, in their language, and nothing in it moves the cursor."""

import json
from pathlib import Path

from tests.unit.cli.conftest import Desk

ESCAPE = "\x1b[31mred\x1b[2J"


def indicator(number: int, name: str, value: str = "evil.example", modified: str = "2026-01-02T03:04:05.678Z") -> str:
    return json.dumps(
        {
            "type": "indicator",
            "spec_version": "2.1",
            "id": f"indicator--5b8f0b1e-1234-4abc-8def-00000000000{number}",
            "created": "2026-01-02T03:04:05.678Z",
            "modified": modified,
            "name": name,
            "pattern": f"[domain-name:value = '{value}']",
            "pattern_type": "stix",
            "valid_from": "2026-01-02T03:04:05.678Z",
        }
    )


def test_an_object_is_told_in_words(xa: Desk, tmp_path: Path) -> None:
    newer = indicator(1, f"Beacon {ESCAPE}", modified="2026-02-02T03:04:05.678Z")
    file = tmp_path / "bundle.json"
    file.write_text(f'{{"type":"bundle","objects":[{indicator(1, "Beacon")},{newer},{indicator(2, "Another")}]}}')
    xa("object", "import", str(file), "--tlp", "green", "--admiralty", "B2")
    first, second = (f"indicator--5b8f0b1e-1234-4abc-8def-00000000000{number}" for number in (1, 2))
    xa("object", "note", first, "Seen in two ministries")
    shown = xa("object", "show", first).out
    assert "\x1b" not in shown
    assert "TLP:GREEN B2" in shown
    assert "/name  XA: Beacon [31mred[2J; XA: Beacon" in shown
    assert "XA  note  Seen in two ministries" in shown
    assert second in shown.partition("Also said as")[2]
    assert "من قاله" in xa("object", "show", first, lang="ar").out
    related = xa("object", "related", first).out
    assert related.splitlines()[:2] == ["What else has to do with it", "evil.example"]
    assert second in related


def test_an_object_that_nothing_has_to_do_with_says_so(xa: Desk, tmp_path: Path) -> None:
    file = tmp_path / "bundle.json"
    file.write_text(f'{{"type":"bundle","objects":[{indicator(3, "Alone", value="alone.example")}]}}')
    xa("object", "import", str(file), "--tlp", "green")
    alone = xa("object", "related", "indicator--5b8f0b1e-1234-4abc-8def-000000000003")
    assert alone.out == "Nothing else that is held here has to do with it.\n"


def test_what_attack_knows_is_told_in_words(xa: Desk, tmp_path: Path) -> None:
    technique, tool = (
        "attack-pattern--5b8f0b1e-1234-4abc-8def-000000000004",
        "tool--5b8f0b1e-1234-4abc-8def-000000000005",
    )
    known = {"spec_version": "2.1", "created": "2025-01-01T00:00:00Z", "modified": "2025-01-01T00:00:00Z"}
    objects = [
        {"type": "attack-pattern", "id": technique, "name": "PowerShell", "description": f"A shell.{ESCAPE}\nOf many.",
         "external_references": [{"source_name": "mitre-attack", "external_id": "T1059.001"}], **known},
        {"type": "tool", "id": tool, "name": "Empire", **known},
        {"type": "relationship", "id": "relationship--5b8f0b1e-1234-4abc-8def-000000000006",
         "relationship_type": "uses", "source_ref": tool, "target_ref": technique, **known},
    ]  # fmt: skip
    file = tmp_path / "attack.json"
    file.write_text(json.dumps({"type": "bundle", "objects": objects}))
    xa("knowledge", "load", str(file), "--version", "18.1")
    shown = xa("knowledge", "show", "T1059.001").out
    assert "\x1b" not in shown
    assert "A shell.[31mred[2J\nOf many." in shown
    assert f"uses ← {tool}  Empire" in shown
