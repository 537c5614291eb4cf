"""Numbers for events and their parts: MISP's scripts know what they work on by numbers, and a node by uuids.

A number is made of the uuid alone. It is the same for everybody, on every day, and tells nothing that the uuid does
not: neither how many others there are, nor which came first. Who asks by one is told where two uuids have it.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

from mithaq.standards.misp.parts import Part, parts
from mithaq.standards.stix import is_uuid


def number_of(uuid: str) -> str:
    """Return the number of what has a uuid: 48 bits, as many as every client reads, of its digest.

    Not of the uuid itself, of which some kinds have the same bits at its end for all that one machine made.

    >>> number_of("5B8F0B1E-1234-4abc-8def-0000000000e0") == number_of("5b8f0b1e-1234-4abc-8def-0000000000e0")
    True
    """
    return str(int.from_bytes(hashlib.sha256(uuid.lower().encode()).digest()[:6]) or 1)


def is_number(named: str) -> bool:
    """Tell whether something is named by its number."""
    return named.isascii() and named.isdecimal() and len(named) < 16


def of_number(uuids: Iterable[str], number: str) -> Iterator[str]:
    """Yield those of some uuids that have a number."""
    return (uuid for uuid in uuids if number_of(uuid) == number)


def numbered(event: dict[str, Any]) -> dict[str, Any]:
    """Give an event and every part of it its number, in place of those of the server on which it was made."""
    event["id"] = number_of(str(event.get("uuid", "")))
    for each in parts(event):
        uuid = str(each.part.get("uuid", ""))
        if is_uuid(uuid.lower()):
            each.part["id"] = number_of(uuid)
        each.part["event_id"] = event["id"]
        if each.kind in ("Attribute", "ObjectReference"):
            each.part["object_id"] = _owner(each.parent)
        if each.kind == "ObjectReference":
            each.part["referenced_id"] = number_of(str(each.part.get("referenced_uuid", "")))
    return event


def _owner(parent: Part | None) -> str:
    return "0" if parent is None else number_of(str(parent.get("uuid", "")))
