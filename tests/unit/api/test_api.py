"""The API: scopes, problems, raw pages, cursors, pushes, long-polls."""

import gzip
import hashlib
import json
import threading
import zlib
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import zstandard
from starlette.testclient import TestClient

from mithaq.api.app import MAX_JSON_BYTES, create_api
from mithaq.api.cursors import BadCursor, Cursors
from mithaq.api.events import _event
from mithaq.api.telemetry import MAX_PUSH_BYTES
from mithaq.detection.hits.record import record_hits
from mithaq.kernel import journal
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.lane import ACTUAL
from mithaq.nations.people.model import Verb
from mithaq.node.composition import Node
from mithaq.telemetry.model import Format
from tests.country import Country, indicator
from tests.scanned import scan_all
from tests.sight import hit_of

Ask = Callable[..., TestClient]
DOORS = [
    ("GET", "/api/v1/objects", Verb.INTELLIGENCE_READ),
    ("POST", "/api/v1/objects/look-up", Verb.INTELLIGENCE_READ),
    ("POST", "/api/v1/indicators", Verb.INTELLIGENCE_WRITE),
    ("GET", "/api/v1/objects/{object_id}", Verb.INTELLIGENCE_READ),
    ("GET", "/api/v1/objects/{object_id}/related", Verb.INTELLIGENCE_READ),
    ("POST", "/api/v1/objects/{object_id}/notes", Verb.INTELLIGENCE_WRITE),
    ("POST", "/api/v1/objects/{object_id}/opinions", Verb.INTELLIGENCE_WRITE),
    ("POST", "/api/v1/objects/{object_id}/proposals", Verb.INTELLIGENCE_WRITE),
    ("GET", "/api/v1/proposals", Verb.INTELLIGENCE_READ),
    ("GET", "/api/v1/knowledge", Verb.INTELLIGENCE_READ),
    ("GET", "/api/v1/hits", Verb.DETECTION_READ),
    ("POST", "/api/v1/telemetry/zeek", Verb.TELEMETRY_PUSH),
    ("GET", "/api/v1/groups", Verb.DETECTION_READ),
    ("POST", "/api/v1/groups/{number}/confirm", Verb.DETECTION_CONFIRM),
    ("POST", "/api/v1/groups/{number}/dismiss", Verb.DETECTION_CONFIRM),
    ("POST", "/api/v1/answers", Verb.DETECTION_CONFIRM),
    ("GET", "/api/v1/answers", Verb.DETECTION_READ),
    ("GET", "/api/v1/answers/{answer}", Verb.DETECTION_READ),
    ("POST", "/api/v1/answers/{answer}/cancel", Verb.DETECTION_CONFIRM),
    ("GET", "/api/v1/hunts", Verb.DETECTION_READ),
    ("PUT", "/api/v1/hunts/{hunt}", Verb.DETECTION_CONFIRM),
    ("DELETE", "/api/v1/hunts/{hunt}", Verb.DETECTION_CONFIRM),
    ("POST", "/api/v1/hunts/{hunt}/ask", Verb.DETECTION_CONFIRM),
    ("POST", "/api/v1/files", Verb.TELEMETRY_PUSH),
    ("GET", "/api/v1/files", Verb.DETECTION_READ),
    ("GET", "/api/v1/why?object=a&partner=XB", Verb.RELEASE_READ),
    ("GET", "/api/v1/duties", Verb.AGREEMENT_READ),
    ("GET", "/metrics", Verb.NODE_READ),
    ("GET", "/events", Verb.EVENTS_READ),
]


def test_every_documented_path_is_tried_here(node: Node) -> None:
    documented = {f"/api/v1{path}".replace("{source}", "zeek") for path in create_api(node).openapi()["paths"]}
    assert documented <= {path.partition("?")[0] for _, path, _ in DOORS}


def test_the_documentation_is_openapi_3_1_and_needs_no_token(program: Ask) -> None:
    assert program().get("/api/v1/openapi.json").json()["openapi"].startswith("3.1")


