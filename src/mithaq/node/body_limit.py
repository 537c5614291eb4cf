"""Stop reading a request's body at its door's limit, whatever its Content-Length claims."""

from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS"})


class BodyTooLarge(HTTPException):
    """A body passed its limit while it was read; an HTTP error, so that no parser mistakes it for bad syntax."""

    def __init__(self, limit: int) -> None:
        super().__init__(413, f"the body is larger than {limit} bytes")


class BodyLimit:
    """Middleware that asks `limit_of(scope)` how many bytes a request may carry."""

    def __init__(
        self, app: ASGIApp, limit_of: Callable[[Scope], int], answer: Callable[[Scope, int], Response] | None = None
    ) -> None:
        self.app = app
        self.limit_of = limit_of
        self.answer = answer or _plain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] in _WITHOUT_BODY:
            await self.app(scope, receive, send)
            return
        limit, seen = self.limit_of(scope), 0

        claimed = Headers(scope=scope).get("content-length", "")
        if claimed.isdecimal() and int(claimed[:15]) > limit:
            await self.answer(scope, limit)(scope, receive, send)
            return

        async def receive_within() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                raise BodyTooLarge(limit)
            return message

        try:
            await self.app(scope, receive_within, send)
        except BodyTooLarge:
            await self.answer(scope, limit)(scope, receive, send)


def _plain(_scope: Scope, limit: int) -> Response:
    return PlainTextResponse(f"The body is larger than {limit} bytes.\n", status_code=413)
