"""Answers that say what went wrong: problem+json (RFC 9457)."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import Scope

from mithaq.kernel.errors import Error
from mithaq.kernel.reason import Reason
from mithaq.node.language import Translator, msgid, negotiate, translator

MEDIA_TYPE = "application/problem+json"
_STATUS = {
    "not-permitted": HTTPStatus.FORBIDDEN,
    "object-not-held": HTTPStatus.NOT_FOUND,
    "telemetry-push-refused": HTTPStatus.SERVICE_UNAVAILABLE,
    "telemetry-push-too-large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "telemetry-push-unsupported": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "telemetry-push-unreadable": HTTPStatus.BAD_REQUEST,
    "door-limit": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "database-failed": HTTPStatus.SERVICE_UNAVAILABLE,
    "no-token": HTTPStatus.UNAUTHORIZED,
}


class NoToken(Error):
    """A request without a bearer token that is valid now."""

    code = "no-token"


class ReasonTold(BaseModel):
    """One reason for a refusal, and what would mend it."""

    code: str
    reason: str
    remedy: str


def reason_told(reason: Reason, words: Translator) -> ReasonTold:
    """Say a reason in the reader's words."""
    return ReasonTold(code=reason.code, reason=words.reason(reason), remedy=words.remedy(reason))


def words_of(request: Request) -> Translator:
    """Return the words of the language that a request asks for."""
    return translator(negotiate(request.headers.get("accept-language", "")))


def status_of(error: Error) -> int:
    """Return the HTTP status of an error; below the faces there is none."""
    if error.code.startswith("unknown-"):
        return HTTPStatus.NOT_FOUND
    return _STATUS.get(error.code, HTTPStatus.UNPROCESSABLE_ENTITY)


def problem(status: int, code: str, detail: str, **more: Any) -> JSONResponse:
    """Return a problem document."""
    body = {"type": f"urn:mithaq:error:{code}", "title": HTTPStatus(status).phrase, "status": status, "code": code}
    headers = {"www-authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else {}
    return JSONResponse({**body, "detail": detail, **more}, status_code=status, media_type=MEDIA_TYPE, headers=headers)


def explain(api: FastAPI) -> None:
    """Make every failure of an application a problem document."""
    api.add_exception_handler(Error, _of_error)
    api.add_exception_handler(RequestValidationError, _of_validation)
    api.add_exception_handler(HTTPException, _of_http)


def _of_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, Error):
        raise error
    words = words_of(request)
    more = {"subject": error.subject} if error.subject else {}
    return problem(status_of(error), error.code, words.error(error), **more)


def _of_validation(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    words = words_of(request)
    faults = [{"where": list(map(str, each["loc"])), "what": each["msg"]} for each in error.errors()[:50]]
    detail = words.gettext(msgid("the request is not of the documented form"))
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "bad-request", detail, errors=faults)


def _of_http(request: Request, error: Exception) -> JSONResponse:
    del request
    if not isinstance(error, HTTPException):
        raise error
    too_large = error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    return problem(error.status_code, "door-limit" if too_large else f"http-{error.status_code}", str(error.detail))


def too_large(_scope: Scope, limit: int) -> JSONResponse:
    """Answer a body that passed its door's limit."""
    detail = f"the body is larger than {limit} bytes"
    return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "door-limit", detail, limit=limit)
