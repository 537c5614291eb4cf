"""The clients that constituents have, over real sockets: taxii2-client, python-stix2, and how OpenCTI and MISP ask."""

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise

import httpx
import pytest
import stix2
import taxii2client.v21 as taxii
from requests.exceptions import HTTPError

from mithaq.standards.tlp import Tlp
from tests.taxii import BANK, GRID, TAXII, Served, basic, listening_node, made, name


@pytest.fixture
def live(served: Served) -> Iterator[tuple[Served, str]]:
    served.collection(audience=(GRID, BANK), can_write=True, floor=Tlp.GREEN)
    served.store(*[made(number) for number in range(30)], made(30, "intrusion-set", name="Quiet Crane"))
    with listening_node(served) as address:
        yield served, f"{address}/taxii2/"


def collection_of(live: tuple[Served, str], who: str = GRID) -> taxii.Collection:
    served, address = live
    server = taxii.Server(address, user=who, password=served.secret(who))
    (found,) = server.default.collections
    return found


def test_taxii2_client_discovers_lists_and_pages(live: tuple[Served, str]) -> None:
    served, address = live
    server = taxii.Server(address, user=GRID, password=served.secret())
    assert server.title == "Qamar"
    root = server.api_roots[0]
    assert root.max_content_length == 16 * 1024 * 1024
    (collection,) = root.collections
    assert (collection.title, collection.can_read, collection.can_write) == ("Title of feed", True, True)
    for size in (7, 31, 100):
        pages = list(taxii.as_pages(collection.get_objects, per_request=size))
        assert [each["id"] for page in pages for each in page["objects"]][:30] == [name(n) for n in range(30)]
    manifest = [each for page in taxii.as_pages(collection.get_manifest, per_request=10) for each in page["objects"]]
    assert len(manifest) == 31
    assert len(collection.get_objects(type="intrusion-set")["objects"]) == 1
    assert len(collection.get_objects(id=[name(1), name(2)])["objects"]) == 2
    assert collection.get_object(name(3))["objects"][0]["id"] == name(3)
    assert collection.object_versions(name(3))["versions"] == ["2026-11-23T11:00:00.000Z"]
    after = manifest[27]["date_added"]
    assert len(collection.get_objects(added_after=after)["objects"]) == 3


def test_taxii2_client_posts_waits_reads_back_and_deletes(live: tuple[Served, str]) -> None:
    served, _ = live
    collection = collection_of(live)
    bad = {"type": "indicator", "id": "indicator--bad"}
    status = collection.add_objects({"objects": [json.loads(made(90)), bad]})
    assert (status.status, status.success_count, status.failure_count) == ("complete", 1, 1)
    assert status.failures[0]["id"] == "indicator--bad"
    status.refresh()
    served.settle()
    assert collection.get_object(name(90))["objects"][0]["id"] == name(90)
    collection.delete_object(name(90))
    served.settle()
    with pytest.raises(HTTPError, match="404"):
        collection.get_object(name(90))


def test_python_stix2_reads_and_writes(live: tuple[Served, str]) -> None:
    served, _ = live
    collection = collection_of(live)
    source = stix2.TAXIICollectionSource(collection)
    assert len(source.query([stix2.Filter("type", "=", "intrusion-set")])) == 1
    assert len(source.query([stix2.Filter("type", "=", "indicator")])) == 30
    assert source.get(name(1)).id == name(1)
    assert source.get(f"indicator--{uuid.uuid4()}") is None
    assert len(source.all_versions(name(1))) == 1
    sink = stix2.TAXIICollectionSink(collection)
    written = stix2.Indicator(pattern="[domain-name:value = 'evil.example']", pattern_type="stix")
    address = stix2.IPv4Address(value="203.0.113.7")
    sink.add([written, address])
    served.settle()
    assert source.get(written.id).pattern == written.pattern
    assert source.get(address.id).value == "203.0.113.7"
    theirs = stix2.TAXIICollectionSource(collection_of(live, BANK))
    assert theirs.get(written.id) is None
    second = written.new_version(name="second")
    for newer in (second, second.new_version(name="third")):
        sink.add(newer)
    served.settle()
    assert sorted(each.get("name", "") for each in source.all_versions(written.id)) == ["", "second", "third"]
    assert source.get(written.id).name == "third"
    assert len(collection.object_versions(written.id)["versions"]) == 3


def test_a_wrong_password_is_refused_as_the_client_expects(live: tuple[Served, str]) -> None:
    _, address = live
    with pytest.raises(HTTPError, match="401"):
        _ = taxii.Server(address, user=GRID, password="wrong").title


