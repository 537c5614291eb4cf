"""A change of one part of a large event costs what the part costs, and comes to the same as if all were converted."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from mithaq.exchange.misp import keeping, partly
from mithaq.intelligence.foreign import object_ids, of_uuid
from mithaq.intelligence.imports.misp import ConvertedEvent, convert
from mithaq.intelligence.tables import objects
from mithaq.kernel.lane import ACTUAL
from mithaq.standards.tlp import Tlp
from tests.misp import client, event, read_feed
from tests.taxii import Served, TestClient

UUID = "7b8f0b1e-1234-4abc-8def-0000000000e0"


def uuid(number: int) -> str:
    return f"7b8f0b1e-1234-4abc-8def-0000000{number:05d}"


def attribute(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "uuid": uuid(number), "type": "ip-dst", "to_ids": True, "category": "Network activity",
        "value": f"203.0.113.{number}", "timestamp": "1700000000",
    } | changes  # fmt: skip


def thing(number: int, **changes: Any) -> dict[str, Any]:
    inside = attribute(number + 1, type="md5", category="Payload delivery", value="ab" * 16, object_relation="md5")
    return {
        "uuid": uuid(number), "name": "file", "meta-category": "file", "timestamp": "1700000000",
        "Attribute": [inside], "ObjectReference": [],
    } | changes  # fmt: skip


@dataclass
class Told:
    """A node to which changes are made, and how many parts it converted for each."""

    served: Served
    peer: TestClient
    converted: list[int] = field(default_factory=list)

    def post(self, place: str, body: Any) -> Any:
        self.served.clock.at = self.served.clock.now() + timedelta(seconds=7)  # type: ignore[attr-defined]
        answer = self.peer.post(f"/misp/{place}", json=body)
        assert answer.status_code == 200, answer.text
        self.served.settle()
        return answer.json()


@pytest.fixture
def tell(tmp_path: Path, at: datetime, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], Told]:
    def made(name: str, whole_up_to: int) -> Told:
        served = Served.found(tmp_path / name, at)
        served.collection(can_write=True, floor=Tlp.GREEN)
        told = Told(served, client(served))
        monkeypatch.setattr(partly, "WHOLE_UP_TO", whole_up_to)

        def counted(file: bytes) -> list[ConvertedEvent]:
            given = json.loads(file)["Event"]
            told.converted.append(len(given.get("Attribute", [])) + len(given.get("Object", [])))
            return convert(file)

        monkeypatch.setattr(keeping, "convert", counted)
        return told

    return made


def standing(served: Served) -> dict[str, Any]:
    """Every object that stands, by its id, sorted where the order says nothing; and what counts as the event's."""
    with served.node.db.read() as connection:
        rows = connection.execute(select(objects.c.stix_id, objects.c.body).where(objects.c.stands)).all()
        (held,) = of_uuid(connection, UUID, ACTUAL)
        head = {key: value for key, value in held.head.items() if key != "collection"}
        found: dict[str, Any] = {"of the event": (object_ids(connection, held.id), held.size, held.outside, head)}
    for stix_id, body in rows:
        fields = json.loads(bytes(body))
        fields["object_refs"] = sorted(fields.get("object_refs", []))
        found[stix_id] = fields
    return found


STORY: list[tuple[str, Any]] = [
    (f"attributes/add/{UUID}", attribute(50, value="198.51.100.50")),
    (f"attributes/add/{UUID}", [attribute(51), attribute(52, type="text", value="no indicator")]),
    (f"attributes/edit/{uuid(2)}", {"value": "evil.example", "type": "domain"}),
    (f"attributes/edit/{uuid(3)}", {"to_ids": False, "comment": "seen no more"}),
    ("tags/attachTagToObject", {"uuid": uuid(4), "tag": "tlp:amber"}),
    (f"objects/add/{UUID}", thing(60)),
    (f"objects/edit/{uuid(60)}", {"comment": "dropped"}),
    (f"attributes/edit/{uuid(61)}", {"value": "cd" * 16}),
]