@pytest.mark.parametrize(("method", "path", "scope"), DOORS)
def test_without_a_token_every_door_is_a_problem(program: Ask, method: str, path: str, scope: Verb) -> None:
    answer = program().request(method, path)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["type"] == "urn:mithaq:error:no-token"


@pytest.mark.parametrize(("method", "path", "scope"), DOORS)
def test_a_token_of_all_other_scopes_does_not_open_a_door(program: Ask, method: str, path: str, scope: Verb) -> None:
    others = {each for _, _, each in DOORS} - {scope}
    answer = program(*others).request(method, path)
    assert answer.status_code == 403
    assert scope.value in answer.json()["detail"]


def test_an_expired_token_is_no_token(program: Ask, node: Node) -> None:
    client = program(Verb.INTELLIGENCE_READ)
    node.clock.at += timedelta(days=1)  # type: ignore[attr-defined]
    assert client.get("/api/v1/objects").status_code == 401


def test_a_problem_speaks_the_callers_language(program: Ask) -> None:
    said = {program(language=language).get("/api/v1/objects").json()["detail"] for language in ("en", "fr", "ar")}
    assert len(said) == 3


def test_objects_leave_as_their_original_bytes(program: Ask, countries: list[Country], at: datetime) -> None:
    countries[0].add(1, at)
    countries[0].add(2, at)
    answer = program(Verb.INTELLIGENCE_READ).get("/api/v1/objects")
    assert answer.content == b'{"objects":[' + indicator(2) + b"," + indicator(1) + b'],"next":null}'


def test_many_values_are_looked_up_at_once(program: Ask) -> None:
    client = program(Verb.INTELLIGENCE_READ, Verb.INTELLIGENCE_WRITE)
    (created,) = client.post("/api/v1/indicators", json={"values": ["evil.example"]}).json()["created"]
    asked = {"values": ["hxxp://EVIL[.]example/a", "EVIL[.]example", "nonsense", "other.example"]}
    answered = client.post("/api/v1/objects/look-up", json=asked).json()["values"]
    assert [(each["line"], each["type"], each["known"]) for each in answered] == [
        (1, "url", False),
        (2, "domain", True),
        (3, None, False),
        (4, "domain", False),
    ]
    assert [each["id"] for each in answered[1]["objects"]] == [created["id"]]
    assert client.post("/api/v1/objects/look-up", json={"values": ["a"] * 10_001}).status_code == 422


