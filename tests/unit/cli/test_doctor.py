"""`mithaq doctor` at the console: the fault first, with its remedy."""

from tests.unit.cli.conftest import Desk, run


def test_a_fault_comes_first_with_its_remedy_and_ends_the_command_with_one(xa: Desk) -> None:
    said = xa("doctor")
    first, second, *_ = said.out.splitlines()
    assert (said.code, first.split()) == (1, ["WRONG", "node", "the", "node", "does", "not", "run"])
    assert second.strip() == "→ run: mithaq serve"
    assert said.out.splitlines()[-1] == "One thing is wrong."


def test_programs_get_stable_codes(xa: Desk) -> None:
    told = xa.one("doctor")
    assert told["healthy"] is False
    assert told["findings"][0]["code"] == "node"
    assert {finding["level"] for finding in told["findings"]} == {"wrong", "warning", "fine"}
    assert {"settings", "permissions", "keys", "disk", "database"} <= {finding["code"] for finding in told["findings"]}


def test_a_wrong_folder_is_said(xa: Desk) -> None:
    said = run("--data", str(xa.root / "nowhere"), "--lang", "en", "doctor")
    assert said.code == 1
    assert "run `mithaq init` first" in said.out
