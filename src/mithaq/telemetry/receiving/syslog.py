"""Listen for syslog over TCP, TLS and UDP: RFC 5424 and RFC 3164 messages, as they come, into the spool.

Who is not in the allowed networks is closed unread. Each sender has a number of connections and a rate; over TCP a
fast one waits, over UDP it loses messages, and that is counted. Nothing is acknowledged in syslog: what a sender
has written into a connection before this process died may be lost, as everywhere.
"""

import asyncio
import ssl
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from mithaq.telemetry.feeds import SyslogFeed
from mithaq.telemetry.receiving.basket import Basket
from mithaq.telemetry.receiving.frames import Frames, as_line
from mithaq.telemetry.settings import TelemetryLimits

_READ_BYTES: Final = 256 * 1024


@dataclass(slots=True)
class Rate:
    """How much one sender has sent, against what it may send in a second."""

    bytes_a_second: int
    clock: Callable[[], float] = time.monotonic
    _allowance: dict[str, tuple[float, float]] = field(default_factory=dict)

    def wait_s(self, sender: str, size: int) -> float:
        """Count bytes and return how long the sender must wait for them; 0 within its rate."""
        now = self.clock()
        left, at = self._allowance.get(sender, (float(self.bytes_a_second), now))
        left = min(float(self.bytes_a_second), left + (now - at) * self.bytes_a_second) - size
        if len(self._allowance) > 10_000:
            self._allowance.clear()
        self._allowance[sender] = (left, now)
        return max(0.0, -left / self.bytes_a_second)


class SyslogListener:
    """The sockets of one source."""

    def __init__(self, feed: SyslogFeed, basket: Basket, limits: TelemetryLimits) -> None:
        self._feed = feed
        self._basket = basket
        self._limits = limits
        self._rate = Rate(limits.syslog_sender_bytes_s)
        self._connections: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._datagrams: asyncio.DatagramTransport | None = None

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the address cannot be used, or a certificate cannot be read.
        """
        tls = _tls(self._feed) if self._feed.certificate else None
        self._server = await asyncio.start_server(
            self._serve, self._feed.host, self._feed.port, ssl=tls, limit=_READ_BYTES
        )
        if tls is None:
            loop = asyncio.get_running_loop()
            self._datagrams, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(self), local_addr=(self._feed.host, self._feed.port)
            )

    async def close(self) -> None:
        """Stop listening; what was read goes on to the spool."""
        if self._server is not None:
            self._server.close()
        if self._datagrams is not None:
            self._datagrams.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        sender = str((writer.get_extra_info("peername") or ("",))[0])
        refused = self._refusal(sender)
        if refused or task is None:
            self._basket.told.add(refused)
            writer.close()
            return
        self._tasks.add(task)
        self._connections[sender] += 1
        try:
            await self._read(reader, sender)
        except (ConnectionError, ssl.SSLError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            self._connections[sender] -= 1
            writer.close()

    def _refusal(self, sender: str) -> str:
        if not self._feed.allows(sender):
            return f"{sender} is not allowed to send"
        if self._connections[sender] >= self._limits.syslog_sender_connections:
            return f"{sender} has too many connections"
        if self._connections.total() >= self._limits.syslog_connections:
            return "there are too many connections"
        return ""

    async def _read(self, reader: asyncio.StreamReader, sender: str) -> None:
        frames = Frames(self._limits.max_line_bytes)
        try:
            while data := await reader.read(_READ_BYTES):
                self._take(frames, frames.feed(data), sender)
                await self._basket.room()
                await asyncio.sleep(self._rate.wait_s(sender, len(data)))
        finally:
            self._take(frames, frames.end(), sender)

    def _take(self, frames: Frames, messages: list[bytes], sender: str) -> None:
        for message in messages:
            self._basket.put(as_line(message))
        for reason in frames.broken:
            self._basket.told.add(f"{sender}: {reason}")
        frames.broken.clear()

    def take_datagram(self, data: bytes, sender: str) -> None:
        """Take one datagram, unless its sender may not send it."""
        if not self._feed.allows(sender):
            self._basket.told.add(f"{sender} is not allowed to send")
        elif self._basket.is_full or self._rate.wait_s(sender, len(data)) > 1:
            self._basket.told.add(f"{sender}: a datagram was lost: it sends too fast")
        else:
            self._basket.put(as_line(data))


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, listener: SyslogListener) -> None:
        self._listener = listener

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._listener.take_datagram(data, addr[0])


def _tls(feed: SyslogFeed) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(feed.certificate, feed.key)
    if feed.client_ca:
        context.load_verify_locations(feed.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
