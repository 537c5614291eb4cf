"""Two nations' operators at their consoles, each with a real node in a folder and no processes."""

import atexit
import contextlib
import io
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from mithaq.cli.main import main
from mithaq.exchange.planning import Planning
from mithaq.kernel import keystore
from mithaq.node.composition import compose
from mithaq.node.data_folder import DataFolder
from mithaq.node.founding import found
from mithaq.node.settings import Settings
from tests.country import Country, deliver

PASSPHRASE = b"only a test's passphrase"


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        assert self.code in (0, 1, 4), self
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass
class Desk:
    """One nation's console."""

    nation: str
    root: Path
    passphrase_file: Path

    def __call__(self, *words: str, lang: str = "en", stdin: bytes = b"") -> Said:
        """Run one command as a person would."""
        line = ["--data", str(self.root), "--lang", lang, "--passphrase-file", str(self.passphrase_file)]
        return run(*line, *words, stdin=stdin)

    def json(self, *words: str, lang: str = "en") -> list[dict[str, Any]]:
        """Run one command as a program would."""
        return self("--json", *words, lang=lang).rows

    def one(self, *words: str) -> dict[str, Any]:
        (row,) = self.json(*words)
        return row

    @contextmanager
    def country(self) -> Iterator[Country]:
        node = compose(self.root, passphrase=PASSPHRASE)
        try:
            yield Country(node.nation, node.db, node.channel, Planning(node.channel).reader())
        finally:
            node.close()


def run(*words: str, stdin: bytes = b"") -> Said:
    """Run `mithaq` in this process."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    before = sys.argv, sys.stdin
    sys.argv, sys.stdin = ["mithaq", *words], io.TextIOWrapper(io.BytesIO(stdin), "utf-8")
    code: Any = None
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as leaving:
        code = leaving.code
    finally:
        sys.argv, sys.stdin = before
    return Said(int(code or 0), *(_read(stream) for stream in (out, err)))


def _read(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


def desk(folder: Path, nation: str) -> Desk:
    """A nation's console; its node was founded once in this run, and is copied."""
    template = _founded(nation, keystore._SCRYPT_N)
    shutil.copytree(template.parent, folder, dirs_exist_ok=True)
    return Desk(nation, folder / nation, folder / f"{nation}.passphrase")


@cache
def _founded(nation: str, _work: int) -> Path:
    """Found a node whose key file costs this much work to open."""
    folder = _template()
    root = folder / nation
    settings = Settings(
        nation=nation, names={"en": f"Nation {nation}", "ar": f"الدولة {nation}"}, contact="duty@x.example"
    )
    found(DataFolder(root), settings, PASSPHRASE, datetime.now(UTC))
    (folder / f"{nation}.passphrase").write_bytes(PASSPHRASE + b"\n")
    return root


def _template() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="mithaq-desks-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@pytest.fixture(autouse=True)
def cheap_passphrases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Derive the key of a key file with less work: every command here opens one, and some tests give thirty."""
    monkeypatch.setattr("mithaq.kernel.keystore._SCRYPT_N", 2**10)


@pytest.fixture
def xa(tmp_path: Path) -> Desk:
    return desk(tmp_path, "XA")


@pytest.fixture
def xb(tmp_path: Path) -> Desk:
    return desk(tmp_path, "XB")


def befriend(one: Desk, other: Desk) -> None:
    """One desk takes the other's card and confirms it."""
    card = one.root.parent / f"{other.nation}.card"
    if not card.exists():
        other("card", "export", str(card))
    added = one.one("partner", "add", str(card))
    assert one("partner", "confirm", other.nation, "--fingerprint", added["fingerprint"]).code == 0


@pytest.fixture
def agreed(xa: Desk, xb: Desk, tmp_path: Path) -> str:
    """An agreement in force between both, signed at both desks; its id."""
    return _start_agreed(tmp_path, xa, xb)


@pytest.fixture
def agreed_on_remarks(xa: Desk, xb: Desk, tmp_path: Path) -> str:
    """An agreement in force between both that also covers notes and opinions; its id."""
    return _start_agreed(tmp_path, xa, xb, "--kinds", "indicator,sighting,note,opinion")


def _start_agreed(folder: Path, xa: Desk, xb: Desk, *terms: str) -> str:
    template, agreement_id = _agreed(*terms)
    for each in (xa, xb):
        shutil.rmtree(each.root)
    shutil.copytree(template, folder, dirs_exist_ok=True)
    return agreement_id


@cache
def _agreed(*terms: str) -> tuple[Path, str]:
    """Two desks that agreed, at the work of their operators, once in this run."""
    folder = _template()
    xa, xb = desk(folder, "XA"), desk(folder, "XB")
    befriend(xa, xb)
    befriend(xb, xa)
    draft, copy, back = (str(folder / name) for name in ("draft.json", "xa.agreement", "xb.agreement"))
    assert (
        xa("agreement", "draft", "--title-en", "Joint defence", "--title-ar", "الدفاع المشترك", *terms, draft).code == 0
    )
    agreement_id: str = xa.one("agreement", "propose", draft)["id"]
    assert xa("agreement", "export", agreement_id, copy).code == 0
    xb.one("agreement", "import", copy)
    xb.one("agreement", "sign", agreement_id)
    assert xb("agreement", "export", agreement_id, back).code == 0
    assert xa.one("agreement", "import", back)["state"] == "in-force"
    return folder, agreement_id


def exchange(sender: Desk, recipient: Desk) -> list[str]:
    """Let everything that waits travel, as the channel would."""
    with sender.country() as one, recipient.country() as other:
        return deliver(one, other, datetime.now(UTC))
