"""The programs that constituents have, unmodified, against a node founded and run by its commands."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
import stix2
import taxii2client.v21 as taxii
from pymisp import MISPEvent, PyMISP

from tests.misp import EVENT, file_of
from tests.running import RunningNode, founded, serving, until
from tests.taxii import GRID

pytestmark = pytest.mark.functional
VALUES = ("sign-in.post-rimal.example", "198.51.100.77")


@dataclass
class Constituent:
    """A running node, and the secret of its constituent."""

    node: RunningNode
    secret: str

    def collection(self, title: str) -> taxii.Collection:
        server = taxii.Server(f"{self.node.url}/taxii2/", user=GRID, password=self.secret)
        return next(each for each in server.default.collections if each.title == title)

    def held(self, alias: str = "National feed") -> set[str]:
        pages = taxii.as_pages(self.collection(alias).get_objects, per_request=50)
        return {each["id"] for page in pages for each in page.get("objects", ())}


@pytest.fixture(scope="module")
def constituent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Constituent]:
    folder = tmp_path_factory.mktemp("clients")
    node = founded(folder)
    with serving(node):
        node.run("constituent", "add", GRID, "--name-en", "National Grid", "--contact", "soc@grid.example")
        node.run("collection", "add", "national-feed", "--title", "National feed", "--for", GRID,
                 "--action", "externally-visible-indirect-actions")  # fmt: skip
        node.run("collection", "add", "reports", "--title", "Reports", "--for", GRID, "--write", "--floor", "TLP:GREEN")
        secret = node.run("constituent", "token", GRID, "--write").stdout.strip()
        for value in VALUES:
            node.run("indicator", "add", value, "--tlp", "TLP:GREEN", "--pap", "PAP:GREEN")
        event = folder / "event.json"
        event.write_bytes(file_of())
        node.run("object", "import", "--misp", str(event), "--tlp", "TLP:GREEN", "--pap", "PAP:GREEN")
        found = Constituent(node, secret)
        until(lambda: len(found.held()) >= len(VALUES) + 2, 60, node.log)
        yield found


def test_taxii2_client_reads_everything_and_writes(constituent: Constituent) -> None:
    collection = constituent.collection("National feed")
    first = collection.get_objects(limit=2)
    assert (len(first["objects"]), first["more"]) == (2, True)
    patterns = [each.get("pattern", "") for each in collection.get_objects()["objects"]]
    assert all(any(value in pattern for pattern in patterns) for value in VALUES)
    posted = stix2.Indicator(pattern="[domain-name:value = 'seen-at-the-grid.example']", pattern_type="stix")
    status = constituent.collection("Reports").add_objects({"objects": [json.loads(posted.serialize())]})
    assert (status.status, status.success_count, status.failure_count) == ("complete", 1, 0)
    until(lambda: posted.id in constituent.held("Reports"), 30, constituent.node.log)


def test_python_stix2_reads_and_writes(constituent: Constituent) -> None:
    source = stix2.TAXIICollectionSource(constituent.collection("National feed"))
    indicators = source.query([stix2.Filter("type", "=", "indicator")])
    assert len(indicators) >= len(VALUES)
    assert source.get(indicators[0].id).id == indicators[0].id
    sink = stix2.TAXIICollectionSink(constituent.collection("Reports"))
    written = stix2.Malware(name="Wiper of the grid", is_family=False)
    sink.add(written)
    until(lambda: written.id in constituent.held("Reports"), 30, constituent.node.log)


def test_pymisp_reads_searches_and_tells_what_it_saw(constituent: Constituent) -> None:
    misp = PyMISP(f"{constituent.node.url}/misp/", constituent.secret)
    event = misp.get_event(EVENT, pythonify=True)
    assert isinstance(event, MISPEvent)
    (given,) = [MISPEvent()]
    given.load(json.loads(file_of()))
    assert {(each.type, each.value, each.uuid) for each in event.attributes} == {
        (each.type, each.value, each.uuid) for each in given.attributes
    }
    assert misp.search(value=VALUES[0])
    assert misp.search("attributes", value=event.attributes[0].value)["Attribute"]
    sighting = misp.add_sighting({"value": event.attributes[0].value})
    assert "errors" not in sighting, sighting


def test_a_firewall_and_a_feed_reader_fetch_what_they_may(constituent: Constituent) -> None:
    headers = {"authorization": f"Bearer {constituent.secret}"}
    answer = httpx.get(f"{constituent.node.url}/feeds/national-feed/stix", headers=headers, trust_env=False, timeout=30)
    assert {each["id"] for each in answer.json()["objects"]} == constituent.held()
    feed = f"{constituent.node.url}/misp/feed/"
    manifest = httpx.get(f"{feed}manifest.json", headers=headers, trust_env=False, timeout=30)
    read = MISPEvent()
    read.load(httpx.get(f"{feed}{EVENT}.json", headers=headers, trust_env=False, timeout=30).json())
    assert EVENT in manifest.json()
    assert read.uuid == EVENT


def test_nothing_of_it_is_open_to_who_has_no_secret(constituent: Constituent) -> None:
    for place in ("/taxii2/", "/misp/events/index", "/misp/feed/manifest.json", "/feeds/national-feed/plain"):
        answer = httpx.get(f"{constituent.node.url}{place}", trust_env=False, timeout=10)
        assert answer.status_code in (401, 403), place
