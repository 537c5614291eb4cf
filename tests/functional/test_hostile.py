"""Hostile input at every door people and programs use: the API, the pages, the command line, a card's address.

Each gives a clear error that names the object and the reason, the rest of the batch goes on, and nothing breaks.
"""

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

import mithaq.web.app
from mithaq.api.app import MAX_JSON_BYTES, machine_doors
from mithaq.intelligence.model import NewObject, Provenance
from mithaq.intelligence.settings import PAGE_UPLOAD
from mithaq.kernel.lane import ACTUAL
from mithaq.nations.people.model import Role, Verb
from mithaq.node.composition import Node
from mithaq.standards import stix
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp
from mithaq.web.app import create_app
from tests.country import Country, indicator
from tests.explained import explained
from tests.pages import still_node
from tests.unit.cli.conftest import desk
from tests.unit.web.conftest import TestClient
from tests.unit.web.test_foreign_text import ATTACKS, assert_only_text
from tests.world import XA, XB, Treaty

pytestmark = pytest.mark.functional

_MAY = frozenset(
    {
        Verb.INTELLIGENCE_READ, Verb.INTELLIGENCE_WRITE, Verb.DETECTION_READ, Verb.RELEASE_READ, Verb.TELEMETRY_PUSH,
    }
)  # fmt: skip
TEMPLATES = sorted((Path(mithaq.web.app.__file__).parent / "templates").glob("*.html"))
DEEP = b"[" * 100_000
DEEP_OBJECTS = b'{"a":' * 100_000


@pytest.fixture
def node(tmp_path: Path, db_url: str, at: datetime) -> Iterator[Node]:
    """The first of two nations under an agreement, on each database."""
    country, other = Country.found(XA, tmp_path / XA, db_url), Country.found(XB, tmp_path / XB)
    country.befriend([other], at)
    treaty = Treaty(at, nations=(XA, XB))
    country.context.agreements.receive(treaty.envelope.encode(), at=at, actor="person--1")
    country.order(treaty, at)
    yield still_node(country, tmp_path, at)
    country.db.close()
    other.db.close()


@pytest.fixture
def api(node: Node, at: datetime) -> Iterator[TestClient]:
    """A program that may do everything; an error that nobody foresaw fails the test."""
    _, secret = node.people.add_token("program", _MAY, timedelta(days=1), at)
    with TestClient(Starlette(routes=machine_doors(node))) as client:
        client.headers.update({"authorization": f"Bearer {secret}", "content-type": "application/json"})
        yield client


@pytest.fixture
def visitor(node: Node, at: datetime) -> Iterator[TestClient]:
    """Somebody with every role, signed in."""
    with TestClient(create_app(node), base_url="http://localhost", follow_redirects=False) as client:
        _, secret = node.people.link("Layla", frozenset(Role), at)
        assert client.post("/link", data={"t": secret}).status_code == 303
        yield client


def held(node: Node, object_id: str) -> list[bytes]:
    with node.db.read() as connection:
        return [stored.body for stored in node.holdings.get(connection, object_id, ACTUAL)]


def count(node: Node) -> int:
    with node.db.read() as connection:
        return len(node.holdings.search(connection, "is:any", ACTUAL, None, 500, at=node.clock.now()).objects)


# The API.

BODIES: dict[str, bytes] = {
    "nothing": b"",
    "broken": b'{"values": ["a.example"',
    "no object": b'["a.example"]',
    "deep lists": DEEP,
    "deep objects": DEEP_OBJECTS,
    "deep inside": b'{"values":' + DEEP + b"}",
    "no utf-8": b'{"values":["\xff\xfe"]}',
    "a number of ten thousand digits": b'{"values":["a.example"],"valid_days":' + b"9" * 10_000 + b"}",
    "not a number": b'{"values":["a.example"],"valid_days":NaN}',
    "endless days": b'{"values":["a.example"],"valid_days":1e308}',
    "an unknown field": b'{"values":["a.example"],"recipients":["XB"]}',
    "no values": b'{"values":[]}',
    "too many values": json.dumps({"values": ["a.example"] * 1001}).encode(),
    "values that are none": b'{"values":[7,null,{"a":1}]}',
    "an endless name": json.dumps({"values": ["a.example"], "name": "n" * 201}).encode(),
    "a lane that is none": b'{"values":["a.example"],"lane":"fast"}',
    "a label that is none": b'{"values":["a.example"],"tlp":"TLP:MAUVE"}',
}


def test_the_api_explains_every_body_it_does_not_take_and_stores_nothing(api: TestClient, node: Node) -> None:
    for name, body in BODIES.items():
        answer = api.post("/api/v1/indicators", content=body)
        assert explained(answer, 422, 400), name
        assert count(node) == 0, name


