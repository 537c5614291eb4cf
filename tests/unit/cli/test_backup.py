"""`mithaq backup` and `mithaq restore` at the console."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mithaq.cli.main import cli
from tests.unit.cli.conftest import Desk, run

SECRET = b"a passphrase for backups alone"


@pytest.fixture
def secret(tmp_path: Path) -> str:
    path = tmp_path / "secret"
    path.write_bytes(SECRET + b"\n")
    return str(path)


def test_a_backup_is_written_rehearsed_and_restored(xa: Desk, tmp_path: Path, secret: str) -> None:
    xa("indicator", "add", "evil.example", "--tlp", "green")
    file, again = str(tmp_path / "xa.backup"), str(tmp_path / "again")
    made = xa.one("backup", file, "--backup-passphrase-file", secret)
    assert (made["journal"], made["bytes"]) == (2, Path(file).stat().st_size)
    rehearsed = xa.one("restore", file, "--rehearse", "--backup-passphrase-file", secret)
    assert (rehearsed["nation"], rehearsed["journal"], rehearsed["rows"]) == ("XA", 2, made["rows"])
    restored = run("--lang", "en", "restore", file, "--data", again, "--backup-passphrase-file", secret)
    assert f"The node of XA is in {again}" in restored.out
    assert f"mithaq --data {again} serve" in restored.err
    assert "evil.example" in run("--data", again, "indicator", "list").out


def test_a_passphrase_is_asked_for_twice_when_a_backup_is_made(xa: Desk, tmp_path: Path) -> None:
    def typed(*words: str, answers: bytes) -> Result:
        return CliRunner().invoke(cli, ["--data", str(xa.root), "--lang", "en", *words], input=answers)

    file, line = str(tmp_path / "b"), SECRET + b"\n"
    assert typed("backup", file, answers=line + b"something else entirely\n").exit_code == 1
    made = typed("backup", file, answers=line * 2)
    assert made.exit_code == 0
    assert SECRET.decode() not in made.output
    assert typed("restore", file, "--rehearse", answers=line).exit_code == 0


def test_what_is_wrong_is_said_in_one_sentence_without_a_trace(xa: Desk, tmp_path: Path, secret: str) -> None:
    file = str(tmp_path / "xa.backup")
    xa("backup", file, "--backup-passphrase-file", secret)
    (tmp_path / "wrong").write_bytes(b"another passphrase for backups")
    for words, reason in (
        (("backup", file, "--backup-passphrase-file", secret), "nothing was overwritten"),
        (("restore", file, "--rehearse", "--backup-passphrase-file", str(tmp_path / "wrong")), "passphrase is wrong"),
        (("restore", file, "--data", str(tmp_path), "--backup-passphrase-file", secret), "new folder"),
        (("restore", secret, "--rehearse", "--backup-passphrase-file", secret), "no backup of a node"),
        (("restore", file, "--rehearse", "--backup-passphrase-file", str(tmp_path / "absent")), "no such file"),
    ):
        said = xa(*words)
        assert (said.code, said.out, len(said.err.splitlines())) == (1, "", 1), said
        assert reason in said.err


def test_a_restore_needs_exactly_one_place(xa: Desk, tmp_path: Path, secret: str) -> None:
    (tmp_path / "b").write_bytes(b"")
    for words in ((), ("--rehearse", "--data", str(tmp_path / "new"))):
        assert xa("restore", str(tmp_path / "b"), "--backup-passphrase-file", secret, *words).code == 2
