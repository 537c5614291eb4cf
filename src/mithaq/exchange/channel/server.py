"""The doors that partners knock at: Starlette routes, thin over `sending`, `receipts` and the release log."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mithaq.exchange.channel.answers import bounded_body, problem, refusal, whole
from mithaq.exchange.channel.http_signature import RequestVerifier
from mithaq.exchange.channel.introductions import Introductions
from mithaq.exchange.channel.log_doors import LogDoors
from mithaq.exchange.consents import Consents, takers
from mithaq.exchange.context import Context
from mithaq.exchange.duties.attestations import Attestations
from mithaq.exchange.errors import CardWanted
from mithaq.exchange.frame import FRAMES_TYPE
from mithaq.exchange.letters import Letters
from mithaq.exchange.log.flushing import COSIGNED
from mithaq.exchange.receipts import Receipts
from mithaq.exchange.sending.service import Sending
from mithaq.exchange.settings import (
    CARD_HEADER,
    EMPTY_STEP_S,
    MAX_LETTER_BYTES,
    MAX_OPEN_REQUESTS_PER_PARTNER,
    MAX_RECEIPT_BYTES,
    MAX_WAIT_S,
    WITNESS_RETRY_S,
)
from mithaq.kernel.clock import Clock
from mithaq.kernel.errors import Error
from mithaq.kernel.ids import NationId
from mithaq.kernel.signing import VerifyKey
from mithaq.kernel.wake import WakeListener
from mithaq.nations.keys.card_file import card_tag, is_newer, tag_of_file

_RECOVERY_S = 5.0
_NEWS = ("exchange.planned", "exchange.emergency", COSIGNED)


class PartnerDoors:
    """Serve releases to partners, take their receipts and their letters."""

    def __init__(self, context: Context, card: Callable[[], bytes], clock: Clock, run_dir: Path) -> None:
        self._context = context
        self._card = card
        self._clock = clock
        self._run_dir = run_dir
        self._sending = Sending(context)
        self._receipts = Receipts(context)
        self._log_doors = LogDoors(context, clock, self._nation)
        self._letters = Letters(context, takers(Consents(context)))
        self._attestations = Attestations(context)
        self._verifier = RequestVerifier(context.own)
        self._open: Counter[NationId] = Counter()
        self._turns: dict[NationId, asyncio.Lock] = {}

    def routes(self) -> list[Route]:
        """Return the routes, to be mounted by the web process."""
        return [
            *Introductions(self._context, self._card, self._clock).routes(),
            Route("/partner/v1/releases", self._get_releases, methods=["GET"]),
            Route("/partner/v1/receipts", self._post_receipt, methods=["POST"]),
            *self._log_doors.routes(),
            Route("/partner/v1/agreements", self._post_letter, methods=["POST"]),
            Route("/partner/v1/attestations", self._post_attestation, methods=["POST"]),
        ]

    async def _get_releases(self, request: Request) -> Response:
        try:
            nation = await self._nation(request, b"")
            after, wait_s = whole(request, "after", 0), min(whole(request, "wait", 0), MAX_WAIT_S)
            await anyio.to_thread.run_sync(self._demand_card, nation, request.query_params.get("card", ""))
            if self._open[nation] >= MAX_OPEN_REQUESTS_PER_PARTNER:
                return problem(429, "too-many-requests", "too many open requests of this nation")
            self._open[nation] += 1
            try:
                body = await self._frames(request, nation, after, wait_s)
            finally:
                self._open[nation] -= 1
        except Error as error:
            return refusal(error)
        shown = tag_of_file(await anyio.to_thread.run_sync(self._card))
        return Response(body, media_type=FRAMES_TYPE, headers={CARD_HEADER: shown})

    def _demand_card(self, nation: NationId, named: str) -> None:
        """Refuse to seal to a card when its nation names a newer one.

        Raises:
            CardWanted: with the number of its newest statement that is known here.
        """
        with self._context.db.read() as connection:
            partner = self._context.partners.get(connection, nation)
        if is_newer(named, card_tag(partner.card, partner.statement_version)):
            raise CardWanted(
                "a newer card of %(nation)s is needed here first", nation=nation, statement=partner.statement_version
            )

    async def _frames(self, request: Request, nation: NationId, after: int, wait_s: int) -> bytes:
        """Return frames as soon as there are any, nothing when the wait is over or the partner hangs up.

        What waited and is refused now ends no wait, and an empty answer leaves at a whole number of steps after it: how
        long the gate took over what it withheld is not to be read from the clock.
        """
        now = asyncio.get_running_loop().time
        deadline = now() + wait_s
        with WakeListener(self._run_dir, f"partner-{nation}", _NEWS) as listener:
            while True:
                pause_s = _RECOVERY_S
                if await anyio.to_thread.run_sync(self._sending.waiting, nation, after, self._clock.now()):
                    pause_s = WITNESS_RETRY_S  # what is not handed out now waits for witnesses
                    async with self._turns.setdefault(nation, asyncio.Lock()):
                        frames = await anyio.to_thread.run_sync(self._sending.frames, nation, after, self._clock.now())
                    if frames:
                        return b"".join(frames)
                left = deadline - now()
                if left <= 0 or await request.is_disconnected():
                    await anyio.to_thread.run_sync(self._sending.note_request, nation, after, self._clock.now())
                    await asyncio.sleep(EMPTY_STEP_S - (now() - deadline) % EMPTY_STEP_S)
                    return b""
                if not await listener.wait_async(min(left, pause_s)):  # quiet: a write now delays no release
                    await anyio.to_thread.run_sync(self._sending.note_request, nation, after, self._clock.now())

    async def _post_receipt(self, request: Request) -> Response:
        try:
            body = await bounded_body(request, MAX_RECEIPT_BYTES)
            nation = await self._nation(request, body)
            receipt = await anyio.to_thread.run_sync(self._receipts.accept, nation, body, self._clock.now())
        except Error as error:
            return refusal(error)
        return JSONResponse({"release_id": receipt.release_id}, status_code=202)

    async def _post_attestation(self, request: Request) -> Response:
        try:
            body = await bounded_body(request, MAX_RECEIPT_BYTES)
            nation = await self._nation(request, body)
            word = await anyio.to_thread.run_sync(self._attestations.accept, nation, body, self._clock.now())
        except Error as error:
            return refusal(error)
        return JSONResponse({"attestation": word.id}, status_code=202)

    async def _post_letter(self, request: Request) -> Response:
        try:
            body = await bounded_body(request, MAX_LETTER_BYTES)
            nation = await self._nation(request, body)
            kind = await anyio.to_thread.run_sync(self._letters.take, nation, body, self._clock.now())
        except Error as error:
            return refusal(error)
        return JSONResponse({"taken": kind}, status_code=202)

    async def _nation(self, request: Request, body: bytes, limiter: anyio.CapacityLimiter | None = None) -> NationId:
        return self._verifier.nation_of(
            method=request.method,
            target=_target(request),
            headers=dict(request.headers),
            body=body,
            keys=await anyio.to_thread.run_sync(self._keys, limiter=limiter),
            at=self._clock.now(),
        )

    def _keys(self) -> Mapping[NationId, VerifyKey]:
        at = self._clock.now()
        with self._context.db.read() as connection:
            partners = self._context.partners.all(connection)
        return {
            partner.nation: partner.card.verify_key
            for partner in partners
            if partner.is_trusted and partner.may_sign(at)
        }


def _target(request: Request) -> str:
    """Return path and query as they were asked for; Starlette's `url` would let the `Host` header change them."""
    path, query = request.scope["raw_path"], request.scope["query_string"]
    return bytes(path + b"?" + query if query else path).decode("latin-1")
