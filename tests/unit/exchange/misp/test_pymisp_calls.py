"""What else scripts call: parts of events one by one, and every address that PyMISP knows."""

import inspect
import re
from collections.abc import Iterator

import httpx
import pymisp.api
import pytest
from pymisp import (
    MISPAttribute,
    MISPEvent,
    MISPEventReport,
    MISPObject,
    MISPObjectReference,
    MISPOrganisation,
    MISPRole,
    MISPUser,
    PyMISP,
)

from mithaq.kernel.lane import ACTUAL
from mithaq.standards.tlp import Tlp
from tests.misp import EVENT, event, file_of, take
from tests.taxii import BANK, GRID, Served, listening_node, made

UUID = "7b8f0b1e-1234-4abc-8def-0000000000e0"
PART = "7b8f0b1e-1234-4abc-8def-00000000000"
HELD = "5b8f0b1e-1234-4abc-8def-0000000000c"
GALAXY = {
    "uuid": f"{HELD}1", "name": "Threat Actor", "type": "threat-actor", "namespace": "misp", "description": "",
    "version": "3", "icon": "user-secret",
    "GalaxyCluster": [
        {"uuid": f"{HELD}2", "type": "threat-actor", "value": "Desert Falcons", "description": "a group",
         "tag_name": 'misp-galaxy:threat-actor="Desert Falcons"', "source": "x", "authors": ["y"], "version": "1",
         "meta": {"synonyms": ["APT-C-23"]}},
    ],
}  # fmt: skip
FILE = {
    "uuid": f"{HELD}3", "name": "file", "meta-category": "file", "template_uuid": f"{HELD}9", "template_version": "24",
    "timestamp": "1600000000", "distribution": "5", "deleted": False, "ObjectReference": [],
    "Attribute": [{"uuid": f"{HELD}4", "type": "md5", "category": "Payload delivery", "to_ids": True,
                   "object_relation": "md5", "value": "ab" * 16, "timestamp": "1600000000", "distribution": "5"}],
}  # fmt: skip
REPORT = {"uuid": f"{HELD}5", "name": "What happened", "content": "# Word for word", "timestamp": "1600000000",
          "distribution": "5", "deleted": False}  # fmt: skip


@pytest.fixture
def live(quick: Served) -> Iterator[tuple[Served, str]]:
    quick.collection(audience=(GRID,), can_write=True, floor=Tlp.GREEN)
    quick.collection("banks", audience=(BANK,), labels=("watched",))
    quick.store(*[made(number) for number in range(2)])
    tags = [*event()["Tag"], {"name": 'misp-galaxy:threat-actor="Desert Falcons"'}]
    take(quick, file_of(Galaxy=[GALAXY], Object=[FILE], EventReport=[REPORT], Tag=tags))
    with listening_node(quick) as address:
        yield quick, f"{address}/misp/"


def connected(live: tuple[Served, str], who: str = GRID, **rest: bool) -> PyMISP:
    return PyMISP(live[1], live[0].secret(who, **rest))


def given(live: tuple[Served, str]) -> tuple[PyMISP, MISPEvent]:
    """A client, and an event that it gave."""
    misp, ours = connected(live), MISPEvent()
    ours.from_dict(uuid=UUID, info="Seen at ours", date="2026-11-20", timestamp="1763600000")
    ours.add_attribute("ip-dst", "203.0.113.7", uuid=f"{PART}1", timestamp="1763600000")
    assert "errors" not in misp.add_event(ours)
    live[0].settle()
    return misp, ours


def stands(served: Served, stix_id: str) -> bool:
    served.settle()
    with served.node.db.read() as connection:
        return any(each.stands for each in served.node.holdings.get(connection, stix_id, ACTUAL))


def test_pymisp_is_told_types_itself_and_the_two_organisations(live: tuple[Served, str]) -> None:
    misp = connected(live)
    assert misp.describe_types_remote == misp.describe_types_local
    user, role, _ = misp.get_user("me", pythonify=True, expanded=True)
    assert isinstance(user, MISPUser)
    assert isinstance(role, MISPRole)
    assert (user.email, role.perm_add, role.perm_site_admin) == (GRID, True, False)
    assert [each.name for each in misp.roles(pythonify=True)] == ["constituent"]
    mine, nation = misp.organisations(scope="all", pythonify=True)
    assert isinstance(nation, MISPOrganisation)
    assert (mine.name, nation.uuid) == (GRID, live[0].node.misp.organisation.uuid)
    assert misp.get_organisation(nation, pythonify=True).name == nation.name
    assert misp.organisation_exists(f"{HELD}9") is False
    assert misp.get_user(BANK)["errors"][0] == 404
    assert misp.users()["errors"][0] == misp.feeds()["errors"][0] == misp.servers()["errors"][0] == 403
    assert misp.sharing_groups() == misp.taxonomies() == misp.object_templates() == misp.attribute_proposals() == []
    lists = misp.warninglists(pythonify=True)
    assert len(lists) > 50
    assert misp.get_warninglist(lists[0].id, pythonify=True).name == lists[0].name


