"""A MISP feed is read event by event: what is newer, once, and only what its manifest stands for."""

import hashlib
import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mithaq.exchange.sources import store
from mithaq.exchange.sources.web import Budget
from mithaq.intelligence import reading as held
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp
from tests.scripted import Asked, Reply, Scripted, scripted
from tests.unit.exchange.sources.conftest import Fetching

ORG = {"name": "Xanadu CERT", "uuid": "11111111-1111-4111-8111-111111111111"}


def named(number: int) -> str:
    return str(uuid.UUID(int=number, version=4))


def event(number: int, timestamp: int = 1_700_000_000, *, value: str = "", **changes: Any) -> dict[str, Any]:
    attribute = {
        "uuid": named(10_000 + number),
        "type": "ip-dst",
        "category": "Network activity",
        "value": value or f"198.51.100.{number % 250 + 1}",
        "to_ids": True,
        "timestamp": str(timestamp),
    }
    return {
        "uuid": named(number),
        "info": f"Event {number}",
        "date": "2026-11-01",
        "timestamp": str(timestamp),
        "analysis": "2",
        "threat_level_id": "2",
        "published": True,
        "Orgc": ORG,
        "Tag": [{"name": "tlp:green"}],
        "Attribute": [attribute],
        **changes,
    }


class FeedScript:
    """A folder of files with an ETag on its manifest."""

    def __init__(self, *events: dict[str, Any]) -> None:
        self.files = {each["uuid"]: json.dumps({"Event": each}).encode() for each in events}
        self.manifest = {each["uuid"]: self.entry(each) for each in events}
        self.change: Callable[[Asked, Reply], Reply] = lambda asked, reply: reply

    def entry(self, each: dict[str, Any]) -> dict[str, Any]:
        return {"info": each["info"], "Orgc": ORG, "date": each["date"], "timestamp": int(each["timestamp"]), "Tag": []}

    def put(self, each: dict[str, Any]) -> None:
        self.files[each["uuid"]] = json.dumps({"Event": each}).encode()
        self.manifest[each["uuid"]] = self.entry(each)

    def __call__(self, asked: Asked) -> Reply:
        return self.change(asked, self._answer(asked))

    def _answer(self, asked: Asked) -> Reply:
        name = asked.path.rpartition("/")[2]
        if name == "manifest.json":
            body = json.dumps(self.manifest).encode()
            etag = f'"{hashlib.sha256(body).hexdigest()}"'
            if asked.headers.get("if-none-match") == etag:
                return Reply(b"", 304, {"etag": etag})
            return Reply(body, headers={"etag": etag, "content-type": "application/json"})
        body = self.files.get(name.removesuffix(".json"), b"")
        return Reply(body) if body else Reply(b"<html>", 404)


def files_asked(world: Scripted) -> list[str]:
    return [name for each in world.asked if (name := each.path.rpartition("/")[2]) != "manifest.json"]


def follow(fetching: Fetching, world: Scripted, **rest: Any) -> None:
    fetching.follow(world.address + "/feeds/osint/", kind="misp-feed", **rest)


def test_only_what_is_newer_is_fetched_and_an_unchanged_manifest_costs_one_request(fetching: Fetching) -> None:
    script = FeedScript(*(event(number, 1_700_000_000 + number) for number in range(1, 6)))
    with scripted(script) as world:
        follow(fetching, world)
        outcome = fetching.run()
        assert (outcome.reason, outcome.quarantined, outcome.requests) == (None, 0, 6)
        assert files_asked(world) == [f"{named(number)}.json" for number in range(1, 6)]
        indicators = [each for each in fetching.held() if each.startswith("indicator--")]
        assert indicators == [f"indicator--{named(10_000 + number)}" for number in range(1, 6)]
        assert fetching.run().requests == 1
        script.put(event(3, 1_700_000_900, value="203.0.113.9"))
        script.put(event(9, 1_600_000_000))
        outcome = fetching.run()
        assert files_asked(world)[5:] == [f"{named(9)}.json", f"{named(3)}.json"]
        newest = fetching.object(indicators[2])
        assert b"203.0.113.9" in newest.body
        (word,) = newest.provenance
        assert (word.nation, word.tlp, word.carried["misp"]["event"]) == ("source:feed", Tlp.GREEN, named(3))
        with fetching.db.read() as connection:
            assert held.original(connection, word.original) == script.files[named(3)]
        script.manifest[named(3)]["timestamp"] = "1700000100"
        assert fetching.run().requests == 1


