"""`mithaq sigma` at two nations' consoles: a rule is imported, shared, and finds at the other what it finds here."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from mithaq.intelligence.imports.sigma import indicator_id
from mithaq.kernel.ids import NationId
from tests.unit.cli.conftest import Desk, exchange
from tests.unit.detection.sigma.rules import rule_id, selection

RULE = selection("a|endswith: mimi.exe") + b"level: high\ntags: [attack.t1003]\n"


def test_a_folder_and_an_archive_are_imported_and_bad_rules_are_told(xa: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "rules" / "deep"
    folder.mkdir(parents=True)
    (folder / "one.yml").write_bytes(RULE)
    (folder / "readme.md").write_bytes(b"no rule")
    with zipfile.ZipFile(tmp_path / "more.zip", "w") as archive:
        archive.writestr("two.yaml", selection("b: 1", 2))
        archive.writestr("bad.yml", "id: [")
    report = xa.one("sigma", "add", "--tlp", "green", str(tmp_path / "rules"), str(tmp_path / "more.zip"))
    assert (report["stored"], report["refused_count"]) == (2, 1)
    assert report["refused"][0]["object"] == "bad.yml"
    assert "1 refused" in xa("sigma", "add", "--tlp", "green", str(tmp_path / "more.zip")).out
    assert xa("sigma", "add", "--tlp", "green", str(tmp_path / "nothing.yml")).code == 1
    (tmp_path / "empty").mkdir()
    assert "no file in it ends in .yml" in xa("sigma", "add", "--tlp", "green", str(tmp_path / "empty")).err


def test_a_shared_rule_arrives_byte_for_byte(xa: Desk, xb: Desk, agreed: str, tmp_path: Path) -> None:
    (tmp_path / "rule.yml").write_bytes(RULE)
    added = xa("sigma", "add", "--tlp", "green", "--pap", "amber", "--agreement", agreed, str(tmp_path / "rule.yml"))
    assert added.code == 0, added
    exchange(xa, xb)
    shown = xb("object", "show", indicator_id(NationId("XA"), rule_id(1)), "--body")
    assert json.loads(shown.out)["pattern"] == RULE.decode()


def test_a_rule_is_checked_before_anybody_relies_on_it(xa: Desk, tmp_path: Path) -> None:
    (tmp_path / "good.yml").write_bytes(RULE)
    row = xa.one("sigma", "check", str(tmp_path / "good.yml"))
    assert (row["fields"], row["techniques"], row["problem"]) == (["a"], ["T1003"], "")
    (tmp_path / "bad.yml").write_bytes(selection("a|re: '(?=x)'", 2))
    said = xa("--json", "sigma", "check", str(tmp_path / "good.yml"), str(tmp_path / "bad.yml"))
    assert said.code == 1
    assert "cannot be bounded" in said.rows[1]["problem"]


def test_rules_are_tried_on_lines_with_the_number_of_each_and_where_first(xa: Desk, tmp_path: Path) -> None:
    (tmp_path / "rule.yml").write_bytes(RULE)
    events = tmp_path / "events.json"
    hit, other = {"a": "x\\mimi.exe"}, {"a": "y"}
    events.write_text("\n".join([*(json.dumps(each) for each in (other, hit, hit, other, hit, hit)), "{broken"]))
    said = xa("--json", "sigma", "test", "--product", "zeek", str(tmp_path / "rule.yml"), str(events))
    (row,) = said.rows
    assert (row["rule"], row["count"], row["level"]) == (rule_id(1), 4, "high")
    assert row["first"] == ["events.json:2", "events.json:3", "events.json:5"]
    assert "7 events, 1 of them broken" in said.err
    assert xa("sigma", "test", str(tmp_path / "rule.yml"), str(tmp_path / "none.json")).code == 1


def test_what_the_detector_follows_and_finds_is_listed(xa: Desk, tmp_path: Path) -> None:
    rule = selection("a|endswith: mimi.exe", product="zeek", source="    service: dns\n") + b"level: high\n"
    (tmp_path / "rule.yml").write_bytes(rule + b"tags: [attack.t1003]\n")
    (tmp_path / "bad.yml").write_bytes(selection("a|re: '(?=x)'", 2))
    assert xa("sigma", "add", "--tlp", "green", str(tmp_path / "rule.yml"), str(tmp_path / "bad.yml")).code == 0
    assert xa("telemetry", "source", "add", "sensor").code == 0
    line = {"_path": "dns", "ts": 1.5, "a": "x\\mimi.exe"}
    (tmp_path / "events.json").write_text(json.dumps(line))
    assert xa("telemetry", "push", "sensor", str(tmp_path / "events.json")).code == 0
    assert xa("hunt", "run").code == 0
    followed, refused = sorted(xa("--json", "sigma", "list").rows, key=lambda row: row["title"])
    assert (followed["title"], followed["level"], followed["kinds"]) == ("Rule 1", "high", ["zeek.dns"])
    assert "cannot be bounded" in refused["problem"]
    assert [row["title"] for row in xa("--json", "sigma", "list", "--refused").rows] == ["Rule 2"]
    (hit,) = xa("--json", "hit", "list").rows
    assert (hit["seen"], hit["techniques"], hit["matched"]) == ("Rule 1", ["T1003"], None)
    assert hit["rule"]["answers"] == [{"field": "a", "value": "x\\mimi.exe"}]
    assert xa.one("hunt", "status")["hunts"] == 0