def test_values_in_one_body_are_refused_one_by_one(api: TestClient) -> None:
    values = ["a[.]example", "no value at all", "\0", "x" * 5000, "198.51.100.7", "<script>", "http://\0/"]
    told = api.post("/api/v1/indicators", content=json.dumps({"values": values})).json()
    assert sorted(each["value"] for each in told["created"]) == ["198.51.100.7", "a.example"]
    assert len(told["refused"]) == len(values) - 2
    assert all(each["reason"] for each in told["refused"])


def test_any_text_is_kept_or_explained(api: TestClient, node: Node) -> None:
    for text in ("\0", "\ud800", "\u202e", "<script>alert(1)</script>"):
        body = json.dumps({"values": ["a.example"], "name": text, "description": text})
        answer = api.post("/api/v1/indicators", content=body)
        if answer.status_code != 201:
            assert explained(answer, 422)
        assert api.get("/api/v1/objects").status_code == 200
    assert count(node) >= 2


def test_the_api_stops_reading_at_its_limit_whatever_the_length_says(api: TestClient) -> None:
    big = b'{"values":["' + b"a" * MAX_JSON_BYTES + b'"]}'
    assert explained(api.post("/api/v1/indicators", content=big), 413) == "door-limit"
    parts = (b"x" * 65536 for _ in range(200))
    assert explained(api.post("/api/v1/indicators", content=parts), 413) == "door-limit"


QUESTIONS = [
    "/api/v1/objects?q=%00",
    "/api/v1/objects?q=%ed%a0%80",
    "/api/v1/objects?q=type:%00&lane=actual",
    "/api/v1/objects?q=%22%22%22(((",
    "/api/v1/objects?q=from:%00",
    "/api/v1/objects?q=" + "a%20" * 600,
    "/api/v1/objects?limit=-1",
    "/api/v1/objects?limit=99999999999999999999",
    "/api/v1/objects?lane=exercise--%00",
    "/api/v1/objects?cursor=%00",
    "/api/v1/objects?cursor=" + "A" * 4000,
    "/api/v1/hits?after=99999999999999999999999",
    "/api/v1/hits?wait=nan",
    "/api/v1/why?object=%00&partner=XB",
    "/api/v1/why?object=x&partner=%00&lane=%00",
    "/api/v1/%2e%2e/%2e%2e/etc/passwd",
]


def test_a_hostile_question_is_answered_or_explained(api: TestClient) -> None:
    for question in QUESTIONS:
        answer = api.get(question)
        assert answer.status_code in (200, 400, 404, 422), (question, answer.text)
        if answer.status_code != 200:
            assert answer.headers["content-type"] == "application/problem+json", question


def test_a_token_that_is_none_opens_nothing(api: TestClient) -> None:
    for secret in ("", "\x7f", "x" * 10_000, "null", "'; drop table tokens; --"):
        answer = api.get("/api/v1/objects", headers={"authorization": f"Bearer {secret}"})
        assert explained(answer, 401) == "no-token"


# Files of objects, by the page and by the command.


def mixed() -> tuple[bytes, list[str], bytes]:
    """A bundle of good and bad objects; the ids of the good ones; one good body that nobody fully understands."""
    strange = (
        b'{"type":"x-quiet-crane","spec_version":"2.1","id":"x-quiet-crane--00000000-0000-4000-8000-0000000000aa",'
        b'"created":"2026-11-23T11:00:00.000Z","modified":"2026-11-23T11:00:00.000Z",'
        b'"x_nobody":{"knows":[1.50, "\\u0041", 1e2],  "this":null}}'
    )
    bad = [
        b'{"type":"indicator"}',
        b'{"type":"indicator","id":"indicator--7"}',
        b'{"type":"malware","id":"indicator--00000000-0000-4000-8000-0000000000ab"}',
        b'{"type":"tool","type":"tool","id":"tool--00000000-0000-4000-8000-0000000000ac"}',
        b'{"type":"x-deep","id":"x-deep--00000000-0000-4000-8000-0000000000ad","a":'
        + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'"only text"',
        b"7",
        b"null",
        b"[]",
        indicator(77, modified="yesterday"),
    ]  # fmt: skip
    objects = [indicator(1), *bad[:5], strange, *bad[5:], indicator(2, x_field="survives", name=ATTACKS[0])]
    bundle = b'{"type":"bundle","id":"bundle--00000000-0000-4000-8000-000000000000","objects":[%s]}' % b",".join(
        objects
    )
    good = [stix.parse(body).id for body in (objects[0], strange, objects[-1])]
    return bundle, good, strange


