"""A node that serves MISP's programs, for tests: a constituent's client, foreign events, and how §5 consumers read."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from mithaq.exchange.event_versions import keep_event
from mithaq.intelligence.imports.misp import import_misp
from mithaq.intelligence.model import ImportReport, ImportTerms
from mithaq.kernel.lane import ACTUAL
from mithaq.standards.misp.foreign import read_events
from mithaq.standards.misp.labels import SHARING_GROUP
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp
from tests.taxii import GRID, Served, TestClient
from tests.world import XA

ATTRIBUTE = "5b8f0b1e-1234-4abc-8def-00000000000"
EVENT = "5b8f0b1e-1234-4abc-8def-0000000000e0"
_CHANGED = ("distribution", "RelatedEvent", "ShadowAttribute", "event_creator_email")


def terms(tlp: Tlp | None = Tlp.GREEN, pap: Pap | None = Pap.GREEN) -> ImportTerms:
    return ImportTerms(XA, ACTUAL, tlp, pap)


def take(served: Served, file: bytes, given: ImportTerms | None = None) -> ImportReport:
    """Import a MISP file as the node's operator does, and let the shelves follow."""
    report = import_misp(
        served.node.holdings, file, terms=given or terms(), warning_lists=None, keep=keep_event, at=served.clock.now()
    )
    served.settle()
    return report


def event(**changes: Any) -> dict[str, Any]:
    """A small foreign event with two attributes, everything in it written as MISP writes it."""
    attributes = [
        {
            "uuid": f"{ATTRIBUTE}{number}", "type": "ip-dst", "category": "Network activity", "to_ids": True,
            "value": f"198.51.100.{number}", "timestamp": "1600000000", "comment": f"seen {number}",
            "distribution": "5", "deleted": False, "x_unknown": {"deep": [1, None]},
        }
        for number in (1, 2)
    ]  # fmt: skip
    return {
        "uuid": EVENT, "info": "حملة", "date": "2026-01-01", "timestamp": "1600000000", "distribution": "3",
        "analysis": "2", "threat_level_id": "1", "published": True, "id": "77",
        "Orgc": {"name": "X", "uuid": f"{ATTRIBUTE}f"},
        "Tag": [{"name": "tlp:green", "colour": "#33ff00"}, {"name": "PAP:GREEN", "colour": "#33ff00"}],
        "Attribute": attributes,
    } | changes  # fmt: skip


def file_of(**changes: Any) -> bytes:
    return json.dumps({"Event": event(**changes)}).encode()


def client(served: Served, who: str = GRID, **rest: Any) -> TestClient:
    """A client with a key in `Authorization` as MISP sends it."""
    made = served.client(who)
    made.headers.update({"authorization": served.secret(who, **rest), "accept": "application/json"})
    return made


def read_feed(made: TestClient) -> dict[str, dict[str, Any]]:
    """Read a feed as its consumers do: the manifest, each event whose timestamp is newer, the hashes."""
    manifest = made.get("/misp/feed/manifest.json").json()
    found = {}
    for uuid, entry in manifest.items():
        assert entry.keys() >= {"info", "Orgc", "date", "timestamp", "Tag"}
        found[uuid] = made.get(f"/misp/feed/{uuid}.json").json()["Event"]
        assert (found[uuid]["uuid"], found[uuid]["timestamp"]) == (uuid, entry["timestamp"])
    return found


def loosened(event_: dict[str, Any]) -> dict[str, Any]:
    """An event without what may change of it on its way, distributions and its labels, and without what stays home."""

    def part(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: part(each) for key, each in value.items() if key not in _CHANGED}
        return [part(each) for each in value] if isinstance(value, list) else value

    made: dict[str, Any] = part(event_)
    tags = [tag for tag in made.pop("Tag", []) if not tag["name"].lower().startswith(("tlp:", "pap:"))]
    return made | {"Tag": tags}


def md5(value: str) -> str:
    return hashlib.md5(value.encode()).hexdigest()


def events_in(path: Path) -> list[dict[str, Any]]:
    return read_events(path.read_bytes())


__all__ = ["SHARING_GROUP", "replace"]
