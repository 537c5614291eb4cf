"""The commands `mithaq report`, on a real node in a folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mithaq.cli.main import cli
from mithaq.node.data_folder import DataFolder
from mithaq.node.founding import found
from mithaq.node.settings import Settings
from tests.papers import pdf

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("node") / "xa"
    settings = Settings(nation="XA", names={"en": "Xanadu"}, contact="duty@cert.example")
    found(DataFolder(root), settings, b"only a test's passphrase", datetime.now(UTC))
    return root


@pytest.fixture
def run(folder: Path) -> Run:
    def call(*words: str, lang: str = "en") -> Result:
        return CliRunner().invoke(cli, ["--data", str(folder), "--lang", lang, "--json", *words])

    return call


def rows(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_pdf_is_read_and_what_is_new_in_it_taken(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "report.pdf"
    file.write_bytes(pdf(["one[.]example 8[.]8[.]8[.]8 CVE-2026-1234"]))
    seen = rows(run("report", "read", str(file)))
    assert {(each["value"], bool(each["known"]), bool(each["warned"])) for each in seen} == {
        ("CVE-2026-1234", False, False), ("one.example", False, False), ("8.8.8.8", False, True),
    }  # fmt: skip
    (taken,) = rows(run("report", "take", str(file), "--all", "--tlp", "green"))
    assert len(taken["created"]) == 1
    assert rows(run("report", "read", str(file)))[0]["known"]
    (versions,) = rows(run("object", "show", taken["report"]))
    assert (versions[0]["name"], versions[0]["tlp"]) == ("report.pdf", "TLP:GREEN")


def test_a_mail_is_taken_value_by_value_under_its_subject(run: Run, tmp_path: Path) -> None:
    message = EmailMessage()
    message["Subject"], message["From"] = "تحذير", "a@cert.example"
    message.set_content("two[.]example three[.]example")
    file = tmp_path / "m.eml"
    file.write_bytes(message.as_bytes())
    (taken,) = rows(run("report", "take", str(file), "--value", "two[.]example"))
    (versions,) = rows(run("object", "show", taken["report"]))
    assert (versions[0]["name"], versions[0]["tlp"]) == ("تحذير", "TLP:RED")
    assert run("report", "take", str(file), "--value", "four.example").exit_code == 1
    assert run("report", "take", str(file)).exit_code == 2


def test_a_mailbox_is_emptied_into_the_tray_and_the_tray_worked_off(run: Run, tmp_path: Path) -> None:
    folder, settings = tmp_path / "box", tmp_path / "box.json"
    folder.mkdir()
    settings.write_text('{"take": ["stix"], "tlp": "TLP:GREEN"}')
    message = EmailMessage()
    message["Subject"], message["Message-ID"] = "تحذير", "<7@cert.example>"
    message.set_content("five[.]example")
    message.add_attachment(b'{"Event": {}}', maintype="application", subtype="json", filename="e.json")
    (folder / "m.eml").write_bytes(message.as_bytes())
    words = ("report", "inbox", str(folder), "--settings", str(settings))
    assert rows(run(*words)) == [{"taken": 1, "known": 0}]
    (folder / "again.eml").write_bytes(message.as_bytes())
    assert rows(run(*words)) == [{"taken": 0, "known": 1}]
    (waiting,) = rows(run("report", "tray"))
    assert waiting["subject"] == "تحذير"
    assert waiting["parts"][0]["reasons"] == ["the settings of this mailbox do not take misp"]
    number = str(waiting["number"])
    assert "five.example" in [each["value"] for each in rows(run("report", "read", "--tray", number))]
    (taken,) = rows(run("report", "take", "--tray", number, "--value", "five.example", "--tlp", "amber"))
    assert len(taken["created"]) == 1
    assert rows(run("report", "tray")) == []
    assert rows(run("report", "tray", "--every"))[0]["state"] == "done"
    assert run("report", "dismiss", number).exit_code == 3
