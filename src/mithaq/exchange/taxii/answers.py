"""What the doors answer: a body and its headers, or a refusal as a TAXII error message."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from mithaq.exchange.taxii import documents
from mithaq.exchange.taxii.errors import BadFilter, NotTaken, UnknownOnShelf
from mithaq.kernel.database import DatabaseFailed, UnfitValue
from mithaq.kernel.errors import Error

_STATUS: Final[Mapping[type[Error], int]] = {
    BadFilter: 400,
    UnfitValue: 400,
    UnknownOnShelf: 404,
    NotTaken: 422,
    DatabaseFailed: 503,
}
_TITLES: Final = {
    400: "Bad request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    413: "Too large",
    414: "Too long",
    415: "Unsupported media type",
    422: "Not to be processed",
    429: "Too many requests",
    500: "Server error",
    503: "Not now",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; `is_empty`: a list in which nothing stands, which a wait may put off."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    is_empty: bool = False


class Refused(Exception):
    """A request that the protocol itself refuses, with its status."""

    def __init__(self, status: int, code: str, description: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(description)
        self.status, self.code, self.description, self.headers = status, code, description, dict(headers or {})

    def answer(self) -> Answer:
        """Return the error message."""
        body = documents.error(self.status, _TITLES[self.status], self.code, self.description)
        return Answer(self.status, body, self.headers)


def unknown() -> Refused:
    """Return the one refusal for what is not there, hidden, or somebody else's."""
    return Refused(404, "not-found", "there is no such resource here")


def of_error(error: Error) -> Answer:
    """Return an error of a service as its reader may see it."""
    status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)
    if status == 404:
        return unknown().answer()
    headers = {"retry-after": "5"} if status == 503 else {}
    said = error.message % error.params if error.params else error.message
    return Refused(status, error.code, said if status != 500 else "", headers).answer()
