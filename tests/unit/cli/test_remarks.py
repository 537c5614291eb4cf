"""Notes, opinions and proposals at two consoles: said of any object, released only when asked, answered both ways."""

import json
from pathlib import Path
from typing import Any

import pytest

from mithaq.standards.stix.comment import comment_of
from tests.unit.cli.conftest import Desk, exchange


@pytest.fixture
def shared(xa: Desk, xb: Desk, agreed_on_remarks: str) -> str:
    """An indicator of XA that XB has, under their agreement."""
    added = xa.one(
        "indicator", "add", "evil[.]example", "--tlp", "green", "--pap", "green", "--agreement", agreed_on_remarks
    )
    exchange(xa, xb)
    found: str = added["id"]
    return found


def body(desk: Desk, stix_id: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(desk("object", "show", stix_id, "--body").out)
    return read


def newest(desk: Desk, stix_id: str) -> dict[str, Any]:
    shown: dict[str, Any] = desk.json("object", "show", stix_id)[0][0]  # type: ignore[index]
    return shown


def proposal(xb: Desk, stix_id: str, tmp_path: Path, **changes: Any) -> str:
    file = tmp_path / "changed.json"
    file.write_text(json.dumps(body(xb, stix_id) | changes))
    found: str = xb.one("object", "propose", stix_id, str(file), "--why", "It also phishes.", "--tell")["id"]
    return found


def test_a_note_on_a_partners_object_is_as_strict_as_the_object_and_stays_here(xa: Desk, xb: Desk, shared: str) -> None:
    said = xb.one("object", "note", shared, "Seen in two ministries.", "--tlp", "clear")
    assert said["tlp"] == "TLP:GREEN"
    assert exchange(xb, xa) == []
    (found,) = newest(xb, shared)["found"]
    assert (found["by"], found["says"], found["explanation"]) == (["XB"], "note", "Seen in two ministries.")
    assert newest(xa, shared)["found"] == []


def test_a_note_whose_release_was_asked_for_reaches_the_owner(xa: Desk, xb: Desk, shared: str) -> None:
    xb.one("object", "note", shared, "Seen in two ministries.", "--tell")
    exchange(xb, xa)
    (found,) = newest(xa, shared)["found"]
    assert (found["by"], found["explanation"]) == (["XB"], "Seen in two ministries.")


def test_a_second_opinion_is_the_next_version_of_the_first(xa: Desk, xb: Desk, shared: str) -> None:
    first = xb.one("object", "opinion", shared, "agree", "--tell")["id"]
    second = xb.one("object", "opinion", shared, "strongly-disagree", "--why", "A mirror.", "--tell")["id"]
    assert first == second
    exchange(xb, xa)
    (found,) = newest(xa, shared)["found"]
    assert (found["says"], found["explanation"]) == ("strongly-disagree", "A mirror.")
    (disputed,) = xa.json("object", "disputed")
    assert disputed["object"] == shared


def test_an_accepted_proposal_is_a_new_version_of_the_owners_own_and_told_back(
    xa: Desk, xb: Desk, shared: str, tmp_path: Path
) -> None:
    changed = {
        "name": "Phishing host",
        "x_kept": {"a": [1, "ب"]},
        "labels": ["phishing"],
        "created_by_ref": "identity--0",
    }
    note = proposal(xb, shared, tmp_path, object_marking_refs=[], **changed)
    exchange(xb, xa)
    (waiting,) = xa.json("object", "proposals")
    assert (waiting["id"], waiting["object"], waiting["by"], waiting["why"]) == (
        note,
        shared,
        ["XB"],
        "It also phishes.",
    )
    told = {each["field"]: (each.get("is"), each.get("proposed")) for each in waiting["changes"]}
    assert told["/name"] == ("evil.example", "Phishing host")
    assert told["/x_kept/a"] == (None, [1, "ب"])
    assert not {"/created_by_ref", "/object_marking_refs"} & set(told)
    before = body(xa, shared)
    assert xa("object", "accept", note).code == 0
    after = body(xa, shared)
    assert (after["name"], after["x_kept"]) == ("Phishing host", {"a": [1, "ب"]})
    assert {key: after[key] for key in ("id", "created", "created_by_ref", "object_marking_refs")} == {
        key: before[key] for key in ("id", "created", "created_by_ref", "object_marking_refs")
    }
    assert after["modified"] > before["modified"]
    assert [word["nation"] for word in newest(xa, shared)["provenance"]] == ["XA"]
    assert newest(xa, shared)["tlp"] == "TLP:GREEN"
    assert xa.json("object", "proposals") == []
    assert [each["answer"] for each in xa.json("object", "proposals", "--all")] == ["accepted"]
    exchange(xa, xb)
    assert [each["says"] for each in newest(xb, note)["found"]] == ["accepted"]


def test_a_declined_proposal_changes_nothing_and_is_told_back_with_the_reason(
    xa: Desk, xb: Desk, shared: str, tmp_path: Path
) -> None:
    note = proposal(xb, shared, tmp_path, name="Phishing host")
    exchange(xb, xa)
    before = body(xa, shared)
    assert xa("object", "decline", note, "--reason", "It is a beacon.").code == 0
    assert body(xa, shared) == before
    assert xa("object", "accept", note).code == 1
    exchange(xa, xb)
    (answer,) = newest(xb, note)["found"]
    assert (answer["by"], answer["says"], answer["explanation"]) == (["XA"], "declined", "It is a beacon.")


def test_a_proposal_for_what_has_changed_since_can_only_be_declined(
    xa: Desk, xb: Desk, shared: str, tmp_path: Path
) -> None:
    first = proposal(xb, shared, tmp_path, name="Phishing host")
    second = proposal(xb, shared, tmp_path, name="Another name")
    exchange(xb, xa)
    assert xa("object", "accept", first).code == 0
    (waiting,) = xa.json("object", "proposals")
    assert (waiting["id"], waiting["outdated"]) == (second, True)
    refused = xa("object", "accept", second)
    assert refused.code == 1
    assert "has changed since" in refused.err
    assert body(xa, shared)["name"] == "Phishing host"
    assert xa("object", "decline", second, "--reason", "See the newer version.").code == 0


@pytest.mark.parametrize("changes", [{}, {"id": "indicator--5b8f0b1e-1234-4abc-8def-000000000001"}, {"pattern": ""}])
def test_what_cannot_be_proposed_is_refused_and_nothing_is_stored(
    xb: Desk, shared: str, tmp_path: Path, changes: dict[str, Any]
) -> None:
    file = tmp_path / "changed.json"
    file.write_text(json.dumps(body(xb, shared) | changes))
    assert xb("object", "propose", shared, str(file), "--why", "x").code == 1
    assert newest(xb, shared)["found"] == []


def test_what_a_proposal_names_anew_is_named_by_its_note_too(xb: Desk, shared: str, tmp_path: Path) -> None:
    """The gate sees the references of the note, and withholds it where the owner may not know of one."""
    secret = xb.one("indicator", "add", "hidden.example", "--tlp", "red")["id"]
    note = proposal(xb, shared, tmp_path, x_source_refs=[secret])
    assert body(xb, note)["object_refs"] == [shared, secret]
    assert comment_of(xb("object", "show", note, "--body").out.encode()).about == (shared,)


def test_a_proposal_that_names_what_the_owner_may_not_know_does_not_leave(
    xa: Desk, xb: Desk, shared: str, tmp_path: Path
) -> None:
    secret = xb.one("indicator", "add", "hidden.example", "--tlp", "red")["id"]
    proposal(xb, shared, tmp_path, x_source_refs=[secret])
    exchange(xb, xa)
    assert xa.json("object", "proposals") == []


def test_only_the_owner_may_answer(xb: Desk, shared: str, tmp_path: Path) -> None:
    note = proposal(xb, shared, tmp_path, name="Phishing host")
    assert xb("object", "accept", note).code == 3
