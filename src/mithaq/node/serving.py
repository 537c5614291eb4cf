"""Serve the pages and doors until the node stops, and say so to whoever waits for an answer then."""

import asyncio
from typing import Any

import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_GRACE_S = 1
"""How long requests may go on when the node stops; only those that wait for news take longer."""


class Ending:
    """Middleware that ends what is still open when the node stops: a stream with its last byte, the rest with 503."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._open: set[asyncio.Task[None]] = set()
        self._ends = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        task = asyncio.current_task()
        if scope["type"] != "http" or task is None:
            await self._app(scope, receive, send)
            return
        begun = False

        async def note_and_send(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        self._open.add(task)
        try:
            await self._app(scope, receive, note_and_send)
        except asyncio.CancelledError:
            if not self._ends:
                raise
            if begun:
                await send({"type": "http.response.body", "body": b""})
            else:
                answer = PlainTextResponse("The node stops.\n", status_code=503, headers={"retry-after": "5"})
                await answer(scope, receive, send)
        finally:
            self._open.discard(task)

    def end(self) -> None:
        """End every request that is open."""
        self._ends = True
        for task in self._open:
            task.cancel()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ending: Ending) -> None:
        super().__init__(config)
        self._ending = ending

    async def shutdown(self, sockets: Any = None) -> None:
        asyncio.get_running_loop().call_later(_GRACE_S, self._ending.end)
        await super().shutdown(sockets)


def serve(app: ASGIApp, host: str, port: int) -> None:
    """Answer requests on an address until this process is told to stop."""
    ending = Ending(app)
    config = uvicorn.Config(
        ending,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=2 * _GRACE_S,
        backlog=512,
    )
    _Server(config, ending).run()
