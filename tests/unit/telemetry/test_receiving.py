"""The receiver: syslog over real sockets, into the spool and through the tail."""

import asyncio
import socket
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mithaq.kernel.clock import FixedClock
from mithaq.kernel.database import Database
from mithaq.kernel.lane import ACTUAL
from mithaq.telemetry import store
from mithaq.telemetry.errors import BadSource, PushRefused, UnknownSource
from mithaq.telemetry.feeds import NatsFeed, SyslogFeed
from mithaq.telemetry.model import Format
from mithaq.telemetry.receiving.basket import Basket
from mithaq.telemetry.receiving.frames import Frames, as_line
from mithaq.telemetry.receiving.process import Receiver
from mithaq.telemetry.receiving.syslog import Rate
from mithaq.telemetry.service import Telemetry
from mithaq.telemetry.settings import TelemetryLimits
from mithaq.telemetry.spool import spool_folder

OLD = b"<13>Nov 28 01:39:47 host app: hello"
NEW = b"<165>1 2026-11-28T01:39:47Z host app - - - \xef\xbb\xbfhello"


def counted(*messages: bytes) -> bytes:
    return b"".join(b"%d %b" % (len(message), message) for message in messages)


# -- frames ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stream", "messages"),
    [
        (OLD + b"\n" + NEW + b"\n", [OLD, NEW]),
        (counted(OLD, NEW), [OLD, NEW]),
        (counted(OLD) + NEW + b"\n" + counted(OLD), [OLD, NEW, OLD]),
        (counted(b"two\nlines") + OLD + b"\n", [b"two\nlines", OLD]),
        (b"12345678901 is no length\n", [b"12345678901 is no length"]),
        (b"2026-11-28 no length\n", [b"2026-11-28 no length"]),
        (b'{"a":1}\r\n\n{"b":2}', [b'{"a":1}\r', b'{"b":2}']),
    ],
)
def test_octet_counting_and_line_feeds_are_told_apart_wherever_the_stream_is_cut(
    stream: bytes, messages: list[bytes]
) -> None:
    for size in (1, 2, 3, 7, len(stream)):
        frames, found = Frames(1000), []
        for start in range(0, len(stream), size):
            found += frames.feed(stream[start : start + size])
        found += frames.end()
        assert found == messages
        assert frames.broken == []


@pytest.mark.parametrize("is_counted", [True, False])
def test_a_message_of_a_hundred_million_bytes_is_passed_over_and_not_kept(*, is_counted: bool) -> None:
    frames, block = Frames(1 << 20), b"x" * 1_000_000
    found = frames.feed(b"100000000 " if is_counted else b"<1>")
    for _ in range(100):
        found += frames.feed(block)
        assert len(frames._buffer) <= 2 << 20
    found += frames.feed(OLD + b"\n" if is_counted else b"\n" + OLD + b"\n")
    assert found == [OLD]
    assert len(frames.broken) == 1


def test_half_a_counted_message_is_told_and_half_a_line_is_a_line() -> None:
    frames = Frames(1000)
    assert frames.feed(b"50 half") + frames.end() == []
    assert frames.broken == ["half a message: the sender announced 50 bytes and ended before"]
    assert Frames(1000).feed(b"half") == []


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8), st.integers(1, 20))
def test_counted_messages_of_any_bytes_come_out_as_they_went_in(messages: list[bytes], size: int) -> None:
    frames, stream, found = Frames(100), counted(*messages), []
    for start in range(0, len(stream), size):
        found += frames.feed(stream[start : start + size])
    assert found == messages
    assert frames.end() == []


@given(st.binary(max_size=200))
def test_any_stream_ends_without_a_fault(noise: bytes) -> None:
    frames = Frames(50)
    assert all(len(message) <= 50 for message in frames.feed(noise))


def test_a_line_feed_in_a_message_becomes_what_syslog_programs_write() -> None:
    assert as_line(b"two\nlines\r\n\0") == b"two#012lines"


def test_a_sender_above_its_rate_waits_and_another_does_not() -> None:
    now = [0.0]
    rate = Rate(1000, clock=lambda: now[0])
    assert rate.wait_s("a", 900) == 0
    assert rate.wait_s("a", 1100) == 1
    assert rate.wait_s("b", 900) == 0
    now[0] = 2.0
    assert rate.wait_s("a", 900) == 0


# -- over real sockets ----------------------------------------------------------------------------------------------


@pytest.fixture
def telemetry(db: Database, tmp_path: Path) -> Telemetry:
    return Telemetry(db, tmp_path)


WRITERS: list[asyncio.StreamWriter] = []


def free_port() -> int:
    with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        port: int = tcp.getsockname()[1]
        udp.bind(("127.0.0.1", port))
        return port


