"""What a constituent reads: pages, filters, cursors, versions, and every byte as it came in."""

import gzip
import json
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp
from tests.taxii import ROOT, TAXII, Served, ids_in, made, name

FEED = f"{ROOT}collections/feed/"


def test_objects_come_as_the_bytes_that_came_in_and_in_the_order_of_their_release(served: Served) -> None:
    served.collection()
    bodies = [made(number) for number in (3, 1, 2)]
    served.store(*bodies)
    answer = served.client().get(f"{FEED}objects/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == TAXII
    assert answer.content == b'{"more":false,"objects":[' + b",".join(bodies) + b"]}"
    first, last = (answer.headers[f"x-taxii-date-added-{end}"] for end in ("first", "last"))
    assert (first, last) == ("2026-11-23T12:00:00.000000Z", "2026-11-23T12:00:00.002000Z")


def pages(served: Served, path: str, limit: int, **parameters: str) -> list[dict[str, Any]]:
    client, found = served.client(), []
    asked: dict[str, str] = {"limit": str(limit), **parameters}
    while True:
        answer = client.get(path, params=asked)
        assert answer.status_code == 200, answer.text
        found.append(answer.json())
        if not found[-1]["more"]:
            assert "next" not in found[-1]
            return found
        asked = {**asked, "next": found[-1]["next"]}


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 8, 1000])
def test_pages_of_any_size_put_together_are_the_whole(served: Served, limit: int) -> None:
    served.collection()
    served.store(*[made(number) for number in range(7)])
    found = pages(served, f"{FEED}objects/", limit)
    assert [each["id"] for page in found for each in page["objects"]] == [name(number) for number in range(7)]
    assert [len(page["objects"]) for page in found[:-1]] == [limit] * (len(found) - 1)
    manifest = pages(served, f"{FEED}manifest/", limit)
    assert [each["id"] for page in manifest for each in page["objects"]] == [name(number) for number in range(7)]


def test_added_after_is_exclusive_and_so_a_poll_gets_each_object_once(served: Served) -> None:
    served.collection()
    client, after, got = served.client(), "", []
    for number in range(4):
        served.store(made(number), made(number + 100))
        answer = client.get(f"{FEED}objects/", params={"added_after": after} if after else {})
        got += ids_in(answer.content)
        after = answer.headers["x-taxii-date-added-last"]
        again = client.get(f"{FEED}objects/", params={"added_after": after})
        assert again.json() == {"more": False, "objects": []}
        assert not [header for header in again.headers if header.startswith("x-taxii")]
        in_milliseconds = after[:-4] + "Z"  # as OpenCTI keeps it
        assert client.get(f"{FEED}objects/", params={"added_after": in_milliseconds}).json()["objects"] == []
    assert got == [name(number + more) for number in range(4) for more in (0, 100)]


def test_what_is_added_later_has_a_later_date_though_the_clock_stands_or_goes_back(
    served: Served, at: datetime
) -> None:
    served.collection()
    for number, shift in enumerate((0, 0, -5, 0, 60)):
        served.clock.at = at + timedelta(minutes=shift)
        served.store(made(number))
    found = served.client().get(f"{FEED}manifest/").json()["objects"]
    dates = [each["date_added"] for each in found]
    assert dates == sorted(set(dates))
    assert all(date.endswith("000Z") for date in dates)
    assert [each["id"] for each in found] == [name(number) for number in range(5)]
    assert dates[-1] == "2026-11-23T13:00:00.000000Z"


def test_a_new_audience_gets_what_was_held_before(served: Served) -> None:
    served.store(*[made(number) for number in range(3)], made(9, tlp=Tlp.RED))
    served.collection()
    served.settle()
    served.store(made(3))
    assert ids_in(served.client().get(f"{FEED}objects/").content) == [name(number) for number in range(4)]


FILTERS: list[tuple[str, list[int]]] = [
    (f"match[id]={name(2)}", [2]),
    (f"match[id]={name(2)},{name(1)},{name(77)}", [1, 2]),
    (f"match%5Bid%5D={name(2)}", [2]),
    ("match[type]=indicator", [1, 2]),
    ("match[type]=indicator,malware", [1, 2, 3]),
    ("match[type]=tool", []),
    (f"match[type]=malware&match[id]={name(1)}", []),
    ("match[spec_version]=2.1", [1, 2, 3]),
    ("match[spec_version]=2.0,2.1", [1, 2, 3]),
    ("match[spec_version]=2.0", []),
    ("match[version]=all", [1, 2, 3]),
    ("match[version]=2026-11-23T11:00:00Z", [1, 2, 3]),
    ("match[version]=2026-11-23T11:00:00.000000Z,first", [1, 2, 3]),
    ("match[version]=2020-01-01T00:00:00Z", []),
    ("match[id]=", [1, 2, 3]),
    ("next=", [1, 2, 3]),
    ("added_after=2026-11-23T11:59:59Z", [1, 2, 3]),
    ("added_after=2026-11-23T12:00:00Z", [2, 3]),
    ("added_after=2026-11-23T12:00:00.000999999Z", [2, 3]),
    ("added_after=2026-11-23T13:00:00+01:00", [2, 3]),
    ("added_after=2026-11-23T13:00:00%2B01:00", [2, 3]),
    ("unknown=1", [1, 2, 3]),
    ("limit=999999", [1, 2, 3]),
]


