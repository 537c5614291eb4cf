"""A MISP sighting as STIX: a sighting (STIX 2.1 §5.2), or where it says false positive an opinion (§4.15)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from mithaq.kernel.clock import rfc3339

SEEN: Final = "0"
FALSE_POSITIVE: Final = "1"
"""What MISP's `type` says; 2 is an expiry, which has no counterpart."""

_LATEST: Final = 1 << 33
_DISAGREES: Final = "strongly-disagree"
_EXPLAINED: Final = "false positive"


def stix_of(uuid: str, about: str, kind: str, seen: datetime, at: datetime, source: str = "") -> dict[str, Any]:
    """Return what a sighting of the object `about` says; `at` is when it was said, `source` what saw it."""
    common = {"spec_version": "2.1", "created": rfc3339(at), "modified": rfc3339(at)}
    if kind == FALSE_POSITIVE:
        return {
            "type": "opinion", "id": f"opinion--{uuid}", **common, "opinion": _DISAGREES,
            "explanation": _EXPLAINED, **({"authors": [source]} if source else {}), "object_refs": [about],
        }  # fmt: skip
    return {
        "type": "sighting", "id": f"sighting--{uuid}", **common, "sighting_of_ref": about, "count": 1,
        "first_seen": rfc3339(seen), "last_seen": rfc3339(seen), **({"description": source} if source else {}),
    }  # fmt: skip


def kind_of(fields: Mapping[str, Any]) -> str:
    """Return which of MISP's types an object is, empty for an opinion that says anything but false positive."""
    if fields.get("type") == "sighting":
        return SEEN
    is_false = fields.get("opinion") == _DISAGREES and fields.get("explanation") == _EXPLAINED
    return FALSE_POSITIVE if fields.get("type") == "opinion" and is_false else ""


def source_of(fields: Mapping[str, Any]) -> str:
    """Return what saw it, as far as an object says so."""
    authors = fields.get("authors")
    author = authors[0] if isinstance(authors, list) and authors else ""
    said = fields.get("description") if fields.get("type") == "sighting" else author
    return said if isinstance(said, str) else ""


def instant_of(value: Any) -> datetime | None:
    """Read seconds since 1970 as MISP writes them, as a number or as text; None for what is no such time.

    >>> instant_of("1700000000").isoformat()
    '2023-11-14T22:13:20+00:00'
    >>> instant_of("-1")
    """
    text = str(value)
    stamp = int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else 0
    return datetime.fromtimestamp(stamp, UTC) if 0 < stamp < _LATEST else None