def receiving(
    db: Database,
    data: Path,
    at: datetime,
    talk: Callable[[Receiver], Awaitable[None]],
    limits: TelemetryLimits | None = None,
) -> None:
    async def scene() -> None:
        receiver = Receiver(db, data, FixedClock(at), limits)
        await receiver.step()
        try:
            await asyncio.wait_for(talk(receiver), 60)
        finally:
            for writer in WRITERS:
                writer.transport.abort()
            WRITERS.clear()
            await receiver.close()
            await asyncio.sleep(0.01)

    asyncio.run(scene())


def spooled(data: Path, name: str = "fw") -> list[bytes]:
    files = sorted(spool_folder(data, name).glob("*.ndjson"))
    return [line for path in files for line in path.read_bytes().splitlines()]


async def until(done: Callable[[], bool]) -> None:
    while not done():
        await asyncio.sleep(0.01)


async def connected(port: int, tls: ssl.SSLContext | None = None) -> asyncio.StreamWriter:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
            WRITERS.append(writer)
            return writer
        except ConnectionRefusedError:
            await asyncio.sleep(0.01)


def add(telemetry: Telemetry, at: datetime, feed: SyslogFeed | NatsFeed, name: str = "fw") -> None:
    telemetry.add_source(name, path="", line_format=Format.SYSLOG, by="operator", at=at, feed=feed)


def test_messages_over_tcp_and_udp_are_spooled_and_read(
    db: Database, telemetry: Telemetry, tmp_path: Path, at: datetime
) -> None:
    port = free_port()
    add(telemetry, at, SyslogFeed("127.0.0.1", port, ("127.0.0.0/8",)))

    async def talk(receiver: Receiver) -> None:
        writer = await connected(port)
        writer.write(OLD + b"\n" + counted(NEW) + b"<13>half a mess")
        await writer.drain()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.sendto(b"<4>over UDP\n", ("127.0.0.1", port))
        await until(lambda: len(spooled(tmp_path)) == 3)
        writer.write(b"age\n")
        await writer.drain()
        await until(lambda: len(spooled(tmp_path)) == 4)

    receiving(db, tmp_path, at, talk)
    assert sorted(spooled(tmp_path)) == sorted([OLD, NEW, b"<4>over UDP", b"<13>half a message"])


def test_who_is_not_allowed_is_closed_unread_and_told(
    db: Database, telemetry: Telemetry, tmp_path: Path, at: datetime
) -> None:
    port = free_port()
    add(telemetry, at, SyslogFeed("127.0.0.1", port, ("192.0.2.0/24",)))

    async def talk(receiver: Receiver) -> None:
        for _ in range(3):
            writer = await connected(port)
            with pytest.raises((ConnectionError, BrokenPipeError)):
                while True:
                    writer.write(OLD + b"\n")
                    await writer.drain()
                    await asyncio.sleep(0.01)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.sendto(OLD, ("127.0.0.1", port))
        await asyncio.sleep(0.05)
        await receiver.step()

    receiving(db, tmp_path, at, talk)
    assert spooled(tmp_path) == []
    (told,) = telemetry.broken("fw", limit=5)
    assert told.reason == "127.0.0.1 is not allowed to send (4 times)"
    assert telemetry.readings(at)[0].status.broken == 4


def test_a_message_that_is_too_long_is_told_and_the_connection_goes_on(
    db: Database, telemetry: Telemetry, tmp_path: Path, at: datetime
) -> None:
    port = free_port()
    add(telemetry, at, SyslogFeed("127.0.0.1", port, ("127.0.0.1",)))

    async def talk(receiver: Receiver) -> None:
        writer = await connected(port)
        writer.write(b"100000000 ")
        for _ in range(100):
            writer.write(b"x" * 1_000_000)
            await writer.drain()
        writer.write(counted(OLD) + b"70 half")
        await writer.drain()
        writer.close()
        await until(lambda: len(spooled(tmp_path)) == 1)
        await asyncio.sleep(0.05)
        await receiver.step()

    receiving(db, tmp_path, at, talk, TelemetryLimits(syslog_sender_bytes_s=1 << 30))
    assert spooled(tmp_path) == [OLD]
    assert sorted(each.reason for each in telemetry.broken("fw", limit=5)) == [
        "127.0.0.1: a message of 100000000 bytes is longer than 1048576",
        "127.0.0.1: half a message: the sender announced 70 bytes and ended before",
    ]


