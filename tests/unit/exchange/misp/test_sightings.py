"""Sightings that a MISP sends and asks for again: none is lost on the way, and what is not taken is said."""

import json
from typing import Any

import pytest

from mithaq.exchange.misp import sighting as module
from mithaq.standards.tlp import Tlp
from tests.misp import ATTRIBUTE, EVENT, client, file_of, take
from tests.taxii import Served, TestClient


def uuid(number: int) -> str:
    return f"7b8f0b1e-1234-4abc-8def-{number:012d}"


def sighting(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "uuid": uuid(number), "attribute_uuid": f"{ATTRIBUTE}1", "type": "0", "date_sighting": "1700000000",
        "source": "ids",
    } | changes  # fmt: skip


def peer_of(served: Served) -> TestClient:
    served.collection(can_write=True, floor=Tlp.GREEN)
    take(served, file_of())
    return client(served)


def save(served: Served, peer: TestClient, sightings: list[dict[str, Any]]) -> dict[str, Any]:
    saved = peer.post(f"/misp/sightings/bulkSaveSightings/{EVENT}", json=sightings)
    assert saved.status_code == 200, saved.text
    served.settle()
    return json.loads(saved.text)


def found(peer: TestClient, **asked: Any) -> list[dict[str, Any]]:
    answer = peer.post("/misp/sightings/restSearch/event", json={"uuid": [EVENT], **asked})
    return [each["Sighting"] for each in answer.json()["response"]]


def test_more_sightings_than_a_page_holds_are_taken_and_come_back_page_by_page_and_all_at_once(quick: Served) -> None:
    peer = peer_of(quick)
    every = [uuid(number) for number in range(1_001)]
    assert save(quick, peer, [sighting(number) for number in range(1_001)])["message"] == "1001 sightings added."
    pages = [[each["uuid"] for each in found(peer, page=page)] for page in (1, 2, 3)]
    assert [len(page) for page in pages] == [1_000, 1, 0]
    assert sorted(pages[0] + pages[1]) == every
    assert sorted(each["uuid"] for each in found(peer)) == every  # as MISP's pull asks
    assert len(found(peer, limit=300, page=4)) == 101
    asked = peer.post(f"/misp/sightings/filterSightingUuidsForPush/{EVENT}", json=[*every, uuid(5_000)])
    assert asked.json() == [uuid(5_000)]


def test_more_sightings_than_an_answer_holds_are_refused_with_how_to_ask(
    quick: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = peer_of(quick)
    save(quick, peer, [sighting(number) for number in range(3)])
    monkeypatch.setattr(module, "MAX_SIGHTINGS", 2)
    refused = peer.post("/misp/sightings/restSearch/event", json={"uuid": [EVENT]})
    assert (refused.status_code, "limit and page" in refused.json()["message"]) == (400, True)
    assert [len(found(peer, limit=2, page=page)) for page in (1, 2, 3)] == [2, 1, 0]


def test_a_false_positive_comes_back_and_is_not_asked_for_again(served: Served) -> None:
    peer = peer_of(served)
    save(served, peer, [sighting(1, type="1"), sighting(2)])
    wanted = peer.post(f"/misp/sightings/filterSightingUuidsForPush/{EVENT}", json=[uuid(1), uuid(2), uuid(3)])
    assert wanted.json() == [uuid(3)]
    assert {each["uuid"]: each["type"] for each in found(peer)} == {uuid(1): "1", uuid(2): "0"}
    assert [each["uuid"] for each in found(peer, type="1")] == [uuid(1)]
    assert [len(found(peer, limit=1, page=page)) for page in (1, 2, 3)] == [1, 1, 0]


def test_what_saw_it_comes_back(quick: Served) -> None:
    peer = peer_of(quick)
    save(quick, peer, [sighting(1), sighting(2, type="1", source="soc"), sighting(3, source={"no": "text"})])
    said = {uuid(1): "ids", uuid(2): "soc", uuid(3): ""}
    assert {each["uuid"]: each["source"] for each in found(peer)} == said
    added = peer.post(f"/misp/sightings/add/{ATTRIBUTE}1", json={"type": "0", "source": "honeypot"})
    assert added.json()["Sighting"]["source"] == "honeypot"


def test_sightings_that_are_not_taken_are_named_with_why(quick: Served) -> None:
    peer = peer_of(quick)
    sent = [
        sighting(1), sighting(2, type="2"), sighting(3, attribute_uuid=f"{ATTRIBUTE}9"), sighting(4, uuid="none"),
        {"Sighting": 5},
    ]  # fmt: skip
    answer = save(quick, peer, sent)
    assert answer["message"] == "1 sightings added."
    named = dict(each.split(": ", 1) for each in answer["errors"])
    assert named.keys() == {uuid(2), uuid(3), "#3", "#4"}
    assert "types 0 (seen) and 1" in named[uuid(2)]
    assert [each["uuid"] for each in found(peer)] == [uuid(1)]
    assert peer.post(f"/misp/sightings/bulkSaveSightings/{EVENT}", json={"no": "list"}).status_code == 400


def test_an_opinion_that_says_something_else_is_no_false_positive(quick: Served) -> None:
    peer = peer_of(quick)
    opinion = {
        "type": "opinion", "spec_version": "2.1", "id": f"opinion--{uuid(9)}", "created": "2026-11-20T00:00:00.000Z",
        "modified": "2026-11-20T00:00:00.000Z", "opinion": "strongly-disagree", "explanation": "the actor is another",
        "object_refs": [f"indicator--{ATTRIBUTE}1"],
    }  # fmt: skip
    taxii = quick.client()
    collection = taxii.get("/taxii2/mithaq/collections/").json()["collections"][0]["id"]
    headers = {"content-type": "application/taxii+json;version=2.1"}
    posted = taxii.post(
        f"/taxii2/mithaq/collections/{collection}/objects/", json={"objects": [opinion]}, headers=headers
    )
    assert posted.json()["success_count"] == 1
    quick.settle()
    assert found(peer) == []
