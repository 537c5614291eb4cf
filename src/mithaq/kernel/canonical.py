"""Canonical JSON (RFC 8785) and the strict reading of foreign JSON."""

import json
from typing import Any, NoReturn

import rfc8785

from mithaq.kernel.errors import Error

MAX_SIGNED_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 64


class BadJson(Error):
    """Bytes that are no acceptable JSON."""

    code = "bad-json"


def dumps(value: Any) -> bytes:
    """Serialise a JSON value in its one canonical form (RFC 8785)."""
    return rfc8785.dumps(value)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    for key, value in pairs:
        if key in seen:
            raise BadJson("the key %(key)s stands twice in one object", key=key[:80])
        seen[key] = value
    return seen


def _no_constant(name: str) -> NoReturn:
    raise BadJson("%(name)s is not JSON", name=name)


def check_depth(data: bytes, max_depth: int, subject: str = "") -> None:
    """Refuse JSON nested deeper than `max_depth` before any recursive parser sees it.

    Counts brackets outside strings in one pass over the bytes.

    Raises:
        BadJson: the nesting is deeper.
    """
    if data.count(b"[") + data.count(b"{") <= max_depth:
        return
    depth = 0
    position, end = 0, len(data)
    while position < end:
        byte = data[position]
        if byte == 0x22:
            position = _end_of_string(data, position)
        elif byte in b"[{":
            depth += 1
            if depth > max_depth:
                raise BadJson("nested deeper than %(max)s levels", subject=subject, max=max_depth)
        elif byte in b"]}":
            depth -= 1
        position += 1


def _end_of_string(data: bytes, start: int) -> int:
    position = start + 1
    while True:
        position = data.find(b'"', position)
        if position < 0:
            return len(data)
        backslashes = 0
        while data[position - 1 - backslashes] == 0x5C:
            backslashes += 1
        if backslashes % 2 == 0:
            return position
        position += 1


def loads(data: bytes, *, max_bytes: int = MAX_SIGNED_BYTES, max_depth: int = MAX_DEPTH, subject: str = "") -> Any:
    """Parse JSON strictly: no duplicate keys, no NaN, bounded size and depth, valid UTF-8.

    Raises:
        BadJson: says which rule was broken, and where.
    """
    if len(data) > max_bytes:
        raise BadJson("larger than the limit of %(max)s bytes", subject=subject, max=max_bytes)
    check_depth(data, max_depth, subject)
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except BadJson as error:
        error.subject = subject
        raise
    except (ValueError, RecursionError) as error:
        raise BadJson("broken JSON: %(detail)s", subject=subject, detail=str(error)[:120]) from error


def loads_canonical(data: bytes, *, max_bytes: int = MAX_SIGNED_BYTES, subject: str = "") -> Any:
    """Parse signed JSON, which must be in canonical form byte for byte.

    Raises:
        BadJson: as for `loads`, and when the bytes are not canonical.
    """
    value = loads(data, max_bytes=max_bytes, subject=subject)
    try:
        canonical = dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise BadJson("cannot be canonical: %(detail)s", subject=subject, detail=str(error)[:120]) from error
    if canonical != data:
        raise BadJson("signed JSON is not in canonical form (RFC 8785)", subject=subject)
    return value
