"""Cards and key statements between nations: shown to everybody, taken from anybody, because they prove themselves.

A nation whose signing key was rotated or stolen cannot sign a request that its partners know yet. So nothing here asks
for a signed request: a statement carries the root officials' signatures, a card the key that they authorise. Nobody
becomes a partner this way; only what is known of one grows newer.
"""

import asyncio
from collections.abc import Callable

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mithaq.exchange.channel.answers import bounded_body, problem, refusal, whole
from mithaq.exchange.context import Context
from mithaq.exchange.settings import MAX_INTRODUCTIONS_AT_ONCE
from mithaq.kernel import canonical
from mithaq.kernel.clock import Clock
from mithaq.kernel.errors import Error
from mithaq.kernel.ids import NationId
from mithaq.kernel.signing import read_envelope
from mithaq.nations.keys.card_file import split_card_file, trimmed
from mithaq.nations.keys.rules import read_statement
from mithaq.nations.keys.settings import MAX_CHAIN_BYTES, MAX_STATEMENT_BYTES
from mithaq.nations.model import Partner
from mithaq.nations.rules import read_card


class Introductions:
    """Show this nation's card and statements, take newer ones of partners."""

    def __init__(self, context: Context, card: Callable[[], bytes], clock: Clock) -> None:
        self._context = context
        self._card = card
        self._clock = clock
        self._turns = asyncio.Semaphore(MAX_INTRODUCTIONS_AT_ONCE)

    def routes(self) -> list[Route]:
        """Return the routes of the partner channel that need no signed request."""
        return [
            Route("/partner/v1/card", self._get_card, methods=["GET"]),
            Route("/partner/v1/card", self._post_card, methods=["POST"]),
            Route("/partner/v1/statement", self._get_statement, methods=["GET"]),
            Route("/partner/v1/statement", self._post_statement, methods=["POST"]),
        ]

    async def _get_card(self, request: Request) -> Response:
        try:
            version = whole(request, "after", 0)
            body = await anyio.to_thread.run_sync(self._shown, version)
        except Error as error:
            return refusal(error)
        return Response(body, media_type="application/json")

    async def _get_statement(self, request: Request) -> Response:
        try:
            version = whole(request, "after", 0)
            _, row = split_card_file(await anyio.to_thread.run_sync(self._shown, version), max_bytes=MAX_CHAIN_BYTES)
        except Error as error:
            return refusal(error)
        body = canonical.dumps({"statements": [canonical.loads(each) for each in row]})
        return Response(body, media_type="application/json")

    async def _post_card(self, request: Request) -> Response:
        return await self._taken(request, self._take_card)

    async def _post_statement(self, request: Request) -> Response:
        return await self._taken(request, self._take_statements)

    def _shown(self, version: int) -> bytes:
        data = self._card()
        return trimmed(data, version) if version else data

    async def _taken(self, request: Request, take: Callable[[bytes], Partner]) -> Response:
        if self._turns.locked():
            return problem(429, "too-many-requests", "too many introductions at once")
        try:
            async with self._turns:
                body = await bounded_body(request, MAX_CHAIN_BYTES)
                partner = await anyio.to_thread.run_sync(take, body)
        except Error as error:
            return refusal(error)
        return JSONResponse({"nation": partner.nation, "statement": partner.statement_version}, status_code=202)

    def _take_card(self, body: bytes) -> Partner:
        """Take a known partner's newer card; a stranger's is refused before anything is written."""
        at = self._clock.now()
        alone, _ = split_card_file(body, max_bytes=MAX_CHAIN_BYTES)
        nation = read_card(alone, at).nation
        self._demand_known(nation)
        return self._context.partners.add(body, at=at, actor=f"nation:{nation}")

    def _take_statements(self, body: bytes) -> Partner:
        at = self._clock.now()
        _, row = split_card_file(body, max_bytes=MAX_CHAIN_BYTES)
        first = row[0] if row else b""
        envelope = read_envelope(first, subject="statement", max_bytes=MAX_STATEMENT_BYTES)
        nation = read_statement(envelope).nation
        self._demand_known(nation)
        return self._context.partners.take_statements(nation, row, at=at, actor=f"nation:{nation}")

    def _demand_known(self, nation: NationId) -> None:
        with self._context.db.read() as connection:
            self._context.partners.get(connection, nation)
