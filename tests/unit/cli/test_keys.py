"""`mithaq key`: officials' keys, statements by file, rotation and revocation at the console."""

import json
from pathlib import Path

import pytest

from mithaq.kernel.clock import rfc3339
from mithaq.node.data_folder import DataFolder
from mithaq.node.founding import own_card
from tests.unit.cli.conftest import PASSPHRASE, Desk, befriend, run

ROOT_PASSPHRASE = b"an official's passphrase"


@pytest.fixture
def secret(tmp_path: Path) -> str:
    path = tmp_path / "root.passphrase"
    path.write_bytes(ROOT_PASSPHRASE + b"\n")
    return str(path)


@pytest.fixture
def officials(tmp_path: Path, secret: str) -> list[Path]:
    """Three officials' keys, drawn where there is no node."""
    files = [tmp_path / f"{name}.key" for name in ("layla", "omar", "salma")]
    for file in files:
        done = run("--json", "key", "root", "new", str(file), "--name", file.stem, "--root-passphrase-file", secret)
        assert done.code == 0, done.err
        assert file.stat().st_mode & 0o077 == 0
    return files


def sign(statement: Path, root: Path, passphrase_file: str | Path) -> list[str]:
    done = run(
        "--json", "key", "statement", "sign", str(statement), "--root-key", str(root), "--root-passphrase-file",
        str(passphrase_file),
    )  # fmt: skip
    assert done.code == 0, done.err
    signed_by: list[str] = json.loads(done.out)["signed_by"]
    return signed_by


def founder(desk: Desk) -> Path:
    return DataFolder(desk.root).first_root


@pytest.fixture
def council(xa: Desk, officials: list[Path], secret: str, tmp_path: Path) -> Desk:
    """A nation whose keys two of three officials speak for; the founder's key is gone."""
    file = tmp_path / "council.json"
    roots = [word for each in officials for word in ("--root", f"{each}.pub")]
    assert xa("key", "statement", "draft", str(file), *roots, "--threshold", "2").code == 0
    sign(file, officials[0], secret)
    assert sign(file, officials[1], secret) == ["layla", "omar"]
    early = xa("key", "statement", "publish", str(file))
    assert (early.code, "0 of the 1 root keys of statement 1" in early.err) == (1, True), early.err
    sign(file, founder(xa), xa.passphrase_file)
    assert xa.one("key", "statement", "publish", str(file))["version"] == 2
    founder(xa).unlink()
    return xa


def test_a_node_is_founded_with_one_root_and_says_that_this_is_weak(xa: Desk) -> None:
    shown = xa.one("key", "show")
    assert (shown["version"], shown["officials"], shown["threshold"]) == (1, ["founder"], 1)
    assert shown["days_until_stale"] == 30
    findings = {each["code"]: each["level"] for each in xa.one("doctor")["findings"]}
    assert (findings["root-key"], findings["root-threshold"], findings["key-statement"]) == (
        "warning", "warning", "fine",
    )  # fmt: skip


def test_two_of_three_officials_take_over_and_the_fingerprint_stays(council: Desk) -> None:
    assert [row["version"] for row in council.json("key", "history")] == [1, 2]
    findings = {each["code"]: each["level"] for each in council.one("doctor")["findings"]}
    assert findings["root-threshold"] == "fine"
    assert "root-key" not in findings


def test_a_rotated_key_reaches_a_partner_by_file_without_a_new_call(
    council: Desk, xb: Desk, officials: list[Path], secret: str, tmp_path: Path
) -> None:
    befriend(xb, council)
    before = own_card(DataFolder(council.root))
    prepared = council.one("key", "rotate")
    assert own_card(DataFolder(council.root)) == before
    file = tmp_path / "rotation.json"
    council("key", "statement", "draft", str(file))
    for official in officials[1:]:
        sign(file, official, secret)
    assert council.one("key", "statement", "publish", str(file))["signing_key"] == prepared["signing_key"]
    after = own_card(DataFolder(council.root))
    assert after.verify_key.key_id == prepared["signing_key"] != before.verify_key.key_id
    assert (after.fingerprint, after.log_key) == (before.fingerprint, before.log_key)
    council("card", "export", str(tmp_path / "new.card"))
    assert xb.one("partner", "add", str(tmp_path / "new.card"))["standing"] == "trusted"
    assert [row["version"] for row in xb.json("key", "history", "XA")] == [1, 2, 3]


def test_a_revocation_is_drafted_with_new_keys_and_what_may_be_touched(
    council: Desk, xb: Desk, officials: list[Path], secret: str, tmp_path: Path
) -> None:
    befriend(xb, council)
    since = rfc3339(own_card(DataFolder(council.root)).issued_at)
    file = tmp_path / "revocation.json"
    said = council("key", "revoke", str(file), "--compromised-at", since)
    assert (said.code, "Nothing was released since." in said.err) == (0, True), said.err
    for official in officials[:2]:
        sign(file, official, secret)
    old = own_card(DataFolder(council.root)).verify_key.key_id
    assert council.one("key", "statement", "publish", str(file))["revoked"] == [old]
    assert xb.one("key", "statement", "take", str(file))["version"] == 3
    assert xb.json("key", "impact", "XA") == []
    findings = {each["code"]: each["level"] for each in xb.one("doctor")["findings"]}
    assert findings["partner-keys"] == "wrong"


def test_what_cannot_be_followed_changes_nothing(xa: Desk, xb: Desk, tmp_path: Path) -> None:
    file, foreign = tmp_path / "next.json", tmp_path / "foreign.json"
    xa("key", "rotate")
    xa("key", "statement", "draft", str(file))
    sign(file, founder(xa), xa.passphrase_file)
    xa("key", "rotate")
    said = xa("key", "statement", "publish", str(file))
    assert (said.code, "keys that this node does not hold" in said.err) == (1, True)
    xb("key", "statement", "draft", str(foreign))
    assert xa("key", "statement", "publish", str(foreign)).code == 1
    assert xa.one("key", "show")["version"] == 1
    assert xa("key", "history", "XB").code == 3
    assert xa("key", "statement", "draft", str(file)).code == 1
    assert xa("key", "revoke", str(tmp_path / "r"), "--compromised-at", "yesterday").code == 1


def test_a_root_key_is_never_overwritten_nor_opened_by_the_nodes_passphrase(
    xa: Desk, officials: list[Path], tmp_path: Path, secret: str
) -> None:
    again = run("key", "root", "new", str(officials[0]), "--name", "x", "--root-passphrase-file", secret)
    assert (again.code, "nothing was overwritten" in again.err) == (1, True)
    file = tmp_path / "next.json"
    xa("key", "statement", "draft", str(file))
    refused = run(
        "key", "statement", "sign", str(file), "--root-key", str(officials[0]), "--root-passphrase-file",
        str(xa.passphrase_file),
    )  # fmt: skip
    assert (refused.code, "wrong" in refused.err) == (1, True)
    assert PASSPHRASE != ROOT_PASSPHRASE
