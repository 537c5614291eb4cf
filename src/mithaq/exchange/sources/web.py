"""Ask the world over HTTP: the only place of this room from which a request goes out.

What sources are asked holds nothing of the holdings; `exchange/pushing` posts what the gate released to a constituent.

Everything is bounded: time and bytes of a whole run, bytes of one answer, unpacked too. Redirects stay at the host. A
name that leads into a private network is not followed unless the source says that it lies in one; the connection goes
to the very address that was looked at.
"""

from __future__ import annotations

import asyncio
import ipaddress
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Protocol

import httpx

from mithaq.exchange.authorities import trusted
from mithaq.exchange.sources import settings
from mithaq.exchange.sources.errors import (
    Cut,
    SourceBrokenOff,
    SourceRefused,
    SourceTooLarge,
    SourceUnreachable,
    SourceUnreadable,
)
from mithaq.exchange.sources.rules import is_public, is_same_origin, origin, redirected, shown

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_AGENT: Final = "Mithaq"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: a status that is no redirect, headers by their names in small letters, the unpacked body."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    address: str

    @property
    def media_type(self) -> str:
        """Return the media type without its parameters, in small letters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(slots=True)
class Budget:
    """What a run may still take; `clock_s` tells seconds that only grow."""

    clock_s: Callable[[], float]
    seconds: float = settings.RUN_S
    bytes: int = settings.RUN_BYTES
    objects: int = settings.RUN_OBJECTS
    requests: int = field(default=0)
    _until: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self._until = self.clock_s() + self.seconds

    @property
    def left_s(self) -> float:
        """Return how much time is left."""
        return self._until - self.clock_s()

    def demand(self) -> None:
        """Let the run end where something is used up.

        Raises:
            Cut: it is.
        """
        if self.left_s <= 0 or self.bytes <= 0 or self.objects <= 0:
            raise Cut("the run has used up its time, bytes or objects")

    def take(self, count: int) -> None:
        """Count bytes that came.

        Raises:
            Cut: they are more than the run may take.
        """
        self.bytes -= count
        if self.bytes < 0:
            raise Cut("the run has used up its time, bytes or objects")


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    headers: Mapping[str, str]
    max_bytes: int
    body: bytes | None


class Asking(Protocol):
    """Anything that asks a source's server, one request after the other."""

    def get(
        self,
        address: str,
        *,
        max_bytes: int,
        headers: Mapping[str, str] | None = None,
        params: Sequence[tuple[str, str]] = (),
        question: bytes | None = None,
        head: bool = False,
    ) -> Answer:
        """Return the answer to one GET, to one POST where there is a question, or to one HEAD."""
        ...


