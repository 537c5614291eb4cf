"""Unmodified PyMISP against a node over a real socket, reading and writing."""

from collections.abc import Iterator

import pytest
from pymisp import MISPAttribute, MISPEvent, MISPSighting, PyMISP, PyMISPError

from mithaq.intelligence.foreign import members, of_uuid
from mithaq.kernel.lane import ACTUAL
from mithaq.standards.tlp import Tlp
from tests.misp import ATTRIBUTE, EVENT, file_of, take
from tests.taxii import BANK, GRID, Served, listening_node, made

UUID = "7b8f0b1e-1234-4abc-8def-0000000000e0"


@pytest.fixture
def live(served: Served) -> Iterator[tuple[Served, str]]:
    served.collection(audience=(GRID,), can_write=True, floor=Tlp.GREEN)
    served.collection("banks", audience=(BANK,))
    served.store(*[made(number) for number in range(5)])
    take(served, file_of())
    with listening_node(served) as address:
        yield served, f"{address}/misp/"


def test_pymisp_connects_reads_and_searches(live: tuple[Served, str]) -> None:
    served, address = live
    misp = PyMISP(address, served.secret())
    assert misp.misp_instance_version["perm_sync"] is True
    assert misp._current_user.email == GRID
    assert len(misp.describe_types["types"]) > 100
    event = misp.get_event(EVENT, pythonify=True)
    assert isinstance(event, MISPEvent)
    assert [attribute.value for attribute in event.attributes] == ["198.51.100.1", "198.51.100.2"]
    assert misp.event_exists(EVENT) is True
    assert misp.event_exists(UUID) is False
    assert misp.get_event(UUID)["errors"][0] == 404
    assert {each.uuid for each in misp.search_index(pythonify=True)} >= {EVENT}
    assert [each.uuid for each in misp.search_index(tags=["tlp:green"], eventinfo="حملة", pythonify=True)] == [EVENT]
    (found,) = misp.search(value="198.51.100.2", pythonify=True)
    assert found.uuid == EVENT
    assert [each["Event"]["uuid"] for each in misp.search(timestamp="1600000000", tags="tlp:%")] != []
    assert misp.search(value="203.0.113.99") == []
    assert len(misp.search(limit=1, page=1)) == len(misp.search(limit=1, page=2)) == 1
    assert misp.search(limit=1, page=3) == []


def test_pymisp_searches_attributes(live: tuple[Served, str]) -> None:
    served, address = live
    misp = PyMISP(address, served.secret())

    def values(**asked: object) -> list[str]:
        return [a.value for a in misp.search("attributes", pythonify=True, **asked)]

    assert values(value="198.51.100.1") == ["198.51.100.1"]
    assert sorted(values(type_attribute="ip-dst", to_ids=True)) == sorted(
        ["198.51.100.1", "198.51.100.2", *(f"198.51.0.{number}" for number in range(5))]
    )
    assert values(to_ids=False) == []
    assert len(values(value="198.51.0.%")) == 5
    assert len(values(tags=["PAP:GREEN"], limit=3, page=1)) == 3
    assert len(values(tags=["PAP:GREEN"], limit=3, page=3)) == 1
    assert values(tags=["!tlp:green"]) == []
    assert misp.get_attribute(f"{ATTRIBUTE}1", pythonify=True).value == "198.51.100.1"
    assert misp.search("attributes", sharinggroup=[1])["errors"][0] == 400


def test_pymisp_asks_warning_lists_and_is_told_what_is_not_done(live: tuple[Served, str]) -> None:
    served, address = live
    misp = PyMISP(address, served.secret())
    assert next(each["matched"] for each in misp.values_in_warninglist(["8.8.8.8"])["8.8.8.8"]) == "8.8.8.8"
    assert misp.values_in_warninglist(["ab" * 16]) == []
    status, said = misp.delete_event(EVENT)["errors"]
    assert (status, "name" in said, "message" in said, said["url"]) == (404, True, True, f"/events/delete/{EVENT}")
    with pytest.raises(PyMISPError):
        PyMISP(address, "no key of ours")


