"""The doors of MISP: one ASGI application under `/misp/`, thin over `resources`."""

import asyncio
import logging
import time
import zlib
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mithaq.exchange.misp.answers import JSON, Answer, Refused, of_error
from mithaq.exchange.misp.resources import Resources
from mithaq.exchange.misp.settings import (
    MAX_BODY_BYTES,
    MAX_OPEN_REQUESTS,
    SHELVES_LOOK_S,
    SHELVES_WAIT_S,
    THREADS,
)
from mithaq.exchange.misp.visit import Visit
from mithaq.exchange.visitors import TooMany, Visitors, credentials, packed
from mithaq.kernel.clock import Clock
from mithaq.kernel.errors import Error
from mithaq.nations.constituents.service import Constituents
from mithaq.standards.misp.named import read_place
from mithaq.standards.stix import MAX_DEPTH, nesting_exceeds

_log = logging.getLogger(__name__)
_MAX_PATH: Final = 8_192
_METHODS: Final = ("GET", "HEAD", "POST")
_DENIED: Final = "Authentication failed. Please make sure you pass the API key of an API enabled user along."


class MispDoors:
    """Serve MISP's feeds, synchronisation and REST interface to the programs of constituents."""

    def __init__(self, resources: Resources, constituents: Constituents, clock: Clock) -> None:
        self._resources = resources
        self._clock = clock
        self._visitors = Visitors(constituents, clock, "misp", threads=THREADS, max_open=MAX_OPEN_REQUESTS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        place = _place(request)
        try:
            answer = await self._answered(request)
        except Refused as refused:
            answer = refused.answer(place)
        except Error as error:
            _log.log(logging.ERROR if error.private else logging.DEBUG, "misp: %s (%s)", error, error.private)
            answer = of_error(error, place)
        except TooMany:
            answer = Refused(429, "too many open requests of this account", {"retry-after": "1"}).answer(place)
        except ClientDisconnect:
            return
        except Exception:  # noqa: BLE001 - the outermost boundary, which fails closed
            _log.exception("misp")
            answer = Refused(500, "An Internal Error Has Occurred.").answer(place)
        answer = await self._visitors.in_thread(_packed, answer, request)
        await _response(answer, request)(scope, receive, send)

    async def _answered(self, request: Request) -> Answer:
        if request.method not in _METHODS:
            raise Refused(405, "Method not allowed", {"allow": ", ".join(_METHODS)})
        if len(request.scope["path"]) > _MAX_PATH:
            raise Refused(414, "the path is too long")
        visit = await self._visitors.in_thread(self._let_in, request, b"")
        with self._visitors.opened(visit.account.id):
            if request.method == "POST":
                body = await _body(request)
                if await self._visitors.in_thread(nesting_exceeds, body, MAX_DEPTH):
                    raise Refused(400, "nested too deep")
                visit = await self._visitors.in_thread(self._let_in, request, body)
            if request.method == "HEAD":
                return await self._visitors.in_thread(self._resources.exists, visit, self._clock.now())
            answer = await self._visitors.in_thread(self._resources.answer, visit, self._clock.now())
            if answer.has_changed:
                await self._followed()
            return answer

    async def _followed(self) -> None:
        """Wait until the shelves have followed what was changed, so long as a client may be kept waiting."""
        until = time.monotonic() + SHELVES_WAIT_S
        owed = await self._visitors.in_thread(self._resources.owed)
        while owed and time.monotonic() < until:
            await asyncio.sleep(SHELVES_LOOK_S)
            if await self._visitors.in_thread(self._resources.is_followed, owed):
                return

    def _let_in(self, request: Request, body: bytes) -> Visit:
        """Return who asks what; MISP's programs send the key with no scheme before it.

        Raises:
            Refused: nobody is let in with this.
        """
        header = request.headers.get("x-misp-auth") or request.headers.get("authorization", "")
        user, secret = credentials(header) if " " in header.strip() else (None, header.strip())
        known = self._visitors.known_by(user, secret)
        if known is None:
            raise Refused(403, _DENIED)
        return Visit(*known, request.method, read_place(_place(request)), body, request.headers.get("user-agent", ""))


def _place(request: Request) -> str:
    return str(request.scope["path"]).removeprefix("/misp") or "/"


async def _body(request: Request) -> bytes:
    """Read a body within its limit, packed or not.

    Raises:
        Refused: it is larger, or packed in a way that is not read here.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise Refused(415, "post it as it is, or as gzip")
    too_large = Refused(413, f"at most {MAX_BODY_BYTES} bytes", {"connection": "close"})
    unpacker = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
    body = bytearray()
    async for part in request.stream():
        try:
            body += unpacker.decompress(part, MAX_BODY_BYTES + 1 - len(body)) if unpacker else part
        except zlib.error:
            raise Refused(400, "this is no gzip") from None
        if len(body) > MAX_BODY_BYTES or (unpacker and unpacker.unconsumed_tail):
            raise too_large
        if unpacker and unpacker.unused_data:
            raise Refused(400, "something stands behind the gzip", {"connection": "close"})
    if unpacker and not unpacker.eof:
        raise Refused(400, "this is no whole gzip")
    return bytes(body)


def _packed(answer: Answer, request: Request) -> Answer:
    body = packed(answer.body, request)
    if body is None:
        return answer
    etag = f"{answer.etag}-gzip" if answer.etag else ""
    return Answer(answer.status, body, {**answer.headers, "content-encoding": "gzip"}, etag)


def _response(answer: Answer, request: Request) -> Response:
    """Return the answer as HTTP; nothing but its ETag where the client has exactly this (RFC 9110 §13.1.2)."""
    vary = "authorization, accept-encoding"
    headers = {"content-type": JSON, "cache-control": "no-store", "vary": vary, **answer.headers}
    body = answer.body if request.method != "HEAD" else b""
    if not answer.etag:
        return Response(body, answer.status, headers)
    headers |= {"etag": f'"{answer.etag}"', "cache-control": "private, no-cache"}
    plain = answer.etag.removesuffix("-gzip")
    known = {each.strip().removeprefix("W/").strip('"') for each in request.headers.get("if-none-match", "").split(",")}
    if known.isdisjoint({plain, f"{plain}-gzip"}):
        return Response(body, answer.status, headers)
    headers.pop("content-encoding", None)
    return Response(b"", 304, headers)
