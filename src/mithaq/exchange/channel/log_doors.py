"""The doors of this nation's logs: partners witness and read them, and fetch the proofs they are owed.

They have threads of their own: two nodes that wait for each other's cosignatures must never wait for each other's
threads.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mithaq.exchange.channel.answers import bounded_body, refusal, whole
from mithaq.exchange.context import Context
from mithaq.exchange.frame import FRAMES_TYPE
from mithaq.exchange.log.reading import Asked, LogReading
from mithaq.exchange.log.witnessing import Answer, Witnessing
from mithaq.exchange.membership.service import Membership
from mithaq.exchange.proving import Proving
from mithaq.kernel.clock import Clock
from mithaq.kernel.errors import Error
from mithaq.kernel.ids import NationId
from mithaq.kernel.tlog.witness import MAX_REQUEST_BYTES

_THREADS = 4


class WhoAsks(Protocol):
    """Say which partner signed a request."""

    def __call__(
        self, request: Request, body: bytes, limiter: anyio.CapacityLimiter | None = None
    ) -> Awaitable[NationId]:
        """Return the nation.

        Raises:
            BadRequestSignature, ClockSkew: no partner signed it.
        """
        ...


class LogDoors:
    """Serve this nation's logs, and this nation as a witness."""

    def __init__(self, context: Context, clock: Clock, who: WhoAsks) -> None:
        self._clock = clock
        self._who = who
        self._proving = Proving(context)
        members = Membership(context).members
        self._reading = LogReading(context.db, context.log, members)
        self._witnessing = Witnessing(context.db, context.partners, context.signer, members)
        self._db = context.db
        self._threads: anyio.CapacityLimiter | None = None

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/partner/v1/log/add-checkpoint", self._add_checkpoint, methods=["POST"]),
            Route("/partner/v1/log/checkpoint", self._checkpoint, methods=["GET"]),
            Route("/partner/v1/log/tile/{path:path}", self._tile, methods=["GET"]),
            Route("/partner/v1/log/consistency", self._consistency, methods=["GET"]),
            Route("/partner/v1/log/witnessed", self._witnessed, methods=["GET"]),
            Route("/partner/v1/log/proof", self._proof, methods=["GET"]),
        ]

    async def _add_checkpoint(self, request: Request) -> Response:
        async def answer() -> Response:
            body = await bounded_body(request, MAX_REQUEST_BYTES)
            nation = await self._who(request, body, self._limiter)
            return _plain(await self._run(lambda: self._witnessing.add_checkpoint(body, self._clock.now(), nation)))

        return await _answered(answer)

    async def _checkpoint(self, request: Request) -> Response:
        return await self._read(request, self._reading.checkpoint)

    async def _tile(self, request: Request) -> Response:
        path = str(request.path_params["path"])
        return await self._read(request, lambda asked: self._reading.tile(asked, path))

    async def _consistency(self, request: Request) -> Response:
        def answer(asked: Asked) -> Answer:
            old, new = whole(request, "old", 0), whole(request, "new", 0)
            return self._reading.consistency(asked, old, new)

        return await self._read(request, answer)

    async def _witnessed(self, request: Request) -> Response:
        def answer(asked: Asked) -> Answer:
            with self._db.read() as connection:
                note = self._witnessing.latest(connection, asked.origin, asked.asker, asked.at)
            return Answer(200, note) if note else Answer(404)

        return await self._read(request, answer)

    async def _proof(self, request: Request) -> Response:
        async def answer() -> Response:
            nation = await self._who(request, b"", self._limiter)
            first = whole(request, "sequence", 0)
            last = whole(request, "until", first)
            frames = await anyio.to_thread.run_sync(self._proving.later, nation, first, last, self._clock.now())
            return Response(b"".join(frames), media_type=FRAMES_TYPE)

        return await _answered(answer)

    async def _read(self, request: Request, work: Callable[[Asked], Answer]) -> Response:
        async def answer() -> Response:
            nation = await self._who(request, b"", self._limiter)
            named = request.query_params
            asked = Asked(nation, self._clock.now(), named.get("origin", ""), named.get("agreement", ""))
            return _plain(await self._run(lambda: work(asked)))

        return await _answered(answer)

    async def _run(self, work: Callable[[], Answer]) -> Answer:
        return await anyio.to_thread.run_sync(work, limiter=self._limiter)

    @property
    def _limiter(self) -> anyio.CapacityLimiter:
        if self._threads is None:  # it belongs to the running event loop, which there is only now
            self._threads = anyio.CapacityLimiter(_THREADS)
        return self._threads


async def _answered(answer: Callable[[], Awaitable[Response]]) -> Response:
    try:
        return await answer()
    except Error as error:
        return refusal(error)


def _plain(answer: Answer) -> Response:
    headers = {"content-type": answer.media_type}  # exactly this: the specification knows no charset for a size
    return Response(answer.body, status_code=answer.status, headers=headers)
