"""One bad part of an event: it is told by its uuid and why, and the rest is kept, goes out and is true."""

import json
from typing import Any

import pytest
from pymisp import MISPAttribute, MISPEvent, MISPObject, PyMISP

from mithaq.intelligence.foreign import of_uuid
from mithaq.kernel.lane import ACTUAL
from mithaq.standards.tlp import Tlp
from tests.misp import client, event, read_feed
from tests.taxii import GRID, Served, TestClient, listening_node, made

UUID = "7b8f0b1e-1234-4abc-8def-0000000000e0"
BAD, GOOD, NEW, THING = (f"7b8f0b1e-1234-4abc-8def-00000000000{number}" for number in (1, 2, 3, 4))


def attribute(uuid: str, stamp: int = 1_700_000_000, **changes: Any) -> dict[str, Any]:
    return {
        "uuid": uuid, "type": "ip-dst", "to_ids": True, "category": "Network activity",
        "value": f"203.0.113.{uuid[-1]}", "timestamp": str(stamp),
    } | changes  # fmt: skip


def mine(*attributes: dict[str, Any], stamp: int = 1_700_000_000, **changes: Any) -> dict[str, Any]:
    return {"Event": event(uuid=UUID, Tag=[], timestamp=str(stamp), Attribute=list(attributes)) | changes}


def peer_of(served: Served) -> TestClient:
    served.collection(can_write=True, floor=Tlp.GREEN)
    return client(served, GRID)


def say_another(served: Served, uuid: str) -> None:
    """The constituent said something else before, under the id and version that an attribute of 1700000000 gets."""
    stamp, taxii = "2023-11-14T22:13:20.000Z", served.client()
    collection = taxii.get("/taxii2/mithaq/collections/").json()["collections"][0]["id"]
    body = b'{"objects": [' + made(1, id=f"indicator--{uuid}", created=stamp, modified=stamp) + b"]}"
    headers = {"content-type": "application/taxii+json;version=2.1"}
    posted = taxii.post(f"/taxii2/mithaq/collections/{collection}/objects/", content=body, headers=headers)
    assert posted.json()["success_count"] == 1
    served.settle()


def said_by_them(served: Served, uuid: str) -> list[bool]:
    with served.node.db.read() as connection:
        held = served.node.holdings.get(connection, f"indicator--{uuid}", ACTUAL)
    return [each.stands for each in held if any(word.nation == f"constituent:{GRID}" for word in each.provenance)]


def values(found: dict[str, Any]) -> list[str]:
    return sorted(each["value"] for each in found["Attribute"])


def test_of_an_event_with_one_refused_attribute_the_rest_is_kept_and_goes_out(served: Served) -> None:
    peer = peer_of(served)
    say_another(served, BAD)
    answer = peer.post("/misp/events/add", json=mine(attribute(BAD), attribute(GOOD)))
    assert answer.status_code == 200, answer.text
    (error,) = answer.json()["errors"]
    assert error.startswith(f"{BAD}: ")
    assert len(error) > len(BAD) + 10
    assert values(answer.json()["Event"]) == ["203.0.113.2"]
    assert (said_by_them(served, BAD), said_by_them(served, GOOD)) == ([True], [True])  # each once
    served.settle()
    assert values(peer.get(f"/misp/events/view/{UUID}").json()["Event"]) == ["203.0.113.2"]
    assert values(read_feed(peer)[UUID]) == ["203.0.113.2"]
    assert peer.post("/misp/events/filterEventIdsForPush", json=[mine()]).json() == []
    with served.node.db.read() as connection:
        (kept,) = of_uuid(connection, UUID, ACTUAL)
    assert kept.size < 8  # of one attribute, and not of two


def test_where_every_part_is_refused_nothing_is_kept(served: Served) -> None:
    peer = peer_of(served)
    say_another(served, BAD)
    answer = peer.post("/misp/events/add", json=mine(attribute(BAD)))
    assert (answer.status_code, BAD in answer.json()["message"]) == (403, True)
    with served.node.db.read() as connection:
        assert of_uuid(connection, UUID, ACTUAL) == []
    assert peer.post("/misp/events/add", json=mine(attribute(GOOD))).status_code == 200


def test_a_part_that_changed_without_a_later_timestamp_stays_as_it_was(served: Served) -> None:
    """As at a MISP: an attribute of an edited event that is not newer is passed over, and here it is said."""
    peer = peer_of(served)
    assert peer.post("/misp/events/add", json=mine(attribute(BAD), attribute(GOOD))).status_code == 200
    changed = mine(attribute(BAD, value="198.51.100.77"), attribute(NEW), stamp=1_700_000_100)
    answer = peer.post(f"/misp/events/edit/{UUID}", json=changed)
    assert answer.status_code == 200, answer.text
    assert [each.partition(":")[0] for each in answer.json()["errors"]] == [BAD]
    served.settle()
    kept = ["203.0.113.1", "203.0.113.2", "203.0.113.3"]
    assert values(answer.json()["Event"]) == values(peer.get(f"/misp/events/view/{UUID}").json()["Event"]) == kept
    assert [said_by_them(served, each) for each in (BAD, GOOD, NEW)] == [[True]] * 3


