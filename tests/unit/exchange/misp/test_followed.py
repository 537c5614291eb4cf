"""What a constituent's program changed it reads at once: the answer waits for the shelves, and not for ever."""

import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from mithaq.standards.tlp import Tlp
from tests.misp import client, event
from tests.taxii import Served

UUID = "7b8f0b1e-1234-4abc-8def-0000000000e0"


@pytest.fixture
def following(served: Served) -> Iterator[Served]:
    """The process that keeps the shelves looks every third of a second."""
    over = threading.Event()

    def follow() -> None:
        while not over.wait(0.3):
            served.settle()

    thread = threading.Thread(target=follow)
    thread.start()
    yield served
    over.set()
    thread.join()


def test_what_was_written_is_read_at_once(following: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mithaq.exchange.misp.doors.SHELVES_WAIT_S", 30.0)
    following.collection(can_write=True, floor=Tlp.GREEN)
    peer = client(following)
    assert peer.post("/misp/events/add", json={"Event": event(uuid=UUID)}).status_code == 200
    assert peer.get(f"/misp/events/view/{UUID}").json()["Event"]["uuid"] == UUID
    more = {"type": "ip-dst", "value": "203.0.113.9"}
    assert peer.post(f"/misp/attributes/add/{UUID}", json=more).status_code == 200
    assert "203.0.113.9" in peer.get(f"/misp/events/view/{UUID}").text
    for action, is_told in (("attachTagToObject", False), ("removeTagFromObject", True)):
        following.clock.at = following.clock.now() + timedelta(seconds=5)  # type: ignore[attr-defined]
        assert peer.post(f"/misp/tags/{action}", json={"uuid": UUID, "tag": "tlp:red"}).status_code == 200
        assert (peer.get(f"/misp/events/view/{UUID}").status_code == 200) is is_told, action
    assert peer.post(f"/misp/events/delete/{UUID}").status_code == 200
    assert peer.post("/misp/events/add", json={"Event": event(uuid=UUID)}).status_code == 200


def test_where_nobody_keeps_the_shelves_an_answer_comes_all_the_same(
    quick: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mithaq.exchange.misp.doors.SHELVES_WAIT_S", 0.2)
    quick.collection(can_write=True, floor=Tlp.GREEN)
    peer = client(quick)
    assert peer.post("/misp/events/add", json={"Event": event(uuid=UUID)}).status_code == 200
    began = time.monotonic()
    assert peer.post(f"/misp/events/publish/{UUID}").status_code == 200
    assert time.monotonic() - began >= 0.2
    assert peer.get(f"/misp/events/view/{UUID}").status_code == 404
    quick.settle()
    began = time.monotonic()
    assert peer.post("/misp/events/filterEventIdsForPush", json=[]).json() == []
    assert time.monotonic() - began < 0.2  # nothing was changed by it
