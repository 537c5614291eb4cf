"""The doors of the feeds: one ASGI application under `/feeds/`, asked for `<collection>/<form>` or `<sensor>/sensor`.

Programs that fetch lists read a status and a text: what goes wrong is one English line.
"""

import logging
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from mithaq.exchange.visitors import TooMany, Visitors, packed, takes_gzip
from mithaq.kernel.clock import Clock
from mithaq.kernel.database import DatabaseFailed
from mithaq.kernel.errors import Error
from mithaq.nations.constituents.model import SENSOR_DOOR, Account
from mithaq.nations.constituents.service import Constituents
from mithaq.nations.errors import SignerUnreachable
from mithaq.response.feeds.errors import UnknownFeed
from mithaq.response.feeds.model import FORMS, Feed
from mithaq.response.feeds.service import Feeds
from mithaq.response.feeds.settings import MAX_OPEN_REQUESTS, MAX_QUERY_CHARACTERS, THREADS
from mithaq.response.sensors.bundle import MEDIA_TYPE
from mithaq.response.sensors.errors import BundleOutdated, UnknownSensor

_log = logging.getLogger(__name__)
_CHALLENGE: Final = {"www-authenticate": 'Basic realm="feeds", charset="UTF-8", Bearer realm="feeds"'}
_HEADERS: Final = {
    "cache-control": "private, no-cache",
    "vary": "authorization, accept-encoding",
    "x-content-type-options": "nosniff",
}
_STATUS: Final[Mapping[type[Error], int]] = {
    UnknownFeed: 404,
    UnknownSensor: 404,
    BundleOutdated: 410,
    DatabaseFailed: 503,
    SignerUnreachable: 503,
}
_FAULT: Final = "the server met an error it did not expect"
_PLACE_PARTS: Final = 2


class FeedDoors:
    """Serve feeds to the programs of constituents."""

    def __init__(self, feeds: Feeds, constituents: Constituents, clock: Clock) -> None:
        self._feeds = feeds
        self._visitors = {
            form: Visitors(constituents, clock, form, threads=THREADS, max_open=MAX_OPEN_REQUESTS)
            for form in (*FORMS, SENSOR_DOOR)
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        try:
            answer = await self._answered(request)
        except TooMany:
            answer = _line(429, "too many open requests of this account", {"retry-after": "5"})
        except Error as error:
            _log.log(logging.ERROR if error.private else logging.DEBUG, "feeds: %s (%s)", error, error.private)
            status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)
            answer = _line(status, str(error) if status != 500 else _FAULT)
        except Exception:  # noqa: BLE001 - the outermost boundary, which fails closed
            _log.exception("feeds")
            answer = _line(500, _FAULT)
        await answer(scope, receive, send)

    async def _answered(self, request: Request) -> Response:
        alias, form = _place(request.scope["path"])
        visitors = self._visitors.get(form) or next(iter(self._visitors.values()))
        known = await visitors.in_thread(visitors.known, request)
        if known is None:
            return _line(401, "this needs an account for this feed that is valid now", _CHALLENGE)
        if request.method not in ("GET", "HEAD"):
            return _line(405, "feeds are only read", {"allow": "GET, HEAD"})
        if len(request.scope["query_string"]) > MAX_QUERY_CHARACTERS:
            return _line(414, "the query is too long")
        account = known[1]
        with visitors.opened(account.id):
            query = request.query_params
            if form == SENSOR_DOOR:
                feed = await visitors.in_thread(self._feeds.bundle, account, alias, query.get("version", ""))
            else:
                feed = await visitors.in_thread(self._feeds.fetch, account, alias, form, query.get("type", ""))
            if _is_had(request, feed):
                return Response(b"", 304, _of(feed))
            if isinstance(feed.content, bytes):
                return await visitors.in_thread(_whole, request, feed, feed.content)
        return self._streamed(request, visitors, account, feed, feed.content)

    def _streamed(
        self, request: Request, visitors: Visitors, account: Account, feed: Feed, pieces: Iterator[bytes]
    ) -> Response:
        """Send a feed piece by piece; each is worked out in a thread when the one before it has left."""
        is_packed = takes_gzip(request)

        async def sent() -> AsyncIterator[bytes]:
            packer = zlib.compressobj(1, wbits=31) if is_packed else None
            with visitors.opened(account.id):
                while (piece := await visitors.in_thread(next, pieces, b"")) != b"":
                    yield packer.compress(piece) if packer else piece
                if packer:
                    yield packer.flush()

        headers = _of(feed) | ({"content-encoding": "gzip"} if is_packed else {})
        if request.method == "HEAD":
            return Response(b"", 200, headers, feed.media_type)
        return StreamingResponse(sent(), 200, headers, feed.media_type)


def _place(path: str) -> tuple[str, str]:
    """Return the collection and the form of a path, empty where it is none of a feed."""
    parts = path.removeprefix("/feeds").strip("/").split("/")
    return (parts[0], parts[1]) if len(parts) == _PLACE_PARTS else ("", "")


def _is_had(request: Request, feed: Feed) -> bool:
    """Tell whether the asker says that it has exactly this feed."""
    named = request.headers.get("if-none-match", "").split(",")
    return feed.etag in [each.strip().removeprefix("W/") for each in named]


def _whole(request: Request, feed: Feed, content: bytes) -> Response:
    headers = _of(feed)
    body = packed(content, request) if feed.media_type != MEDIA_TYPE else None
    if body is None:
        return Response(content, 200, headers, feed.media_type)
    return Response(body, 200, headers | {"content-encoding": "gzip"}, feed.media_type)


def _of(feed: Feed) -> dict[str, str]:
    return {**_HEADERS, "content-disposition": f'attachment; filename="{feed.name}"', "etag": feed.etag}


def _line(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    return Response(f"{text}\n", status, {**_HEADERS, **(headers or {})}, "text/plain; charset=utf-8")