def test_a_refused_object_is_left_out_whole_with_what_refers_to_it(quick: Served) -> None:
    peer = peer_of(quick)
    say_another(quick, THING)
    thing = {
        "uuid": THING, "name": "file", "meta-category": "file", "timestamp": "1700000000",
        "Attribute": [attribute(NEW, type="md5", category="Payload delivery", value="ab" * 16, object_relation="md5")],
    }  # fmt: skip
    answer = peer.post("/misp/events/add", json=mine(attribute(GOOD), Object=[thing]))
    assert [each.partition(":")[0] for each in answer.json()["errors"]] == [THING]
    quick.settle()
    kept = peer.get(f"/misp/events/view/{UUID}").json()["Event"]
    assert (values(kept), kept["Object"]) == (["203.0.113.2"], [])


def test_a_single_part_that_is_refused_changes_nothing(quick: Served) -> None:
    peer = peer_of(quick)
    assert peer.post("/misp/events/add", json=mine(attribute(GOOD))).status_code == 200
    quick.settle()
    before = peer.get(f"/misp/events/view/{UUID}").content
    say_another(quick, BAD)
    refused = peer.post(f"/misp/attributes/add/{UUID}", json=attribute(BAD))
    assert (refused.status_code, BAD in refused.json()["message"]) == (403, True)
    quick.settle()
    assert peer.get(f"/misp/events/view/{UUID}").content == before
    several = peer.post(f"/misp/attributes/add/{UUID}", json=[attribute(BAD), attribute(NEW)]).json()
    assert [each["uuid"] for each in several["Attribute"]] == [NEW]
    assert [each.partition(":")[0] for each in several["errors"]] == [BAD]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"value": "not an ip"}, "not an ip - IP address has an invalid format"),
        ({"type": "nonsense"}, "nonsense is invalid"),
        ({"type": "text", "value": "hello"}, ""),
    ],
)
def test_an_attribute_of_which_nothing_detectable_comes_is_kept_and_said(
    quick: Served, changes: dict[str, Any], said: str
) -> None:
    peer = peer_of(quick)
    answer = peer.post("/misp/events/add", json=mine(attribute(GOOD), attribute(NEW, **changes))).json()
    assert "errors" not in answer
    (warning,) = answer["warnings"]
    assert warning.startswith(f"{NEW}: it is kept as it came")
    assert said in warning
    quick.settle()
    kept = peer.get(f"/misp/events/view/{UUID}").json()["Event"]
    assert json.dumps(attribute(NEW, **changes)["value"]) in json.dumps(kept["Attribute"])
    plain = peer.post(f"/misp/attributes/add/{UUID}", json=attribute(BAD)).json()
    assert "warnings" not in plain  # what was said of another part is not said again


def test_what_is_not_to_be_looked_for_or_is_deleted_is_no_matter_of_a_warning(quick: Served) -> None:
    peer = peer_of(quick)
    silent = mine(
        attribute(GOOD, to_ids=False), attribute(NEW, value="not an ip", deleted=True),
        attribute(BAD, type="link", category="External analysis", value="https://x.example/", to_ids=False),
    )  # fmt: skip
    answer = peer.post("/misp/events/add", json=silent).json()
    assert answer.keys() == {"Event"}


def test_pymisp_reads_what_was_kept_beside_a_warning(quick: Served) -> None:
    quick.collection(can_write=True, floor=Tlp.GREEN)
    ours, odd, thing = MISPEvent(), MISPAttribute(), MISPObject("domain-ip")
    ours.from_dict(uuid=UUID, info="ours", date="2026-11-20", timestamp="1763600000")
    odd.from_dict(type="ip-dst", value="not an ip", uuid=BAD)
    ours.add_attribute("ip-dst", "still not an ip", uuid=GOOD)
    thing.add_attribute("ip", "nor this")
    with listening_node(quick) as address:
        misp = PyMISP(f"{address}/misp/", quick.secret())
        added = misp.add_event(ours, pythonify=True)
        assert isinstance(added, MISPEvent)
        assert [each.value for each in added.attributes] == ["still not an ip"]
        assert misp.add_attribute(added, odd, pythonify=True).uuid == BAD
        kept = misp.add_object(added, thing, pythonify=True)
        assert isinstance(kept, MISPObject)
        assert kept.attributes[0].value == "nor this"
        assert misp.add_attribute(added, {"type": "ip-dst", "value": "nor that"})["warnings"] != []


def test_an_object_that_is_no_part_is_told_by_its_id_and_the_event_goes_out_all_the_same(quick: Served) -> None:
    """Two events of one second name their organisation differently: it is held as it was said first."""
    peer = peer_of(quick)
    assert peer.post("/misp/events/add", json=mine(attribute(GOOD))).status_code == 200
    other, named = UUID.replace("e0", "e1"), {"name": "renamed", "uuid": mine()["Event"]["Orgc"]["uuid"]}
    answer = peer.post("/misp/events/add", json=mine(attribute(NEW), uuid=other, Orgc=named)).json()
    assert [each.partition(": ")[0] for each in answer["errors"]] == [f"identity--{named['uuid']}"]
    quick.settle()
    kept = peer.get(f"/misp/events/view/{other}").json()["Event"]
    assert (values(kept), kept["Orgc"]["name"]) == (["203.0.113.3"], "renamed")