def test_what_is_converted_partly_is_what_the_whole_event_becomes(tell: Callable[[str, int], Told]) -> None:
    worlds = []
    for name, whole_up_to in (("partly", 1), ("whole", 10**6)):
        told = tell(name, whole_up_to)
        given = {"Event": event(uuid=UUID, Tag=[], Attribute=[attribute(number) for number in range(1, 10)])}
        told.post("events/add", given)
        told.converted.clear()
        seen = []
        for place, body in STORY:
            told.post(place, body)
            seen.append(standing(told.served))
        feed = read_feed(told.peer)[UUID]
        worlds.append((seen, feed, told.converted))
    (one, feed, few), (other, other_feed, all_) = worlds
    for step, (partly_made, whole) in enumerate(zip(one, other, strict=True)):
        assert partly_made == whole, STORY[step]
    assert feed == other_feed
    assert max(few) <= 2
    assert min(all_) >= 9


@pytest.mark.parametrize(
    ("place", "body"),
    [
        (f"attributes/delete/{uuid(2)}", {}),
        (f"attributes/delete/{uuid(2)}", {"hard": 1}),
        ("tags/attachTagToObject", {"uuid": UUID, "tag": "tlp:amber"}),
        ("tags/attachTagToObject", {"uuid": uuid(2), "tag": 'misp-galaxy:threat-actor="x"'}),
        (f"attributes/edit/{uuid(1)}", {"value": "198.51.100.1"}),
        (f"objects/add/{UUID}", thing(70, ObjectReference=[
            {"uuid": uuid(79), "object_uuid": uuid(70), "referenced_uuid": uuid(1), "relationship_type": "uses",
             "timestamp": "1700000000"}])),
        (f"event_reports/add/{UUID}", {"uuid": uuid(80), "name": "x", "content": "y"}),
    ],
)  # fmt: skip
def test_where_more_than_the_part_plays_in_the_whole_event_is_converted(
    tell: Callable[[str, int], Told], place: str, body: Any
) -> None:
    reference = {
        "uuid": uuid(69), "object_uuid": uuid(60), "referenced_uuid": uuid(1), "relationship_type": "connects-to",
        "timestamp": "1700000000",
    }  # fmt: skip
    worlds = []
    for name, whole_up_to in (("partly", 1), ("whole", 10**6)):
        told = tell(name, whole_up_to)
        attributes = [attribute(number) for number in range(1, 10)]
        held = [thing(60, ObjectReference=[reference])]
        told.post("events/add", {"Event": event(uuid=UUID, Tag=[], Attribute=attributes, Object=held)})
        told.converted.clear()
        told.post(place, body)
        assert min(told.converted) >= 9
        worlds.append(standing(told.served))
    assert worlds[0] == worlds[1]


def test_an_attribute_that_is_refused_leaves_the_others_of_a_large_event_alone(
    tell: Callable[[str, int], Told],
) -> None:
    told = tell("partly", 1)
    told.post(
        "events/add", {"Event": event(uuid=UUID, Tag=[], Attribute=[attribute(number) for number in range(1, 10)])}
    )
    before = standing(told.served)
    told.converted.clear()
    changed = {"Event": {"uuid": UUID, "timestamp": "1800000000",
                         "Attribute": [attribute(1, value="198.51.100.9"), attribute(50)]}}  # fmt: skip
    answer = told.post(f"events/edit/{UUID}", changed)
    assert [each.partition(":")[0] for each in answer["errors"]] == [uuid(1)]
    assert max(told.converted) <= 2
    after = standing(told.served)
    assert {key for key in before if before[key] != after.get(key)} <= {
        "of the event", f"grouping--{UUID}", f"report--{UUID}", *(key for key in before if key.startswith("identity")),
    }  # fmt: skip
    assert f"indicator--{uuid(50)}" in after
