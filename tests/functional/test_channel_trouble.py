"""A partner that lies, dies or lets one wait, over real HTTP on loopback: the channel notes it and resumes."""

import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from mithaq.exchange import store
from mithaq.exchange.channel.client import PartnerClient, fetch_card
from mithaq.exchange.errors import PartnerRefused, PartnerUnreachable
from mithaq.exchange.frame import FRAMES_TYPE
from mithaq.exchange.receiving.service import Receiving
from mithaq.exchange.sending.service import Sending
from mithaq.kernel.errors import Error
from mithaq.kernel.ids import NationId
from mithaq.nations.rules import read_card
from tests.channel import CLOCK, World, opened
from tests.country import Country
from tests.doors import Liar, channels_of, lying
from tests.running import until
from tests.world import XA, XB, XC, card_of, signer_of

pytestmark = pytest.mark.functional

RELEASES = "/partner/v1/releases?after=0&wait=0"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with opened(tmp_path) as world:
        yield world


def answering(status: bytes = b"200 OK", media: str = FRAMES_TYPE, body: bytes = b"", more: bytes = b"") -> Any:
    head = b"HTTP/1.1 %s\r\nContent-Type: %s\r\n%s" % (status, media.encode(), more)
    if b"Content-Length" not in more:
        head += b"Content-Length: %d\r\n" % len(body)
    return lambda connection: connection.sendall(head + b"\r\n" + body)


