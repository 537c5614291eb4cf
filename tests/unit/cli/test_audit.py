"""`mithaq audit` and `mithaq release emergency`: from the desks of two nations to an auditor with files alone."""

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Desk, Said, exchange, run


@pytest.fixture
def exchanged(xa: Desk, xb: Desk, agreed: str, tmp_path: Path) -> dict[str, Path]:
    """One indicator that went from XA to XB, and both nations' exported logs."""
    xa("release", "order", agreed)
    xa.one("indicator", "add", "evil.example", "--tlp", "green", "--pap", "green")
    assert exchange(xa, xb) == ["admitted"]
    folders = {"XA": tmp_path / "audit-xa", "XB": tmp_path / "audit-xb"}
    for each in (xa, xb):
        written = each.one("audit", "export", str(folders[each.nation]))
        assert (written["leaves"], written["records"]) == ((2, 2) if each is xa else (1, 1))
    return folders


def audit(*words: str | Path) -> Said:
    """What an auditor without any node is told."""
    return run("--json", "audit", *map(str, words))


def test_an_auditor_without_a_node_verifies_a_log(exchanged: dict[str, Path]) -> None:
    said = audit("verify", exchanged["XA"])
    found = json.loads(said.out)
    assert (said.code, found["verdict"], found["wrong"]) == (0, "holds", [])
    assert found["records"] == {"release": 1, "receipt-taken": 1}
    assert found["checked"]["receipts"] == 1
    told = run("audit", "verify", str(exchanged["XA"]))
    assert "holds" in told.out
    assert "--policy" in told.err


def test_a_log_that_does_not_hold_ends_with_1_and_says_where(exchanged: dict[str, Path]) -> None:
    records = exchanged["XA"] / "records.ndjson"
    records.write_text(records.read_text("utf-8").replace("TLP:GREEN", "TLP:CLEAR"), "utf-8")
    said = audit("verify", exchanged["XA"])
    assert (said.code, json.loads(said.out)["verdict"]) == (1, "does not hold")
    assert "record of leaf 0" in run("audit", "verify", str(exchanged["XA"])).out


def test_an_auditors_own_policy_counts(exchanged: dict[str, Path], tmp_path: Path) -> None:
    own = tmp_path / "own-policy"
    own.write_bytes((exchanged["XA"] / "policy").read_bytes())
    assert audit("verify", exchanged["XA"], "--policy", own).code == 0
    own.write_bytes((exchanged["XB"] / "policy").read_bytes())
    assert audit("verify", exchanged["XA"], "--policy", own).code == 1
    own.write_text("nonsense\n", "utf-8")
    assert audit("verify", exchanged["XA"], "--policy", own).code == 1


def test_two_logs_are_compared(exchanged: dict[str, Path]) -> None:
    said = audit("reconcile", exchanged["XA"], exchanged["XB"])
    assert (said.code, said.out) == (0, "")
    assert "1 numbers compared, 0 differences" in said.err
    (exchanged["XB"] / "records.ndjson").write_bytes(b"")
    said = audit("reconcile", exchanged["XA"], exchanged["XB"])
    assert said.code == 1
    assert [json.loads(line)["kind"] for line in said.out.splitlines()] == ["not-acknowledged", "receipt-not-given"]
    assert "not acknowledged" in run("audit", "reconcile", str(exchanged["XA"]), str(exchanged["XB"])).out


def test_an_amber_release_waits_for_witnesses_and_goes_in_an_emergency(
    xa: Desk, xb: Desk, agreed: str, tmp_path: Path
) -> None:
    xa("release", "order", agreed)
    amber = xa.one("indicator", "add", "urgent.example", "--tlp", "amber", "--pap", "green")["id"]
    assert exchange(xa, xb) == []
    assert xa("release", "emergency", amber).code == 2
    assert xa("release", "emergency", "indicator--none", "--reason", "why").code == 4
    (release,) = xa.one("release", "emergency", amber, "--reason", "hospitals")["releases"]
    assert exchange(xa, xb) == ["admitted"]
    assert xa("audit", "evidence", release, str(tmp_path / "evidence")).code == 1
    assert xa.one("audit", "begin-anew", "--yes")["log"].endswith(".2")


def test_nothing_is_exported_before_the_first_leaf_or_over_other_files(xa: Desk, tmp_path: Path) -> None:
    assert "no such log" in xa("audit", "export", str(tmp_path / "new")).err
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    assert "not empty" in xa("audit", "export", str(tmp_path / "full")).err


def test_a_file_that_is_no_evidence_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"{}")
    assert audit("check", tmp_path / "file").code == 1
    assert audit("check", tmp_path / "absent").code == 1


def test_both_desks_compare_whom_they_accepted_from_folders_alone(
    xa: Desk, xb: Desk, agreed: str, tmp_path: Path
) -> None:
    folder = tmp_path / "membership-xb"
    written = xb.one("audit", "export", "--agreement", agreed[:20], str(folder))
    assert written["log"] == f"cert.xb.example/agreements/{agreed}"
    assert written["records"] == written["leaves"] == 3
    verified = audit("verify", folder)
    assert (verified.code, verified.rows[0]["records"]) == (0, {"key-statement": 2, "version": 1})
    told = xa("audit", "membership", agreed, str(folder))
    assert (told.code, "3 leaves" in told.err) == (0, True)
    xa("agreement", "suspend", agreed, "--reason", "technical")
    differs = xa("--json", "audit", "membership", agreed, str(folder))
    (row,) = differs.rows
    assert differs.code == 1
    assert (row["difference"], row["partner"], row["about"], row["nation"]) == ("not-there", "XB", "statement", "XA")
    assert "In this nation's log alone" in xa("audit", "membership", agreed, str(folder)).out


def test_a_party_whose_node_is_down_is_named(xa: Desk, agreed: str) -> None:
    said = xa("--json", "audit", "membership", agreed)
    row = json.loads(said.out)
    assert (said.code, row["difference"], row["partner"], row["about"]) == (5, "not-read", "XB", None)
    assert xa("audit", "membership", "agreement--99999999-9999-4999-8999-999999999999").code == 3
