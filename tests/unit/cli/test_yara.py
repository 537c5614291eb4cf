"""`mithaq yara` at two nations' consoles: rules are imported, shared, checked and tried on files."""

from __future__ import annotations

import json
from pathlib import Path

from mithaq.intelligence.imports.yara import indicator_id
from mithaq.kernel.ids import NationId
from tests.unit.cli.conftest import Desk, exchange
from tests.unit.detection.yara.rules import EICAR, EICAR_RULE

SLOW = "rule Slow { strings: $a = /.*x/ condition: $a }"
BAD = "rule Bad {\n  condition: nope\n}"


def test_what_cannot_be_followed_is_refused_by_name_and_line_and_the_rest_is_imported(xa: Desk, tmp_path: Path) -> None:
    (tmp_path / "all.yar").write_text(f"{EICAR_RULE}\n{BAD}\n{SLOW}")
    (tmp_path / "include.yara").write_text('include "/etc/passwd"\nrule X { condition: true }')
    report = xa.one("yara", "add", "--tlp", "green", str(tmp_path))
    assert (report["stored"], report["refused_count"]) == (2, 2)
    refused = {each["object"]: each["reason"] for each in report["refused"]}
    assert refused["Bad"].startswith("line 2: unknown identifier `nope`")
    assert "other files are not included" in refused[str(tmp_path / "include.yara")]


def test_a_shared_rule_arrives_as_it_was_written_and_a_newer_text_is_its_next_version(
    xa: Desk, xb: Desk, agreed: str, tmp_path: Path
) -> None:
    rule = tmp_path / "rule.yar"
    for text in (EICAR_RULE, EICAR_RULE.replace("EICAR-ST", "EICAR ST") + "// two"):
        rule.write_text(text)
        assert xa("yara", "add", "--tlp", "green", "--pap", "amber", "--agreement", agreed, str(rule)).code == 0
        exchange(xa, xb)
        shown = json.loads(xb("object", "show", indicator_id(NationId("XA"), "Eicar"), "--body").out)
        assert (shown["pattern"], shown["pattern_type"]) == (text, "yara")
    assert {"source_name": "mitre-attack", "external_id": "T1204.002"} in shown["external_references"]


def test_a_rule_is_checked_with_what_makes_it_slow(xa: Desk, tmp_path: Path) -> None:
    (tmp_path / "slow.yar").write_text(SLOW)
    row = xa.one("yara", "check", str(tmp_path / "slow.yar"))
    assert (row["rule"], row["problem"]) == ("Slow", "")
    assert "slow pattern" in row["warnings"][0]
    (tmp_path / "asks.yar").write_text('import "console" rule Asks { condition: console.log("x") }')
    said = xa("--json", "yara", "check", str(tmp_path / "asks.yar"))
    assert (said.code, said.rows[0]["problem"]) == (1, "the module console is not available here")


def test_rules_are_tried_on_files(xa: Desk, tmp_path: Path) -> None:
    (tmp_path / "rule.yar").write_text(EICAR_RULE)
    (tmp_path / "bad").write_bytes(b"--" + EICAR)
    (tmp_path / "good").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "bad")
    files = [str(tmp_path / name) for name in ("good", "bad", "link", "none")]
    rows = xa("--json", "yara", "test", str(tmp_path / "rule.yar"), *files).rows
    assert [(Path(row["file"]).name, row["rule"], row["texts"]) for row in rows if row["rule"]] == [
        ("bad", "Eicar", ["$a@30", "$x@2"])
    ]
    told = {Path(row["file"]).name: row["problem"] for row in rows if row["problem"]}
    assert told == {"link": "it is a link, and links are not followed", "none": "it is gone"}


def test_a_file_is_handed_over_to_be_scanned_and_what_became_of_it_is_shown(xa: Desk, tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(EICAR)
    said = xa("--json", "yara", "scan", str(tmp_path / "bad"), str(tmp_path / "none"))
    assert said.code == 1
    assert [(bool(row["sha256"]), row["problem"]) for row in said.rows] == [(True, ""), (False, "it is gone")]
    (source,) = xa("--json", "telemetry", "status").rows
    assert source["name"] == "uploads"
    assert xa("--json", "yara", "files").rows == []
    assert xa("telemetry", "push", "uploads", str(tmp_path / "bad")).code == 3, "only the node writes its lines"


def test_packets_go_to_a_source_that_is_there(xa: Desk, tmp_path: Path) -> None:
    (tmp_path / "no.pcap").write_bytes(b"no packets")
    assert xa("telemetry", "pcap", "net", str(tmp_path / "no.pcap")).code == 3