BROKEN: dict[str, bytes] = {
    "no json": b"<html>",
    "nothing": b"",
    "only white": b" \n\t " * 1000,
    "no bundle": b'{"type":"report"}',
    "no objects": b'{"type":"bundle","objects":{}}',
    "deep": DEEP,
    "deep objects": DEEP_OBJECTS,
    "zeros": bytes(100_000),
    "no utf-8": b'{"type":"bundle","objects":["\xff\xfe"]}',
    "an unclosed text": b'{"type":"bundle","objects":[{"type":"' + b"a" * 100_000,
}


def upload(visitor: TestClient, body: bytes, form: str = "stix") -> httpx.Response:
    token = visitor.get("/keys").text.split('name="_csrf" value="', 1)[1].split('"', 1)[0]
    fields = {"_csrf": token, "form": form, "tlp": "TLP:GREEN", "lane": "actual"}
    answer: httpx.Response = visitor.post("/intelligence/import", data=fields, files={"file": ("f.json", body)})
    return answer


def test_a_page_takes_the_good_objects_of_a_file_and_says_why_it_refuses_the_others(
    visitor: TestClient, node: Node
) -> None:
    bundle, good, strange = mixed()
    answer = upload(visitor, bundle)
    assert answer.status_code == 200
    assert [bool(held(node, name)) for name in good] == [True] * 3
    assert count(node) == 3
    assert held(node, good[1]) == [strange]
    assert "x-deep--00000000-0000-4000-8000-0000000000ad" in answer.text
    assert "nested deeper" in answer.text
    assert "stands twice" in answer.text
    assert_only_text("the report", answer.text)


@pytest.mark.parametrize("form", ["stix", "misp"])
def test_a_page_explains_every_file_it_cannot_read(visitor: TestClient, node: Node, form: str) -> None:
    for name, body in BROKEN.items():
        answer = upload(visitor, body, form)
        assert answer.status_code in (200, 422), name
        assert "Traceback" not in answer.text, name
        assert_only_text(name, answer.text)
        assert count(node) == 0, name


def test_a_file_over_the_pages_limit_is_refused_as_too_large(visitor: TestClient, node: Node) -> None:
    answer = upload(visitor, b" " * (PAGE_UPLOAD.max_bytes + 1))
    assert answer.status_code == 413
    assert "larger" in answer.text
    assert count(node) == 0


def test_the_command_takes_the_good_objects_and_names_the_others(tmp_path: Path) -> None:
    console, file = desk(tmp_path, "XA"), tmp_path / "mixed.json"
    bundle, good, strange = mixed()
    file.write_bytes(bundle)
    said = console("--json", "object", "import", str(file))
    told = json.loads(said.out)
    assert (told["stored"], told["refused_count"]) == (3, 10)
    assert all(each["reason"] and each["object"] for each in told["refused"])
    assert "Traceback" not in said.err
    shown = console("object", "show", good[1], "--raw")
    assert strange.decode() in shown.out or shown.code == 2


def test_the_command_explains_every_file_it_cannot_read(tmp_path: Path) -> None:
    console, file = desk(tmp_path, "XA"), tmp_path / "broken.json"
    for name, body in BROKEN.items():
        file.write_bytes(body)
        said = console("object", "import", str(file))
        assert said.code in (1, 2), (name, said)
        assert said.err, name
        assert "Traceback" not in said.err, name
    for unusable in (tmp_path, tmp_path / "absent"):
        for form in ((), ("--misp",), ("--text",)):
            said = console("object", "import", *form, str(unusable))
            assert said.code in (1, 2)
            assert unusable.name in said.err


# Text of foreign objects on the pages.

TEXTS = {
    "attack-pattern": ["name", "description"],
    "campaign": ["name", "description", "objective"],
    "course-of-action": ["name", "description"],
    "grouping": ["name", "description", "context"],
    "identity": ["name", "description", "contact_information", "identity_class"],
    "incident": ["name", "description"],
    "indicator": ["name", "description", "pattern"],
    "infrastructure": ["name", "description"],
    "intrusion-set": ["name", "description", "primary_motivation"],
    "location": ["name", "description", "region", "city"],
    "malware": ["name", "description"],
    "malware-analysis": ["product", "result_name"],
    "note": ["abstract", "content"],
    "observed-data": [],
    "opinion": ["opinion", "explanation"],
    "relationship": ["relationship_type", "description"],
    "report": ["name", "description"],
    "sighting": ["description"],
    "threat-actor": ["name", "description", "sophistication"],
    "tool": ["name", "description", "tool_version"],
    "vulnerability": ["name", "description"],
    "domain-name": ["value"],
    "email-message": ["subject", "body"],
    "file": ["name"],
    "process": ["command_line"],
    "url": ["value"],
    "windows-registry-key": ["key"],
    "extension-definition": ["name", "description", "schema"],
    "x-custom": ["name", "x_text"],
}


