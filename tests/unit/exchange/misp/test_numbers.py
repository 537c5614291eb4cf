"""Scripts that know events and their parts by numbers: each is asked for by what an answer gave."""

from collections.abc import Iterator
from typing import Any

import pytest
from pymisp import MISPAttribute, MISPEvent, MISPObject, MISPSighting, PyMISP

from mithaq.standards.misp import numbers
from mithaq.standards.misp.numbers import number_of
from mithaq.standards.tlp import Tlp
from tests.misp import ATTRIBUTE, EVENT, client, event, file_of, take
from tests.taxii import BANK, GRID, Served, listening_node, made

UUID = "7b8f0b1e-1234-4abc-8def-0000000000e0"


@pytest.fixture
def live(quick: Served) -> Iterator[tuple[Served, str]]:
    quick.collection(audience=(GRID,), can_write=True, floor=Tlp.GREEN)
    quick.collection("banks", audience=(BANK,), labels=("watched",))
    quick.store(made(1))
    thing = {
        "uuid": f"{ATTRIBUTE}a", "name": "file", "timestamp": "1600000000", "id": "5", "event_id": "77",
        "Attribute": [{"uuid": f"{ATTRIBUTE}b", "type": "md5", "category": "Payload delivery", "to_ids": True,
                       "object_relation": "md5", "value": "ab" * 16, "timestamp": "1600000000", "id": "9"}],
    }  # fmt: skip
    take(quick, file_of(Object=[thing]))
    with listening_node(quick) as address:
        yield quick, f"{address}/misp/"


def connected(live: tuple[Served, str], who: str = GRID, **rest: Any) -> PyMISP:
    return PyMISP(live[1], live[0].secret(who, **rest))


def test_every_event_attribute_and_object_that_is_answered_can_be_asked_for_by_its_number(
    live: tuple[Served, str],
) -> None:
    misp = connected(live)
    index = {each["uuid"]: each["id"] for each in misp.search_index()}
    assert len(index) == len(set(index.values())) == 2
    for uuid, number in index.items():
        got = misp.get_event(int(number), pythonify=True)
        assert isinstance(got, MISPEvent)
        assert (got.uuid, got.id) == (uuid, int(number))
        assert misp.event_exists(int(number)) is True
        assert {each["Event"]["id"] for each in misp.search(eventid=number)} == {number}
        for attribute in misp.search("attributes", eventid=int(number), pythonify=True):
            assert (attribute.event_id, attribute.Event.id) == (int(number), int(number))
            assert misp.get_attribute(attribute.id, pythonify=True).uuid == attribute.uuid
    held = misp.get_event(int(index[EVENT]), pythonify=True).objects[0]
    assert {held.id, held.attributes[0].object_id} == {number_of(f"{ATTRIBUTE}a")}
    assert misp.get_object(int(held.id), pythonify=True).uuid == f"{ATTRIBUTE}a"
    assert misp.get_event(0)["errors"][0] == misp.get_attribute(77)["errors"][0] == 404


def test_a_script_works_with_what_it_added_by_numbers_alone(live: tuple[Served, str]) -> None:
    served, misp = live[0], connected(live)
    ours = MISPEvent()
    ours.from_dict(uuid=UUID, info="ours", date="2026-11-20", timestamp="1763600000")
    added = misp.add_event(ours, pythonify=True)
    assert isinstance(added, MISPEvent)
    attribute = MISPAttribute()
    attribute.from_dict(type="ip-dst", value="203.0.113.7", to_ids=True)
    one = misp.add_attribute(added.id, attribute, pythonify=True)
    assert isinstance(one, MISPAttribute)
    assert (one.event_id, one.id) == (added.id, int(number_of(one.uuid)))
    other = MISPAttribute()
    other.from_dict(type="ip-dst", value="203.0.113.8")
    (listed,) = misp.add_attribute(added.id, [other], pythonify=True)["attributes"]
    assert listed.uuid == other.uuid
    thing = MISPObject("file")
    thing.add_attribute("sha256", "cd" * 32)
    kept = misp.add_object(added.id, thing, pythonify=True)
    assert isinstance(kept, MISPObject)
    one.comment = "by its number"
    assert misp.update_attribute(one, one.id, pythonify=True).comment == "by its number"
    assert "errors" not in misp.delete_object(kept.id)
    assert "errors" not in misp.delete_attribute(one.id)
    served.settle()
    kept_event = misp.get_event(added.id, pythonify=True)
    assert isinstance(kept_event, MISPEvent)
    deleted = {each.value: getattr(each, "deleted", False) for each in kept_event.attributes}
    assert deleted == {"203.0.113.7": True, "203.0.113.8": False}
    kept_event.info = "changed"
    assert misp.update_event(kept_event, added.id, pythonify=True).info == "changed"
    assert misp.publish(added.id)["saved"] is True
    assert misp.delete_event(added.id)["saved"] is True
    assert misp.delete_event(added.id)["errors"][0] == 404


