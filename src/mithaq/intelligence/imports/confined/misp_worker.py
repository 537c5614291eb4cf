"""Convert MISP events to STIX 2.1 in a process that holds no keys and may not grow, spin or write files.

Asked by `misp.py` through its nursery. A line of its output starts with `E` (an event begins: its uuid, title, tags,
warnings), `O` (one STIX object), `F` (an event that failed) or `B` (the file is no JSON).
"""

from __future__ import annotations

import json
import re
import sys
from datetime import UTC, datetime
from typing import Any

from mithaq.standards.misp.foreign import events_of
from mithaq.standards.misp.parts import analyst_data
from mithaq.standards.stix import is_uuid

_FAILURE_CHARS = 500
_MAIN = ("indicator", "report", "grouping")
"""What an attribute or an event is first of all, where several objects have its uuid."""


def prepare() -> None:
    """Import the converter, which takes a second."""
    import misp_stix_converter  # noqa: F401


def work(file: bytes, cpu_s: int) -> None:  # noqa: ARG001 - a worker's form
    """Read, convert and write."""
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
    related, lost = _related(event, converted)
    notes = [
        str(note) for notes in (parser.errors, parser.warnings) for group in notes.values() for note in group
    ] + lost
    _write("E", {"event": name, "info": str(event["info"]), "tags": tags, "notes": notes})
    for item in (*converted, *related):
        _write("O", item)
        if item.get("x_misp_type") == "ja3-fingerprint-md5" and item["id"].partition("--")[2] in to_ids:
            _write("O", _ja3_indicator(item))


def _related(event: dict[str, Any], converted: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """Return analysts' relationships (MISP 2.5) between objects of an event, and what no object says of their words.

    The converter makes notes and opinions of what analysts say of an event and its parts, and leaves the rest out.
    """
    known = {item["id"].partition("--")[2]: item for item in reversed(converted)}
    known |= {item["id"].partition("--")[2]: item for item in converted if item["type"] in _MAIN}
    made, lost = [], []
    for kind, said in analyst_data(event):
        uuid = str(said.get("uuid", ""))
        ends = [known.get(str(said.get(key, "")).lower()) for key in ("object_uuid", "related_object_uuid")]
        if kind != "Relationship":
            if uuid.lower() not in known:
                lost.append(f"{kind} {uuid} became no object: it stays in the original")
        elif (relationship := _relationship(said, *ends)) is not None:
            made.append(relationship)
        else:
            lost.append(f"Relationship {uuid} became no object, for one of its ends is none: it stays in the original")
    return made, lost


def _relationship(
    said: dict[str, Any], source: dict[str, Any] | None, target: dict[str, Any] | None
) -> dict[str, Any] | None:
    """Return a STIX relationship (STIX 2.1 §5.1), None where an end or its kind is missing."""
    uuid, kind = str(said.get("uuid", "")).lower(), _slug(str(said.get("relationship_type", "")))
    if source is None or target is None or not kind or not is_uuid(uuid):
        return None
    kept = ("spec_version", "created_by_ref", "object_marking_refs")
    times = [_instant(said.get(key)) or str(source.get(key, source.get("created"))) for key in ("created", "modified")]
    return {
        "type": "relationship",
        "id": f"relationship--{uuid}",
        **{key: source[key] for key in kept if key in source},
        "created": times[0],
        "modified": max(times),
        "labels": ['misp:context-layer="Analyst Relationship"'],
        "relationship_type": kind,
        "source_ref": source["id"],
        "target_ref": target["id"],
    }


def _slug(kind: str) -> str:
    """Return a kind of relationship in the letters that STIX lets one have."""
    return re.sub(r"[^a-z0-9]+", "-", kind.lower()).strip("-")[:250]


def _instant(value: Any) -> str | None:
    """Return a time as MISP writes analysts' (UTC, no zone) as STIX writes one."""
    try:
        read = datetime.strptime(str(value), "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return read.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _living(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event without what is deleted in it: MISP keeps that, and the converter takes it for alive.

    It makes nothing of analysts' relationships and loses the attribute at which one stands that it cannot read.
    """
    made = {key: value for key, value in event.items() if key != "Relationship"}
    for kind in ("Attribute", "Object", "EventReport"):
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
