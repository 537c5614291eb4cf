"""The partner channel over real HTTP on loopback: what it takes, what it refuses, and what it survives."""

import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from mithaq.exchange import ledger, store
from mithaq.exchange.channel.client import fetch_card
from mithaq.exchange.channel.http_signature import sign_request
from mithaq.exchange.orders import Orders
from mithaq.exchange.settings import EMPTY_STEP_S, MAX_OPEN_REQUESTS_PER_PARTNER, MAX_RECEIPT_BYTES
from mithaq.kernel.ids import NationId
from tests.channel import CLOCK, World, opened
from tests.doors import ShiftedClock, channels_of
from tests.running import until
from tests.world import XA, XB, XC, XD, card_of, signer_of

pytestmark = pytest.mark.functional

RELEASES = "/partner/v1/releases?after=0&wait=0"


def signed(target: str, *, sender: NationId = XB, recipient: NationId = XA, **changes: Any) -> dict[str, str]:
    given = {"method": "GET", "body": b"", "at": datetime.now(UTC), "signer": signer_of(changes.pop("by", sender))}
    given |= changes
    return sign_request(given.pop("signer"), sender=sender, recipient=recipient, target=target, **given)


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["type"] == f"urn:mithaq:error:{code}"
    return problem


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with opened(tmp_path) as world:
        yield world


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world in which one object waits and questions change nothing."""
    with opened(tmp_path_factory.mktemp("still")) as world:
        world.add(1)
        yield world


# What it gives.


def test_a_card_is_fetched_by_its_address(still: World) -> None:
    assert fetch_card(still.url + "/") == still.ask("GET", "/partner/v1/card").content


def test_a_waiting_partner_is_answered_the_instant_something_is_released(world: World) -> None:
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(world.client(world.second).fetch, 0, 20)
        time.sleep(0.5)
        assert not waiting.done()
        released = time.monotonic()
        world.add(1)
        assert len(waiting.result(15)) == 1
        assert time.monotonic() - released < 15


def test_with_nothing_to_give_the_answer_is_empty_when_the_wait_is_over(world: World) -> None:
    began = time.monotonic()
    assert world.client(world.second).fetch(0, 1) == []
    assert 0.9 < time.monotonic() - began < 15


def withhold(world: World, first: int, count: int) -> None:
    """Let objects wait for the partner that the gate refuses once they are fetched."""
    now = CLOCK.now()
    ids = [world.first.add(number, now) for number in range(first, first + count)]
    world.first.plan(now)
    for object_id in ids:
        Orders(world.first.context).veto(object_id, None, at=now, actor="person--director")


@pytest.mark.parametrize("wait_s", [0, 1])
def test_how_long_an_empty_answer_takes_tells_nothing_of_what_was_withheld(world: World, wait_s: int) -> None:
    """The gate needs a while over what it withholds; both answers leave at the same step after the wait."""
    client = world.client(world.second)
    client.fetch(0, 0)
    taken = []
    for withheld in (False, True):
        if withheld:
            withhold(world, 1, 60)
        began = time.monotonic()
        assert client.fetch(0, wait_s) == []
        taken.append(time.monotonic() - began)
    with world.first.db.read() as connection:
        assert connection.scalar(select(func.count()).select_from(store.outbox)) == 60, "the third nation's wait"
    assert all(wait_s + EMPTY_STEP_S <= each < wait_s + 2 * EMPTY_STEP_S for each in taken), taken


def test_a_partner_that_was_down_resumes_from_its_cursor_and_loses_nothing(world: World) -> None:
    partner, ids = world.second, [world.add(1)]
    partner.context.partners.add(card_of(XA, CLOCK.now(), address=world.url), at=CLOCK.now(), actor="person--1")
    with channels_of(partner, world.run_dir(partner), CLOCK):
        until(lambda: partner.held(ids[0]), 10)
    ids += [world.add(number) for number in range(2, 30)]
    with channels_of(partner, world.run_dir(partner), CLOCK):
        until(lambda: all(partner.held(name) for name in ids), 20)
        until(lambda: not world_unreceipted(world), 20)
    with partner.db.read() as connection:
        numbers = list(connection.scalars(select(store.received.c.sequence).order_by(store.received.c.sequence)))
    assert numbers == list(range(1, len(numbers) + 1))
    assert all(len(partner.held(name)[0].provenance) == 1 for name in ids)


def world_unreceipted(world: World) -> int:
    with world.first.db.read() as connection:
        open_ = select(func.count()).select_from(store.sent).where(store.sent.c.receipt.is_(None))
        return connection.scalar(open_) or 0


# Who may ask.


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"signature": "mithaq=:AAAA:", "signature-input": "mithaq=()"},
        {"signature": "garbage", "signature-input": "((((("},
        {"signature": "mithaq=:AAAA:", "signature-input": 'mithaq=("@method" "@path" "@query");created="now"'},
        {
            "signature": "mithaq=:AAAA:",
            "signature-input": 'mithaq=("@method" "@path" "@query");created=999999999999999;keyid="XB";'
            'alg="ed25519";nonce="n";tag="mithaq-partner/1:XA"',
        },
        {
            "signature": "mithaq=:AAAA:",
            "signature-input": 'mithaq=("@method" "@path" "@query");created=-999999999999999;keyid="XB";'
            'alg="ed25519";nonce="n";tag="mithaq-partner/1:XA"',
        },
    ],
    ids=["absent", "empty", "garbage", "no-time", "end-of-time", "beginning-of-time"],
)
def test_a_request_that_is_not_signed_gets_nothing(still: World, headers: dict[str, str]) -> None:
    answer = still.ask("GET", RELEASES, **headers)
    assert answer.status_code == 401, answer.text
    assert answer.json()["type"] in ("urn:mithaq:error:bad-request-signature", "urn:mithaq:error:clock-skew")


@pytest.mark.parametrize(
    "changes",
    [
        {"by": XC},
        {"sender": XD, "by": XC},
        {"sender": XA},
        {"recipient": XC},
        {"method": "POST"},
        {"target": "/partner/v1/releases?after=1&wait=0"},
        {"target": "/partner/v1/receipts"},
        {"body": b"another body"},
    ],
    ids=["by another key", "by a stranger", "by the node itself", "for another nation", "for another method",
         "for another question", "for another door", "for another body"],
)  # fmt: skip
def test_a_signature_for_something_else_gets_nothing(still: World, changes: dict[str, Any]) -> None:
    headers = signed(changes.pop("target", RELEASES), **changes)
    refused(still.ask("GET", RELEASES, **headers), 401, "bad-request-signature")


def test_a_partner_that_is_suspended_gets_nothing_at_once(world: World) -> None:
    world.add(1)
    world.first.context.partners.suspend(XB, at=CLOCK.now(), actor="person--1")
    refused(world.ask("GET", RELEASES, **signed(RELEASES)), 401, "bad-request-signature")


def test_a_repeated_request_gets_nothing(still: World) -> None:
    headers = signed(RELEASES)
    assert still.ask("GET", RELEASES, **headers).status_code == 200
    refused(still.ask("GET", RELEASES, **headers), 401, "bad-request-signature")


def test_a_request_cannot_be_turned_to_another_door_by_its_host(still: World) -> None:
    """The path that is signed is the path that is served, whatever the `Host` header would make of it."""
    headers = signed("/partner/v1/card") | {"host": "x/partner/v1/card?"}
    assert still.ask("GET", RELEASES, **headers).status_code in (400, 401)


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_an_hour_off_is_told_by_how_much(still: World, hours: int) -> None:
    problem = refused(
        still.ask("GET", RELEASES, **signed(RELEASES, at=CLOCK.now() + timedelta(hours=hours))), 401, "clock-skew"
    )
    assert abs(problem["params"]["skew"] - hours * 3600) <= 5
    assert str(problem["params"]["skew"]) in problem["detail"]


def test_the_partner_with_the_wrong_clock_sees_that_in_its_ledger(world: World) -> None:
    partner, clock = world.second, ShiftedClock(timedelta(hours=-1))
    now = partner.context.partners.add(card_of(XA, CLOCK.now(), address=world.url), at=CLOCK.now(), actor="person--1")
    assert now.is_trusted
    object_id = world.add(1)
    with channels_of(partner, world.run_dir(partner), clock):
        until(lambda: world.channel(partner).trouble is not None, 10)
        channel = world.channel(partner)
        assert channel.state(CLOCK.now()) is ledger.ChannelState.TROUBLE
        assert channel.trouble is not None
        assert "clock" in channel.trouble.sentence()
        (seconds,) = re.findall(r"by -(\d+) seconds", channel.trouble.sentence())
        assert abs(int(seconds) - 3600) <= 5
        clock.by = timedelta()
        until(lambda: partner.held(object_id) and world.channel(partner).trouble is None, 15)


# How much may be asked and given.


def test_a_receipt_over_the_limit_is_refused_however_it_comes(still: World) -> None:
    big = b"x" * (MAX_RECEIPT_BYTES + 1)
    whole = still.ask("POST", "/partner/v1/receipts", big, **signed("/partner/v1/receipts", method="POST", body=big))
    assert whole.status_code == 413
    chunks = (b"y" * 65536 for _ in range(100))
    assert still.http.post("/partner/v1/receipts", content=chunks).status_code == 413


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"payload":1}', b"\xff\xfe", b"[" * 100_000])
def test_a_receipt_that_is_none_is_refused_with_its_reason(still: World, body: bytes) -> None:
    answer = still.ask("POST", "/partner/v1/receipts", body, **signed("/partner/v1/receipts", method="POST", body=body))
    assert answer.status_code == 400, answer.text
    assert answer.json()["detail"]


def test_the_fifth_open_question_of_a_nation_is_too_many_and_others_are_served(world: World) -> None:
    with ThreadPoolExecutor(MAX_OPEN_REQUESTS_PER_PARTNER) as pool:
        target = "/partner/v1/releases?after=0&wait=20"
        held = [
            pool.submit(httpx.get, world.url + target, headers=signed(target), timeout=30, trust_env=False)
            for _ in range(MAX_OPEN_REQUESTS_PER_PARTNER)
        ]
        time.sleep(0.7)
        refused(world.ask("GET", target, **signed(target)), 429, "too-many-requests")
        assert world.ask("GET", RELEASES, **signed(RELEASES, sender=XC)).status_code == 200
        world.add(1)
        assert [each.result(10).status_code for each in held] == [200] * len(held)
    assert world.ask("GET", RELEASES, **signed(RELEASES)).status_code == 200


def test_who_hangs_up_holds_no_place(world: World) -> None:
    target = "/partner/v1/releases?after=0&wait=60"
    host, port = world.url.removeprefix("http://").split(":")
    for _ in range(MAX_OPEN_REQUESTS_PER_PARTNER):
        lines = [f"GET {target} HTTP/1.1", "Host: x", *(f"{name}: {text}" for name, text in signed(target).items())]
        with socket.create_connection((host, int(port))) as caller:
            caller.sendall("\r\n".join([*lines, "", ""]).encode())
            time.sleep(0.2)
    until(lambda: world.ask("GET", RELEASES, **signed(RELEASES)).status_code == 200, 10)


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/partner/v1/releases?after=-1", 409),
        ("/partner/v1/releases?after=abc", 409),
        ("/partner/v1/releases?after=%D9%A3", 409),
        ("/partner/v1/releases?after=99999999999999999999", 409),
        ("/partner/v1/releases?after=7", 409),
        ("/partner/v1/releases?wait=1e9", 409),
        ("/partner/v1/releases?after=0&after=9", 409),
    ],
)
def test_a_signed_question_that_makes_no_sense_is_refused(still: World, target: str, status: int) -> None:
    assert still.ask("GET", target, **signed(target)).status_code == status


RAW = [
    b"GET /partner/v1/releases HTTP/1.1\r\nHost: [\r\n\r\n",
    b"GET /partner/v1/releases HTTP/1.1\r\nHost: \xff\xfe\r\nSignature: \xff\r\nSignature-Input: \xff\r\n\r\n",
    b"GET /partner/v1/releases?\xff\xfe\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET http://elsewhere.example/partner/v1/releases HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /partner/v1/../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /partner/v1/%2e%2e/%00 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /partner/v1/receipts HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"POST /partner/v1/receipts HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    b"GET /partner/v1/releases HTTP/1.1\r\n" + b"X-A: " + b"a" * 200_000 + b"\r\n\r\n",
    b"GET /partner/v1/releases HTTP/1.1\r\nHost: x\r\n" + b"Signature-Input: a=();b=();\r\n" * 500 + b"\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\x00" * 1000,
]


@pytest.mark.parametrize("request_bytes", RAW, ids=range(len(RAW)))
def test_hostile_bytes_at_the_door_break_nothing(still: World, request_bytes: bytes) -> None:
    host, port = still.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as caller:
        caller.sendall(request_bytes)
        caller.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while part := caller.recv(65536):
                answer += part
        except ConnectionResetError:
            pass
    if answer:
        assert answer.startswith(b"HTTP/1.1 4"), answer[:200]
    assert still.ask("GET", RELEASES, **signed(RELEASES)).status_code == 200
