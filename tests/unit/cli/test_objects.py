"""The commands `mithaq indicator` and `mithaq object`, on a real node in a folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mithaq.cli.main import cli
from mithaq.node.data_folder import DataFolder
from mithaq.node.founding import found
from mithaq.node.settings import Settings

Run = Callable[..., Result]
MD5 = "d41d8cd98f00b204e9800998ecf8427e"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("node") / "xa"
    settings = Settings(nation="XA", names={"en": "Xanadu"}, contact="duty@cert.example")
    found(DataFolder(root), settings, b"only a test's passphrase", datetime.now(UTC))
    return root


@pytest.fixture
def run(folder: Path) -> Run:
    def call(*words: str, stdin: bytes | None = None, text: bool = False) -> Result:
        head = ["--data", str(folder), "--lang", "en"] + ([] if text else ["--json"])
        return CliRunner().invoke(cli, [*head, *words], input=stdin)

    return call


def rows(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_an_indicator_is_added_listed_shown_and_withdrawn(run: Run) -> None:
    (added,) = rows(run("indicator", "add", "evil[.]example", "--tlp", "amber+strict", "--name", "first"))
    assert (added["value"], added["tlp"]) == ("evil.example", "TLP:AMBER+STRICT")
    assert added["id"] in [row["id"] for row in rows(run("indicator", "list"))]
    (versions,) = rows(run("object", "show", added["id"]))
    assert versions[0]["provenance"][0]["nation"] == "XA"
    body = run("object", "show", added["id"], "--body").stdout_bytes
    assert json.loads(body)["id"] == added["id"]
    (withdrawn,) = rows(run("object", "withdraw", added["id"], "--reason", "a mistake"))
    assert withdrawn["withdrawn"] is True
    assert added["id"] not in [row["id"] for row in rows(run("indicator", "list"))]


def test_a_release_is_asked_for_with_the_indicator(run: Run) -> None:
    asked = ("--agreement", "agreement--1", "--to", "xb,XC", "--purpose", "defence")
    (added,) = rows(run("indicator", "add", "198.51.100.77", "--tlp", "green", *asked))
    (versions,) = rows(run("object", "show", added["id"]))
    assert versions[0]["release"] == [{"agreement": "agreement--1", "to": ["XB", "XC"], "purpose": "defence"}]


def test_recipients_without_an_agreement_are_a_usage_error(run: Run) -> None:
    assert run("indicator", "add", "a.example", "--tlp", "green", "--to", "XB").exit_code == 2


@pytest.mark.parametrize(
    "words",
    [
        ("indicator", "add", "a.example"),
        ("indicator", "add", "a.example", "--tlp", "purple"),
        ("indicator", "add", "a.example", "--tlp", "green", "--lane", "exercise"),
        ("indicator", "add", "a.example", "--tlp", "green", "--valid-days", "0"),
    ],
)
def test_bad_options_are_usage_errors(run: Run, words: tuple[str, ...]) -> None:
    assert run(*words).exit_code == 2


def test_many_values_come_by_standard_input(run: Run) -> None:
    added = rows(
        run("indicator", "add", "-", "--tlp", "green", "--lane", "test", stdin=b"m1.example\n\nm2[.]example\n")
    )
    assert [row["value"] for row in added] == ["m1.example", "m2.example"]
    assert len(rows(run("object", "search", "type:indicator", "--lane", "test"))) == 2


def test_many_values_are_looked_up_in_any_spelling(run: Run) -> None:
    (added,) = rows(run("indicator", "add", "looked-up.example", "--tlp", "green", "--name", "Looked up"))
    lines = b"no value\n\nLOOKED-UP[.]example\nunknown.example\n"
    result = run("object", "lookup", "-", stdin=lines)
    answers = rows(result)
    assert [(each["line"], each["value"], each["known"]) for each in answers] == [
        (1, None, False),
        (3, "looked-up.example", True),
        (4, "unknown.example", False),
    ]
    assert [each["id"] for each in answers[1]["objects"]] == [added["id"]]
    assert "no value" in result.stderr
    table = run("object", "lookup", "-", stdin=lines, text=True).stdout.splitlines()
    assert ["Looked up" in line for line in table] == [False, True, False]


def test_a_search_with_a_wrong_word_names_it(run: Run) -> None:
    result = run("object", "search", "confidence>much")
    assert result.exit_code != 0
    assert "much" in result.stderr


def test_a_value_that_is_nothing_is_refused_and_nothing_is_added(run: Run) -> None:
    before = len(rows(run("indicator", "list", "--limit", "500")))
    result = run("indicator", "add", "good.example", "localhost", "--tlp", "green")
    assert result.exit_code != 0
    assert len(rows(run("indicator", "list", "--limit", "500"))) == before


def test_a_benign_value_is_flagged_on_standard_error(run: Run) -> None:
    result = run("indicator", "add", "8.8.8.8", "--tlp", "green", "--lane", "test")
    assert "DNS" in result.stderr
    assert "DNS" not in result.stdout


def test_a_ja3_is_named_as_one(run: Run) -> None:
    (added,) = rows(run("indicator", "add", MD5, "--type", "ja3", "--tlp", "green"))
    (versions,) = rows(run("object", "show", added["id"]))
    assert versions[0]["observables"] == [f"ja3:{MD5}"]


def test_a_bundle_is_imported_and_searched(run: Run, tmp_path: Path) -> None:
    good = {"type": "malware", "id": "malware--5b8f0b1e-1234-4abc-8def-000000000001", "name": "برنامج خبيث"}
    file = tmp_path / "bundle.json"
    file.write_text(json.dumps({"type": "bundle", "objects": [good, {"type": "malware"}]}), encoding="utf-8")
    (report,) = rows(run("object", "import", str(file), "--tlp", "green"))
    assert (report["stored"], report["refused_count"]) == (1, 1)
    assert [row["name"] for row in rows(run("object", "search", "الخبيث"))] == ["برنامج خبيث"]
    again = run("object", "import", str(file), text=True)
    assert (again.exit_code, "1 known already" in again.stdout) == (0, True)


def test_a_broken_file_fails_and_says_where(run: Run) -> None:
    half = run(
        "object", "import", "-", stdin=b'{"objects":[{"type":"x-a","id":"x-a--5b8f0b1e-1234-4abc-8def-000000000001"},'
    )
    assert half.exit_code == 1
    assert "byte" in json.loads(half.stdout)["broken"]


def test_a_report_is_looked_up_and_only_then_becomes_indicators(run: Run) -> None:
    text = b"C2: report-c2[.]example, 8.8.8.8, CVE-2026-11111"
    found_values = {row["value"]: row for row in rows(run("object", "import", "-", "--text", stdin=text))}
    assert found_values["8.8.8.8"]["warned"]
    assert rows(run("object", "search", "report-c2.example")) == []
    run("object", "import", "-", "--text", "--create", "--tlp", "green", stdin=text)
    assert len(rows(run("object", "search", "report-c2.example"))) == 1
    assert rows(run("object", "search", "8.8.8.8")) == []


@pytest.mark.parametrize("verb", [("show",), ("withdraw", "--reason", "x")])
def test_an_object_that_is_not_held_is_not_found(run: Run, verb: tuple[str, ...]) -> None:
    missing = "indicator--5b8f0b1e-1234-4abc-8def-0000000000ff"
    assert run("object", verb[0], missing, *verb[1:]).exit_code == 3


def test_who_disputes_an_own_object_is_listed_until_the_object_is_taken_back(run: Run, tmp_path: Path) -> None:
    (added,) = rows(run("indicator", "add", "mirror[.]example", "--tlp", "green", "--name", "mirror"))
    opinion = {
        "type": "opinion",
        "spec_version": "2.1",
        "id": "opinion--00000000-0000-4000-8000-000000000001",
        "created": "2026-11-23T11:00:00.000Z",
        "modified": "2026-11-23T11:00:00.000Z",
        "opinion": "disagree",
        "explanation": "A mirror of \x1b[31mfree software.",
        "object_refs": [added["id"]],
    }
    bundle = tmp_path / "bundle.json"
    bundle.write_text(json.dumps({"type": "bundle", "id": f"bundle--{added['id'][11:]}", "objects": [opinion]}))
    assert "Nobody disputes" in run("object", "disputed", text=True).output
    rows(run("object", "import", str(bundle)))
    (said,) = rows(run("object", "disputed"))
    assert (said["object"], said["by"], said["says"]) == (added["id"], ["XA"], "disagree")
    shown = run("object", "disputed", text=True).stdout
    assert "Disagrees" in shown
    assert "\x1b" not in shown
    (versions,) = rows(run("object", "show", added["id"]))
    assert [each["id"] for each in versions[0]["found"]] == [opinion["id"]]
    rows(run("object", "withdraw", added["id"], "--reason", "a false positive"))
    assert rows(run("object", "disputed")) == []


def test_a_list_and_a_csv_are_imported_by_a_mapping(run: Run, tmp_path: Path) -> None:
    table, mapping = tmp_path / "feed.csv", tmp_path / "feed.json"
    table.write_text("when;what\n2026-11-01;list-one[.]example\n2026-11-01;nothing\n", "utf-8")
    mapping.write_text(json.dumps({"origin": "f", "header": True, "delimiter": ";", "columns": {"value": "what"}}))
    words = ("object", "import", str(table), "--as", "csv", "--mapping", str(mapping), "--tlp", "green")
    (report,) = rows(run(*words))
    assert (report["stored"], [each["object"] for each in report["refused"]]) == (1, ["line 3"])
    assert rows(run(*words))[0]["duplicates"] == 1
    (plain,) = rows(run("object", "import", "-", "--as", "list", "--origin", "o", stdin=b"list-two.example # x\n"))
    assert plain["stored"] == 1
    assert run("object", "import", str(table), "--as", "csv").exit_code == 2
    mapping.write_text('{"origin": "f", "columns": {"value": "gone"}, "header": true}')
    bad = run("object", "import", str(table), "--as", "csv", "--mapping", str(mapping), text=True)
    assert (bad.exit_code, "no column" in bad.stderr) == (1, True)


def test_an_advisory_is_held_against_the_digest_beside_it(run: Run, data_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "icsa-24-277-01.json"
    file.write_bytes((data_dir / "csaf" / file.name).read_bytes())
    beside = tmp_path / f"{file.name}.sha256"
    beside.write_text("0" * 64)
    words = ("object", "import", str(file), "--as", "csaf")
    assert run(*words).exit_code == 1
    beside.write_text(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n")
    (report,) = rows(run(*words))
    assert report["stored"] == len(json.loads(file.read_bytes())["vulnerabilities"]) + 1
