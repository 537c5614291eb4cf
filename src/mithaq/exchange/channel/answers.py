"""What every door of the partner channel does alike: bounded bodies, whole numbers, refusals as problem documents."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mithaq.agreements.errors import MissingStatement, NotAParty, UnknownAgreement
from mithaq.exchange.errors import BadRequestSignature, CardWanted, ClockSkew, NotProven, OutOfSequence
from mithaq.intelligence.errors import TooMuch
from mithaq.kernel.errors import Error
from mithaq.nations.errors import UnknownPartner

_STATUS: dict[type[Error], int] = {
    BadRequestSignature: 401,
    ClockSkew: 401,
    NotAParty: 403,
    UnknownAgreement: 404,
    UnknownPartner: 404,
    OutOfSequence: 409,
    MissingStatement: 409,
    CardWanted: 409,
    TooMuch: 413,
    NotProven: 503,
}
_MAX_DIGITS = 10


def whole(request: Request, name: str, default: int) -> int:
    """Return a whole number from the query.

    Raises:
        OutOfSequence: it is none.
    """
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) < _MAX_DIGITS):
        raise OutOfSequence("%(name)s is no whole number", name=name)
    return int(text)


async def bounded_body(request: Request, limit: int) -> bytes:
    """Return the body of a request.

    Raises:
        TooMuch: it is larger than the limit.
    """
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > limit:
            raise TooMuch("the body is larger than %(limit)s bytes", limit=limit)
    return bytes(body)


def refusal(error: Error) -> Response:
    """Return an error as the partner may read it."""
    status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 400)
    return problem(status, error.code, str(error), params=error.params)


def problem(status: int, code: str, detail: str, *, params: Mapping[str, Any] | None = None) -> Response:
    """Return a problem document (RFC 9457)."""
    body = {"type": f"urn:mithaq:error:{code}", "title": code, "status": status, "detail": detail}
    if params:
        body["params"] = dict(params)
    return JSONResponse(body, status_code=status, media_type="application/problem+json")