class Web:
    """Ask one source's server, over connections that end with the run."""

    def __init__(
        self, address: str, credential: Mapping[str, str], budget: Budget, *, may_be_private: bool = False
    ) -> None:
        self._address = address
        self._credential = dict(credential)
        self._budget = budget
        self._may_be_private = may_be_private
        self._runner = asyncio.Runner()
        timeout = httpx.Timeout(settings.SILENCE_S, connect=settings.CONNECT_S)
        self._http = httpx.AsyncClient(verify=trusted(), trust_env=False, follow_redirects=False, timeout=timeout)
        self._found: dict[tuple[str, int], list[str]] = {}

    def close(self) -> None:
        """Close the connections."""
        with self._runner:
            self._runner.run(self._http.aclose())

    def __enter__(self) -> Web:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def get(
        self,
        address: str,
        *,
        max_bytes: int,
        headers: Mapping[str, str] | None = None,
        params: Sequence[tuple[str, str]] = (),
        question: bytes | None = None,
        head: bool = False,
    ) -> Answer:
        """Return the answer to one GET, redirects at the same host followed; a `question`, JSON, is posted instead.

        `head`: only whether it is there is asked for.

        Raises:
            Cut: the run has no time or bytes left.
            SourceUnreachable, SourceBrokenOff: no answer, or one that breaks off.
            SourceTooLarge: the answer has more than `max_bytes`.
            SourceUnreadable: it is packed in a way that was not asked for.
            SourceRefused: it leads into a network, or to a host, where this source may not lead.
        """
        if params:
            address = str(httpx.URL(address, params=[*httpx.URL(address).params.multi_items(), *params]))
        self._budget.demand()
        method = "HEAD" if head else "GET" if question is None else "POST"
        asking = _Request(method, headers or {}, max_bytes, question)
        return self._runner.run(self._within_time(self._follow(address, asking)))

    async def _within_time(self, asking: Awaitable[Answer]) -> Answer:
        """Let go of a server that drips, wherever it drips: the whole exchange ends with the run."""
        try:
            async with asyncio.timeout(self._budget.left_s):
                return await asking
        except TimeoutError as error:
            raise Cut("the run has used up its time, bytes or objects") from error

    async def _follow(self, address: str, asking: _Request) -> Answer:
        for _ in range(settings.MAX_REDIRECTS + 1):
            answer, location = await self._ask(address, asking)
            if location is None:
                return answer
            target = redirected(address, location)
            if target is None:
                raise SourceRefused(
                    "%(address)s leads to another host, or away from TLS",
                    address=shown(address),
                    private=location[:300],
                )
            address = target
        raise SourceUnreachable("%(address)s leads from one address to the next", address=shown(address))

    async def _ask(self, address: str, asking: _Request) -> tuple[Answer, str | None]:
        """Ask every address of the host in turn until one takes the connection."""
        failure: Exception | None = None
        for number in await self._numbers(address):
            try:
                return await self._ask_at(number, address, asking)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise SourceBrokenOff(
                    "the answer of %(address)s breaks off or does not come",
                    address=shown(address),
                    private=type(error).__name__,
                ) from error
        raise SourceUnreachable(
            "%(address)s does not answer", address=shown(address), private=str(failure)[:300]
        ) from failure

    async def _ask_at(self, number: str, address: str, asking: _Request) -> tuple[Answer, str | None]:
        """Ask at the numeric address that was looked at, in the name of the host."""
        self._budget.requests += 1
        url = httpx.URL(address)
        sent = {"User-Agent": _AGENT, "Accept-Encoding": "gzip", **asking.headers, "Host": url.netloc.decode("ascii")}
        if is_same_origin(address, self._address) or redirected(self._address, address):
            sent |= self._credential
        extensions = {"sni_hostname": url.host} if url.scheme == "https" else {}
        numeric = url.copy_with(host=number)
        stream = self._http.stream(asking.method, numeric, headers=sent, content=asking.body, extensions=extensions)
        async with stream as response:
            status = response.status_code
            if status in _REDIRECTS and "location" in response.headers:
                return Answer(status, {}, b"", address), response.headers["location"]
            body = b"" if status == httpx.codes.NOT_MODIFIED else await self._body(response, address, asking.max_bytes)
            found = {key.lower(): value for key, value in response.headers.items()}
            return Answer(status, found, body, address), None

    async def _body(self, response: httpx.Response, address: str, max_bytes: int) -> bytes:
        too_large = SourceTooLarge(
            "the answer of %(address)s is larger than %(max)s bytes", address=shown(address), max=max_bytes
        )
        unpack = _Unpacking(response.headers.get("content-encoding", ""), max_bytes)
        async for part in response.aiter_raw():
            self._budget.take(len(part))
            if not unpack.add(part):
                raise too_large
        if not unpack.is_whole:
            raise SourceBrokenOff("the answer of %(address)s breaks off or does not come", address=shown(address))
        return bytes(unpack.body)

    async def _numbers(self, address: str) -> list[str]:
        """Return the numeric addresses of a host, or refuse it where one of them is private and none may be."""
        _, host, port = origin(address)
        if (host, port) not in self._found:
            numbers = await _resolved(host, port)
            if not self._may_be_private and not all(map(is_public, numbers)):
                raise SourceRefused(
                    "%(address)s lies in a private network, and this source may not: --lenient private-network",
                    address=shown(address),
                )
            self._found[(host, port)] = numbers
        return self._found[(host, port)]


async def _resolved(host: str, port: int) -> list[str]:
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        pass
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, proto=6)
    except (OSError, UnicodeError) as error:
        raise SourceUnreachable("there is no host %(host)s", host=host[:200], private=str(error)[:300]) from error
    return list(dict.fromkeys(str(each[4][0]) for each in found))


class _Unpacking:
    """Unpack a body as it comes, never beyond its limit, whatever is packed into it."""

    def __init__(self, encoding: str, max_bytes: int) -> None:
        name = encoding.strip().lower()
        if name not in {"", "identity", "gzip", "x-gzip", "deflate"}:
            raise SourceUnreadable("an answer packed with %(encoding)s was not asked for", encoding=name[:80])
        self._window = {"gzip": 31, "x-gzip": 31, "deflate": 15}.get(name)
        self._unpack = zlib.decompressobj(self._window) if self._window else None
        self._max = max_bytes
        self._is_begun = False
        self.body = bytearray()

    @property
    def is_whole(self) -> bool:
        """Tell whether what was packed has come to its end."""
        return self._unpack is None or self._unpack.eof or not self._is_begun

    def add(self, part: bytes) -> bool:
        """Take what came; tell whether it is still within the limit."""
        self._is_begun = True
        if self._unpack is None:
            self.body += part
            return len(self.body) <= self._max
        while part:
            if self._unpack.eof:
                self._unpack = zlib.decompressobj(self._window or 31)
            try:
                self.body += self._unpack.decompress(part, self._max + 1 - len(self.body))
            except zlib.error as error:
                raise SourceUnreadable("what is packed in the answer is broken", private=str(error)[:200]) from error
            if len(self.body) > self._max:
                return False
            part = self._unpack.unconsumed_tail or self._unpack.unused_data
        return True
