"""What a source gave goes out over MISP as if a person had imported it; one event goes out, whoever else gave it."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mithaq.exchange.misp.files import write_feed
from mithaq.exchange.sources.model import Terms
from mithaq.intelligence.imports.misp import convert
from mithaq.standards.misp.numbers import numbered
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp
from tests.misp import ATTRIBUTE, EVENT, client, event, file_of, md5, read_feed, take
from tests.scripted import TaxiiScript, scripted
from tests.taxii import BANK, GRID, ROOT, TAXII, Served, carried, ids_in, made, name
from tests.unit.exchange.sources.conftest import Fetching
from tests.unit.exchange.sources.test_misp_feed import FeedScript, follow
from tests.unit.exchange.sources.test_plain_list import ListScript

OPEN = Terms(Tlp.GREEN, Pap.GREEN)
OTHER = "5b8f0b1e-1234-4abc-8def-0000000000e1"
PUBLISHED = "2026-11-23T11:00:00.000Z"


@pytest.fixture
def fetching(served: Served, tmp_path: Path) -> Fetching:
    return Fetching(served.node.db, tmp_path, served.clock)


def fetch(served: Served, fetching: Fetching, *events: dict[str, Any], name: str = "feed", terms: Terms = OPEN) -> None:
    """Fetch these events from a feed, and let the shelves follow."""
    with scripted(FeedScript(*events)) as world:
        follow(fetching, world, name=name, terms=terms)
        assert fetching.run(name).reason is None
    served.settle()


def test_a_fetched_event_goes_out_as_it_came(served: Served, fetching: Fetching) -> None:
    collection = served.collection()
    fetch(served, fetching, event())
    assert f"indicator--{ATTRIBUTE}1" in ids_in(served.client().get(f"{ROOT}collections/{collection}/objects/").content)
    reader = client(served)
    assert read_feed(reader)[EVENT] == event(distribution="1")
    assert reader.get(f"/misp/events/view/{EVENT}").json()["Event"] == numbered(event(distribution="1"))
    assert [each["uuid"] for each in reader.post("/misp/events/index", json={"minimal": 1}).json()] == [EVENT]
    found = reader.post("/misp/attributes/restSearch", json={"value": "198.51.100.2"}).json()["response"]["Attribute"]
    assert [each["uuid"] for each in found] == [f"{ATTRIBUTE}2"]
    assert served.node.misp.refusals(GRID, served.clock.now()) == []


def test_a_lists_values_stand_in_the_event_of_their_day(served: Served, fetching: Fetching) -> None:
    served.collection()
    with scripted(ListScript("198.51.100.7", "198.51.100.8")) as world:
        fetching.follow(world.address + "/list.txt", kind="list", terms=OPEN)
        assert fetching.run().reason is None
    served.settle()
    reader = client(served)
    (day,) = read_feed(reader).values()
    assert [each["value"] for each in day["Attribute"]] == ["198.51.100.7", "198.51.100.8"]
    assert [each["uuid"] for each in reader.post("/misp/events/index", json={}).json()] == [day["uuid"]]
    assert "198.51.100.7" in reader.post("/misp/attributes/restSearch", json={"value": "198.51.100.7"}).text


def test_what_a_taxii_server_gave_stands_in_the_events_of_its_days(
    served: Served, fetching: Fetching, at: datetime
) -> None:
    served.collection()
    with scripted(TaxiiScript([(at - timedelta(hours=1), made(1)), (at, made(2, pap=Pap.RED))])) as world:
        fetching.follow(world.address + "/taxii2/")
        assert fetching.run().stored == 2
    served.settle()
    (day,) = read_feed(client(served)).values()
    assert [each["value"] for each in day["Attribute"]] == ["198.51.0.1"]


def test_what_was_fetched_and_stays_is_named_with_its_giver_and_the_reason(served: Served, fetching: Fetching) -> None:
    collection = served.collection()
    without = event(Tag=[{"name": "tlp:green"}])
    fetch(served, fetching, without, without | {"uuid": OTHER, "distribution": "4"}, terms=Terms(Tlp.GREEN))
    assert read_feed(client(served)) == {}
    assert ids_in(served.client().get(f"{ROOT}collections/{collection}/objects/").content) == []
    refused = served.node.misp.refusals(GRID, served.clock.now())
    assert {(each.event.uuid, each.event.nation): {reason.code for reason in each.reasons} for each in refused} == {
        (EVENT, "source:feed"): {"misp-not-whole"},
        (OTHER, "source:feed"): {"misp-not-whole", "misp-sharing-group"},
    }


def test_one_event_goes_out_of_several_givers_the_newest_that_may(served: Served, fetching: Fetching) -> None:
    served.collection()
    take(served, file_of())
    fetch(served, fetching, event(), name="same")
    reader = client(served)
    assert [each["uuid"] for each in reader.post("/misp/events/index", json={}).json()] == [EVENT]
    fetch(served, fetching, event(timestamp="1600000500", info="newer"), name="newer")
    (found,) = read_feed(reader).values()
    assert (found["info"], found["timestamp"]) == ("newer", "1600000500")
    newest = event(timestamp="1600000900", info="for a group", distribution="4")
    fetch(served, fetching, newest, name="newest")
    (found,) = read_feed(reader).values()
    assert found["info"] == "newer"
    assert len(reader.post("/misp/events/index", json={}).json()) == 1
    assert served.node.misp.refusals(GRID, served.clock.now()) == []  # it goes out, if in another version


def test_what_nobodys_version_may_is_refused_for_each_giver(quick: Served, tmp_path: Path) -> None:
    quick.collection()
    fetching = Fetching(quick.node.db, tmp_path, quick.clock)
    take(quick, file_of(distribution="4"))
    fetch(quick, fetching, event(protected=True))
    refused = quick.node.misp.refusals(GRID, quick.clock.now())
    assert {each.event.nation: [reason.code for reason in each.reasons] for each in refused} == {
        "XA": ["misp-sharing-group"],
        "source:feed": ["misp-protected"],
    }


def test_what_a_newer_version_deleted_is_out_of_every_door(served: Served, fetching: Fetching, tmp_path: Path) -> None:
    served.collection()
    first, second = event()["Attribute"]
    fetch(served, fetching, event())
    newer = event(timestamp="1600000500", Attribute=[first, second | {"deleted": True}])
    with scripted(FeedScript(newer)) as world:
        fetching.sources.remove("feed", served.clock.now())
        follow(fetching, world, terms=OPEN)  # a removed source's word is that of its name: who comes back goes on
        assert fetching.run().withdrawn == 5
    served.settle()
    reader = client(served)
    assert read_feed(reader)[EVENT]["Attribute"][1]["deleted"] is True
    assert md5("198.51.100.1") in reader.get("/misp/feed/hashes.csv").text
    assert md5("198.51.100.2") not in reader.get("/misp/feed/hashes.csv").text
    write_feed(served.node.misp, GRID, tmp_path / "out", served.clock.now())
    assert (tmp_path / "out" / f"{EVENT}.json").exists()
    assert EVENT in json.loads((tmp_path / "out" / "manifest.json").read_bytes())


def test_what_stands_by_a_partners_word_too_stays_under_the_partners_terms(
    served: Served, fetching: Fetching, at: datetime
) -> None:
    """The same bytes from a feed make a partner's object nobody else's."""
    served.collection()
    (converted,) = convert(file_of())
    theirs = [body for body in converted.bodies if b"indicator--" in body[:200] and f"{ATTRIBUTE}1".encode() in body]
    served.store(*theirs[:1], partner=carried(at, constituents=None))
    fetch(served, fetching, event())
    assert read_feed(client(served)) == {}
    (refused,) = served.node.misp.refusals(GRID, served.clock.now())
    assert [reason.code for reason in refused.reasons] == ["misp-not-whole"]


def test_what_a_constituent_posted_goes_to_nobody_else(served: Served) -> None:
    collection = served.collection(audience=(GRID, BANK), can_write=True, floor=Tlp.GREEN)
    posted = served.client().post(
        f"{ROOT}collections/{collection}/objects/", content=b'{"objects": [%s]}' % made(1),
        headers={"content-type": TAXII},
    )  # fmt: skip
    assert posted.json()["success_count"] == 1
    served.settle()
    assert read_feed(client(served)) == read_feed(client(served, BANK)) == {}


def test_what_has_no_pap_label_goes_where_pap_red_goes(quick: Served, tmp_path: Path) -> None:
    """A collection for reading alone carries it, over TAXII as over MISP."""
    collection = quick.collection(action="none")
    fetching = Fetching(quick.node.db, tmp_path, quick.clock)
    fetch(quick, fetching, event(Tag=[{"name": "tlp:green"}]), terms=Terms(Tlp.GREEN))
    quick.store(made(1, pap=None), made(2, "report", pap=None, object_refs=[name(1)], name="r", published=PUBLISHED))
    quick.store(made(3, pap=None))
    assert name(1) in ids_in(quick.client().get(f"{ROOT}collections/{collection}/objects/").content)
    found = read_feed(client(quick))
    assert {tag["name"] for each in found.values() for tag in each["Tag"]} == {"tlp:green", "PAP:RED"}
    values = {each["value"] for event_ in found.values() for each in event_["Attribute"]}
    assert values == {"198.51.100.1", "198.51.100.2", "198.51.0.1", "198.51.0.3"}
    hits = (
        client(quick).post("/misp/attributes/restSearch", json={"value": "198.51.0.3"}).json()["response"]["Attribute"]
    )
    assert len(hits) == 1