def test_opencti_pages_with_next_and_added_after_together_or_with_next_alone(live: tuple[Served, str]) -> None:
    """Its ingester sends both, its connector drops `added_after`; both keep milliseconds of the last date."""
    served, address = live
    place = f"{address}mithaq/collections/feed/objects"
    headers = {"accept": "application/taxii+json; version=2.1", "authorization": f"Bearer {served.secret()}"}
    for keeps in (True, False):
        got, asked = [], {"added_after": "2026-11-23T00:00:00.000Z", "limit": "8"}
        while True:
            answer = httpx.get(place, params=asked, headers=headers)
            assert answer.status_code == 200
            got += [each["id"] for each in answer.json()["objects"]]
            last = datetime.fromisoformat(answer.headers["X-TAXII-Date-Added-Last"])
            if not answer.json()["more"]:
                break
            asked["next"] = answer.json()["next"]
            if not keeps:
                asked.pop("added_after", None)
        assert len(got) == len(set(got)) == 31
        then = last.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        assert httpx.get(place, params={"added_after": then}, headers=headers).json()["objects"] == []


def test_misp_and_sentinel_ask_as_they_do(live: tuple[Served, str]) -> None:
    served, address = live
    secret = served.secret()
    lower = basic(GRID, secret).replace("Basic", "basic")
    root = httpx.get(
        f"{address}mithaq", headers={"authorization": lower, "accept": "application/taxii+json; version=2.1"}
    )
    assert root.json()["max_content_length"] > 0
    found = httpx.get(f"{address}mithaq/collections", headers={"authorization": lower}).json()["collections"][0]["id"]
    assert uuid.UUID(found).version == 4
    page = httpx.get(f"{address}mithaq/collections/{found}/objects/?limit=50&next=", headers={"authorization": lower})
    assert len(page.json()["objects"]) == 31


def test_a_wait_ends_the_moment_something_is_released_and_not_for_what_is_not(live: tuple[Served, str]) -> None:
    served, address = live
    place = f"{address}mithaq/collections/feed/objects/"
    headers = {"accept": TAXII, "authorization": f"Bearer {served.secret()}"}
    last = httpx.get(place, headers=headers).headers["x-taxii-date-added-last"]

    def waited(wait: float, then: Callable[[], object]) -> tuple[float, list[str]]:
        threading.Timer(0.4, then).start()
        begun = time.monotonic()
        answer = httpx.get(place, params={"added_after": last, "wait": str(wait)}, headers=headers, timeout=30)
        return time.monotonic() - begun, [each["id"] for each in answer.json()["objects"]]

    hidden_s, nothing = waited(1.0, lambda: served.store(made(70, tlp=Tlp.RED)))
    assert (nothing, hidden_s > 1.0) == ([], True)
    plain = httpx.get(place, params={"added_after": last}, headers=headers)
    assert (plain.json()["objects"], plain.elapsed < timedelta(seconds=20)) == ([], True)
    released_s, found = waited(25.0, lambda: served.store(made(71)))
    assert found == [name(71)]
    assert released_s < 20


@pytest.fixture
def one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mithaq.exchange.taxii.doors.MAX_OPEN_REQUESTS", 1)


@pytest.mark.usefixtures("one_at_a_time")
def test_one_account_has_only_so_many_open_requests(served: Served) -> None:
    served.collection()
    served.store(made(1))
    with listening_node(served) as address:
        only_so_many(served, f"{address}/taxii2/")


def only_so_many(served: Served, address: str) -> None:
    place = f"{address}mithaq/collections/feed/objects/"
    mine, other = ({"authorization": f"Bearer {served.secret()}"} for _ in range(2))
    last = httpx.get(place, headers=mine).headers["x-taxii-date-added-last"]
    asked = {"added_after": last, "wait": "50"}

    def wait() -> None:
        while httpx.get(place, params=asked, headers=mine, timeout=60).status_code == 429:
            time.sleep(0.05)  # one of the questions below was being answered

    waiting = threading.Thread(target=wait)
    waiting.start()
    try:
        deadline = time.monotonic() + 40
        while (answer := httpx.get(place, headers=mine)).status_code != 429 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "1"
        assert httpx.get(place, headers=other).status_code == 200
    finally:
        served.store(made(95))
        waiting.join(60)
    assert httpx.get(place, headers=mine).status_code == 200


def test_objects_that_come_while_a_client_reads_are_neither_lost_nor_given_twice(live: tuple[Served, str]) -> None:
    served, address = live
    place = f"{address}mithaq/collections/feed/objects/"
    headers = {"accept": TAXII, "authorization": f"Bearer {served.secret()}"}
    stop = threading.Event()

    def write() -> None:
        for number in range(100, 140):
            served.store(made(number), made(number + 100))
        stop.set()

    writer = threading.Thread(target=write)
    writer.start()
    got: list[str] = []
    dates: list[str] = []
    asked: dict[str, str] = {"limit": "9"}
    over = False
    while True:
        answer = httpx.get(place, params=asked, headers=headers)
        body = answer.json()
        got += [each["id"] for each in body["objects"]]
        if body["objects"]:
            dates += [answer.headers["x-taxii-date-added-first"], answer.headers["x-taxii-date-added-last"]]
            asked = {"limit": "9", "added_after": dates[-1]}
        elif over:
            break
        else:
            over = stop.is_set()
    writer.join()
    assert len(got) == len(set(got)) == 31 + 80
    assert all(earlier <= later for earlier, later in pairwise(dates))