def test_real_events_come_in_with_the_stricter_of_their_labels_and_the_sources(quick: Fetching, data_dir: Path) -> None:
    script = FeedScript()
    for path in sorted((data_dir / "misp-events").glob("*.json"))[:4]:
        found = json.loads(path.read_bytes())
        each = found["Event"] if "Event" in found else found["response"][0]["Event"]
        script.put(each)
        script.files[each["uuid"]] = json.dumps({"Event": each}).encode()
    with scripted(script) as world:
        follow(quick, world)
        outcome = quick.run()
        assert outcome.reason is None
        assert outcome.stored > 200
        assert outcome.quarantined == 0
        assert quick.run().requests == 1


def test_an_event_that_comes_again_under_another_tag_takes_its_unchanged_attributes_along(fetching: Fetching) -> None:
    """Its attributes are the same to the byte: only the event's tag says otherwise; the source's label holds."""
    script = FeedScript(event(1, 1_700_000_000))
    same = event(1, 1_700_000_000)["Attribute"]
    with scripted(script) as world:
        follow(fetching, world)
        fetching.run()
        indicator = f"indicator--{named(10_001)}"
        assert (fetching.object(indicator).tlp, fetching.object(indicator).pap) == (Tlp.GREEN, None)
        for stamp, tags, tlp, pap in (
            (1_700_000_500, ["tlp:red"], Tlp.RED, None),
            (1_700_000_600, ["tlp:amber", "PAP:AMBER"], Tlp.AMBER, Pap.AMBER),
            (1_700_000_700, ["tlp:clear", "PAP:CLEAR"], Tlp.GREEN, Pap.CLEAR),
        ):
            script.put(event(1, stamp, Attribute=same, Tag=[{"name": tag} for tag in tags]))
            assert fetching.run().reason is None
            assert (fetching.object(indicator).tlp, fetching.object(indicator).pap) == (tlp, pap)
        words = len(fetching.object(indicator).provenance)
        fetching.sources.restart("feed", fetching.clock.now())
        fetching.run()
        assert len(fetching.object(indicator).provenance) == words
        assert fetching.reasons() == []


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "..",
        f"{named(1)}/../x",
        "%2e%2e",
        f"{named(1)}.json?x=",
        "http://evil.example/x",
        "",
        f"{named(1)}\n",
    ],
)
def test_a_name_that_leads_elsewhere_is_put_aside(quick: Fetching, name: str) -> None:
    script = FeedScript(event(1))
    script.manifest[name] = script.manifest[named(1)]
    with scripted(script) as world:
        follow(quick, world)
        outcome = quick.run()
        assert (outcome.quarantined, files_asked(world)) == (1, [f"{named(1)}.json"])
        assert quick.reasons() == [(name[:80], "misp-manifest-entry")]


def test_a_file_is_what_its_digest_says_or_is_asked_for_again(fetching: Fetching) -> None:
    script = FeedScript(event(1), event(2))
    digest = hashlib.sha256(script.files[named(1)]).hexdigest()
    script.manifest[named(1)]["integrity:sha256"] = digest.upper()
    script.manifest[named(2)]["integrity:sha256"] = "0" * 64
    with scripted(script) as world:
        follow(fetching, world)
        fetching.run()
        assert fetching.reasons() == [(named(2), "misp-event-changed")]
        assert not [each for each in fetching.held() if each.endswith(named(10_002))]
        fetching.run()
        assert files_asked(world) == [f"{named(n)}.json" for n in (1, 2, 2)]
        script.manifest[named(2)]["integrity:sha256"] = hashlib.sha256(script.files[named(2)]).hexdigest()
        fetching.run()
        assert [each for each in fetching.held() if each.endswith(named(10_002))]
        assert fetching.reasons() == []
        assert fetching.run().requests == 1