@pytest.mark.parametrize(("query", "expected"), FILTERS)
def test_filters_are_those_of_the_standard(served: Served, query: str, expected: list[int]) -> None:
    served.collection()
    served.store(made(1), made(2), made(3, "malware", name="x", is_family=False))
    for resource in ("objects", "manifest"):
        answer = served.client().get(f"{FEED}{resource}/?{query}")
        assert answer.status_code == 200, answer.text
        assert [int(each["id"][-3:]) for each in answer.json()["objects"]] == expected


BAD = [
    "limit=0", "limit=-1", "limit=1.5", "limit=many", "limit=٣", "limit=9999999999999", "limit=1&limit=2",
    "added_after=yesterday", "added_after=2026-11-23T12:00:00", "added_after=2026-13-23T12:00:00Z",
    "match[version]=newest", "match[colour]=red", "next=AAAA", "next=%FF", "next=!!!!", "wait=long", "wait=-1",
    "match[id]=" + ",".join(map(str, range(501))), "match[id]=%00",
]  # fmt: skip


@pytest.mark.parametrize("query", BAD)
def test_a_bad_question_is_refused_as_such_and_never_breaks_anything(quick: Served, query: str) -> None:
    quick.collection()
    quick.store(made(1))
    for resource in ("objects", "manifest"):
        answer = quick.client().get(f"{FEED}{resource}/?{query}")
        assert answer.status_code == (200 if query == "match[id]=%00" else 400), answer.text
        assert answer.headers["content-type"] == TAXII
        if answer.status_code == 400:
            assert answer.json()["http_status"] == "400"
            assert isinstance(answer.json()["description"], str)


def test_a_cursor_is_good_for_its_question_and_its_shelf_alone(quick: Served) -> None:
    quick.collection()
    quick.collection("other")
    quick.collection("bank", audience=("central-bank",))
    quick.store(*[made(number) for number in range(5)])
    client = quick.client()
    asked = {"limit": "2", "match[type]": "indicator", "added_after": "2026-11-23T11:00:00Z"}
    first = client.get(f"{FEED}objects/", params=asked)
    cursor, last = first.json()["next"], first.headers["x-taxii-date-added-last"]
    good: list[dict[str, str]] = [{}, asked, {"added_after": last}, {"limit": "1"}, {"match[type]": "indicator"}]
    for parameters in good:
        answer = client.get(f"{FEED}objects/", params={**parameters, "next": cursor})
        assert answer.json()["objects"][0]["id"] == name(2), parameters
    bad: list[dict[str, str]] = [
        {"match[type]": "malware"}, {"match[version]": "all"}, {"added_after": "2026-11-23T11:30:00Z"},
        {"match[id]": name(1)},
    ]  # fmt: skip
    for parameters in bad:
        assert client.get(f"{FEED}objects/", params={**parameters, "next": cursor}).status_code == 400, parameters
    for place in (f"{FEED}manifest/", f"{ROOT}collections/other/objects/", f"{FEED}objects/{name(1)}/"):
        assert client.get(place, params={"next": cursor}).status_code == 400, place
    theirs = quick.client("central-bank")
    assert theirs.get(f"{ROOT}collections/bank/objects/", params={"next": cursor}).status_code == 400
    for place in (0, 10, len(cursor) // 2, len(cursor) - 3):
        forged = cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :]
        assert client.get(f"{FEED}objects/", params={"next": forged}).status_code == 400
    second = quick.client()
    assert second.get(f"{FEED}objects/", params={"next": cursor}).status_code == 200, "another account of the same"


@pytest.mark.parametrize(
    "again",
    [
        {"added_after": "2026-11-23T11:00:00.000Z"},
        {"added_after": "2026-11-23T11:00:00Z"},
        {"added_after": "2026-11-23T12:00:00+01:00"},
        {"added_after": "2026-11-23T12:00:00.001000Z"},
        {"match[version]": "2026-11-23T11:00:00Z,last"},
        {"match[version]": "last,2026-11-23T12:00:00.0+01:00"},
        {"match[type]": "malware,indicator"},
    ],
)
def test_a_cursor_goes_on_for_the_same_question_however_it_is_written(quick: Served, again: dict[str, str]) -> None:
    quick.collection()
    quick.store(*[made(number) for number in range(5)])
    asked = {
        "added_after": "2026-11-23T11:00:00Z",
        "match[type]": "indicator,malware",
        "match[version]": "last,2026-11-23T11:00:00.000Z",
        "limit": "2",
    }
    client = quick.client()
    cursor = client.get(f"{FEED}objects/", params=asked).json()["next"]
    answer = client.get(f"{FEED}objects/", params={**asked, **again, "next": cursor})
    assert answer.status_code == 200, answer.text
    assert ids_in(answer.content) == [name(2), name(3)]
    for other in ({"added_after": "2026-11-23T11:00:00.001Z"}, {"match[version]": "last"}, {"added_after": "soon"}):
        assert client.get(f"{FEED}objects/", params={**asked, **other, "next": cursor}).status_code == 400


