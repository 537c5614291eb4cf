"""Two writers of one event at the same moment: one is first, and the other is told so by MISP's own rule."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mithaq.intelligence.foreign import members, of_uuid
from mithaq.intelligence.imports.misp import ConvertedEvent, convert
from mithaq.kernel.lane import ACTUAL
from mithaq.standards.tlp import Tlp
from tests.misp import client, event
from tests.taxii import GRID, Served

UUID = "7b8f0b1e-1234-4abc-8def-0000000000e0"
ONE, OTHER = (f"7b8f0b1e-1234-4abc-8def-00000000000{number}" for number in (1, 2))
Post = Callable[[str, Any], Any]


def attribute(uuid: str, stamp: int = 1_700_000_000) -> dict[str, Any]:
    return {
        "uuid": uuid, "type": "ip-dst", "to_ids": True, "category": "Network activity",
        "value": f"203.0.113.{uuid[-1]}", "timestamp": str(stamp),
    }  # fmt: skip


def mine(stamp: int, *parts: str, info: str = "ours") -> dict[str, Any]:
    attributes = [attribute(each) for each in parts]
    return {"Event": event(uuid=UUID, Tag=[], info=info, timestamp=str(stamp), Attribute=attributes)}


@pytest.fixture
def post(served: Served) -> Post:
    served.collection(can_write=True, floor=Tlp.GREEN)
    peer = client(served, GRID)
    return lambda place, body: peer.post(f"/misp/{place}", json=body)


@pytest.fixture
def meeting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have read what is held and converted theirs before either of them goes on to keep it."""
    there, left, lock = threading.Barrier(2, timeout=60), [2], threading.Lock()

    def converted(file: bytes) -> list[ConvertedEvent]:
        made = convert(file)
        with lock:
            left[0] -= 1
            is_first = left[0] >= 0
        if is_first:
            there.wait()
        return made

    monkeypatch.setattr("mithaq.exchange.misp.keeping.convert", converted)


def both(post: Post, *asked: tuple[str, Any]) -> list[Any]:
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda each: post(*each), asked))


def held(served: Served) -> dict[str, Any]:
    with served.node.db.read() as connection:
        (found,) = of_uuid(connection, UUID, ACTUAL)
        return members(connection, found)


def standing(served: Served) -> set[str]:
    with served.node.db.read() as connection:
        return {
            uuid
            for uuid in (ONE, OTHER)
            if any(each.stands for each in served.node.holdings.get(connection, f"indicator--{uuid}", ACTUAL))
        }


def test_of_two_that_add_one_event_one_is_told_that_it_is_there(served: Served, post: Post, meeting: None) -> None:
    answers = both(
        post, ("events/add", mine(1_700_000_000, ONE)), ("events/add/metadata:1", mine(1_700_000_009, OTHER))
    )
    assert sorted(each.status_code for each in answers) == [200, 404]
    refused = next(each for each in answers if each.status_code == 404)
    assert "Event already exists" in refused.json()["message"]
    won = ONE if answers[0].status_code == 200 else OTHER
    assert standing(served) == {won}
    assert [each["uuid"] for each in held(served)["Attribute"]] == [won]


def test_of_two_versions_of_one_second_one_is_refused_as_not_newer(
    served: Served, post: Post, request: pytest.FixtureRequest
) -> None:
    assert post("events/add", mine(1_700_000_000)).status_code == 200
    request.getfixturevalue("meeting")
    answers = both(
        post,
        (f"events/edit/{UUID}", mine(1_700_000_100, ONE, info="one")),
        (f"events/edit/{UUID}", mine(1_700_000_100, OTHER, info="other")),
    )
    assert sorted(each.status_code for each in answers) == [200, 403]
    refused = next(each for each in answers if each.status_code == 403)
    assert "not newer than the local copy" in refused.json()["errors"]
    won, info = (ONE, "one") if answers[0].status_code == 200 else (OTHER, "other")
    assert (standing(served), held(served)["info"]) == ({won}, info)


def test_the_newer_of_two_versions_is_what_is_held_and_the_older_is_below_it_or_refused(
    served: Served, post: Post, request: pytest.FixtureRequest
) -> None:
    assert post("events/add", mine(1_700_000_000)).status_code == 200
    request.getfixturevalue("meeting")
    older, newer = both(
        post,
        (f"events/edit/{UUID}", mine(1_700_000_100, ONE, info="older")),
        (f"events/edit/{UUID}", mine(1_700_000_200, OTHER, info="newer")),
    )
    assert (newer.status_code, held(served)["info"]) == (200, "newer")
    assert held(served)["timestamp"] == "1700000200"
    assert older.status_code in (200, 403)
    assert standing(served) == ({ONE, OTHER} if older.status_code == 200 else {OTHER})


def test_two_attributes_that_are_added_at_once_are_both_kept(
    served: Served, post: Post, request: pytest.FixtureRequest
) -> None:
    assert post("events/add", mine(1_700_000_000)).status_code == 200
    request.getfixturevalue("meeting")
    answers = both(post, *((f"attributes/add/{UUID}", attribute(each)) for each in (ONE, OTHER)))
    assert [each.status_code for each in answers] == [200, 200]
    assert {each["uuid"] for each in held(served)["Attribute"]} == {ONE, OTHER} == standing(served)
