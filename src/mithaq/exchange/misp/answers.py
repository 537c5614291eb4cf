"""What the doors of MISP answer: bytes with headers, or a refusal as MISP writes one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import msgspec

from mithaq.exchange.misp.errors import BadMisp, EventExists, NotYours, UnknownEvent
from mithaq.exchange.misp.settings import MAX_TOLD
from mithaq.exchange.taxii.errors import NotTaken
from mithaq.intelligence.errors import MispFailed, TooMuch
from mithaq.kernel.database import DatabaseFailed, UnfitValue
from mithaq.kernel.errors import Error

JSON: Final = "application/json"
_STATUS: Final[Mapping[type[Error], int]] = {
    BadMisp: 400,
    UnfitValue: 400,
    MispFailed: 400,
    NotTaken: 400,
    TooMuch: 413,
    UnknownEvent: 404,
    EventExists: 404,
    NotYours: 403,
    DatabaseFailed: 503,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; `etag`: a strong one, by which a client may ask whether it has this already.

    `has_changed`: something was written, which the shelves follow.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    etag: str = ""
    has_changed: bool = False


class Refused(Exception):
    """A request that is refused, with its status and what MISP's clients read."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, dict(headers or {})

    def answer(self, place: str) -> Answer:
        """Return the error as MISP writes it."""
        body = {"saved": False, "name": self.message, "message": self.message, "url": place, "errors": self.message}
        return Answer(self.status, msgspec.json.encode(body), self.headers)


def ok(value: Any, headers: Mapping[str, str] | None = None) -> Answer:
    """Return a JSON answer."""
    return Answer(200, msgspec.json.encode(value), dict(headers or {}))


def told(reasons: Mapping[str, str]) -> list[str]:
    """Return why parts of a request were not taken, each with its uuid; a list, as MISP's clients look into one."""
    lines = [f"{uuid}: {why}" for uuid, why in islice(reasons.items(), MAX_TOLD)]
    rest = len(reasons) - len(lines)
    return [*lines, f"and {rest} more"] if rest > 0 else lines


def unknown() -> Refused:
    """Return the one refusal for events that are not there, hidden, or somebody else's."""
    return Refused(404, "Invalid event")


def of_error(error: Error, place: str) -> Answer:
    """Return an error of a service as its reader may see it."""
    status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)
    if isinstance(error, UnknownEvent):
        return unknown().answer(place)
    said = error.message % error.params if error.params else error.message
    if isinstance(error, EventExists):  # by the address a MISP that pushes finds out that it is to change the event
        return Refused(status, said, {"location": f"/misp/events/view/{error.subject}"}).answer(place)
    headers = {"retry-after": "5"} if status == 503 else {}
    return Refused(status, said if status != 500 else "An Internal Error Has Occurred.", headers).answer(place)