def test_pymisp_looks_at_objects_reports_tags_and_clusters_of_what_it_was_given(live: tuple[Served, str]) -> None:
    misp = connected(live)
    found = misp.get_object(f"{HELD}3", pythonify=True)
    assert (found.name, found.attributes[0].value) == ("file", "ab" * 16)
    assert (misp.object_exists(f"{HELD}3"), misp.object_exists(f"{HELD}8")) == (True, False)
    assert (misp.attribute_exists(f"{HELD}4"), misp.attribute_exists(f"{HELD}8")) == (True, False)
    assert [each.uuid for each in misp.search("objects", value="ab" * 16, pythonify=True)] == [f"{HELD}3"]
    assert [each.uuid for each in misp.search("objects", object_name="file", pythonify=True)] == [f"{HELD}3"]
    assert misp.search("objects", object_name="email") == []
    assert misp.search("attributes", object_name="file")["errors"][0] == 400
    assert len(misp.attributes(pythonify=True)) == 5
    assert misp.get_event_report(f"{HELD}5", pythonify=True).content == REPORT["content"]
    assert [each.uuid for each in misp.get_event_reports(EVENT, pythonify=True)] == [f"{HELD}5"]  # type: ignore[arg-type]
    tags = {each.name: each for each in misp.tags(pythonify=True)}
    assert tags["tlp:green"].count == 2
    assert [each.name for each in misp.search_tags("desert falcons", pythonify=True)] == [
        'misp-galaxy:threat-actor="Desert Falcons"'
    ]
    assert misp.search_tags("tlp", strict_tagname=True) == []
    assert [each.type for each in misp.galaxies(pythonify=True)] == ["threat-actor"]
    assert misp.get_galaxy(f"{HELD}1", withCluster=True, pythonify=True).clusters[0].value == "Desert Falcons"
    cluster = misp.get_galaxy_cluster(f"{HELD}2", pythonify=True)
    assert cluster.cluster_elements or cluster.value == "Desert Falcons"
    assert misp.get_galaxy_cluster(f"{HELD}8")["errors"][0] == 404
    (only,) = misp.search_galaxy_clusters(f"{HELD}1", searchall="falcons", pythonify=True)
    assert only.uuid == f"{HELD}2"


def test_what_another_may_not_read_no_part_of_it_answers(live: tuple[Served, str]) -> None:
    other = connected(live, BANK)
    assert other.get_event(EVENT)["errors"][0] == 404
    for refused in (
        other.get_object(f"{HELD}3"), other.get_event_report(f"{HELD}5"), other.get_galaxy(f"{HELD}1"),
        other.get_galaxy_cluster(f"{HELD}2"), other.get_event_reports(EVENT), other.get_tag("tlp:green"),  # type: ignore[arg-type]
    ):  # fmt: skip
        assert refused["errors"][0] == 404
    assert other.tags() == other.galaxies() == other.attributes() == other.search("objects", value="ab" * 16) == []


def test_pymisp_changes_its_events_part_by_part(live: tuple[Served, str]) -> None:
    served, (misp, ours) = live[0], given(live)
    attribute = misp.get_attribute(f"{PART}1", pythonify=True)
    attribute.value = "203.0.113.8"
    assert misp.update_attribute(attribute, pythonify=True).value == "203.0.113.8"
    thing = MISPObject("file")
    thing.uuid = f"{PART}2"
    thing.add_attribute("sha256", "cd" * 32, uuid=f"{PART}3")
    added = misp.add_object(UUID, thing, pythonify=True)
    assert (added.uuid, added.attributes[0].value) == (f"{PART}2", "cd" * 32)
    added.comment = "dropped"
    assert misp.update_object(added, pythonify=True).comment == "dropped"
    reference = MISPObjectReference()
    reference.from_dict(
        object_uuid=f"{PART}2", referenced_uuid=f"{PART}1", relationship_type="connects-to", uuid=f"{PART}4"
    )
    assert misp.add_object_reference(reference, pythonify=True).relationship_type == "connects-to"
    report = MISPEventReport()
    report.from_dict(name="Story", content="first", uuid=f"{PART}5")
    assert misp.add_event_report(ours, report, pythonify=True).content == "first"
    report.content = "second"
    assert misp.update_event_report(report, pythonify=True).content == "second"
    served.settle()
    kept = misp.get_event(UUID, pythonify=True)
    assert [each.value for each in kept.attributes] == ["203.0.113.8"]
    assert kept.objects[0].references[0].referenced_uuid == f"{PART}1"
    assert [each.content for each in kept.event_reports] == ["second"]
    assert "errors" not in misp.delete_object_reference(f"{PART}4", hard=True)
    assert "errors" not in misp.delete_event_report(report, hard=True)
    assert "errors" not in misp.delete_object(f"{PART}2")
    served.settle()
    kept = misp.get_event(UUID, deleted=[0, 1], pythonify=True)
    assert (kept.event_reports, [each.deleted for each in kept.objects]) == ([], [True])


