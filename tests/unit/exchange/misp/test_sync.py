"""Another MISP that pulls from a node and pushes to it, request by request as it sends them."""

import gzip
import json
from datetime import timedelta
from typing import Any

import pytest

from mithaq.exchange.misp.settings import MISP_VERSION
from mithaq.kernel.lane import ACTUAL
from mithaq.nations.constituents.errors import BadConstituent
from mithaq.standards.tlp import Tlp
from tests.misp import ATTRIBUTE, EVENT, client, event, file_of, take
from tests.taxii import BANK, GRID, Served, TestClient, basic, made

UUID = "7b8f0b1e-1234-4abc-8def-0000000000e0"
SEEN = "7b8f0b1e-1234-4abc-8def-00000000005a"
VIEW = "deleted[]:0/deleted[]:1/excludeGalaxy:1/includeEventCorrelations:0/includeFeedCorrelations:0"


def misp(served: Served, who: str = GRID, **rest: Any) -> TestClient:
    made_ = client(served, who, **rest)
    made_.headers.update({"user-agent": "MISP 2.5.34 - #abc", "content-type": "application/json"})
    return made_


def mine(**changes: Any) -> dict[str, Any]:
    """An event of the constituent's own, as its MISP pushes it."""
    return event(uuid=UUID, Tag=[], distribution="1", info="ours", timestamp="1700000000", **changes) | {
        "Attribute": [
            {
                "uuid": f"7b8f0b1e-1234-4abc-8def-00000000000{number}", "type": "ip-dst", "to_ids": True,
                "category": "Network activity", "value": f"203.0.113.{number}", "timestamp": "1700000000",
            }
            for number in (1, 2)
        ]
    }  # fmt: skip


def test_a_misp_pulls_in_the_order_in_which_it_asks(served: Served) -> None:
    served.collection(can_write=True)
    served.store(made(1))
    take(served, file_of())
    peer = misp(served)
    version = peer.get("/misp/servers/getVersion").json()
    assert (version["version"], version["perm_sync"], version["request_encoding"]) == (MISP_VERSION, True, ["gzip"])
    tested = peer.post("/misp/servers/postTest", json={"testString": "مرحبا"}).json()
    assert tested["body"] == {"testString": "مرحبا"}
    assert tested["headers"]["Content-type"] == tested["headers"]["Accept"] == "application/json"
    user = peer.get("/misp/users/view/me.json").json()
    assert user["User"]["email"] == GRID
    assert user["Role"]["perm_sync"] is True
    index = peer.post("/misp/events/index", json={"minimal": 1, "published": 1})
    assert index.headers["x-result-count"] == "2"
    assert {each["uuid"] for each in index.json()} >= {EVENT}
    assert all(each["published"] is True and each["timestamp"].isdecimal() for each in index.json())
    etag = {"if-none-match": index.headers["etag"]}
    assert peer.post("/misp/events/index", json={"minimal": 1, "published": 1}, headers=etag).status_code == 304
    for each in index.json():
        view = peer.get(f"/misp/events/view/{each['uuid']}/{VIEW}.json")
        assert view.json()["Event"]["timestamp"] == each["timestamp"]
        assert view.json()["Event"]["distribution"] == "2"
    assert peer.get("/misp/shadow_attributes/index/all:1/timestamp:30d.json").json() == []
    asked = {"returnFormat": "json", "last": 0, "includeUuid": True, "uuid": [EVENT]}
    assert peer.post("/misp/sightings/restSearch/event", json=asked).json() == {"response": []}
    assert peer.post("/misp/galaxy_clusters/restSearch", json={"published": 1}).json() == {"response": []}


def test_a_peers_rules_are_kept_and_what_is_not_understood_is_refused(quick: Served) -> None:
    """Rules of a peer that are not applied send what it asked not to get (MISP#3378)."""
    quick.collection()
    quick.store(made(1))
    take(quick, file_of())
    peer = misp(quick)

    def uuids(**rules: Any) -> set[str]:
        return {each["uuid"] for each in peer.post("/misp/events/index", json={"minimal": 1, **rules}).json()}

    assert uuids(org=["X"]) == {EVENT} == uuids(orgc_uuid=f"{ATTRIBUTE}f")
    assert EVENT not in uuids(org=["!X"])
    assert uuids(org=["nobody"]) == set()
    assert len(uuids(tag=["tlp:green"])) == 2
    assert uuids(tag=["!tlp:green"]) == set()
    there = ["2020-09-13T15:26:40+03:00", "2020-09-13T15:26:41+03:00"]
    assert uuids(event_timestamp=there) == {EVENT}
    assert len(uuids(last="9999999999d")) == 2
    assert uuids(timestamp=[1600000000, 1600000001]) == {EVENT}
    searched = peer.post("/misp/events/restSearch", json={"timestamp": [1600000000, 1600000001]}).json()["response"]
    assert [each["Event"]["uuid"] for each in searched] == [EVENT]
    for rules in (
        {"tag": ["tlp:green"], "value": "198.51.100.1"},
        {"tag": ["tlp:green"], "to_ids": 1},
        {"sharinggroup": [1]},
        {"url_params": {"x": 1}},
        {"published": 0},
        {"value": "198.51.100.1"},
    ):
        assert peer.post("/misp/events/index", json={"minimal": 1, **rules}).status_code == 400
    assert peer.get("/misp/events/index/org:nobody/minimal:1.json").json() == []