def test_pymisp_sights_what_it_was_given_and_reads_it_back(live: tuple[Served, str]) -> None:
    served, address = live
    misp = PyMISP(address, served.secret())
    sighting = MISPSighting()
    sighting.from_dict(value="198.51.100.1", type="0")
    assert misp.add_sighting(sighting)["Sighting"]["attribute_uuid"] == f"{ATTRIBUTE}1"
    by_uuid = misp.add_sighting({"type": "1"}, f"{ATTRIBUTE}2")
    assert by_uuid["Sighting"]["type"] == "1"
    hidden = MISPSighting()
    hidden.from_dict(value="203.0.113.99")
    assert misp.add_sighting(hidden)["errors"][0] == 404
    served.settle()
    found = misp.search_sightings(context="event", context_id=EVENT)
    told = {each["Sighting"]["attribute_uuid"]: each["Sighting"]["type"] for each in found}
    assert told == {f"{ATTRIBUTE}1": "0", f"{ATTRIBUTE}2": "1"}
    with served.node.db.read() as connection:
        page = served.node.holdings.search(connection, "type:opinion", ACTUAL, None, 5, at=served.clock.now())
    assert len(page.objects) == 1


def test_what_pymisp_posts_is_that_constituents_word_under_the_floor(live: tuple[Served, str]) -> None:
    served, address = live
    misp = PyMISP(address, served.secret())
    event = MISPEvent()
    event.from_dict(
        uuid=UUID, info="Seen at ours", date="2026-11-20", timestamp="1763600000", Tag=[{"name": "tlp:amber"}]
    )
    event.add_attribute("ip-dst", "203.0.113.7", uuid="7b8f0b1e-1234-4abc-8def-000000000001", timestamp="1763600000")
    assert misp.add_event(event)["Event"]["uuid"] == UUID
    assert misp.add_event(event)["errors"][0] in (403, 404)
    served.settle()
    kept = misp.get_event(UUID, pythonify=True)
    assert ([a.value for a in kept.attributes], kept.distribution) == (["203.0.113.7"], 0)
    with served.node.db.read() as connection:
        (held,) = of_uuid(connection, UUID, ACTUAL)
        assert members(connection, held)["Attribute"][0]["value"] == "203.0.113.7"
        (indicator, *_) = served.node.holdings.get(
            connection, "indicator--7b8f0b1e-1234-4abc-8def-000000000001", ACTUAL
        )
    word = indicator.provenance[0]
    assert (word.source, word.nation, word.tlp, word.original) == (
        "constituent", f"constituent:{GRID}", Tlp.AMBER, held.original,
    )  # fmt: skip
    other = PyMISP(address, served.secret(BANK))
    assert other.event_exists(UUID) is False
    kept.info = "Seen at ours, twice"
    kept.add_attribute("domain", "evil.example")
    assert misp.update_event(kept)["Event"]["info"] == "Seen at ours, twice"
    attribute = MISPAttribute()
    attribute.from_dict(type="sha256", value="ab" * 32)
    assert misp.add_attribute(UUID, attribute)["Attribute"]["value"] == "ab" * 32
    assert misp.tag(kept, 'osint:source-type="blog-post"')["saved"] is True
    assert misp.publish(UUID)["saved"] is True
    served.settle()
    again = misp.get_event(UUID, pythonify=True)
    assert sorted(a.value for a in again.attributes) == ["203.0.113.7", "ab" * 32, "evil.example"]
    assert 'osint:source-type="blog-post"' in [tag.name for tag in again.tags]
    assert int(again.timestamp.timestamp()) > int(kept.timestamp.timestamp())


def test_nobody_writes_into_what_is_not_theirs(live: tuple[Served, str]) -> None:
    """One id is looked up and that one is changed (CVE-2026-56424); an account that only reads writes nothing."""
    served, address = live
    misp = PyMISP(address, served.secret())
    given = misp.get_event(EVENT, pythonify=True)
    given.info = "changed"
    assert misp.update_event(given)["errors"][0] == 404
    assert misp.tag(given, "tlp:clear")["errors"][0] == 404
    assert misp.add_attribute(EVENT, {"type": "ip-dst", "value": "203.0.113.9"})["errors"][0] == 404
    mine = MISPEvent()
    mine.from_dict(uuid=UUID, info="mine", date="2026-11-20", timestamp="1763600000")
    mine.add_attribute("ip-dst", "203.0.113.7")
    assert "errors" not in misp.add_event(mine)
    mine.info = "smuggled"
    answer = misp.update_event(mine, event_id=EVENT)  # type: ignore[arg-type]
    assert answer["errors"][0] in (403, 404)
    reading = PyMISP(address, served.secret(may_write=False))
    assert reading.misp_instance_version["perm_sync"] is False
    for refused in (
        reading.add_event(mine), reading.update_event(mine), reading.add_sighting({"value": "198.51.100.1"}),
        PyMISP(address, served.secret(BANK)).add_event(mine),
    ):  # fmt: skip
        assert refused["errors"][0] == 403
