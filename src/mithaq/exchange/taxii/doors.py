"""The doors of the TAXII 2.1 server: one ASGI application under `/taxii2/`, thin over `resources`.

Who is let in, and on which threads an answer is worked out, is the matter of `exchange.visitors`.
"""

import asyncio
import logging
from pathlib import Path
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mithaq.exchange.taxii import media
from mithaq.exchange.taxii.answers import Answer, Refused, of_error, unknown
from mithaq.exchange.taxii.filters import OF_OBJECTS, Question
from mithaq.exchange.taxii.model import TAXII_TYPE
from mithaq.exchange.taxii.partners.model import PartnerAccount, PartnerShelf
from mithaq.exchange.taxii.partners.service import PartnerAccounts
from mithaq.exchange.taxii.resources import Resources, Visit, methods_of
from mithaq.exchange.taxii.settings import (
    EMPTY_STEP_S,
    MAX_OPEN_REQUESTS,
    MAX_QUERY_CHARACTERS,
    RECOVERY_S,
    THREADS,
)
from mithaq.exchange.taxii.shelving import SHELVED
from mithaq.exchange.visitors import TooMany, Visitors, credentials, packed
from mithaq.intelligence.settings import TAXII_POST
from mithaq.kernel.clock import Clock
from mithaq.kernel.errors import Error
from mithaq.kernel.wake import WakeListener
from mithaq.nations.constituents.model import Account, Constituent
from mithaq.nations.constituents.service import Constituents

_log = logging.getLogger(__name__)
_TOO_MANY: Final = Refused(429, "too-many-requests", "too many open requests of this account", {"retry-after": "1"})
_CHALLENGE: Final = {"www-authenticate": 'Basic realm="TAXII", charset="UTF-8", Bearer realm="TAXII"'}


class TaxiiDoors:
    """Serve TAXII 2.1 to the programs of constituents and of partners."""

    def __init__(
        self, resources: Resources, constituents: Constituents, partners: PartnerAccounts, clock: Clock, run_dir: Path
    ) -> None:
        self._resources = resources
        self._partners = partners
        self._clock = clock
        self._run_dir = run_dir
        self._visitors = Visitors(constituents, clock, "taxii", threads=THREADS, max_open=MAX_OPEN_REQUESTS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        try:
            answer = await self._answered(request)
        except Refused as refused:
            answer = refused.answer()
        except Error as error:
            _log.log(logging.ERROR if error.private else logging.DEBUG, "taxii: %s (%s)", error, error.private)
            answer = of_error(error)
        except TooMany:
            answer = _TOO_MANY.answer()
        except ClientDisconnect:
            return
        except Exception:  # noqa: BLE001 - the outermost boundary, which fails closed
            _log.exception("taxii")
            answer = Refused(500, "internal", "the server met an error it did not expect").answer()
        headers = {"cache-control": "no-store", "vary": "authorization, accept, accept-encoding", **answer.headers}
        await Response(answer.body, answer.status, {**headers, "content-type": TAXII_TYPE})(scope, receive, send)

    async def _answered(self, request: Request) -> Answer:
        visit = await self._visitors.in_thread(self._let_in, request)
        with self._visitors.opened(visit.account.id):
            if not media.accepts(request.headers.get("accept")):
                raise Refused(406, "not-acceptable", f"this server speaks {TAXII_TYPE}")
            methods = methods_of(visit.place)
            if not methods:
                raise unknown()
            if visit.method not in methods:
                raise Refused(405, "method-not-allowed", "not with this method", {"allow": ", ".join(methods)})
            if visit.method == "POST":
                return await self._posted(request, visit)
            if visit.method == "DELETE":
                return await self._visitors.in_thread(self._resources.delete, visit, self._clock.now())
            return await self._waited(request, visit)

    async def _posted(self, request: Request, visit: Visit) -> Answer:
        """Read the body within its limit, whether its length was told or not, and hand it on."""
        if not media.is_posted(request.headers.get("content-type")):
            raise Refused(415, "unsupported-media-type", f"post {TAXII_TYPE}")
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise Refused(415, "unsupported-encoding", "post it as it is, not compressed")
        await self._visitors.in_thread(self._resources.demand_writable, visit)
        too_large = Refused(413, "too-large", f"at most {TAXII_POST.max_bytes} bytes", {"connection": "close"})
        claimed = request.headers.get("content-length", "")
        if claimed.isdecimal() and int(claimed[:15]) > TAXII_POST.max_bytes:
            raise too_large
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > TAXII_POST.max_bytes:
                raise too_large
        return await self._visitors.in_thread(self._resources.post, visit, bytes(body), self._clock.now())

    async def _waited(self, request: Request, visit: Visit) -> Answer:
        """Return the answer; one that is empty is put off while `wait` lasts, or until a shelf has grown.

        After a wait everything is asked anew, the account too. What the gate withholds ends no wait, and an empty
        answer leaves at a whole step after it.
        """
        answer = await self._visitors.in_thread(self._read, request, visit)
        wait_s = Question(visit.parameters, OF_OBJECTS).wait_s
        if not wait_s or not answer.is_empty:
            return answer
        now = asyncio.get_running_loop().time
        deadline = now() + wait_s
        with WakeListener(self._run_dir, f"taxii-{visit.account.id[-12:]}", (SHELVED,)) as listener:
            while True:
                answer = await self._visitors.in_thread(self._read_anew, request)
                if not answer.is_empty:
                    return answer
                left = deadline - now()
                if left <= 0 or await request.is_disconnected():
                    await asyncio.sleep(EMPTY_STEP_S - (now() - deadline) % EMPTY_STEP_S)
                    return answer
                await listener.wait_async(min(left, RECOVERY_S))

    def _read_anew(self, request: Request) -> Answer:
        """Work one answer out after a wait, in a thread: the account may have ended meanwhile."""
        return self._read(request, self._let_in(request))

    def _read(self, request: Request, visit: Visit) -> Answer:
        """Work one answer out, in a thread."""
        answer = self._resources.read(visit, self._clock.now())
        body = packed(answer.body, request)
        if body is None:
            return answer
        return Answer(answer.status, body, {**answer.headers, "content-encoding": "gzip"}, answer.is_empty)

    def _let_in(self, request: Request) -> Visit:
        """Return who asks what.

        Raises:
            Refused: nobody is let in with this, or the question is too long.
        """
        if len(request.scope["query_string"]) > MAX_QUERY_CHARACTERS:
            raise Refused(414, "uri-too-long", "the query is too long")
        user, secret = credentials(request.headers.get("authorization", ""))
        known: tuple[Constituent | PartnerShelf, Account | PartnerAccount] | None = None
        if secret:
            known = self._visitors.known_by(user, secret) or self._partners.sign_in(secret, user, self._clock.now())
        if known is None:
            raise Refused(401, "unauthorized", "this needs an account that is valid now", _CHALLENGE)
        method = "GET" if request.method == "HEAD" else request.method
        path = request.scope["path"].removeprefix("/taxii2")
        place = tuple(path.strip("/").split("/")) if path.strip("/") else ()
        asker, account = known
        return Visit(asker, account, method, place, tuple(request.query_params.multi_items()))
