"""What the partner doors have in common: whole numbers, bounded bodies, refusals as problem documents (RFC 9457)."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mithaq.exchange.errors import BadRequestSignature, CardWanted, ClockSkew, OutOfSequence
from mithaq.intelligence.errors import TooMuch
from mithaq.kernel.errors import Error
from mithaq.nations.errors import UnknownPartner

_STATUS: dict[type[Error], int] = {
    BadRequestSignature: 401,
    ClockSkew: 401,
    UnknownPartner: 404,
    OutOfSequence: 409,
    CardWanted: 409,
    TooMuch: 413,
}


def whole(request: Request, name: str, default: int) -> int:
    """Return a whole number from the query.

    Raises:
        OutOfSequence: it is none.
    """
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise OutOfSequence("%(name)s is no whole number", name=name)
    return int(text)


async def bounded_body(request: Request, limit: int) -> bytes:
    """Read a body that is not larger than the limit.

    Raises:
        TooMuch: it is.
    """
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > limit:
            raise TooMuch("the body is larger than %(limit)s bytes", limit=limit)
    return bytes(body)


def refusal(error: Error) -> Response:
    """Answer with an error."""
    status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 400)
    return problem(status, error.code, str(error), params=error.params)


def problem(status: int, code: str, detail: str, *, params: Mapping[str, Any] | None = None) -> Response:
    """Answer with a problem document."""
    body = {"type": f"urn:mithaq:error:{code}", "title": code, "status": status, "detail": detail}
    if params:
        body["params"] = dict(params)
    return JSONResponse(body, status_code=status, media_type="application/problem+json")