def test_each_peer_is_told_the_version_that_it_compares(quick: Served) -> None:
    quick.collection()
    accounts = quick.node.constituents
    _, secret = accounts.add_account(GRID, "old", timedelta(days=3), quick.clock.now(), misp_version="2.4.198")
    headers = {"authorization": secret}
    assert misp(quick).get("/misp/servers/getVersion", headers=headers).json()["version"] == "2.4.198"
    with pytest.raises(BadConstituent):
        accounts.add_account(GRID, "odd", timedelta(days=3), quick.clock.now(), misp_version="two")


def test_a_key_is_sent_raw_or_in_misps_own_header_and_a_wrong_one_is_refused_in_its_shape(quick: Served) -> None:
    quick.collection()
    peer, secret = misp(quick), quick.secret()
    for headers in ({"authorization": secret}, {"x-misp-auth": secret}, {"authorization": basic(GRID, secret)}):
        assert peer.get("/misp/servers/getVersion", headers=headers).status_code == 200
    for wrong in ("", "x" * 40, f"Bearer {secret}x"):
        denied = peer.get("/misp/servers/getVersion", headers={"authorization": wrong})
        assert denied.status_code == 403
        assert denied.json().keys() >= {"name", "message", "url"}
    assert peer.put("/misp/events/index", headers={"authorization": secret}).status_code == 405


def test_a_misp_pushes_an_event_and_its_changes_and_sightings(served: Served) -> None:
    served.collection(can_write=True, floor=Tlp.GREEN)
    take(served, file_of())
    peer = misp(served)
    asked = [{"Event": {"uuid": each, "timestamp": "1700000000"}} for each in (UUID, EVENT)]
    assert peer.post("/misp/events/filterEventIdsForPush", json=asked).json() == [UUID]
    assert peer.head(f"/misp/events/view/{UUID}").status_code == 404
    body = gzip.compress(json.dumps({"Event": mine()}).encode())
    added = peer.post("/misp/events/add/metadata:1", content=body, headers={"content-encoding": "gzip"})
    assert added.json()["Event"]["uuid"] == UUID
    served.settle()
    assert peer.head(f"/misp/events/view/{UUID}").status_code == 200
    assert peer.post("/misp/events/filterEventIdsForPush", json=asked).json() == []
    again = peer.post("/misp/events/add/metadata:1", json={"Event": mine()})
    assert (again.status_code, "Event already exists" in again.json()["message"]) == (404, True)
    assert peer.get(again.headers["location"]).json()["Event"]["uuid"] == UUID
    stale = peer.post(f"/misp/events/edit/{UUID}/metadata:1", json={"Event": mine()})
    assert stale.status_code == 403
    assert "not newer than the local copy" in stale.json()["errors"]
    newer = mine() | {"timestamp": "1700000500", "info": "ours, changed"}
    assert peer.post(f"/misp/events/edit/{UUID}/metadata:1", json={"Event": newer}).status_code == 200
    seen = [
        {"uuid": SEEN, "attribute_uuid": f"{ATTRIBUTE}1", "type": "0", "date_sighting": "1700000000"},
        {
            "uuid": SEEN.replace("5a", "5b"),
            "attribute_uuid": f"{ATTRIBUTE}9",
            "type": "0",
            "date_sighting": "1700000000",
        },
    ]
    wanted = peer.post(f"/misp/sightings/filterSightingUuidsForPush/{EVENT}", json=[each["uuid"] for each in seen])
    assert wanted.json() == [each["uuid"] for each in seen]
    saved = peer.post(f"/misp/sightings/bulkSaveSightings/{EVENT}", json=seen)
    assert saved.json()["saved"] is True
    assert saved.json()["message"].startswith("1 ")  # the other one names an attribute of no such event
    assert peer.post(f"/misp/sightings/filterSightingUuidsForPush/{EVENT}", json=[SEEN]).json() == []
    served.settle()
    found = peer.post("/misp/sightings/restSearch/event", json={"uuid": [EVENT], "limit": 1, "page": 1}).json()[
        "response"
    ]
    assert [each["Sighting"]["uuid"] for each in found] == [SEEN]
    assert peer.post("/misp/sightings/restSearch/event", json={"uuid": [EVENT], "limit": 1, "page": 2}).json() == {
        "response": []
    }


