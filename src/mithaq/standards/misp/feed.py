"""The files of a MISP feed: an entry of the manifest, and the lines of `hashes.csv`."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from mithaq.standards.misp.foreign import attributes_of

_KEPT = ("info", "date", "analysis", "threat_level_id", "timestamp")


def entry(event: Mapping[str, Any], tags: list[dict[str, str]]) -> dict[str, Any]:
    """Return what the manifest says of an event: what consumers filter by, and the timestamp they compare."""
    orgc = event.get("Orgc")
    named = orgc if isinstance(orgc, dict) else {}
    found = {key: event[key] for key in _KEPT if key in event}
    return {
        "info": "", "date": "", "analysis": "0", "threat_level_id": "4", "timestamp": "0", **found,
        "Orgc": {"name": str(named.get("name", "")), "uuid": str(named.get("uuid", ""))},
        "Tag": tags,
    }  # fmt: skip


def hash_lines(event: dict[str, Any]) -> Iterator[str]:
    """Yield the MD5 of each value with the event's uuid; of a composite type, one for each part."""
    uuid = str(event.get("uuid", ""))
    for attribute in attributes_of(event):
        if attribute.get("deleted") in (True, 1, "1"):
            continue
        value = str(attribute.get("value", ""))
        parts = value.split("|") if "|" in str(attribute.get("type", "")) else [value]
        for part in parts:
            yield f"{hashlib.md5(part.encode('utf-8', 'replace'), usedforsecurity=False).hexdigest()},{uuid}"
