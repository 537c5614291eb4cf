"""NATS JetStream with its real server: nothing is acknowledged before it is on disk, and nothing comes twice."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client
from nats.js.api import AckPolicy, ConsumerConfig

from mithaq.kernel.database import Database
from mithaq.telemetry.feeds import NatsFeed
from mithaq.telemetry.model import Format
from mithaq.telemetry.receiving.jetstream import JetStreamReader
from mithaq.telemetry.service import Telemetry
from mithaq.telemetry.settings import TelemetryLimits
from mithaq.telemetry.spool import Spool, spool_folder
from mithaq.telemetry.tail import reader_of
from tests.databases import ready_sqlite
from tests.unit.telemetry.test_receiving import free_port, until

LIMITS = TelemetryLimits()


class Server:
    """A NATS server of this test, that can be stopped and started again."""

    def __init__(self, folder: Path, *extra: str, config: str = "") -> None:
        self.port = free_port()
        self.folder = folder
        self._extra = extra
        if config:
            (folder / "nats.conf").write_text(config)
            self._extra += ("-c", str(folder / "nats.conf"))
        self.url = f"nats://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        command = (str(Path(sys.executable).parent / "nats-server"), "-a", "127.0.0.1", "-p", str(self.port))
        log = (self.folder / "nats.log").open("ab")
        self._process = subprocess.Popen(
            (*command, "-js", "-sd", str(self.folder / "js"), *self._extra), stdout=log, stderr=log
        )
        log.close()
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except ConnectionRefusedError:
                assert self._process.poll() is None, (self.folder / "nats.log").read_text()

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    running = Server(tmp_path)
    yield running
    running.stop()


async def fill(client: Client, first: int, count: int) -> None:
    context = client.jetstream()
    await context.add_stream(name="events", subjects=["zeek.>"])
    for number in range(first, first + count):
        await context.publish("zeek.dns", body(number))


def body(number: int) -> bytes:
    return b"".join(b'{"query":"n%d-%d.example"}\n' % (number, part) for part in range(3))


def lines_of(*numbers: int) -> set[bytes]:
    return {line for number in numbers for line in body(number).splitlines()}


def read(data: Path) -> list[tuple[int, bytes]]:
    """Read the spool as the detector does; return each line with its place."""
    tail = reader_of("nats", spool_folder(data, "nats"), [], TelemetryLimits(read_bytes=(1 << 20) + 1000))
    found = []
    at = datetime.now().astimezone()
    while (chunk := tail.next(at)) is not None:
        found += [(line.place, line.text) for line in chunk.lines]
        tail.committed(chunk)
    tail.close()
    return found


def scene(url: str, talk: Callable[[Client], Awaitable[None]]) -> None:
    async def run() -> None:
        client = await nats.connect(url)
        try:
            await asyncio.wait_for(talk(client), 120)
        finally:
            await client.close()

    asyncio.run(run())


def reader(feed: NatsFeed, data: Path) -> JetStreamReader:
    folder = spool_folder(data, "nats")
    return JetStreamReader(feed, lambda lines, place: Spool(data).append("nats", lines, LIMITS, place=place), folder)


async def drained(client: Client) -> None:
    """Wait until every message of the stream is acknowledged."""
    while True:
        info = await client.jetstream().consumer_info("events", "mithaq")
        if not info.num_pending and not info.num_ack_pending:
            return
        await asyncio.sleep(0.02)


async def stopped(*tasks: "asyncio.Task[None]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_a_stream_is_read_and_acknowledged_and_its_sequence_is_the_place(server: Server, tmp_path: Path) -> None:
    async def talk(client: Client) -> None:
        await fill(client, 0, 20)
        task = asyncio.create_task(reader(NatsFeed((server.url,), "events"), tmp_path).run())
        await until(lambda: spool_folder(tmp_path, "nats").exists())
        await asyncio.sleep(0.2)
        await drained(client)
        await stopped(task)

    scene(server.url, talk)
    found = read(tmp_path)
    assert [text for _, text in found] == [line for number in range(20) for line in body(number).splitlines()]
    assert [place >> 26 for place, _ in found] == [number for number in range(1, 21) for _ in range(3)]
    assert len({place for place, _ in found}) == 60


@pytest.mark.parametrize("forgets", [False, True])
def test_a_stream_that_replays_is_kept_once(server: Server, tmp_path: Path, forgets: bool) -> None:
    """Everything is delivered again to a new reader, as after a crash before the acknowledgement.

    With `forgets` the crash came between the sync of the spool and the note of what lies there.
    """
    taken = spool_folder(tmp_path, "nats") / ".taken"

    async def talk(client: Client) -> None:
        await fill(client, 0, 10)
        for _ in range(2):
            if forgets and taken.exists():
                taken.write_bytes(taken.read_bytes()[:-16])
            task = asyncio.create_task(reader(NatsFeed((server.url,), "events"), tmp_path).run())
            await asyncio.sleep(0.3)
            await drained(client)
            await stopped(task)
            await client.jetstream().delete_consumer("events", "mithaq")

    scene(server.url, talk)
    found = read(tmp_path)
    assert (len(found), len(set(found))) == (30, 30)


def test_a_stream_that_is_made_anew_loses_nothing(server: Server, tmp_path: Path) -> None:
    async def talk(client: Client) -> None:
        for first in (0, 10):
            await fill(client, first, 10)
            task = asyncio.create_task(reader(NatsFeed((server.url,), "events"), tmp_path).run())
            await asyncio.sleep(0.3)
            await drained(client)
            await stopped(task)
            await client.jetstream().delete_stream("events")

    scene(server.url, talk)
    assert {text for _, text in read(tmp_path)} == lines_of(*range(20))


def test_several_nodes_share_a_stream(server: Server, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]

    async def talk(client: Client) -> None:
        await fill(client, 0, 300)
        feed = NatsFeed((server.url,), "events")
        tasks = [asyncio.create_task(reader(feed, folder).run()) for folder in folders]
        await asyncio.sleep(0.5)
        await drained(client)
        await stopped(*tasks)

    scene(server.url, talk)
    parts = [{text for _, text in read(folder)} for folder in folders]
    assert parts[0] | parts[1] == lines_of(*range(300))
    assert not parts[0] & parts[1]


def test_a_receiver_that_is_killed_loses_nothing_and_gives_nothing_twice(
    server: Server, tmp_path: Path, at: datetime
) -> None:
    url = ready_sqlite(tmp_path / "mithaq.db")
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    db = Database.open(url, run_dir=run_dir)
    Telemetry(db, tmp_path).add_source(
        "nats", path="", line_format=Format.AUTO, by="operator", at=at, feed=NatsFeed((server.url,), "events")
    )
    db.close()
    program = (
        "import sys, threading; from pathlib import Path\n"
        "from mithaq.kernel.clock import SystemClock; from mithaq.kernel.database import Database\n"
        "from mithaq.telemetry.receiving import process\n"
        "url, data = sys.argv[1], Path(sys.argv[2]); run_dir = data / 'run'\n"
        "db = Database.open(url, run_dir=run_dir)\n"
        "process.run(db, data, run_dir, clock=SystemClock(), stop=threading.Event())\n"
    )
    command = (sys.executable, "-c", program, url, str(tmp_path))

    async def talk(client: Client) -> None:
        await fill(client, 0, 1)
        quick = ConsumerConfig(durable_name="mithaq", ack_policy=AckPolicy.EXPLICIT, ack_wait=1.0)
        await client.jetstream().add_consumer("events", quick)
        filling = asyncio.create_task(fill(client, 1, 1500))
        for size in (20_000, 60_000):
            process = subprocess.Popen(command)
            await until(lambda size=size: spool_bytes(tmp_path) > size)  # type: ignore[misc]
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        await filling
        process = subprocess.Popen(command)
        await drained(client)
        process.terminate()
        process.wait()

    scene(server.url, talk)
    found = read(tmp_path)
    assert {text for _, text in found} == lines_of(*range(1501))
    assert len(found) == 3 * 1501, "what came again was not kept again"
    assert len(set(found)) == 3 * 1501


def spool_bytes(data: Path) -> int:
    return sum(path.stat().st_size for path in spool_folder(data, "nats").glob("*.ndjson"))


def test_a_server_that_goes_away_is_read_on_when_it_is_back(server: Server, tmp_path: Path) -> None:
    async def talk() -> None:
        async def filled(first: int) -> None:
            client = await nats.connect(server.url)
            await fill(client, first, 10)
            await client.close()

        receiver = reader(NatsFeed((server.url,), "events"), tmp_path)
        task = asyncio.create_task(receiver.run())
        await until(lambda: "NotFound" in receiver.trouble)  # the stream is not there yet
        await filled(0)
        await until(lambda: spool_bytes(tmp_path) > 0)
        server.stop()
        await until(lambda: bool(receiver.trouble))
        server.start()
        await filled(10)
        client = await nats.connect(server.url)
        await drained(client)
        await client.close()
        await stopped(task)

    asyncio.run(asyncio.wait_for(talk(), 120))
    assert {text for _, text in read(tmp_path)} == lines_of(*range(20))


@pytest.mark.parametrize("form", ["user:password", "token"])
def test_credentials_come_from_a_file_and_tls_is_checked(tmp_path: Path, form: str) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2")
    alternative = ("-addext", "subjectAltName=IP:127.0.0.1")
    subprocess.run(
        (*command, *alternative, "-keyout", str(key), "-out", str(certificate)), check=True, capture_output=True
    )
    who = 'user: "mithaq", password: "se:cret"' if form == "user:password" else 'token: "s3cret"'
    config = f'authorization {{ {who} }}\ntls {{ cert_file: "{certificate}", key_file: "{key}" }}\n'
    server = Server(tmp_path, config=config)
    secret = tmp_path / "secret"
    url = f"tls://127.0.0.1:{server.port}"

    async def talk() -> None:
        secret.write_text("wrong:wrong\n" if form == "user:password" else "wrong")
        feed = NatsFeed((url,), "events", credentials=str(secret), ca=str(certificate))
        receiver = reader(feed, tmp_path)
        task = asyncio.create_task(receiver.run())
        stranger = reader(NatsFeed((url,), "events", credentials=str(secret)), tmp_path / "stranger")
        strange = asyncio.create_task(stranger.run())
        await until(lambda: "uthorization" in receiver.trouble and "ertificate" in stranger.trouble)
        secret.write_text("mithaq:se:cret\n" if form == "user:password" else "s3cret\n")
        await until(lambda: "NotFound" in receiver.trouble)  # let in: only the stream is missing
        await stopped(task, strange)

    try:
        asyncio.run(asyncio.wait_for(talk(), 120))
    finally:
        server.stop()


def test_a_message_that_can_never_be_kept_is_told_and_the_stream_goes_on(server: Server, tmp_path: Path) -> None:
    limits = TelemetryLimits(max_line_bytes=1000)

    async def talk(client: Client) -> None:
        await client.jetstream().add_stream(name="events", subjects=["zeek.>"])
        await client.jetstream().publish("zeek.dns", b"x" * 5000)
        await client.jetstream().publish("zeek.dns", b"\0place 7\nfine\n\xff\n")
        receiver = JetStreamReader(
            NatsFeed((server.url,), "events"),
            lambda lines, place: Spool(tmp_path).append("nats", lines, limits, place=place),
            spool_folder(tmp_path, "nats"),
        )
        task = asyncio.create_task(receiver.run())
        await until(lambda: spool_bytes(tmp_path) > 0)
        await drained(client)
        await stopped(task)
        assert list(receiver.told.counts) == ["message 1: nats: line 1 is longer than 1000 bytes"]

    scene(server.url, talk)
    assert [text for _, text in read(tmp_path)] == [b"place 7", b"fine", b"\xff"]
