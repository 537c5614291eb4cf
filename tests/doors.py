"""A country's partner doors as a real server on loopback, and a raw server that misbehaves as it is told."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from mithaq.exchange.channel.server import PartnerDoors
from mithaq.exchange.channel.worker import ChannelWorker
from mithaq.exchange.context import Context
from mithaq.kernel.clock import Clock
from mithaq.kernel.wake import Waker
from tests.country import Country
from tests.world import card_of

Misbehaviour = Callable[[socket.socket], None]


@dataclass
class ShiftedClock:
    """The machine's clock, wrong by some time."""

    by: timedelta = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.by


@contextmanager
def serving(country: Country, run_dir: Path, clock: Clock, port: int = 0) -> Iterator[str]:
    """Serve a country's partner doors until the block ends; yield their address."""
    card = b""
    with open_doors(country.context, lambda: card, clock, run_dir, port) as address:
        card = card_of(country.nation, clock.now(), address=address)
        yield address


def open_doors(
    context: Context, card: Callable[[], bytes], clock: Clock, run_dir: Path, port: int = 0
) -> AbstractContextManager[str]:
    """Serve the partner doors over a node's services until the block ends; give their address."""
    return answering(Starlette(routes=PartnerDoors(context, card, clock, run_dir).routes()), port)


@contextmanager
def answering(app: Starlette, port: int = 0) -> Iterator[str]:
    """Serve an application on loopback until the block ends, whoever is connected then; yield its address."""
    with listening(port) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", ws="none", timeout_graceful_shutdown=0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)


@contextmanager
def listening(port: int = 0) -> Iterator[socket.socket]:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    try:
        yield listener
    finally:
        listener.close()


@contextmanager
def channels_of(country: Country, run_dir: Path, clock: Clock) -> Iterator[None]:
    """Run a country's channels to all its partners until the block ends."""
    with open_channels(country.context, run_dir, clock, None):
        yield


@contextmanager
def open_channels(context: Context, run_dir: Path, clock: Clock, card: Callable[[], bytes] | None) -> Iterator[None]:
    """Run the channels to all partners over a node's services until the block ends."""
    stop = threading.Event()
    thread = threading.Thread(target=ChannelWorker(context, clock, run_dir, stop, card).run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        Waker(run_dir).wake(["nations.standing"])
        thread.join(10)


@dataclass
class Liar:
    """A partner's node that answers every request with what it is told, or passes it on to the honest one."""

    listener: socket.socket
    honest: str = ""
    misbehave: Misbehaviour | None = None
    asked: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def run(self) -> None:
        self.listener.listen(64)
        self.listener.settimeout(0.1)
        while not self.over.is_set():
            try:
                connection, _ = self.listener.accept()
            except TimeoutError:
                continue
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(5)
            try:
                request = connection.recv(65536)
                self.asked += 1
                if self.misbehave is not None:
                    self.misbehave(connection)
                elif self.honest:
                    self._pass_on(connection, request)
            except OSError:
                return

    def _pass_on(self, connection: socket.socket, request: bytes) -> None:
        """Ask the honest server once; `Connection: close` lets its answer end with the connection."""
        host, _, port = self.honest.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=10) as upstream:
            upstream.sendall(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
            while part := upstream.recv(65536):
                connection.sendall(part)


@contextmanager
def lying(honest: str = "") -> Iterator[Liar]:
    with listening() as listener:
        liar = Liar(listener, honest)
        thread = threading.Thread(target=liar.run, daemon=True)
        thread.start()
        try:
            yield liar
        finally:
            liar.over.set()
            thread.join(5)