def test_no_answer_names_another_constituent_or_how_many_there_are(quick: Served) -> None:
    """Who else is served is nobody's business (MISP#1668, #2442)."""
    quick.collection(audience=(GRID, BANK), can_write=True, floor=Tlp.GREEN)
    quick.store(made(1))
    assert misp(quick, BANK).post("/misp/events/add", json={"Event": mine()}).status_code == 200
    quick.settle()
    peer = misp(quick)
    for path in (
        "servers/getVersion",
        "users/view/me.json",
        "organisations/index/scope:all",
        "sharing_groups",
        "roles",
        "events/index",
        "feed/manifest.json",
        f"events/view/{UUID}",
    ):
        assert BANK not in peer.get(f"/misp/{path}").text
    assert peer.get("/misp/users/index").status_code == peer.get("/misp/admin/users/index").status_code == 403


def test_what_is_pushed_reaches_nobody_else_and_no_sharing_group_makes_trust(quick: Served) -> None:
    quick.collection(audience=(GRID, BANK), can_write=True, floor=Tlp.GREEN)
    peer, other = misp(quick), misp(quick, BANK)
    group = {"uuid": UUID, "name": "all", "SharingGroupOrg": [{"Organisation": {"uuid": UUID, "name": BANK}}]}
    pushed = mine() | {"distribution": "4", "sharing_group_id": "9", "SharingGroup": group}
    assert peer.post("/misp/events/add", json={"Event": pushed}).status_code == 200
    quick.settle()
    assert other.post("/misp/events/index", json={}).json() == []
    assert peer.post("/misp/events/index", json={}).json() == []  # for a group: it comes back to nobody
    with quick.node.db.read() as connection:
        (held, *_) = quick.node.holdings.get(connection, "indicator--7b8f0b1e-1234-4abc-8def-000000000001", ACTUAL)
    assert {word.nation for word in held.provenance} == {f"constituent:{GRID}"}


def test_an_attribute_that_a_newer_version_leaves_out_stays_and_a_deleted_one_goes(quick: Served) -> None:
    quick.collection(can_write=True, floor=Tlp.GREEN)
    peer = misp(quick)
    assert peer.post("/misp/events/add", json={"Event": mine()}).status_code == 200
    first, second = mine()["Attribute"]
    newer = mine() | {"timestamp": "1700000500", "Attribute": [first | {"deleted": True, "timestamp": "1700000400"}]}
    assert peer.post(f"/misp/events/edit/{UUID}", json={"Event": newer}).status_code == 200
    quick.settle()
    found = peer.get(f"/misp/events/view/{UUID}").json()["Event"]["Attribute"]
    assert {each["uuid"]: each.get("deleted", False) for each in found} == {first["uuid"]: True, second["uuid"]: False}
    with quick.node.db.read() as connection:
        stands = {
            each["uuid"]: any(
                v.stands for v in quick.node.holdings.get(connection, f"indicator--{each['uuid']}", ACTUAL)
            )
            for each in (first, second)
        }
    assert stands == {first["uuid"]: False, second["uuid"]: True}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"nothing", 400),
        (b"[]", 400),
        (b'{"Event": {}}', 400),
        (b'{"Event": {"info": "x", "uuid": "../../etc"}}', 400),
        (b'{"Event": {"info": "x", "Attribute": [{"type": "ip-dst"}]}}', 400),
        (b'{"Event": {"info": "x", "Attribute": 5}}', 400),
        (b'{"Event": {"info": "x", "Object": {"1": {}}}}', 400),
        (b'{"Event": {"info": "x", "Tag": 5}}', 400),
        (b"[" * 5000, 400),
    ],
)
def test_bad_events_are_refused_and_nothing_breaks(quick: Served, body: bytes, status: int) -> None:
    quick.collection(can_write=True)
    peer = misp(quick)
    assert peer.post("/misp/events/add", content=body).status_code == status
    assert peer.post("/misp/events/index", json={}).json() == []


def test_a_bomb_and_half_a_file_are_refused(quick: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    quick.collection(can_write=True)
    peer = misp(quick)
    monkeypatch.setattr("mithaq.exchange.misp.doors.MAX_BODY_BYTES", 10_000)
    packed = {"content-encoding": "gzip"}
    assert peer.post("/misp/events/add", content=gzip.compress(b" " * 1_000_000), headers=packed).status_code == 413
    assert peer.post("/misp/events/add", content=gzip.compress(b"{}")[:-6], headers=packed).status_code == 400
    assert peer.post("/misp/events/add", content=gzip.compress(b"{}") + b"x" * 50, headers=packed).status_code == 400
    assert peer.post("/misp/events/add", content=b"x" * 20_000).status_code == 413
    assert peer.post("/misp/events/add", content=b"{}", headers={"content-encoding": "br"}).status_code == 415
