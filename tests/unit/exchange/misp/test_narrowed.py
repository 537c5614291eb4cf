"""An account that is narrowed to one collection reads and writes that one alone, over MISP as over TAXII."""

import json
from typing import Any

from sqlalchemy import select

from mithaq.exchange.misp.store import stamps
from mithaq.kernel.lane import ACTUAL
from mithaq.standards.tlp import Tlp
from tests.misp import ATTRIBUTE, EVENT, client, event, file_of, md5, read_feed, take
from tests.taxii import GRID, Served, TestClient, made, name

OURS = "7b8f0b1e-1234-4abc-8def-0000000000e0"
PARTS = [f"7b8f0b1e-1234-4abc-8def-00000000000{number}" for number in (1, 2)]


def mine(**changes: Any) -> dict[str, Any]:
    attributes = [
        {"uuid": uuid, "type": "ip-dst", "to_ids": True, "category": "Network activity", "value": f"203.0.113.{number}",
         "timestamp": "1700000000"}
        for number, uuid in enumerate(PARTS)
    ]  # fmt: skip
    return event(uuid=OURS, Tag=[], info="ours", timestamp="1700000000", Attribute=attributes) | changes


def narrowed(served: Served, collection: str) -> TestClient:
    return client(served, GRID, collection=collection)


def values(reader: TestClient) -> set[str]:
    return {a["value"] for each in read_feed(reader).values() for a in each["Attribute"]}


def told(reader: TestClient) -> list[bytes]:
    """Every answer in which something of another collection could show, whole."""
    about = {"uuid": [EVENT, OURS]}
    answers = [
        reader.get("/misp/feed/manifest.json"),
        reader.get("/misp/feed/hashes.csv"),
        reader.get(f"/misp/feed/{EVENT}.json"),
        reader.head(f"/misp/events/view/{EVENT}"),
        reader.get(f"/misp/attributes/view/{ATTRIBUTE}1"),
        reader.post("/misp/events/index", json={"minimal": 1}),
        reader.post("/misp/events/restSearch", json={"value": "198.51.100.1"}),
        reader.post("/misp/attributes/restSearch", json={}),
        reader.post("/misp/sightings/restSearch/attribute", json={"uuid": [f"{ATTRIBUTE}1"]}),
        reader.post("/misp/sightings/restSearch/event", json=about),
        reader.post("/misp/sightings/add", json={"uuid": f"{ATTRIBUTE}1"}),
        reader.post("/misp/sightings/add", json={"value": "198.51.100.1"}),
        reader.post(f"/misp/sightings/filterSightingUuidsForPush/{EVENT}", json=[OURS]),
        reader.post(f"/misp/sightings/bulkSaveSightings/{EVENT}", json=[]),
        reader.get("/misp/servers/getVersion"),
    ]
    return [
        json.dumps([each.status_code, each.headers.get("etag"), each.headers.get("x-result-count")]).encode()
        + each.content
        for each in answers
    ]


def test_an_account_reads_its_collection_alone_and_one_for_all_reads_both(served: Served) -> None:
    wide = served.collection("wide", types=("indicator",))
    narrow = served.collection("narrow", labels=("pap:clear",), can_write=True)
    served.store(made(1), made(2, labels=["pap:clear", "PAP:CLEAR"]))
    assert values(narrowed(served, narrow)) == {"198.51.0.2"}
    assert values(narrowed(served, wide)) == values(client(served)) == {"198.51.0.1", "198.51.0.2"}
    hashes = narrowed(served, narrow).get("/misp/feed/hashes.csv").text
    assert (md5("198.51.0.1") in hashes, md5("198.51.0.2") in hashes) == (False, True)


def test_what_stands_in_another_collection_changes_no_answer(served: Served) -> None:
    """Two worlds: in the second one a foreign event and its sighting stand in the collection that is not asked."""
    served.collection("wide", can_write=True)
    narrow = served.collection("narrow", labels=("watched",), can_write=True)
    served.store(made(3, labels=["watched", "PAP:GREEN"]))
    reader = narrowed(served, narrow)
    before = told(reader)
    take(served, file_of())
    served.store(made(4))
    assert EVENT in read_feed(client(served))
    assert told(reader) == before


