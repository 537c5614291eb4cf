"""`mithaq knowledge` at a console: loaded, listed and looked up; it leaves to nobody, and hinders nothing."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import Desk, exchange

TECHNIQUE = "attack-pattern--5b8f0b1e-1234-4abc-8def-000000000001"


@pytest.fixture
def attack(tmp_path: Path) -> str:
    objects: list[dict[str, Any]] = [
        {
            "type": "attack-pattern",
            "id": TECHNIQUE,
            "name": "PowerShell",
            "description": "Abuse of a shell.",
            "modified": "2025-01-01T00:00:00Z",
            "kill_chain_phases": [{"kill_chain_name": "mitre-attack", "phase_name": "execution"}],
            "external_references": [{"source_name": "mitre-attack", "external_id": "T1059.001"}],
        },
        {"type": "x-mitre-matrix", "id": "x-mitre-matrix--5b8f0b1e-1234-4abc-8def-000000000001", "name": "Enterprise"},
        {"type": "attack-pattern", "id": "bad"},
    ]
    file = tmp_path / "attack.json.gz"
    file.write_bytes(gzip.compress(json.dumps({"type": "bundle", "objects": objects}).encode()))
    return str(file)


def test_a_bundle_is_loaded_listed_and_looked_up(xa: Desk, attack: str) -> None:
    loaded = xa.one("knowledge", "load", attack, "--version", "18.1")
    assert (loaded["name"], loaded["version"], loaded["stored"], loaded["refused"]) == ("Enterprise", "18.1", 2, 1)
    (listed,) = xa.json("knowledge", "list")
    assert listed == loaded
    ((found,),) = xa.json("knowledge", "show", "t1059.001")  # type: ignore[misc]
    assert (found["name"], found["tactics"], found["said_by"]) == ("PowerShell", ["execution"], ["MITRE"])
    assert xa("knowledge", "show", "T9999").code == 3
    assert [row["id"] for row in xa.json("object", "search", "attack:T1059.001")] == [TECHNIQUE]


@pytest.mark.parametrize("content", [b"", b"not gzip", gzip.compress(b'{"objects": [', mtime=0)[:-9]])
def test_a_file_that_cannot_be_read_is_told_as_that(xa: Desk, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "broken.json.gz"
    file.write_bytes(content)
    failed = xa("knowledge", "load", str(file))
    assert failed.code == 1
    assert "Traceback" not in failed.err


def test_what_only_a_publisher_said_goes_to_nobody_and_hinders_nothing_that_names_it(
    xa: Desk, xb: Desk, agreed_on_remarks: str, attack: str
) -> None:
    assert xa("release", "order", agreed_on_remarks).code == 0
    xa.one("knowledge", "load", attack)
    assert exchange(xa, xb) == []
    assert xa("why", TECHNIQUE, "XB").code == 4
    asked = ("--agreement", agreed_on_remarks)
    added = xa.one("indicator", "add", "evil.example", "--tlp", "green", "--pap", "green", *asked)["id"]
    exchange(xa, xb)
    file = Path(attack).with_name("named.json")
    naming = json.loads(xa("object", "show", added, "--body").out)
    naming |= {"id": "indicator--5b8f0b1e-1234-4abc-8def-000000000009", "x_technique_refs": [TECHNIQUE]}
    file.write_text(json.dumps({"type": "bundle", "id": "bundle--" + naming["id"][11:], "objects": [naming]}))
    xa.one("object", "import", str(file), "--tlp", "green", "--pap", "green", *asked)
    assert exchange(xa, xb) == ["admitted"]
    assert [row["id"] for row in xb.json("object", "search", naming["id"])] == [naming["id"]]


def test_without_the_publishers_word_the_same_reference_is_withheld(
    xa: Desk, xb: Desk, agreed_on_remarks: str, attack: str, tmp_path: Path
) -> None:
    file = tmp_path / "own.json"
    bundle = json.loads(gzip.decompress(Path(attack).read_bytes()))
    naming = {
        "type": "indicator", "id": "indicator--5b8f0b1e-1234-4abc-8def-000000000009", "spec_version": "2.1",
        "created": "2026-01-01T00:00:00Z", "modified": "2026-01-01T00:00:00Z", "valid_from": "2026-01-01T00:00:00Z",
        "pattern": "[domain-name:value = 'evil.example']", "pattern_type": "stix", "x_technique_refs": [TECHNIQUE],
    }  # fmt: skip
    file.write_text(json.dumps({"type": "bundle", "objects": [bundle["objects"][0], naming]}))
    xa.one("object", "import", str(file), "--tlp", "green", "--pap", "green", "--agreement", agreed_on_remarks)
    assert exchange(xa, xb) == []


def test_what_an_importer_rates_is_kept_with_the_word_and_never_leaves(
    xa: Desk, xb: Desk, agreed_on_remarks: str, tmp_path: Path
) -> None:
    added = xa.one("indicator", "add", "evil.example", "--tlp", "green", "--pap", "green")["id"]
    file = tmp_path / "rated.json"
    body = json.loads(xa("object", "show", added, "--body").out)
    body["id"] = "indicator--5b8f0b1e-1234-4abc-8def-000000000010"
    file.write_text(json.dumps({"type": "bundle", "objects": [body]}))
    options = ("--tlp", "green", "--pap", "green", "--admiralty", "b2", "--agreement", agreed_on_remarks)
    xa.one("object", "import", str(file), *options)
    ((shown, *_),) = xa.json("object", "show", body["id"])  # type: ignore[misc]
    assert shown["merged"]["words"][0]["admiralty"] == "B2"
    assert shown["score"]["base_score"] == 72
    assert exchange(xa, xb) == ["admitted"]
    ((there, *_),) = xb.json("object", "show", body["id"])  # type: ignore[misc]
    assert there["merged"]["words"][0]["admiralty"] is None
    assert "B2" not in json.dumps(there)
    assert xa("object", "import", str(file), "--admiralty", "G9").code == 2
