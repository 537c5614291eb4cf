"""Sightings of a partner's MISP: asked for by groups of events and page by page, held as the source's word."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from mithaq.exchange.sources import settings
from mithaq.exchange.sources.credentials import Credential
from mithaq.exchange.sources.model import CREDENTIAL_OVER_HTTP
from mithaq.standards.tlp import Tlp
from tests.misp import ATTRIBUTE, file_of, take
from tests.scripted import Asked, Reply, scripted
from tests.taxii import Served, listening_node, made
from tests.unit.exchange.sources.conftest import Fetching
from tests.unit.exchange.sources.test_misp_feed import event, named
from tests.unit.exchange.sources.test_misp_server import ServerScript, follow


def sighting(number: int, *, attribute: int, of: int, kind: str = "0", at: str = "1700000100") -> dict[str, Any]:
    return {
        "id": str(number), "uuid": named(50_000 + number), "attribute_uuid": named(attribute), "event_uuid": named(of),
        "type": kind, "date_sighting": at, "source": "", "Organisation": {"name": "X"},
    }  # fmt: skip


class SightedScript(ServerScript):
    """A server whose events were sighted; it pages as it is asked to, unless it knows of no pages."""

    def __init__(self, *events: dict[str, Any]) -> None:
        super().__init__(*events)
        self.sightings: list[Any] = []
        self.stamps: dict[str, int] = {}
        self.knows_pages = True
        self.asked: list[dict[str, Any]] = []

    def see(self, *found: dict[str, Any], stamp: int) -> None:
        self.sightings += found
        self.stamps.update({each["event_uuid"]: stamp for each in found})

    def _answer(self, asked: Asked) -> Reply:
        if asked.path == "/events/index":
            rows = [
                {"uuid": uuid, "timestamp": each["timestamp"], "sighting_timestamp": str(self.stamps.get(uuid, 0))}
                for uuid, each in self.manifest.items()
            ]
            return Reply(json.dumps(rows).encode())
        if asked.path == "/sightings/restSearch/event":
            question = json.loads(asked.body)
            self.asked.append(question)
            found = [each for each in self.sightings if each["event_uuid"] in question["uuid"]]
            first = (question["page"] - 1) * question["limit"] if self.knows_pages else 0
            page = found[first : first + question["limit"]] if self.knows_pages else found
            return Reply(json.dumps({"response": [{"Sighting": each} for each in page]}).encode())
        return super()._answer(asked)


def file_object(number: int) -> dict[str, Any]:
    return {
        "name": "file", "meta-category": "file", "uuid": named(20_000 + number), "timestamp": "1700000000",
        "template_uuid": "688c46fb-5edb-40a3-8273-1af7923e2215", "template_version": "24", "description": "",
        "Attribute": [
            {
                "uuid": named(30_000 + number), "type": "sha256", "object_relation": "sha256", "to_ids": True,
                "category": "Payload delivery", "value": f"{number:064x}", "timestamp": "1700000000",
            }
        ],
    }  # fmt: skip


def test_each_becomes_a_sighting_of_the_indicator_of_its_attribute(
    fetching: Fetching, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "SIGHTINGS_PAGE", 2)
    script = SightedScript(event(1, Tag=[{"name": "tlp:amber"}]), event(2, Object=[file_object(2)]), event(3))
    script.see(*(sighting(number, attribute=10_001, of=1) for number in range(1, 6)), stamp=1_700_000_200)
    script.see(sighting(6, attribute=30_002, of=2), stamp=1_700_000_300)
    script.see(sighting(7, attribute=10_002, of=2, kind="1"), sighting(8, attribute=99, of=2), stamp=1_700_000_300)
    script.see(sighting(9, attribute=10_002, of=2, at="never"), stamp=1_700_000_300)
    with scripted(script) as world:
        follow(fetching, world)
        outcome = fetching.run()
        assert outcome.reason is None
        assert [each["page"] for each in script.asked] == [1, 2, 3, 4, 5]
        assert {tuple(each["uuid"]) for each in script.asked} == {(named(1), named(2))}
        said = {each: fetching.object(each) for each in fetching.held() if each.startswith(("sighting", "opinion"))}
        assert sorted(said) == sorted(
            [*(f"sighting--{named(50_000 + number)}" for number in range(1, 7)), f"opinion--{named(50_007)}"]
        )
        strict, in_object = said[f"sighting--{named(50_001)}"], said[f"sighting--{named(50_006)}"]
        assert json.loads(strict.body)["sighting_of_ref"] == f"indicator--{named(10_001)}"
        assert json.loads(in_object.body)["sighting_of_ref"] == f"indicator--{named(20_002)}"
        assert (strict.tlp, in_object.tlp) == (Tlp.AMBER, Tlp.GREEN)
        assert json.loads(strict.body)["last_seen"] == "2023-11-14T22:15:00.000Z"
        assert fetching.reasons() == [(named(50_009), "misp-sighting")]
        script.asked.clear()
        script.see(sighting(10, attribute=10_003, of=3), stamp=1_700_000_900)
        assert fetching.run().stored == 1
        assert {uuid for each in script.asked for uuid in each["uuid"]} == {named(2), named(3)}


def test_a_run_that_breaks_off_goes_on_where_the_last_group_ended(
    quick: Fetching, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "SIGHTING_EVENTS", 1)
    script = SightedScript(event(1), event(2), event(3))
    for number in (1, 2, 3):
        script.see(sighting(number, attribute=10_000 + number, of=number), stamp=1_700_000_000 + number * 10)
    broken = Reply(b'{"response":[{"Sighting":', cut=9)
    script.change = lambda asked, reply: broken if named(2).encode() in asked.body else reply
    with scripted(script) as world:
        follow(quick, world)
        outcome = quick.run()
        assert outcome.reason is not None
        assert outcome.reason.code == "source-broken-off"
        assert [each for each in quick.held() if each.startswith("sighting")] == [f"sighting--{named(50_001)}"]
        script.change = lambda asked, reply: reply
        script.asked.clear()
        assert quick.run().reason is None
        assert len([each for each in quick.held() if each.startswith("sighting")]) == 3
        assert script.asked[-1]["uuid"] == [named(3)]


@pytest.mark.parametrize("status", [403, 404, 405])
def test_a_server_that_gives_no_sightings_still_gives_its_events(quick: Fetching, status: int) -> None:
    script = SightedScript(event(1))
    script.see(sighting(1, attribute=10_001, of=1), stamp=1_700_000_100)
    script.change = lambda asked, reply: Reply(b"{}", status) if "sightings" in asked.path else reply
    with scripted(script) as world:
        follow(quick, world)
        outcome = quick.run()
        assert (outcome.reason, quick.progress().standing) == (None, "active")
        assert f"indicator--{named(10_001)}" in quick.held()
        assert quick.reasons() == ([] if status == 404 else [("sightings", "misp-no-sightings")])


def test_what_is_too_large_is_asked_for_by_fewer_events_and_one_without_pages_is_asked_once(
    quick: Fetching, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "SIGHTINGS_PAGE", 2)
    monkeypatch.setattr(settings, "PAGE_BYTES", 1_500)
    script = SightedScript(event(1), event(2), event(3))
    script.knows_pages = False
    script.see(*(sighting(number, attribute=10_001, of=1) for number in range(1, 5)), stamp=1_700_000_100)
    script.see(*(sighting(number, attribute=10_002, of=2) for number in range(5, 9)), stamp=1_700_000_100)
    script.see(*(sighting(number, attribute=10_003, of=3) for number in range(9, 19)), stamp=1_700_000_100)
    with scripted(script) as world:
        follow(quick, world)
        assert quick.run().reason is None
        assert len([each for each in quick.held() if each.startswith("sighting")]) == 8
        assert quick.reasons() == [(named(3), "source-too-large")]


def test_the_sightings_of_another_node_of_ours_come_over_its_misp_doors(
    quick: Fetching, tmp_path: Path, at: datetime
) -> None:
    served = Served.found(tmp_path / "theirs", at)
    served.collection()
    take(served, file_of())
    secret = Credential("header", served.secret(), header="Authorization")
    with listening_node(served) as address:
        quick.follow(address + "/misp/", kind="misp", credential=secret, flags=[CREDENTIAL_OVER_HTTP])
        assert quick.run().reason is None
        about = f"indicator--{ATTRIBUTE}1"
        assert about in quick.held()
        (seen,) = served.store(
            made(1, "sighting", sighting_of_ref=about, count=1, last_seen="2026-11-23T11:30:00.000Z")
        )
        quick.later(hours=1)
        outcome = quick.run()
        assert (outcome.reason, outcome.stored) == (None, 1)
        body = json.loads(quick.object(seen).body)
        assert (body["sighting_of_ref"], body["last_seen"]) == (about, "2026-11-23T11:30:00.000Z")
        assert quick.run().requests == 1, "nothing was sighted since"
    served.country.db.close()
