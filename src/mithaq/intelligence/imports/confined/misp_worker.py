"""Convert MISP events to STIX 2.1 in a process that holds no keys and may not grow, spin or write files.

Started by `misp.py` as a program of its own: a MISP file on standard input, lines on standard output. A line starts
with `E` (an event begins: its uuid, title, tags, warnings), `O` (one STIX object), `F` (an event that failed) or `B`
(the file is no JSON).
"""

from __future__ import annotations

import json
import sys
from typing import Any

from mithaq.intelligence.imports.confined.limits import confine
from mithaq.standards.misp.foreign import events_of

_FAILURE_CHARS = 500


def main() -> None:
    """Limit this process, then read, convert and write."""
    file = confine()
    try:
        content = json.loads(file)
    except (ValueError, RecursionError) as error:
        _write("B", {"error": str(error)[:_FAILURE_CHARS]})
        return
    for number, event in enumerate(events_of(content)):
        _convert(event, number)


def _convert(event: Any, number: int) -> None:
    name = _name(event, number)
    if not isinstance(event, dict) or "info" not in event:
        _write("F", {"event": name, "error": "it is no MISP event: no info field"})
        return
    from misp_stix_converter import MISPtoSTIX21Parser

    tags = [tag.get("name", "") for tag in event.get("Tag") or [] if isinstance(tag, dict)]
    to_ids = set(_detectable(_living(event)))
    parser = MISPtoSTIX21Parser()
    try:
        parser.parse_json_content({"Event": _living(event)})
        converted = [json.loads(item.serialize()) for item in parser.bundle.objects]
    except Exception as error:  # noqa: BLE001 - the boundary of this process: the event is named, the rest goes on
        _write("F", {"event": name, "error": f"{type(error).__name__}: {error}"[:_FAILURE_CHARS]})
        return
    notes = [str(note) for notes in (parser.errors, parser.warnings) for group in notes.values() for note in group]
    _write("E", {"event": name, "info": str(event["info"]), "tags": tags, "notes": notes})
    for item in converted:
        _write("O", item)
        if item.get("x_misp_type") == "ja3-fingerprint-md5" and item["id"].partition("--")[2] in to_ids:
            _write("O", _ja3_indicator(item))


def _living(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event without what is deleted in it: MISP keeps that, and the converter takes it for alive."""
    made = dict(event)
    for kind in ("Attribute", "Object"):
        if isinstance(event.get(kind), list):
            made[kind] = [_living(each) for each in event[kind] if isinstance(each, dict) and not _is_deleted(each)]
    return made


def _is_deleted(part: dict[str, Any]) -> bool:
    return part.get("deleted") in (True, 1, "1")


def _detectable(event: dict[str, Any]) -> list[str]:
    return [
        str(attribute["uuid"])
        for attribute in event.get("Attribute") or []
        if isinstance(attribute, dict) and attribute.get("to_ids") and attribute.get("uuid")
    ]


def _ja3_indicator(item: dict[str, Any]) -> dict[str, Any]:
    """Return the indicator that the converter has no mapping for, in the form and with the id it gives all others."""
    value = str(item["x_misp_value"]).replace("\\", "\\\\").replace("'", "\\'")
    kept = ("spec_version", "created_by_ref", "created", "modified", "labels", "object_marking_refs")
    return {
        "type": "indicator",
        "id": f"indicator--{item['id'].partition('--')[2]}",
        **{key: item[key] for key in kept if key in item},
        "pattern": f"[network-traffic:extensions.'tls-ext'.ja3 = '{value}']",
        "pattern_type": "stix",
        "pattern_version": "2.1",
        "valid_from": item["modified"],
    }


def _name(event: Any, number: int) -> str:
    uuid = event.get("uuid") if isinstance(event, dict) else None
    return str(uuid)[:80] if uuid else f"#{number}"


def _write(kind: str, value: dict[str, Any]) -> None:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    sys.stdout.buffer.write(f"{kind}{text}\n".encode("utf-8", "backslashreplace"))


if __name__ == "__main__":
    main()