def test_a_list_is_continued_without_gap_or_repeat(program: Ask, countries: list[Country], at: datetime) -> None:
    for number in range(7):
        countries[0].add(number, at)
    client, seen, cursor = program(Verb.INTELLIGENCE_READ), [], None
    while True:
        page = client.get("/api/v1/objects", params={"limit": 3, **({"cursor": cursor} if cursor else {})}).json()
        seen += [each["name"] for each in page["objects"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == [f"beacon {number}" for number in range(6, -1, -1)]


def test_a_cursor_of_another_search_is_refused(program: Ask, countries: list[Country], at: datetime) -> None:
    for number in range(3):
        countries[0].add(number, at)
    client = program(Verb.INTELLIGENCE_READ)
    cursor = client.get("/api/v1/objects", params={"limit": 1}).json()["next"]
    answer = client.get("/api/v1/objects", params={"q": "beacon", "cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (422, "bad-cursor")


def test_another_process_continues_a_cursor(node: Node) -> None:
    file = node.folder.cache / "cursor.key"
    assert Cursors(file).read("a", Cursors(file).write("a", 7)) == 7


@pytest.mark.parametrize("cursor", ["", "x", "AAAA", "!!", "A" * 44])
def test_a_made_up_cursor_is_refused(node: Node, cursor: str) -> None:
    with pytest.raises(BadCursor):
        Cursors(node.folder.cache / "cursor.key").read("a", cursor)


def test_defanged_values_become_indicators_of_this_nation(program: Ask, node: Node) -> None:
    new = {"values": ["evil[.]example", "hxxp://bad.example/x", "no value", "8.8.8.8"], "tlp": "TLP:GREEN"}
    answer = program(Verb.INTELLIGENCE_WRITE).post("/api/v1/indicators", json=new)
    assert answer.status_code == 201
    told = answer.json()
    assert [each["value"] for each in told["created"]] == ["evil.example", "http://bad.example/x", "8.8.8.8"]
    assert [each["value"] for each in told["refused"]] == ["no value"]
    assert told["created"][2]["warned"]
    with node.db.read() as connection:
        (stored,) = node.holdings.get(connection, told["created"][0]["id"], ACTUAL)
    assert stored.tlp.label == "TLP:GREEN"
    assert stored.provenance[0].source == "own"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"values": []}', b'{"values": ["a"], "other": 1}', b'{"values": ["a"], "tlp": "X"}']
)
def test_a_malformed_request_is_a_problem_that_says_so(program: Ask, body: bytes) -> None:
    answer = program(Verb.INTELLIGENCE_WRITE).post(
        "/api/v1/indicators", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 422
    assert answer.json()["type"].startswith("urn:mithaq:error:")


@pytest.mark.parametrize(
    ("path", "limit"), [("/api/v1/indicators", MAX_JSON_BYTES), ("/api/v1/telemetry/zeek", MAX_PUSH_BYTES)]
)
def test_a_body_over_its_doors_limit_is_not_read(program: Ask, path: str, limit: int) -> None:
    client = program(Verb.INTELLIGENCE_WRITE, Verb.TELEMETRY_PUSH)

    def stream() -> object:
        yield from (b"x" * 65536 for _ in range(limit // 65536 + 2))

    for content in (b"x" * (limit + 1), stream()):
        answer = client.post(path, content=content)  # type: ignore[arg-type]
        assert answer.status_code == 413
        assert answer.headers["content-type"] == "application/problem+json"


def test_pushed_lines_are_kept_before_they_are_accepted(program: Ask, node: Node, at: datetime) -> None:
    node.telemetry.add_source("zeek", path="", line_format=next(iter(Format)), by="operator", at=at)
    answer = program(Verb.TELEMETRY_PUSH).post("/api/v1/telemetry/zeek", content=b'{"a":1}\n{"a":2}\n')
    assert (answer.status_code, answer.json()) == (202, {"lines": 2})
    (reading,) = node.telemetry.readings(at)
    assert reading.waiting_bytes == 16


EVENT = b'{"a":"x","timestamp":"2026-11-23T12:00:00Z"}'
VECTOR = {"user-agent": "Vector/0.51.0 (x86_64-unknown-linux-gnu)", "accept-encoding": "identity"}
FLUENT_BIT = {"user-agent": "Fluent-Bit"}
SENT = {
    "Vector, newline_delimited": (VECTOR, "application/x-ndjson", "", EVENT + b"\n" + EVENT + b"\n"),
    "Vector, json, gzip": (VECTOR, "application/json", "gzip", gzip.compress(b"[" + EVENT + b"," + EVENT + b"]")),
    "Vector, zlib": (VECTOR, "application/x-ndjson", "deflate", zlib.compress(EVENT + b"\n" + EVENT)),
    "Vector, zstd": (VECTOR, "application/x-ndjson", "zstd", zstandard.compress(EVENT + b"\n" + EVENT)),
    "Fluent Bit, json": (FLUENT_BIT, "application/json", "", b"[" + EVENT + b"," + EVENT + b"]"),
    "Fluent Bit, json_lines, gzip": (FLUENT_BIT, "application/x-ndjson", "gzip", gzip.compress(EVENT + b"\n" + EVENT)),
    "Fluent Bit, json_stream": (FLUENT_BIT, "application/json", "", EVENT + EVENT),
    "over several lines": (
        {},
        "application/json; charset=utf-8",
        "",
        b"[\n" + EVENT.replace(b",", b",\n") + b",\r\n" + EVENT + b"]",
    ),
}
"""The requests as the programs' documentation and sources say that they are made; neither program runs here."""


@pytest.mark.parametrize("sender", SENT)
def test_what_collectors_send_is_kept_line_by_line(program: Ask, node: Node, at: datetime, sender: str) -> None:
    headers, content_type, encoding, body = SENT[sender]
    node.telemetry.add_source("zeek", path="", line_format=next(iter(Format)), by="operator", at=at)
    headers = {**headers, "content-type": content_type, **({"content-encoding": encoding} if encoding else {})}
    answer = program(Verb.TELEMETRY_PUSH).post("/api/v1/telemetry/zeek", content=body, headers=headers)
    assert (answer.status_code, answer.json()) == (202, {"lines": 2})
    (kept,) = (node.data / "spool" / "zeek").glob("*.ndjson")
    assert [json.loads(line) for line in kept.read_bytes().splitlines()] == [json.loads(EVENT)] * 2


@pytest.mark.parametrize(
    ("content_type", "encoding", "body", "status"),
    [
        ("application/msgpack", "", b"\x81\xa1a\x01", 415),
        ("application/x-ndjson", "snappy", b"x", 415),
        ("application/x-ndjson", "gzip", gzip.compress(EVENT * 1000)[:-9], 400),
        ("application/x-ndjson", "zstd", zstandard.compress(EVENT * 1000)[:-9], 400),
        ("application/x-ndjson", "gzip", b"no gzip", 400),
        ("application/json", "", b'[{"a":1},', 400),
        ("application/json", "", b"[" * 100_000, 400),
        ("application/x-ndjson", "gzip", gzip.compress(b"x" * (MAX_PUSH_BYTES + 1)), 413),
        ("application/x-ndjson", "zstd", zstandard.compress(b"x" * (MAX_PUSH_BYTES + 1)), 413),
        ("application/x-ndjson", "gzip, gzip", gzip.compress(gzip.compress(b"\n" * 10 * MAX_PUSH_BYTES)), 413),
        ("application/x-ndjson", "", b"x" * (2 << 20), 413),
    ],
)
def test_a_body_that_would_never_be_taken_is_refused_for_good_and_nothing_is_kept(
    program: Ask, node: Node, at: datetime, content_type: str, encoding: str, body: bytes, status: int
) -> None:
    node.telemetry.add_source("zeek", path="", line_format=next(iter(Format)), by="operator", at=at)
    headers = {"content-type": content_type, **({"content-encoding": encoding} if encoding else {})}
    answer = program(Verb.TELEMETRY_PUSH).post("/api/v1/telemetry/zeek", content=body, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert list((node.data / "spool" / "zeek").glob("*.ndjson")) == []


def test_a_push_to_an_unknown_source_is_not_found(program: Ask) -> None:
    answer = program(Verb.TELEMETRY_PUSH).post("/api/v1/telemetry/none", content=b"{}\n")
    assert (answer.status_code, answer.json()["subject"]) == (404, "none")


def test_hits_are_told_in_order_and_once(program: Ask, countries: list[Country], at: datetime) -> None:
    country, client = countries[0], program(Verb.DETECTION_READ)
    country.add(1, at)
    for event in (1, 2):
        with country.db.write(at) as tx:
            record_hits(tx, [hit_of(country, event, 1, at)])
    told = client.get("/api/v1/hits").json()
    assert [each["event_id"] for each in told["hits"]] == ["event-1", "event-2"]
    assert told["hits"][0]["value"] == "198.51.0.1"
    assert client.get("/api/v1/hits", params={"after": told["next"]}).json()["hits"] == []


def test_a_waiting_call_answers_the_instant_there_is_a_hit(
    program: Ask, countries: list[Country], at: datetime
) -> None:
    country, client = countries[0], program(Verb.DETECTION_READ)
    country.add(1, at)
    after = client.get("/api/v1/hits").json()["next"]

    def write() -> None:
        with country.db.write(at) as tx:
            record_hits(tx, [hit_of(country, 1, 1, at)])

    timer = threading.Timer(0.3, write)
    timer.start()
    answer = client.get("/api/v1/hits", params={"after": after, "wait": 30})
    timer.join()
    assert [each["event_id"] for each in answer.json()["hits"]] == ["event-1"]
    assert answer.elapsed < timedelta(seconds=5)


def test_a_wait_that_ends_without_a_hit_answers_with_none(program: Ask) -> None:
    assert program(Verb.DETECTION_READ).get("/api/v1/hits", params={"wait": 0.2}).json()["hits"] == []


def test_why_names_every_failing_clause_in_the_callers_language(
    program: Ask, countries: list[Country], at: datetime
) -> None:
    object_id = countries[0].add(1, at)
    path = f"/api/v1/why?object={object_id}&partner=XB&purpose=research"
    told = program(Verb.RELEASE_READ).get(path).json()
    assert [each["allowed"] for each in told["answers"]] == [False]
    assert [each["code"] for each in told["answers"][0]["reasons"]] == ["purpose"]
    french = program(Verb.RELEASE_READ, language="fr").get(path).json()
    assert french["answers"][0]["reasons"][0]["reason"] != told["answers"][0]["reasons"][0]["reason"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("object=indicator--0&partner=XB", "object-not-held"),
        ("object=indicator--00000000-0000-4000-8000-000000000001&partner=XZ", "unknown-partner"),
    ],
)
def test_why_about_something_unknown_is_not_found(
    program: Ask, countries: list[Country], at: datetime, query: str, code: str
) -> None:
    countries[0].add(1, at)
    answer = program(Verb.RELEASE_READ).get(f"/api/v1/why?{query}")
    assert (answer.status_code, answer.json()["code"]) == (404, code)


def test_a_strangers_probe_learns_only_yes_or_no(program: Ask) -> None:
    assert program().get("/livez").text == "alive\n"
    assert program().get("/readyz").text in {"ready\n", "not ready\n"}


def test_metrics_are_samples_that_prometheus_reads(
    program: Ask, node: Node, countries: list[Country], at: datetime
) -> None:
    countries[0].add(1, at)
    node.telemetry.add_source("zeek", path="", line_format=next(iter(Format)), by="operator", at=at)
    lines = program(Verb.NODE_READ).get("/metrics").text.splitlines()
    names = {line.partition("{")[0].partition(" ")[0] for line in lines}
    assert {"mithaq_build_info", "mithaq_hits", "mithaq_exchange_withheld", "mithaq_channel_lag_seconds"} <= names
    assert 'mithaq_telemetry_silent{source="zeek"} 0' in lines
    assert all(float(line.rpartition(" ")[2]) >= 0 for line in lines)


def test_events_tell_the_journal_but_not_the_audit(
    program: Ask, node: Node, countries: list[Country], at: datetime
) -> None:
    countries[0].add(1, at)
    program(Verb.EVENTS_READ)  # adding a token is audited
    with node.db.read() as connection:
        told = {entry.kind: _event(entry) for entry in journal.entries(connection, 0)}
    assert json.loads(told["intelligence.stored"].partition("data: ")[2])["subject"].startswith("indicator--")
    assert "data:" not in told["people.action"]


def test_an_object_is_told_as_everyone_said_it_and_what_is_related(
    program: Ask, countries: list[Country], at: datetime
) -> None:
    held = countries[0].add(1, at)
    countries[0].add(2, at)
    ask = program(Verb.INTELLIGENCE_READ)
    told = ask.get(f"/api/v1/objects/{held}").json()
    assert [each["nation"] for each in told["merged"]["said_by"]] == ["XA"]
    assert told["score"]["base_score"] == 80
    assert ask.get(f"/api/v1/objects/{held}/related").json()["shared"] == []
    missing = ask.get("/api/v1/objects/malware--00000000-0000-4000-8000-000000000009")
    assert (missing.status_code, missing.json()["code"]) == (404, "object-not-held")
    assert ask.get("/api/v1/knowledge?name=T1059").json() == {"bundles": [], "found": []}
    assert ask.get("/api/v1/proposals").json() == {"proposals": []}


def test_what_is_said_of_an_object_over_the_api_stays_here(
    program: Ask, countries: list[Country], at: datetime
) -> None:
    held = countries[0].add(1, at)
    path = f"/api/v1/objects/{held}"
    writer = program(Verb.INTELLIGENCE_WRITE, Verb.INTELLIGENCE_READ)
    said = writer.post(f"{path}/notes", json={"text": "Seen in two ministries."})
    assert said.status_code == 201
    assert writer.post(f"{path}/opinions", json={"opinion": "agree"}).status_code == 201
    found = writer.get(path).json()["found"]
    assert [each["says"] for each in found] == ["agree", "note"]
    assert writer.post(f"{path}/notes", json={"text": "x", "tell": True}).status_code == 422
    assert writer.post(f"{path}/opinions", json={"opinion": "maybe"}).status_code == 422
    unchanged = json.loads(writer.get(path).json()["versions"][0]["body"])
    refused = writer.post(f"{path}/proposals", json={"proposed": unchanged, "why": "x"})
    assert (refused.status_code, refused.json()["code"]) == (422, "bad-proposal")


def test_a_file_that_a_program_brings_is_kept_apart_and_told(program: Ask, node: Node, tmp_path: Path) -> None:
    client = program(Verb.TELEMETRY_PUSH, Verb.DETECTION_READ)
    body = b"MZ" + b"x" * (2 << 20)
    answer = client.post("/api/v1/files?name=invoice.exe", content=body)
    digest = hashlib.sha256(body).hexdigest()
    assert (answer.status_code, answer.json()) == (202, {"sha256": digest})
    (kept,) = tmp_path.rglob(digest)
    assert kept.read_bytes() == body
    scan_all(node, node.clock.now() + timedelta(days=9))
    (told,) = client.get("/api/v1/files").json()["files"]
    assert (told["sha256"], told["state"], told["reason"]) == (digest, "scanned", None)


def test_a_file_for_an_unknown_lane_is_refused(program: Ask) -> None:
    answer = program(Verb.TELEMETRY_PUSH).post("/api/v1/files?lane=nowhere", content=b"x")
    assert answer.status_code == 422


def test_a_program_decides_about_a_group_as_a_person_does(
    program: Ask, node: Node, countries: list[Country], at: datetime
) -> None:
    first = countries[0]
    for number in (1, 2):
        first.add(number, at)
    with node.db.write(at) as tx:
        record_hits(tx, [hit_of(first, 1, 1, at), hit_of(first, 2, 1, at), hit_of(first, 3, 2, at)])
    client = program(Verb.DETECTION_READ, Verb.DETECTION_CONFIRM)
    page = client.get("/api/v1/groups?state=new&limit=1").json()
    page["groups"] += client.get("/api/v1/groups", params={"state": "new", "after": page["next"]}).json()["groups"]
    numbers = {each["value"]: each["number"] for each in page["groups"]}
    assert [(each["count"], each["waiting"]) for each in page["groups"] if each["value"] == "198.51.0.1"] == [(2, 2)]
    confirmed = client.post(f"/api/v1/groups/{numbers['198.51.0.1']}/confirm", json={"up_to": page["up_to"]})
    assert confirmed.json()["object"].startswith("sighting--")
    decided = f"/api/v1/groups/{numbers['198.51.0.2']}/dismiss"
    assert client.post(decided, json={"why": "false-positive"}).status_code == 422, "without a reason"
    assert client.post(decided, json={"why": "benign", "days": 9_999}).status_code == 422, "beyond what is foreseen"
    assert client.post(decided, json={"why": "benign", "days": 30}).json() == {"object": None}
    assert client.post(decided, json={"why": "benign"}).status_code == 422, "nothing of it waits"
    assert client.get("/api/v1/groups?state=new").json()["groups"] == []
    with node.db.write(at) as tx:
        record_hits(tx, [hit_of(first, 4, 2, at)])
    (told,) = client.get("/api/v1/groups?state=dismissed").json()["groups"]
    assert (told["count"], told["waiting"], told["expected_until"]) == (2, 0, rfc3339(at + timedelta(days=30)))
    assert [each["state"] for each in client.get("/api/v1/hits").json()["hits"]][-1] == "dismissed"
    with node.db.read() as connection:
        said = [entry.detail for entry in journal.entries(connection, 0, kinds=frozenset({"people.action"}))]
    assert [each["outcome"] for each in said if each["action"].startswith("detection.")] == [
        "done",
        "failed",
        "failed",
        "done",
        "failed",
    ]