def dripping(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\n\r\n" % FRAMES_TYPE.encode())
    while True:
        connection.sendall(b"\0")
        time.sleep(0.1)


LIES = {
    "hangs up": lambda connection: None,
    "half a head": lambda connection: connection.sendall(b"HTTP/1.1 200 O"),
    "half a body": answering(body=b"\0\0\1\0abc", more=b"Content-Length: 4000\r\n"),
    "half a frame": answering(body=b"\0\0\1\0abc"),
    "garbage": answering(body=b"\x7f" * 5000),
    "no http": lambda connection: connection.sendall(b"\x16\x03\x01 hello\r\n\r\n"),
    "a page": answering(media="text/html", body=b"<h1>Welcome</h1>"),
    "an error": answering(b"500 Oops", "text/plain", b"oops"),
    "a redirect": answering(b"302 Found", "text/plain", b"", b"Location: http://192.0.2.1/\r\n"),
    "a refusal": answering(b"401 No", "application/problem+json", json.dumps({"detail": 7, "type": []}).encode()),
    "a claim of a giant": answering(body=b"\xff\xff\xff\xff"),
    "a bomb": answering(body=gzip.compress(bytes(60_000_000)), more=b"Content-Encoding: gzip\r\n"),
    "nothing that can be decoded": answering(body=b"no gzip", more=b"Content-Encoding: gzip\r\n"),
    "a header that is a list": answering(body=b"\0\0\0\2[]\0\0\0\0"),
    "a header of numbers": answering(body=b"\0\0\0\7{\"a\":1}\0\0\0\1a"),
}  # fmt: skip


def linked(world: World, liar: Liar) -> Country:
    """Let the second country believe that the liar is the first one's node."""
    partner = world.second
    partner.context.partners.add(card_of(XA, CLOCK.now(), address=liar.address), at=CLOCK.now(), actor="person--1")
    return partner


def received(country: Country) -> int:
    with country.db.read() as connection:
        return connection.scalar(select(func.count()).select_from(store.received)) or 0


@pytest.mark.parametrize("lie", LIES, ids=str)
def test_a_lie_is_noted_changes_nothing_and_the_channel_resumes(world: World, lie: str) -> None:
    object_id = world.add(1)
    with lying(world.url) as liar:
        partner, liar.misbehave = linked(world, liar), LIES[lie]
        with channels_of(partner, world.run_dir(partner), CLOCK):
            until(lambda: world.channel(partner).trouble is not None, 10)
            assert (received(partner), Receiving(partner.context).cursor(XA)) == (0, 0)
            assert not partner.held(object_id)
            liar.misbehave = None
            until(lambda: partner.held(object_id), 15)
            until(lambda: world.channel(partner).trouble is None, 15)
    assert received(partner) == 1


def test_an_endless_drip_is_no_answer(world: World) -> None:
    with lying() as liar:
        liar.misbehave = dripping
        began = time.monotonic()
        client = PartnerClient(XB, XA, liar.address, signer_of(XB), CLOCK, patience_s=0.5)
        with closing(client), pytest.raises(PartnerUnreachable):
            client.fetch(0, 0)
        with pytest.raises(PartnerUnreachable):
            fetch_card(liar.address, patience_s=0.5)
        assert time.monotonic() - began < 10


@pytest.mark.parametrize("lie", ["hangs up", "a page", "an error", "a redirect", "a bomb", "garbage"])
def test_an_address_that_shows_no_card_says_so(lie: str) -> None:
    with lying() as liar:
        liar.misbehave = LIES[lie]
        with pytest.raises(Error) as caught:
            read_card(fetch_card(liar.address), CLOCK.now())
    assert caught.value.code in ("partner-unreachable", "partner-refused", "bad-frame", "bad-card")


@pytest.mark.parametrize("address", ["", "nonsense", "http://", "ftp://x", "http://[", "http://127.0.0.1:1", "//\0"])
def test_an_address_that_is_none_says_so(address: str) -> None:
    with pytest.raises((PartnerUnreachable, PartnerRefused)):
        fetch_card(address)


def frames_for(world: World, nation: NationId, after: int = 0) -> Sequence[bytes]:
    return Sending(world.first.context).frames(nation, after, CLOCK.now())


@pytest.mark.parametrize("trick", ["of somebody else", "reordered", "a gap", "twice"])
def test_envelopes_replayed_reordered_or_for_somebody_else_change_nothing(world: World, trick: str) -> None:
    ids = []
    frames: list[bytes] = []
    for number in range(1, 4):
        ids.append(world.add(number))
        frames += frames_for(world, XB, len(frames))
    assert len(frames) == 3
    foreign = frames_for(world, XC)[0]
    body = {
        "of somebody else": foreign,
        "reordered": frames[1] + frames[0],
        "a gap": frames[2],
        "twice": frames[0] + frames[0] + frames[0],
    }[trick]
    with lying(world.url) as liar:
        partner, liar.misbehave = linked(world, liar), answering(body=body)
        with channels_of(partner, world.run_dir(partner), CLOCK):
            until(lambda: liar.asked >= 3, 10)
            if trick == "twice":
                until(lambda: received(partner) == 1, 10)
            else:
                until(lambda: world.channel(partner).trouble is not None, 10)
                assert received(partner) == 0
            liar.misbehave = None
            until(lambda: all(partner.held(name) for name in ids), 15)
    assert received(partner) == 3
    assert all(len(partner.held(name)[0].provenance) == 1 for name in ids)


def test_a_partner_that_dies_in_the_middle_of_its_answer_is_asked_again(world: World) -> None:
    object_id = world.add(1)
    (frame,) = frames_for(world, XB)
    cuts = iter([2, len(frame) // 2, len(frame) - 1])

    def breaking(connection: socket.socket) -> None:
        cut = next(cuts, None)
        if cut is None:
            liar.misbehave = None
            return
        answering(body=frame[:cut], more=b"Content-Length: %d\r\n" % len(frame))(connection)

    with lying(world.url) as liar:
        partner, liar.misbehave = linked(world, liar), breaking
        with channels_of(partner, world.run_dir(partner), CLOCK):
            until(lambda: partner.held(object_id), 40)
    assert received(partner) == 1


def test_many_threads_that_fetch_at_once_get_the_same_numbers(world: World) -> None:
    """A partner that asks in parallel is given each release under one number, the same bytes to all."""
    for number in range(1, 20):
        world.add(number)
    barrier = threading.Barrier(3)

    def ask() -> list[bytes]:
        client = world.client(world.second)
        barrier.wait()
        taken: list[bytes] = []
        while frames := client.fetch(len(taken), 0):
            taken += [frame.sealed for frame in frames]
        return taken

    with ThreadPoolExecutor(3) as pool:
        answers = [each.result(30) for each in [pool.submit(ask) for _ in range(3)]]
    assert answers[0] == answers[1] == answers[2]
    with world.first.db.read() as connection:
        ids = list(
            connection.scalars(select(store.sent_objects.c.object_id).where(store.sent_objects.c.recipient == XB))
        )
    assert len(ids) == len(set(ids)) == 19