def test_a_sender_has_so_many_connections(db: Database, telemetry: Telemetry, tmp_path: Path, at: datetime) -> None:
    port = free_port()
    add(telemetry, at, SyslogFeed("127.0.0.1", port, ("127.0.0.1",)))

    async def talk(receiver: Receiver) -> None:
        writers = [await connected(port) for _ in range(3)]
        for number, writer in enumerate(writers):
            writer.write(b"<1>%d\n" % number)
        await until(lambda: len(spooled(tmp_path)) == 2)
        await asyncio.sleep(0.05)
        await receiver.step()

    receiving(db, tmp_path, at, talk, TelemetryLimits(syslog_sender_connections=2))
    assert len(spooled(tmp_path)) == 2
    assert [each.reason for each in telemetry.broken("fw", limit=5)] == ["127.0.0.1 has too many connections"]


def test_over_tls_only_who_has_a_certificate_where_one_is_asked_for(
    db: Database, telemetry: Telemetry, tmp_path: Path, at: datetime
) -> None:
    port = free_port()
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2")
    subprocess.run((*command, "-keyout", str(key), "-out", str(certificate)), check=True, capture_output=True)
    files = {"certificate": str(certificate), "key": str(key), "client_ca": str(certificate)}
    add(telemetry, at, SyslogFeed("127.0.0.1", port, ("127.0.0.1",), **files))

    async def talk(receiver: Receiver) -> None:
        context = ssl.create_default_context(cafile=str(certificate))
        context.check_hostname = False
        stranger = await connected(port, context)
        stranger.write(b"<1>stranger\n")
        context.load_cert_chain(certificate, key)
        writer = await connected(port, context)
        writer.write(counted(OLD))
        await writer.drain()
        await until(lambda: len(spooled(tmp_path)) == 1)
        writer.close()

    receiving(db, tmp_path, at, talk)
    assert spooled(tmp_path) == [OLD]


def test_sources_come_and_go_while_it_runs(db: Database, telemetry: Telemetry, tmp_path: Path, at: datetime) -> None:
    port = free_port()

    async def talk(receiver: Receiver) -> None:
        add(telemetry, at, SyslogFeed("127.0.0.1", port, ("127.0.0.1",)))
        await receiver.step()
        writer = await connected(port)
        writer.write(OLD + b"\n")
        await until(lambda: len(spooled(tmp_path)) == 1)
        telemetry.remove_source("fw", by="operator", at=at)
        await receiver.step()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)

    receiving(db, tmp_path, at, talk)


def test_a_full_disk_makes_senders_wait_and_loses_nothing_that_was_taken() -> None:
    kept: list[bytes] = []
    is_full = True

    def append(body: bytes) -> int:
        if is_full:
            raise PushRefused("the disk is full")
        kept.extend(body.splitlines())
        return 1

    async def scene() -> None:
        nonlocal is_full
        basket = Basket(append)
        basket.put(b"first")
        assert await basket.flush() is False
        assert basket.trouble == "the disk is full"
        while not basket.is_full:
            basket.put(b"x" * 1_000_000)
        waiting = asyncio.create_task(basket.room())
        await asyncio.sleep(0.01)
        assert not waiting.done()
        is_full = False
        assert await basket.flush() is True
        await waiting

    asyncio.run(scene())
    assert kept[0] == b"first"
    assert len(kept) == 18


@pytest.mark.parametrize(
    "feed",
    [
        SyslogFeed("127.0.0.1", 514, ()),
        SyslogFeed("localhost", 514, ("127.0.0.1",)),
        SyslogFeed("127.0.0.1", 514, ("10.0.0.1/8",)),
        SyslogFeed("127.0.0.1", 70000, ("127.0.0.1",)),
        SyslogFeed("127.0.0.1", 514, ("127.0.0.1",), certificate="/a"),
        SyslogFeed("127.0.0.1", 514, ("127.0.0.1",), certificate="a", key="b"),
        NatsFeed((), "events"),
        NatsFeed(("nats://127.0.0.1",), "no spaces here"),
        NatsFeed(("nats://user:secret@127.0.0.1",), "events"),
        NatsFeed(("nats://127.0.0.1",), "events", credentials="relative"),
    ],
)
def test_a_feed_that_cannot_work_is_refused(telemetry: Telemetry, at: datetime, feed: SyslogFeed | NatsFeed) -> None:
    with pytest.raises(BadSource):
        add(telemetry, at, feed)


def test_nothing_is_pushed_into_a_source_that_has_a_feed(telemetry: Telemetry, at: datetime) -> None:
    add(telemetry, at, SyslogFeed("127.0.0.1", 514, ("127.0.0.1",)))
    with pytest.raises(UnknownSource):
        telemetry.push("fw", b"x")


def test_a_source_keeps_its_feed(db: Database, telemetry: Telemetry, at: datetime) -> None:
    add(telemetry, at, NatsFeed(("nats://127.0.0.1:4222",), "events"))
    with db.read() as connection:
        (status,) = store.list_sources(connection)
    assert '"stream":"events"' in status.source.feed
    assert status.source.lane == ACTUAL