@pytest.mark.parametrize("db_url", ["sqlite"], indirect=True)  # what a page shows is no matter of the database
def test_markup_in_every_text_field_of_every_kind_is_shown_as_text(
    visitor: TestClient, node: Node, at: datetime
) -> None:
    stored = list(_attacking(at))
    with node.db.write(at) as tx:
        report = node.holdings.store(tx, stored)
    assert report.stored + len(report.refused) == len(stored)
    assert report.stored > len(TEXTS) * len(ATTACKS) * 0.8
    for new in stored:
        answer = visitor.get(f"/intelligence/{new.stix.id}")
        assert answer.status_code == 200, new.stix.id
        assert_only_text(new.stix.id, answer.text)
    for path in ("/", "/intelligence", "/exchange", "/exchange/withheld"):
        assert_only_text(path, visitor.get(path).text)


def _attacking(at: datetime) -> Iterator[NewObject]:
    given = Provenance("import", XA, None, None, None, None, Tlp.GREEN, Pap.GREEN, {}, at)
    for place, (kind, fields) in enumerate(TEXTS.items()):
        for number, attack in enumerate(ATTACKS):
            body = {
                "type": kind,
                "spec_version": "2.1",
                "id": f"{kind}--00000000-0000-4000-8000-{place:06d}{number:06d}",
                "created": "2026-11-23T11:00:00.000Z",
                "modified": "2026-11-23T11:00:00.000Z",
                "labels": [attack],
                "aliases": [attack],
                "external_references": [{"source_name": attack, "url": "javascript:alert(1)", "description": attack}],
            } | dict.fromkeys(fields, attack)
            encoded = json.dumps(body).encode()
            try:
                parsed = stix.parse(encoded)
            except stix.BadObject:
                parsed = stix.parse(json.dumps(body | {"pattern": "[a:b = 'c']", "pattern_type": "stix"}).encode())
            yield NewObject(encoded, parsed, ACTUAL, given)


PATHS = [
    "/intelligence?q=%00",
    "/intelligence?q=%22%3E%3Cscript%3E&lane=%00",
    "/intelligence?after=99999999999999999999999999",
    "/intelligence?lang=%00&theme=%3Cscript%3E",
    "/intelligence/%00",
    "/intelligence/%3Cscript%3Ealert(1)%3C%2Fscript%3E",
    "/detection/%00",
    "/detection/..%2f..%2fetc%2fpasswd",
    "/exchange/%00",
    "/exchange/XB?sent=%00&received=-1",
    "/exchange/withheld?before=1e9",
    "/exchange/log",
    "/exchange/XB/keys",
    "/exchange/%3Cscript%3E/keys",
    "/exchange/XB/sent/1",
    "/exchange/XB/sent/%00",
    "/exchange/XB/sent/-1e9",
    "/exchange/XB/received/99999999999999999999",
    "/exchange/XB/releases/%3Cscript%3E%00",
    "/exchange/consents",
    "/duties",
    "/duties?nation=%00&agreement=%3Cscript%3E&lane=test",
    "/duties?lane=%00",
    "/agreements/%00",
    "/agreements/agreement--%3Cscript%3E",
    "/link?t=%3Cscript%3E%00",
    "/sign-in?next=//evil.example",
    "/static/..%2f..%2f..%2fpyproject.toml",
    "/static/%00",
    "/%ff%fe",
]


def test_a_hostile_address_gets_a_page_and_never_an_error_within(visitor: TestClient) -> None:
    for path in PATHS:
        answer = visitor.get(path)
        assert answer.status_code in (200, 303, 400, 404, 421, 422), (path, answer.text)
        assert "evil.example" not in answer.headers.get("location", ""), path
        if answer.headers.get("content-type", "").startswith("text/html"):
            assert_only_text(path, answer.text)


def test_a_foreign_host_is_refused(visitor: TestClient) -> None:
    for host in ("[", "evil.example", "localhost@evil.example", "localhost/evil", "[::1", "[::1]evil", "\x7f"):
        answer = visitor.get("/intelligence", headers={"host": host})
        assert answer.status_code in (400, 421), (host, answer.text)


def test_no_page_marks_foreign_text_as_its_own() -> None:
    """Jinja's `_()` returns markup: what is given to it is never escaped, so it may be a constant only."""
    assert TEMPLATES
    for template in TEMPLATES:
        assert not re.findall(r"\b_\((?!['\"])", template.read_text("utf-8")), template.name


def test_a_percent_sign_in_an_explanation_is_a_percent_sign(visitor: TestClient) -> None:
    answer = visitor.get("/agreements/agreement--100%25%20sure%25(x)s")
    assert answer.status_code == 404
    assert "100% sure%(x)s" in answer.text