def test_sightings_are_given_and_listed_by_numbers(live: tuple[Served, str]) -> None:
    served, misp = live[0], connected(live)
    found = misp.get_event(EVENT, pythonify=True)
    assert isinstance(found, MISPEvent)
    sighting = MISPSighting()
    sighting.from_dict(type="0", source="ids")
    told = misp.add_sighting(sighting, found.attributes[0].id, pythonify=True)
    assert isinstance(told, MISPSighting)
    assert told.attribute_id == str(found.attributes[0].id)
    served.settle()
    for entity in (found, found.attributes[0]):
        (only,) = misp.sightings(entity, pythonify=True)
        assert isinstance(only, MISPSighting)
        assert (only.uuid, only.source) == (told.uuid, "ids")
    assert misp.sightings(found.attributes[1]) == []
    (again,) = misp.search_sightings(context="event", context_id=found.id)
    assert (again["Sighting"]["event_uuid"], again["Sighting"]["event_id"]) == (EVENT, str(found.id))
    assert misp.sightings(found, org=5)["errors"][0] == 400


def test_a_number_tells_nothing_and_opens_nothing_to_who_may_not_see_the_event(live: tuple[Served, str]) -> None:
    other = connected(live, BANK)
    number = int(number_of(EVENT))
    for refused in (
        other.get_event(number), other.get_attribute(int(number_of(f"{ATTRIBUTE}1"))),
        other.get_object(int(number_of(f"{ATTRIBUTE}a"))), other.sightings(_named(MISPAttribute, f"{ATTRIBUTE}1")),
        other.search_sightings("event", number),
    ):  # fmt: skip
        assert refused["errors"][0] == 404
    assert other.search(eventid=number) == []
    mine = connected(live)
    assert mine.delete_event(number)["errors"][0] == mine.publish(number)["errors"][0] == 404  # read, and not given
    assert mine.delete_attribute(int(number_of(f"{ATTRIBUTE}1")))["errors"][0] == 404


def test_where_two_have_one_number_it_is_said_and_none_is_guessed(
    quick: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick.collection(can_write=True, floor=Tlp.GREEN)
    quick.store(made(1))
    take(quick, file_of())
    peer = client(quick)
    assert len(peer.post("/misp/events/index", json={}).json()) == 2
    monkeypatch.setattr(numbers, "number_of", lambda _: "7")
    monkeypatch.setattr("mithaq.exchange.misp.model.number_of", lambda _: "7")
    for asked in ("events/view/7", "attributes/view/7"):
        refused = peer.get(f"/misp/{asked}")
        assert (refused.status_code, "ask by uuid" in refused.json()["message"]) == (400, True)
    assert peer.get(f"/misp/events/view/{EVENT}").json()["Event"]["uuid"] == EVENT
    for uuid in (UUID, UUID.replace("e0", "e1")):
        attributes = [each | {"uuid": each["uuid"].replace("5b8f", uuid[-4:])} for each in event()["Attribute"]]
        given = peer.post("/misp/events/add", json={"Event": event(uuid=uuid, Tag=[], Attribute=attributes)})
        assert given.status_code == 200
    assert peer.post("/misp/events/delete/7").status_code == 400
    assert peer.post("/misp/attributes/delete/7").status_code == 400


def test_a_feed_has_no_numbers_of_this_node(quick: Served) -> None:
    quick.collection()
    quick.store(made(1))
    peer = client(quick)
    (uuid,) = peer.get("/misp/feed/manifest.json").json()
    assert "id" not in peer.get(f"/misp/feed/{uuid}.json").json()["Event"]
    assert peer.get(f"/misp/events/view/{uuid}").json()["Event"]["id"] == number_of(uuid)


def _named(kind: type[MISPAttribute], uuid: str) -> MISPAttribute:
    named = kind()
    named.from_dict(type="ip-dst", value="203.0.113.1", uuid=uuid, id=number_of(uuid))
    return named
