"""The life of an agreement at the console: what is said, how it is carried, what it leads to."""

from pathlib import Path

from tests.unit.cli.conftest import Desk


def test_a_suspension_is_carried_to_the_other_party_as_a_file(xa: Desk, xb: Desk, agreed: str, tmp_path: Path) -> None:
    said = xa.one("agreement", "suspend", agreed, "--reason", "suspected-breach", "--words", "seen on a leak site")
    assert said["state"] == "suspended"
    (row,) = xa.json("agreement", "statements", agreed)
    assert (row["nation"], row["kind"], row["about"], row["words"]) == ("XA", "suspend", "XA", "seen on a leak site")
    copy = str(tmp_path / "statement")
    assert xa("agreement", "statement", "export", agreed, copy).code == 0
    taken = xb.one("agreement", "statement", "import", copy)
    assert (taken["nation"], taken["kind"], taken["number"]) == ("XA", "suspend", 1)
    assert xb.one("agreement", "show", agreed)["state"] == "suspended", "of two parties, one cannot go on alone"
    assert xb.one("agreement", "statement", "import", copy) == taken
    assert len(xb.json("agreement", "statements", agreed)) == 1
    assert "suspends" in xb("agreement", "statements", agreed).out


def test_a_suspension_is_ended_by_who_made_it(xa: Desk, xb: Desk, agreed: str, tmp_path: Path) -> None:
    xa.one("agreement", "suspend", agreed)
    assert xa.one("agreement", "resume", agreed)["state"] == "in-force"
    first, second = (str(tmp_path / name) for name in ("first", "second"))
    xa("agreement", "statement", "export", agreed, first, "--number", "1")
    xa("agreement", "statement", "export", agreed, second)
    early = xb("agreement", "statement", "import", second)
    assert (early.code, "statement 1 of XA is due" in early.err) == (1, True)
    xb.one("agreement", "statement", "import", first)
    xb.one("agreement", "statement", "import", second)
    assert xb.one("agreement", "show", agreed)["state"] == "in-force"


def test_a_withdrawal_without_notice_is_refused(xa: Desk, agreed: str) -> None:
    said = xa("agreement", "withdraw", agreed, "--from", "2026-01-01")
    assert (said.code, "a withdrawal needs 365 days' notice" in said.err) == (1, True)
    assert xa.json("agreement", "statements", agreed) == []
    assert xa("agreement", "withdraw", agreed).code == 0
    (row,) = xa.json("agreement", "statements", agreed)
    assert row["kind"] == "withdraw"
    assert row["from"] > row["at"]


def test_what_the_agreement_does_not_provide_for_is_said_plainly(xa: Desk, agreed: str) -> None:
    assert "no renewal is ahead" in xa("agreement", "object", agreed).err
    assert "does not let parties suspend another" in xa("agreement", "suspend", agreed, "--target", "XB").err
    assert "there is no such statement" in xa("agreement", "statement", "export", agreed, "-").err
    assert xa.one("agreement", "show", agreed)["state"] == "in-force"


def test_an_agreement_is_sent_to_the_other_parties(xa: Desk, agreed: str) -> None:
    assert xa.one("agreement", "send", agreed) == {"id": agreed, "to": ["XB"]}


def test_the_console_is_one_person(xa: Desk, xb: Desk, agreed: str) -> None:
    added = xa.one("indicator", "add", "198.51.100.7", "--tlp", "green", "--agreement", agreed)
    again = xa("release", "approve", added["id"], "--agreement", agreed)
    assert (again.code, "it takes another person" in again.err) == (4, True)
    (answer,) = xa.one("why", added["id"], "XB")["agreements"]
    assert answer["approved_by"] == ["operator"]


def test_who_originated_an_object_asks_nobody_for_consent(xa: Desk, xb: Desk, agreed: str) -> None:
    added = xa.one("indicator", "add", "198.51.100.7", "--tlp", "green")
    said = xa("consent", "ask", added["id"], "--to", "XB", "--agreement", agreed)
    assert (said.code, "nobody has to consent" in said.err) == (4, True)
    assert xa.json("consent", "list") == []
    assert "nobody has asked this nation" in xa("consent", "give", "3").err
    assert "nobody has asked this nation" in xa("consent", "refuse", "3").err
