"""Read what TAXII servers answer, the odd ones too; pure (TAXII 2.1 §3.5, §3.7, §4, §5)."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

import msgspec

from mithaq.exchange.sources.errors import SourceUnreadable
from mithaq.exchange.sources.model import Unfit
from mithaq.exchange.sources.settings import MAX_NEXT_CHARACTERS, OBJECT_BYTES
from mithaq.kernel.reason import Reason
from mithaq.standards import stix
from mithaq.standards.stix.bundle import likely_id

_BOM: Final = b"\xef\xbb\xbf"
_TICK: Final = timedelta(microseconds=1)
_SCRIPT_DATE: Final = re.compile(
    r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) (\d{2}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) GMT([+-])(\d{2})(\d{2})(?: \(.{0,80}\))?"
)
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Envelope:
    """A page: its objects' own bytes, what of it cannot be an object, whether there is more, and the way to it."""

    bodies: tuple[bytes, ...]
    unfit: tuple[Unfit, ...]
    more: bool
    next: str


class _Frame(msgspec.Struct):
    objects: list[msgspec.Raw] | None = None
    items: list[msgspec.Raw] | None = None
    more: Any = False
    next: Any = None


_FRAME: Final = msgspec.json.Decoder(_Frame)


def read_envelope(body: bytes) -> Envelope:
    """Read a page; one bad object in it is set aside by its id, whatever is around it must be JSON.

    An envelope, an envelope that names its objects `items`, and a bundle are all read.

    Raises:
        SourceUnreadable: it is no envelope.
    """
    if not body.strip():
        return Envelope((), (), more=False, next="")
    whole = _demand_json(body)
    frame, found = _frame(whole)
    bodies: list[bytes] = []
    unfit: list[Unfit] = []
    for place, each in enumerate(found):
        reason = _refusal(each)
        if reason is None:
            bodies.append(each)
        else:
            unfit.append(Unfit(likely_id(each) or f"#{place}", each, reason))
    return Envelope(tuple(bodies), tuple(unfit), frame.more in (True, "true", "True", 1), _next(frame.next))


def _frame(whole: bytes) -> tuple[_Frame, list[bytes]]:
    """Return what is around the objects, and the bytes of each of them."""
    try:
        frame = _FRAME.decode(whole)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        return _torn(whole, error)
    found = frame.objects if frame.objects is not None else frame.items or []
    return frame, [bytes(raw) for raw in found]


def _torn(whole: bytes, error: Exception) -> tuple[_Frame, list[bytes]]:
    """Read a page in which one object is written so badly that no strict reader takes the page: half a character, say.

    The objects are cut out by their brackets, and what is around them is read with every bad character replaced.

    Raises:
        SourceUnreadable: it is no JSON even so.
    """
    unreadable = SourceUnreadable("the answer is no envelope of TAXII 2.1", private=str(error)[:300])
    try:
        around = json.loads(whole.decode("utf-8", "replace"))
        found = list(stix.split_bundle(io.BytesIO(whole), max_object_bytes=len(whole), max_depth=len(whole)))
    except (ValueError, RecursionError, stix.BadBundle):
        raise unreadable from error
    if not isinstance(around.get("objects"), list):
        raise unreadable from error
    bodies = [each.body if isinstance(each, stix.Piece) else b"" for each in found]
    return _Frame(more=around.get("more"), next=around.get("next")), bodies


def read_resource(body: bytes) -> dict[str, Any]:
    """Read a discovery, API root, collections or manifest resource.

    Raises:
        SourceUnreadable: it is no JSON object.
    """
    whole = _demand_json(body)
    try:
        found = msgspec.json.decode(whole)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise SourceUnreadable("the answer is no JSON object", private=str(error)[:300]) from error
    if not isinstance(found, dict):
        raise SourceUnreadable("the answer is no JSON object")
    return found


def each_of(resource: Mapping[str, Any], key: str) -> Iterator[dict[str, Any]]:
    """Yield the objects in a list of a resource; what is none is passed over."""
    listed = resource.get(key)
    for each in listed if isinstance(listed, list) else ():
        if isinstance(each, dict):
            yield each


def dates_of(headers: Mapping[str, str]) -> list[tuple[datetime, str]]:
    """Return the dates that X-TAXII-Date-Added-First and -Last give, each with a text to ask with.

    What is no date (`undefined`, `null`) is as if it were not there. A date that some script wrote is read; its text is
    then written anew, with the fraction of a second cut off, so that nothing after it is passed over.
    """
    found = (date_of(headers.get(f"x-taxii-date-added-{end}", "")) for end in ("first", "last"))
    return [each for each in found if each is not None]


def date_of(text: str) -> tuple[datetime, str] | None:
    """Return an instant and the text to ask with; None for what is none.

    >>> date_of("2026-11-23T12:00:00.123456789Z")[1]
    '2026-11-23T12:00:00.123456789Z'
    >>> date_of("Mon Nov 23 2026 12:00:00 GMT+0000 (Coordinated Universal Time)")[1]
    '2026-11-23T12:00:00.000000Z'
    >>> date_of("undefined")
    """
    text = text.strip().strip('"')
    if match := _SCRIPT_DATE.fullmatch(text):
        return _scripted(match)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    if len(text) < len("2026-11-23T12:00:00"):
        return None
    try:
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError:
        return None
    return at, text if text.endswith("Z") else date_text(at)


def _scripted(match: re.Match[str]) -> tuple[datetime, str] | None:
    month, day, year, hour, minute, second, sign, hours, minutes = match.groups()
    ahead = timedelta(hours=int(hours), minutes=int(minutes)) * (1 if sign == "+" else -1)
    try:
        number = _MONTHS.index(month) + 1
        local = datetime(int(year), number, int(day), int(hour), int(minute), int(second), tzinfo=timezone(ahead))
        at = local.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return at, date_text(at)


def date_text(at: datetime) -> str:
    """Write an instant as TAXII does: UTC, six digits, `Z`."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def just_before(at: datetime) -> str:
    """Return the text of the instant before: whatever was added at `at` comes again when asked for what is after it."""
    return date_text(at - _TICK)


def _demand_json(body: bytes) -> bytes:
    whole = body.removeprefix(_BOM).lstrip()
    if whole.startswith(b"<"):
        raise SourceUnreadable("the answer is a page for people, not data")
    if not whole.startswith(b"{"):
        raise SourceUnreadable("the answer is no JSON object")
    return whole


def _refusal(body: bytes) -> Reason | None:
    if len(body) > OBJECT_BYTES:
        return Reason("too-large", "larger than the limit of %(max)s bytes", {"max": OBJECT_BYTES})
    if stix.nesting_exceeds(body, stix.MAX_DEPTH):
        return Reason("too-deep", "nested deeper than %(max)s levels", {"max": stix.MAX_DEPTH})
    return None


def _next(value: Any) -> str:
    """Return a cursor; servers give numbers too."""
    if value is None or isinstance(value, bool | float | list | dict):
        return ""
    text = str(value)
    if len(text) > MAX_NEXT_CHARACTERS:
        raise SourceUnreadable("its cursor is longer than %(max)s characters", max=MAX_NEXT_CHARACTERS)
    return text
