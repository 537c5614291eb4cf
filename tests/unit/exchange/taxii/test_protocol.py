"""The rules of TAXII 2.1 as a table of cases, and every refusal as a TAXII error message."""

import json
from datetime import timedelta
from typing import Any

import pytest

from tests.taxii import BANK, GRID, ROOT, TAXII, Served, basic, made, name

FEED = f"{ROOT}collections/feed/"


@pytest.fixture
def open_(quick: Served) -> Served:
    quick.collection(can_write=True)
    quick.store(made(1), made(2))
    return quick


ACCEPT = [
    ("application/taxii+json;version=2.1", 200),
    ("application/taxii+json; version=2.1", 200),
    ('application/taxii+json;version="2.1"', 200),
    ("application/taxii+json", 200),
    ("APPLICATION/TAXII+JSON;VERSION=2.1", 200),
    ("text/html, application/taxii+json;q=0.5;version=2.1", 200),
    ("application/taxii+json;version=2.0, application/taxii+json;version=2.1", 200),
    ("application/*", 200),
    ("*/*", 200),
    ("application/json", 200),
    ("", 200),
    ("application/taxii+json;version=2.0", 406),
    ("application/taxii+json;version=2.1;q=0", 406),
    ("application/taxii+json;version=2.1;q=x", 406),
    ("application/vnd.oasis.taxii+json; version=2.0", 406),
    ("text/html", 406),
    ("nonsense", 406),
]


@pytest.mark.parametrize(("accept", "status"), ACCEPT)
def test_what_a_client_accepts_is_read_as_media_types(open_: Served, accept: str, status: int) -> None:
    answer = open_.client().get(f"{FEED}objects/", headers={"accept": accept})
    assert answer.status_code == status
    assert answer.headers["content-type"] == TAXII


POSTED = [
    ("application/taxii+json;version=2.1", 202),
    ("application/taxii+json; version=2.1", 202),
    ("application/taxii+json", 202),
    ("application/stix+json; version=2.1", 202),
    ("application/json", 202),
    ("application/taxii+json;version=2.0", 415),
    ("text/plain", 415),
    ("", 415),
]


@pytest.mark.parametrize(("posted", "status"), POSTED)
def test_what_a_client_posts_is_read_as_a_media_type(open_: Served, posted: str, status: int) -> None:
    answer = open_.client().post(f"{FEED}objects/", content=b'{"objects":[]}', headers={"content-type": posted})
    assert answer.status_code == status
    assert answer.headers["content-type"] == TAXII


RESOURCES = ["/taxii2/", ROOT, f"{ROOT}collections/", FEED, f"{FEED}manifest/", f"{FEED}objects/",
             f"{FEED}objects/{name(1)}/", f"{FEED}objects/{name(1)}/versions/"]  # fmt: skip


@pytest.mark.parametrize("resource", RESOURCES)
def test_every_resource_is_there_with_and_without_the_slash_at_its_end(open_: Served, resource: str) -> None:
    client = open_.client()
    with_slash, without = client.get(resource), client.get(resource.rstrip("/"))
    assert (with_slash.status_code, without.status_code) == (200, 200)
    assert with_slash.content == without.content
    assert client.head(resource).status_code == 200


@pytest.mark.parametrize("resource", RESOURCES)
def test_a_wrong_method_is_told_the_right_ones(open_: Served, resource: str) -> None:
    client = open_.client()
    for method in ("PUT", "PATCH", "OPTIONS", "POST", "DELETE"):
        answer = client.request(method, resource)
        if answer.status_code == 405:
            assert "GET" in answer.headers["allow"]
            assert answer.json()["error_code"] == "method-not-allowed"
        else:
            assert (resource, method) in {(f"{FEED}objects/", "POST"), (f"{FEED}objects/{name(1)}/", "DELETE")}


def test_discovery_names_the_api_root_and_the_root_its_limits(open_: Served) -> None:
    client = open_.client()
    found = client.get("/taxii2/").json()
    assert found["default"] == ROOT
    assert found["api_roots"] == [ROOT]
    assert found["title"] == "Qamar"
    root = client.get(found["default"]).json()
    assert TAXII in root["versions"]
    assert root["max_content_length"] == 16 * 1024 * 1024


def test_collections_are_listed_as_each_account_may_use_them(open_: Served) -> None:
    open_.collection("inbox", can_read=False, can_write=True)
    listed = {each["alias"]: each for each in open_.client().get(f"{ROOT}collections/").json()["collections"]}
    assert {alias: (each["can_read"], each["can_write"]) for alias, each in listed.items()} == {
        "feed": (True, True),
        "inbox": (False, True),
    }
    assert listed["feed"]["media_types"] == ["application/stix+json;version=2.1"]
    reader = open_.client(may_write=False)
    assert [each["can_write"] for each in reader.get(f"{ROOT}collections/").json()["collections"]] == [False, False]
    by_id = reader.get(f"{ROOT}collections/{listed['feed']['id']}/").json()
    assert by_id == reader.get(FEED).json() == listed["feed"] | {"can_write": False}
    assert open_.client(BANK).get(f"{ROOT}collections/").json() == {}
    for resource in ("manifest", "objects"):
        assert reader.get(f"{ROOT}collections/inbox/{resource}/").status_code == 403


