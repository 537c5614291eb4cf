"""The page of the other doors is run as it is written, at two nations' desks."""

from __future__ import annotations

import json
import re
import shlex
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.papers import pdf
from tests.unit.cli.conftest import Desk

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "doors.md").read_text("utf-8")
FILES = dict(re.findall(r"`([\w.]+)`[^`\n]*:\n\n```json\n(.*?)```", PAGE, re.DOTALL)) | dict(
    re.findall(r"`([\w.]+)` says[^`]*:\n\n```json\n(.*?)```", PAGE, re.DOTALL)
)
BLOCKS = re.findall(r"([^\n]*)\n\n```\n(.*?)```", PAGE, re.DOTALL)


def mail(text: str, number: int) -> bytes:
    message = EmailMessage()
    message["Subject"], message["Message-ID"] = "تحذير", f"<{number}@cert.example>"
    message.set_content(text)
    return message.as_bytes()


@pytest.fixture
def here(tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the page speaks of."""
    folder = tmp_path / "files"
    (folder / "reports-box").mkdir(parents=True)
    for name, content in FILES.items():
        (folder / name).write_text(content, "utf-8")
    row = "four.example;hostname;c2;high;2026-11-20;خادم\n"
    (folder / "feed.csv").write_bytes(f"ioc;kind;tags;trust;seen;note\n{row}".encode("windows-1256"))
    (folder / "blocked.txt").write_text("0.0.0.0 five.example\nsix[.]example # seen twice\nnothing\n", "utf-8")
    (folder / "icsa-24-277-01.json").write_bytes((data_dir / "csaf" / "icsa-24-277-01.json").read_bytes())
    (folder / "report.pdf").write_bytes(pdf(["one[.]example"]))
    (folder / "report.eml").write_bytes(mail("two[.]example", 1))
    (folder / "reports-box" / "a.eml").write_bytes(mail("three[.]example", 2))
    monkeypatch.chdir(folder)
    return folder


def test_the_page_does_what_it_says(here: Path, xa: Desk, xb: Desk, agreed: str) -> None:
    assert set(FILES) == {"feed.json", "mailbox.json"}
    assert len(BLOCKS) == 8
    assert xa("release", "order", agreed).code == 0
    assert xa("indicator", "add", "shared.example", "--tlp", "green", "--pap", "green").code == 0
    said = {}
    for before, block in BLOCKS:
        at = xb if before == "At XB:" else xa
        with xa.country() as one:
            one.plan(datetime.now(UTC))
        for line in block.splitlines():
            words = shlex.split(line)
            assert words[0] == "mithaq"
            answer = at("--json", *words[1:])
            assert answer.code == 0, (line, answer)
            said[line] = [json.loads(each) for each in answer.out.splitlines()]
    stored = {line: rows[0]["stored"] for line, rows in said.items() if " object import " in line}
    assert list(stored.values()) == [2, 1, 3]
    taken = [len(rows[0]["created"]) for line, rows in said.items() if " report take " in line]
    assert taken == [1, 1, 1]
    (at_xb,), (at_home,) = (rows for line, rows in said.items() if "import-archive" in line)
    assert [each["outcome"] for each in at_xb["releases"]] == ["admitted"]
    assert (at_home["receipts"], at_home["refused"]) == (1, [])
    assert xb.json("object", "search", "shared.example")