def versions_of(served: Served, query: str = "") -> list[str]:
    answer = served.client().get(f"{FEED}objects/{query}")
    assert answer.status_code == 200, answer.text
    return [each["modified"] for each in answer.json()["objects"]]


def test_of_several_versions_those_asked_for_are_given(served: Served, at: datetime) -> None:
    """Two nations may stand behind two versions; of one nation only the newest stands."""
    from tests.taxii import carried

    served.collection()
    old, new = "2026-11-23T11:00:00.000Z", "2026-11-23T11:30:00.000Z"
    served.store(made(1, modified=new))
    served.store(made(1, modified=old), partner=carried(at))
    assert versions_of(served) == [new]
    assert versions_of(served, "?match[version]=first") == [old]
    assert versions_of(served, "?match[version]=last,first") == [new, old]
    assert versions_of(served, "?match[version]=all&limit=5") == [new, old]
    assert versions_of(served, f"?match[version]={old}") == [old]
    assert versions_of(served, "?added_after=2026-11-23T12:00:00Z") == [old], "the newest of what the rest matches"
    client = served.client()
    assert client.get(f"{FEED}objects/{name(1)}/versions/").json() == {"more": False, "versions": [new, old]}
    assert len(client.get(f"{FEED}objects/{name(1)}/").json()["objects"]) == 1
    assert client.get(f"{FEED}objects/{name(1)}/?match[version]=2020-01-01T00:00:00Z").json()["objects"] == []
    page = client.get(f"{FEED}objects/{name(1)}/versions/?limit=1").json()
    assert page["versions"] == [new]
    assert client.get(f"{FEED}objects/{name(1)}/versions/?next={quote(page['next'])}").json()["versions"] == [old]


def test_a_newer_version_of_the_same_nation_takes_the_place_of_the_older_one(served: Served) -> None:
    served.collection()
    served.store(made(1), made(2))
    served.store(made(1, modified="2026-11-23T11:30:00.000Z", revoked=True))
    assert ids_in(served.client().get(f"{FEED}objects/").content) == [name(2), name(1)]
    assert b'"revoked"' in served.client().get(f"{FEED}objects/{name(1)}/").content


def test_objects_without_versions_are_given_too(served: Served) -> None:
    served.collection()
    plain = {"created": None, "modified": None, "spec_version": None, "value": "203.0.113.9"}
    body = json.dumps({k: v for k, v in (json.loads(made(1, "ipv4-addr")) | plain).items() if v is not None}).encode()
    served.store(body)
    client = served.client()
    assert client.get(f"{FEED}objects/").content == b'{"more":false,"objects":[' + body + b"]}"
    (record,) = client.get(f"{FEED}manifest/").json()["objects"]
    assert record["version"] == "2026-11-23T12:00:00.000Z", "where an object has no version, when it was added"
    assert record["media_type"] == "application/stix+json;version=2.1"
    assert client.get(f"{FEED}objects/?match[version]={record['version']}").json()["objects"] != []


def test_a_collection_carries_its_types_and_labels_and_what_its_action_permits(quick: Served) -> None:
    quick.collection("malware", types=("malware", "tool"))
    quick.collection("energy", labels=("sector:energy", "sector:water"))
    quick.collection("blocking", action="externally-visible-indirect-actions")
    quick.collection("watching")
    quick.store(
        made(1),
        made(2, "malware", is_family=False),
        made(3, labels=["PAP:GREEN", "sector:energy"]),
        made(4, pap=Pap.AMBER),
        made(5, pap=None),
    )

    def numbers(alias: str) -> list[int]:
        found = quick.client().get(f"{ROOT}collections/{alias}/objects/").json()["objects"]
        return [int(each["id"][-2:]) for each in found]

    assert numbers("malware") == [2]
    assert numbers("energy") == [3]
    assert numbers("blocking") == [1, 2, 3]
    assert numbers("watching") == [1, 2, 3, 4]


def test_a_large_answer_is_compressed_where_the_client_takes_that(quick: Served) -> None:
    quick.collection()
    quick.store(*[made(number) for number in range(20)])
    client = quick.client()
    plain = client.get(f"{FEED}objects/", headers={"accept-encoding": "identity"})
    packed = client.get(f"{FEED}objects/", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content
    assert int(packed.headers["content-length"]) == len(gzip.compress(plain.content, 1)) < len(plain.content)
    refused = client.get(f"{FEED}objects/", headers={"accept-encoding": "br, gzip;q=0"})
    assert "content-encoding" not in refused.headers


def test_no_page_is_larger_than_the_server_allows(quick: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    quick.collection()
    quick.store(*[made(number) for number in range(6)])
    monkeypatch.setattr("mithaq.exchange.taxii.reading.MAX_PAGE_BYTES", 2 * len(made(1)))
    found = pages(quick, f"{FEED}objects/", 1000)
    assert [len(page["objects"]) for page in found] == [3, 3]