def test_nobody_is_let_in_without_an_account_that_is_valid_now(open_: Served) -> None:
    secret = open_.secret()
    client = open_.client()
    shouted = basic(GRID, secret).replace("Basic", "BASIC")
    good = (f"Bearer {secret}", f"bearer {secret}", f"Token {secret}", basic(GRID, secret), shouted)
    for header in good:
        assert client.get("/taxii2/", headers={"authorization": header}).status_code == 200, header
    bad = (
        "",
        "Bearer",
        "Bearer x",
        f"Basic {secret}",
        "Basic !!!",
        "Basic 4pyT",
        basic(BANK, secret),
        basic("", secret),
        basic(GRID, secret + "x"),
        basic(GRID, ""),
        f"Digest {secret}",
        secret,
    )
    for header in bad:
        for resource in [*RESOURCES, f"{ROOT}nothing/"]:
            answer = client.get(resource, headers={"authorization": header})
            assert answer.status_code == 401, header
            assert answer.headers["www-authenticate"].startswith("Basic ")
            assert answer.json()["http_status"] == "401"
    open_.clock.at += timedelta(days=31)
    assert client.get("/taxii2/", headers={"authorization": f"Bearer {secret}"}).status_code == 401


def test_an_account_that_was_ended_reads_nothing_more(open_: Served) -> None:
    client = open_.client()
    assert client.get(f"{FEED}objects/").status_code == 200
    open_.node.constituents.disable(GRID, open_.clock.now())
    assert client.get(f"{FEED}objects/").status_code == 401


UNKNOWN = ["/taxii2/other/", f"{ROOT}nothing/", f"{ROOT}collections/x/objects/y/z/", f"{ROOT}collections/feed/x/",
           f"{ROOT}status/", f"{ROOT}status/x/", f"{ROOT}collections/none/", f"{FEED}objects/{name(7)}/",
           f"{FEED}objects/{name(7)}/versions/", f"{FEED}objects/x/", f"{FEED}objects/%00/", "/taxii2/..%2f/",
           "/taxii2/other/collections/"]  # fmt: skip


@pytest.mark.parametrize("resource", UNKNOWN)
def test_what_is_not_there_is_not_found(open_: Served, resource: str) -> None:
    answer = open_.client().get(resource)
    assert answer.status_code == 404
    assert answer.json() == {
        "title": "Not found",
        "description": "there is no such resource here",
        "error_code": "not-found",
        "http_status": "404",
    }


def test_a_filter_that_a_resource_does_not_know_is_refused(open_: Served) -> None:
    client = open_.client()
    for resource in (f"{FEED}objects/{name(1)}/", f"{FEED}objects/{name(1)}/versions/"):
        assert client.get(f"{resource}?match[id]={name(1)}").status_code == 400
    assert client.get(f"{FEED}objects/{name(1)}/versions/?match[version]=all").status_code == 400
    assert client.delete(f"{FEED}objects/{name(1)}/?match[type]=x").status_code == 400


def test_bodies_are_bounded_whether_their_length_is_told_or_not(open_: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from mithaq.intelligence.settings import TAXII_POST

    small = replace(TAXII_POST, max_bytes=100)
    monkeypatch.setattr("mithaq.exchange.taxii.doors.TAXII_POST", small)
    client, told = open_.client(), {"content-type": TAXII}
    for content in (b"x" * 101, iter([b"x" * 60, b"x" * 60])):
        answer = client.post(f"{FEED}objects/", content=content, headers=told)  # type: ignore[arg-type]
        assert answer.status_code == 413
        assert answer.json()["error_code"] == "too-large"
    packed = client.post(f"{FEED}objects/", content=b"x", headers={**told, "content-encoding": "gzip"})
    assert packed.status_code == 415


def test_a_question_without_end_is_refused(open_: Served) -> None:
    answer = open_.client().get(f"{FEED}objects/?match[id]=" + "x" * 40_000)
    assert answer.status_code == 414


def test_an_error_nobody_expected_says_nothing_of_itself(open_: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("a secret of the node")

    monkeypatch.setattr("mithaq.exchange.taxii.resources.shelves_of", broken)
    answer = open_.client().get(f"{FEED}objects/")
    assert answer.status_code == 500
    assert "secret" not in json.dumps(answer.json())
