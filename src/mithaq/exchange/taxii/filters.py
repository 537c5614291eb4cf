"""Read what a TAXII request asks for (TAXII 2.1 §3.4, §3.5), and write and read the cursors that continue it.

A cursor carries the whole question and where it stands, signed with the key of its shelf: any process continues it
after any restart, and it is worth nothing to another account or for another question.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from mithaq.exchange.taxii.errors import BadFilter
from mithaq.exchange.taxii.model import SPEC_VERSION, Asked
from mithaq.exchange.taxii.settings import MAX_MATCH_VALUES, MAX_PAGE_OBJECTS, MAX_WAIT_S
from mithaq.kernel.clock import from_rfc3339
from mithaq.kernel.database import EPOCH

PAGED: Final = frozenset({"added_after", "limit", "next", "wait"})
OF_OBJECTS: Final = PAGED | {"match[id]", "match[type]", "match[version]", "match[spec_version]"}
OF_OBJECT: Final = PAGED | {"match[version]", "match[spec_version]"}
OF_VERSIONS: Final = PAGED | {"match[spec_version]"}
OF_DELETE: Final = frozenset({"match[version]", "match[spec_version]"})
_WORDS: Final = frozenset({"first", "last", "all"})
_MAC_BYTES: Final = 16
_MAX_DIGITS: Final = 12
_MICROSECOND: Final = timedelta(microseconds=1)


class Question:
    """The parameters of one request; those that no endpoint of this kind knows are refused if they are filters."""

    def __init__(self, parameters: Iterable[tuple[str, str]], known: frozenset[str]) -> None:
        found: dict[str, str] = {}
        for name, value in parameters:
            if name.startswith("match[") and name not in known:
                raise BadFilter("there is no filter %(name)s here", name=name[:40])
            if name in found:
                raise BadFilter("%(name)s is given twice", name=name[:40])
            if value and name in known:
                found[name] = value
        self._found = found

    @property
    def wait_s(self) -> float:
        """Return for how long an empty answer is to be put off.

        Raises:
            BadFilter: it is no number of seconds.
        """
        text = self._found.get("wait", "0")
        if not (text.isascii() and text.replace(".", "", 1).isdecimal() and len(text) <= _MAX_DIGITS):
            raise BadFilter("%(name)s is no number of seconds", name="wait")
        return min(float(text), float(MAX_WAIT_S))

    def asked(self, place: str, key: bytes) -> Asked:
        """Return what is asked for; `place` names the endpoint and object, `key` is that of the shelf.

        Raises:
            BadFilter: a filter, the limit or the cursor cannot be used, or they contradict each other.
        """
        filters = {name: value for name, value in self._found.items() if name == "added_after" or name in _MATCHES}
        cursor = self._found.get("next")
        if cursor is None:
            return self._limited(_asked(filters))
        after, kept = _read(cursor, place, key)
        given, meant = _asked(filters), _asked(kept)
        for name in filters:
            is_where_it_stands = name == "added_after" and given.added_after == after
            if not is_where_it_stands and (name not in kept or _part(given, name) != _part(meant, name)):
                raise BadFilter("%(name)s is not what the cursor was given out for", name=name)
        return replace(self._limited(meant), after=after)

    def next(self, place: str, key: bytes, after: datetime) -> str:
        """Return the cursor that continues this question after a `date_added`."""
        filters = {name: value for name, value in self._found.items() if name == "added_after" or name in _MATCHES}
        if cursor := self._found.get("next"):
            filters = _read(cursor, place, key)[1]
        payload = msgspec.json.encode([(after - EPOCH) // _MICROSECOND, filters])
        return base64.urlsafe_b64encode(_mac(key, place, payload) + payload).decode()

    def _limited(self, asked: Asked) -> Asked:
        text = self._found.get("limit")
        if text is None:
            return replace(asked, limit=MAX_PAGE_OBJECTS)
        if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS and int(text) > 0):
            raise BadFilter("limit is a whole number above 0")
        return replace(asked, limit=min(int(text), MAX_PAGE_OBJECTS))


def instant(text: str, name: str) -> datetime:
    """Read a timestamp of a filter, with any number of fraction digits.

    Raises:
        BadFilter: it is none, or names no offset.
    """
    try:
        return from_rfc3339(text.replace(" ", "+"))  # a plus sign that was not encoded arrives as a space
    except ValueError as error:
        raise BadFilter("%(name)s is no timestamp", name=name) from error


def _asked(filters: Mapping[str, str]) -> Asked:
    after = filters.get("added_after")
    versions = _values(filters, "match[version]")
    words = versions & _WORDS
    return Asked(
        added_after=instant(after, "added_after") if after else None,
        ids=_values(filters, "match[id]"),
        types=_values(filters, "match[type]"),
        spec_versions=_values(filters, "match[spec_version]") or frozenset({SPEC_VERSION}),
        versions=frozenset(instant(each, "match[version]") for each in versions - _WORDS),
        words=words if versions else frozenset({"last"}),
    )


_MATCHES: Final = OF_OBJECTS - PAGED


def _part(asked: Asked, name: str) -> object:
    """Return what one filter comes to, however it was written: an instant is an instant, and a list has no order."""
    match name:
        case "added_after":
            return asked.added_after
        case "match[id]":
            return asked.ids
        case "match[type]":
            return asked.types
        case "match[version]":
            return asked.versions, asked.words
        case _:
            return asked.spec_versions


def _values(filters: Mapping[str, str], name: str) -> frozenset[str]:
    values = frozenset(part.strip() for part in filters.get(name, "").split(",") if part.strip())
    if len(values) > MAX_MATCH_VALUES:
        raise BadFilter("%(name)s takes at most %(limit)s values", name=name, limit=MAX_MATCH_VALUES)
    return values


def _read(cursor: str, place: str, key: bytes) -> tuple[datetime, dict[str, str]]:
    try:
        raw = base64.urlsafe_b64decode(cursor.encode())
    except ValueError as error:
        raise _foreign() from error
    mac, payload = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(key, place, payload)):
        raise _foreign()
    value: list[Any] = msgspec.json.decode(payload)
    return EPOCH + value[0] * _MICROSECOND, value[1]


def _foreign() -> BadFilter:
    return BadFilter("this cursor was not given out for this question")


def _mac(key: bytes, place: str, payload: bytes) -> bytes:
    return hmac.digest(key, place.encode() + b"\0" + payload, hashlib.sha256)[:_MAC_BYTES]


def timestamp(at: datetime) -> str:
    """Write an instant as TAXII does: UTC, six digits, `Z` (TAXII 2.1 §1.4.1)."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def version_text(at: datetime) -> str:
    """Write a version as STIX writes `modified`: milliseconds where that is exact."""
    return (
        at.astimezone(UTC)
        .isoformat(timespec="microseconds" if at.microsecond % 1_000 else "milliseconds")
        .replace("+00:00", "Z")
    )