def test_pymisp_deletes_an_attribute_restores_it_and_deletes_the_event(live: tuple[Served, str]) -> None:
    served, (misp, ours) = live[0], given(live)
    indicator = f"indicator--{PART}1"
    assert stands(served, indicator)
    assert "errors" not in misp.delete_attribute(f"{PART}1")
    assert not stands(served, indicator)
    assert misp.restore_attribute(f"{PART}1", pythonify=True).deleted is False
    assert stands(served, indicator)
    sighting = misp.add_sighting({"type": "0"}, f"{PART}1")["Sighting"]
    assert misp.delete_sighting(sighting["uuid"])["saved"] is True
    assert misp.delete_sighting(sighting["uuid"])["errors"][0] == 404
    assert misp.delete_event(ours)["saved"] is True
    assert not stands(served, indicator)
    assert misp.event_exists(UUID) is False
    assert misp.delete_event(UUID)["errors"][0] == 404
    assert "errors" not in misp.add_event(ours)
    assert stands(served, indicator)


def test_no_part_of_what_is_not_theirs_is_changed_by_anybody(live: tuple[Served, str]) -> None:
    misp, _ = given(live)
    reading = connected(live, may_write=False)
    attribute = MISPAttribute()
    attribute.from_dict(type="ip-dst", value="203.0.113.9", uuid=f"{HELD}4")
    thing = MISPObject("file")
    thing.add_attribute("sha256", "cd" * 32)
    report = MISPEventReport()
    report.from_dict(name="x", content="y", uuid=f"{HELD}5")
    for refused in (
        misp.update_attribute(attribute), misp.delete_attribute(f"{HELD}4"), misp.add_object(EVENT, thing),
        misp.delete_object(f"{HELD}3"), misp.delete_event(EVENT), misp.add_event_report(EVENT, report),
        misp.update_event_report(report), misp.delete_event_report(report), misp.restore_attribute(f"{HELD}4"),
    ):  # fmt: skip
        assert refused["errors"][0] == 404
    for refused in (
        reading.delete_event(UUID), reading.delete_attribute(f"{PART}1"), reading.add_object(UUID, thing),
    ):  # fmt: skip
        assert refused["errors"][0] == 403
    assert stands(live[0], f"indicator--{PART}1")


def addresses() -> list[tuple[str, str]]:
    """Every request that PyMISP makes, with a uuid wherever it puts in what it is given."""
    found = re.findall(r"_prepare_request\(\s*'(\w+)',\s*f?['\"]([^'\"]+)['\"]", inspect.getsource(pymisp.api.PyMISP))
    return sorted({(method, re.sub(r"{[^}]*}", UUID, place).lstrip("/")) for method, place in found})


def test_every_address_that_pymisp_knows_is_answered_or_refused_as_misp_refuses(live: tuple[Served, str]) -> None:
    served, base = live
    headers = {"authorization": served.secret(), "accept": "application/json"}
    answered = []
    with httpx.Client(base_url=base, headers=headers, trust_env=False, timeout=30) as client:
        for method, place in addresses():
            for content in (b"", b"{}", b"[]", b'{"request": 5}') if method == "POST" else (b"",):
                answer = client.request(method, place, content=content)
                assert answer.status_code in (200, 400, 403, 404, 405), (method, place, answer.status_code)
                if answer.status_code == 200:
                    answered.append(place)
                elif method != "HEAD":
                    said = answer.json()
                    assert said.keys() >= {"name", "message", "url", "errors"}, place
    assert len(addresses()) > 150
    assert {"attributes/describeTypes.json", "tags/index", "galaxies/index", "attributes/index"} <= set(answered)