def test_the_timestamps_of_one_account_do_not_move_those_of_another(quick: Served) -> None:
    """Otherwise each would get everything anew whenever the other had asked."""
    quick.collection("wide")
    narrow = quick.collection("narrow", labels=("watched",))
    quick.store(made(1), made(2, labels=["watched", "PAP:GREEN"]))
    one, all_ = narrowed(quick, narrow), client(quick)
    first = [each.get("/misp/feed/manifest.json").content for each in (one, all_)]
    assert [each.get("/misp/feed/manifest.json").content for each in (one, all_)] == first
    with quick.node.db.read() as connection:
        fingerprints = dict(connection.execute(select(stamps.c.constituent, stamps.c.fingerprint)).all())
    assert fingerprints.keys() == {GRID, f"{GRID}/{narrow}"}
    assert len(set(fingerprints.values())) == 2


def test_an_account_writes_into_its_collection_though_there_are_several(served: Served) -> None:
    one = served.collection("one", can_write=True, floor=Tlp.GREEN)
    served.collection("two", can_write=True, floor=Tlp.GREEN)
    unsaid = client(served)
    assert unsaid.post("/misp/events/add", json={"Event": mine()}).status_code == 403  # which one is not said
    assert unsaid.get("/misp/servers/getVersion").json()["perm_sync"] is False
    refused = unsaid.post("/misp/events/filterEventIdsForPush", json=[{"Event": mine()}])
    assert (refused.status_code, "--collection" in refused.json()["message"]) == (403, True)  # nor is it done
    peer = narrowed(served, one)
    assert peer.get("/misp/servers/getVersion").json()["perm_sync"] is True
    assert peer.post("/misp/events/filterEventIdsForPush", json=[{"Event": mine()}]).json() == [OURS]
    assert peer.post("/misp/events/add", json={"Event": mine()}).status_code == 200
    with served.node.db.read() as connection:
        (held,) = served.node.holdings.get(connection, f"indicator--{PARTS[0]}", ACTUAL)
    assert [word.carried["collection"] for word in held.provenance] == [one]


def test_an_event_that_was_given_into_another_collection_is_not_to_be_changed(quick: Served) -> None:
    one = quick.collection("one", can_write=True, floor=Tlp.GREEN)
    two = quick.collection("two", can_write=True, floor=Tlp.GREEN, labels=("watched",))
    assert narrowed(quick, one).post("/misp/events/add", json={"Event": mine()}).status_code == 200
    quick.settle()
    other = narrowed(quick, two)
    newer = mine(timestamp="1700000500", info="taken over")
    tagged = {"uuid": PARTS[0], "tag": "tlp:clear"}
    answers = [
        other.post(f"/misp/events/edit/{OURS}", json={"Event": newer}),
        other.post(f"/misp/events/publish/{OURS}"),
        other.post(f"/misp/attributes/add/{OURS}", json={"type": "ip-dst", "value": "203.0.113.9"}),
        other.post("/misp/tags/attachTagToObject", json=tagged),
        other.post("/misp/tags/attachTagToObject", json=tagged | {"uuid": OURS}),
        other.get(f"/misp/events/view/{OURS}"),
    ]
    assert {each.status_code for each in answers} == {404}
    assert "ours" not in "".join(each.text for each in answers)
    assert other.post("/misp/events/filterEventIdsForPush", json=[{"Event": newer}]).json() == []
    assert other.post("/misp/events/add", json={"Event": newer}).status_code == 403
    kept = narrowed(quick, one).get(f"/misp/events/view/{OURS}").json()["Event"]
    assert (kept["info"], len(kept["Attribute"])) == ("ours", 2)


def test_an_account_that_may_not_write_writes_into_no_collection(quick: Served) -> None:
    one = quick.collection("one", can_write=True)
    reader = client(quick, GRID, collection=one, may_write=False)
    assert reader.post("/misp/events/add", json={"Event": mine()}).status_code == 403
    assert reader.post("/misp/events/filterEventIdsForPush", json=[{"Event": mine()}]).status_code == 403


def test_a_collection_that_is_only_written_shows_nothing(quick: Served) -> None:
    quick.collection("wide")
    box = quick.collection("box", can_read=False, can_write=True)
    quick.store(made(1))
    assert read_feed(narrowed(quick, box)) == {}
    assert name(1).partition("--")[2] not in narrowed(quick, box).post("/misp/attributes/restSearch", json={}).text