def test_broken_files_are_put_aside_by_name_and_the_others_go_on(quick: Fetching) -> None:
    script = FeedScript(*(event(number) for number in range(1, 9)))
    script.files[named(1)] = script.files[named(1)][:-20]
    script.files[named(2)] = b"<html>not here</html>"
    script.files[named(3)] = script.files[named(8)]
    script.files[named(4)] = json.dumps(
        {"Event": event(4, date="never", Attribute=[{"type": "x", "value": {}}])}
    ).encode()
    script.files[named(5)] = b'{"Event":{"uuid":"%s","info":' % named(5).encode() + b"[" * 100 + b"]" * 100 + b"}}"
    del script.files[named(6)]
    with scripted(script) as world:
        follow(quick, world)
        outcome = quick.run()
        assert outcome.reason is None
        assert {each for each in quick.held() if each.startswith("indicator")} == {
            f"indicator--{named(10_000 + number)}" for number in (7, 8)
        }
        assert dict(quick.reasons()) == {
            named(1): "misp-event-broken",
            named(2): "misp-event-broken",
            named(3): "misp-event-other",
            named(4): "misp-conversion-failed",
            named(5): "too-deep",
            named(6): "misp-event-missing",
        }
        asked = len(files_asked(world))
        quick.run()
        assert sorted(files_asked(world)[asked:]) == sorted(f"{named(n)}.json" for n in (1, 2, 6))
        for number in range(1, 7):
            script.put(event(number, 1_700_000_500))
        quick.run()
        assert quick.reasons() == []
        assert len([each for each in quick.held() if each.startswith("indicator")]) == 8


def test_a_feed_goes_on_where_it_was_cut_event_by_event(fetching: Fetching, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mithaq.exchange.sources.misp_feed._GROUP_EVENTS", 2)
    script = FeedScript(*(event(number, 1_700_000_000 + number) for number in range(1, 5)))
    fails = [f"{named(4)}.json"]
    script.change = lambda asked, reply: Reply(b"", 500) if asked.path.endswith(tuple(fails)) and fails else reply
    with scripted(script) as world:
        follow(fetching, world)
        outcome = fetching.run()
        assert outcome.reason is not None
        assert outcome.reason.code == "source-failed"
        with fetching.db.read() as connection:
            versions = store.versions_of(connection, fetching.sources.get("feed").source.id)
        assert set(versions) == {named(number) for number in range(1, 4)}
        assert "etag" not in fetching.progress().cursor
        fails.clear()
        assert fetching.run().reason is None
        assert files_asked(world)[-2:] == [f"{named(4)}.json", f"{named(4)}.json"]
        assert "etag" in fetching.progress().cursor


def test_a_manifest_of_200000_events_of_which_three_are_new(quick: Fetching) -> None:
    """What is known costs neither a request nor a look at each event in the database."""
    script = FeedScript(event(1), event(2), event(3))
    script.manifest |= {named(100_000 + number): {"info": "x", "timestamp": "5"} for number in range(199_997)}
    body = json.dumps(script.manifest).encode()
    script.change = lambda asked, reply: Reply(body).packed() if asked.path.endswith("manifest.json") else reply
    with scripted(script) as world:
        follow(quick, world)
        with quick.db.write(quick.clock.now()) as tx:
            known = {
                name: str(entry["timestamp"]) for name, entry in script.manifest.items() if name not in script.files
            }
            store.note_versions(tx, quick.sources.get("feed").source.id, known)
        outcome = quick.run()
        assert (outcome.reason, outcome.requests, outcome.quarantined) == (None, 4, 0)
        assert len([each for each in quick.held() if each.startswith("indicator")]) == 3


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"a":', b"", b'"x"', b"[" * 100_000])
def test_a_manifest_that_is_none_ends_the_run(quick: Fetching, body: bytes) -> None:
    with scripted(lambda asked: Reply(body)) as world:
        follow(quick, world)
        outcome = quick.run()
        assert outcome.reason is not None
        assert outcome.reason.code == "source-unreadable"


def test_a_feed_whose_files_are_all_gone_ends_the_run_and_asks_no_more(quick: Fetching) -> None:
    script = FeedScript(*(event(number) for number in range(1, 200)))
    script.files.clear()
    with scripted(script) as world:
        follow(quick, world)
        outcome = quick.run()
        assert outcome.reason is not None
        assert len(world.asked) < 30


def test_a_cut_feed_goes_on_at_once(quick: Fetching) -> None:
    script = FeedScript(*(event(number) for number in range(1, 4)))
    quick.budget = lambda clock_s: Budget(clock_s, bytes=1900)
    with scripted(script) as world:
        follow(quick, world)
        runs = 0
        while len([each for each in quick.held() if each.startswith("indicator")]) < 3:
            assert quick.run().reason is None
            runs += 1
            assert runs < 6
        assert runs > 1
