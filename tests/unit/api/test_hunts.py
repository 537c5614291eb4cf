"""The lake asked by programs: once, under a name, again, and answered by pages."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from mithaq.kernel.clock import rfc3339
from mithaq.nations.people.model import Verb
from mithaq.node.composition import Node
from tests.unit.api.conftest import Ask
from tests.unit.detection.worlds import Bench
from tests.unit.telemetry.events import CONN, DNS

SMB = {"conditions": [{"field": "destination.port", "operator": "is", "value": "445"}]}


@pytest.fixture
def bench(node: Node, at: datetime) -> Iterator[Bench]:
    """The detection of the node whose API is asked."""
    bench = Bench(node.db, node.data, at)
    bench.source("zeek")
    bench.start()
    bench.push(*({**CONN, "uid": f"C{each}", "ts": 1_000 + each, "id.resp_p": 445} for each in range(5)), DNS)
    bench.settle()
    yield bench
    bench.detector.close()


def test_an_answer_comes_by_pages_with_its_lines_as_they_came(program: Ask, bench: Bench) -> None:
    client = program(Verb.DETECTION_READ, Verb.DETECTION_CONFIRM)
    asked = client.post("/api/v1/answers", json=SMB)
    path = f"/api/v1/answers/{asked.json()['answer']}"
    assert asked.status_code == 202
    assert (client.get(path).json()["answer"]["state"], client.get(path).json()["events"]) == ("waiting", [])
    bench.settle()
    events: list[dict[str, Any]] = []
    after: int | None = 0
    while after is not None:
        page = client.get(path, params={"after": after, "limit": 2}).json()
        events += page["events"]
        after = page["next"]
    assert (page["answer"]["state"], page["answer"]["rows"], page["answer"]["remarks"]) == ("done", 5, [])
    assert [each["event_at"][:19] for each in events] == [f"1970-01-01T00:16:4{n}" for n in range(4, -1, -1)]
    assert {each["kind"] for each in events} == {"zeek.conn"}
    assert '"uid": "C4"' in events[0]["line"]


def test_a_saved_hunt_is_asked_by_the_node_and_whenever_it_is_wanted(program: Ask, bench: Bench, at: datetime) -> None:
    client = program(Verb.DETECTION_READ, Verb.DETECTION_CONFIRM)
    saved = client.put("/api/v1/hunts/nightly", json={"values": ["evil[.]example"], "every_hours": 24})
    assert saved.json()["question"]["values"] == ["evil.example"]
    assert client.get("/api/v1/hunts").json()["hunts"] == [saved.json() | {"due_at": rfc3339(at)}]
    bench.settle()
    asked = client.post("/api/v1/hunts/nightly/ask").json()["answer"]
    bench.settle()
    told = client.get("/api/v1/answers?hunt=nightly").json()["answers"]
    assert [each["state"] for each in told] == ["done", "done"]
    assert asked in {each["answer"] for each in told}
    assert client.delete("/api/v1/hunts/nightly").status_code == 204
    assert client.delete("/api/v1/hunts/nightly").status_code == 404
    assert client.post("/api/v1/hunts/nightly/ask").status_code == 404
    assert client.get(f"/api/v1/answers/{asked}").status_code == 200, "answers stay"


def test_an_answer_is_stopped_once(program: Ask, bench: Bench) -> None:
    client = program(Verb.DETECTION_READ, Verb.DETECTION_CONFIRM)
    path = f"/api/v1/answers/{client.post('/api/v1/answers', json=SMB).json()['answer']}"
    assert client.post(f"{path}/cancel").status_code == 204
    assert client.post(f"{path}/cancel").status_code == 422
    bench.settle()
    assert client.get(path).json()["answer"]["state"] == "cancelled"


@pytest.mark.parametrize(
    "question",
    [
        {},
        {"values": ["no value at all"]},
        {"values": ["evil.example"], "lane": "nowhere"},
        {"values": ["evil.example"], "last_hours": 0},
        {"values": ["evil.example"], "since": "2026-11-23T12:00:00"},
        {"values": ["evil.example"], "since": "2026-11-23T12:00:00Z", "until": "2026-11-22T12:00:00Z"},
        {"values": ["evil.example"], "vallues": []},
        {"conditions": [{"field": "no.such.field", "operator": "is", "value": "x"}]},
        {"conditions": [{"field": "source.ip", "operator": "at-least", "value": "1"}]},
        {"conditions": [{"field": "source.ip", "operator": "drop", "value": "1"}]},
        {"values": [f"{each}.example" for each in range(1_001)]},
    ],
)
def test_a_question_that_cannot_be_answered_is_refused_and_not_kept(program: Ask, question: dict[str, Any]) -> None:
    client = program(Verb.DETECTION_READ, Verb.DETECTION_CONFIRM)
    assert client.post("/api/v1/answers", json=question).status_code == 422
    assert client.put("/api/v1/hunts/one", json=question).status_code == 422
    assert client.put("/api/v1/hunts/one", json=SMB | {"every_hours": 0}).status_code == 422
    assert (client.get("/api/v1/answers").json(), client.get("/api/v1/hunts").json()) == (
        {"answers": []},
        {"hunts": []},
    )
