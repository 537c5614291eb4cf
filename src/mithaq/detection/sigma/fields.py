"""The fields of a decoded record as Sigma rules name them, and of which log source the record is.

Windows events come as EVTX turned into JSON (`Event.System`, `Event.EventData`), as Winlogbeat writes them
(`winlog.event_data`), and flat, with the names of the event data beside those of the header. Other records keep their
names; what lies deeper is named with dots.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from mithaq.detection.sigma import settings
from mithaq.standards.sigma import LogSource

Fields = Mapping[str, object]
Sources = tuple[LogSource, ...]
"""What an event is: a change of the registry is of two categories."""

_SYSMON: Final = "microsoft-windows-sysmon/operational"
_SYSMON_CATEGORIES: Final = {
    1: ("process_creation",), 2: ("file_change",), 3: ("network_connection",), 4: ("sysmon_status",),
    5: ("process_termination",), 6: ("driver_load",), 7: ("image_load",), 8: ("create_remote_thread",),
    9: ("raw_access_thread",), 10: ("process_access",), 11: ("file_event",),
    12: ("registry_event", "registry_add", "registry_delete"), 13: ("registry_event", "registry_set"),
    14: ("registry_event", "registry_rename"), 15: ("create_stream_hash",), 16: ("sysmon_status",),
    17: ("pipe_created",), 18: ("pipe_created",), 19: ("wmi_event",), 20: ("wmi_event",), 21: ("wmi_event",),
    22: ("dns_query",), 23: ("file_delete",), 24: ("clipboard_capture",), 25: ("process_tampering",),
    26: ("file_delete_detected",), 27: ("file_block_executable",), 28: ("file_block_shredding",),
    29: ("file_executable_detected",), 255: ("sysmon_error",),
}  # fmt: skip
_SERVICES: Final = {
    _SYSMON: "sysmon",
    "security": "security",
    "system": "system",
    "application": "application",
    "windows powershell": "powershell-classic",
    "microsoft-windows-powershell/operational": "powershell",
    "powershellcore/operational": "powershell",
    "microsoft-windows-windows defender/operational": "windefend",
}
_HEADER: Final = {
    "event_id": "EventID", "channel": "Channel", "provider_name": "Provider_Name", "computer_name": "Computer",
    "record_id": "EventRecordID", "task": "Task", "opcode": "Opcode", "keywords": "Keywords", "version": "Version",
}  # fmt: skip
_TIMES: Final = ("TimeCreated_SystemTime", "TimeCreated", "@timestamp", "UtcTime", "timestamp", "ts", "time")
_MILLISECONDS_FROM: Final = 1e11
_PROVIDER: Final = ("ProviderName", "SourceName")
_DROPPED_IN_NAMES: Final = re.compile(r"\s+")


def flatten(record: Mapping[str, Any]) -> tuple[dict[str, object], Sources]:
    """Return the fields of a decoded record by Sigma's names, and what it is.

    What is null or nested deeper than a limit is no field; of a Windows event whose form is known, no more than the
    header and the event's own data.
    """
    event, winlog = record.get("Event"), record.get("winlog")
    if isinstance(event, dict) and isinstance(event.get("System"), dict):
        fields = _evtx(event)
    elif isinstance(winlog, dict):
        fields = _winlogbeat(winlog, record)
    elif "Channel" in record and "EventID" in record:
        fields = _flat(record)
    else:
        return _dotted(record), ()
    return fields, windows_sources(fields)


def windows_sources(fields: Fields) -> Sources:
    """Return what a Windows event is, by its channel and number."""
    channel, number = fields.get("Channel"), fields.get("EventID")
    text = number if isinstance(number, str) else str(number)
    return _windows_sources(channel if isinstance(channel, str) else "", text[:20])


def canonical_name(name: str) -> str:
    """Return the one spelling of a field's name: `Threat Name`, `ThreatName` and `threatname` are one field."""
    return _DROPPED_IN_NAMES.sub("", name).lower()


def value_of(fields: Fields, name: str) -> object:
    """Return a field's value however the event spells its name; None where it has none."""
    found = fields.get(name)
    if found is not None:
        return found
    wanted = canonical_name(name)
    return next((value for each, value in fields.items() if value is not None and canonical_name(each) == wanted), None)


def instant_of(fields: Fields) -> datetime | None:
    """Return when an event happened, by the first of its fields that tells; None where none does."""
    for name in _TIMES:
        value = fields.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        if isinstance(value, str) and (found := instant(value)) is not None:
            return found
    return None


def instant(text: str) -> datetime | None:
    """Return the instant that a text tells: ISO 8601, or seconds or milliseconds since 1970."""
    try:
        number = float(text) if text[:1].isdecimal() and "-" not in text else None
        if number is not None:
            return datetime.fromtimestamp(number / 1_000 if number > _MILLISECONDS_FROM else number, UTC)
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def text_of(value: object) -> str | None:
    """Return one value as the text that rules are compared with; None for what is no single value.

    >>> text_of(True), text_of(4688), text_of(2.0)
    ('true', '4688', '2')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value) if isinstance(value, int) else None


def texts_of(value: object) -> list[str]:
    """Return the texts of a value, of a list those of its items; nothing for null and for mappings."""
    items: Iterable[object] = value[: settings.MAX_LIST_ITEMS] if isinstance(value, list) else (value,)
    return [text for text in map(text_of, items) if text is not None]


@lru_cache(maxsize=4_096)
def _windows_sources(channel: str, number: str) -> Sources:
    service = _SERVICES.get(channel.lower(), "")
    known = service == "sysmon" and number.isascii() and number.isdecimal()
    categories = _SYSMON_CATEGORIES.get(int(number), ("",)) if known else ("",)
    return tuple(LogSource("windows", category, service) for category in categories)


def _evtx(event: Mapping[str, Any]) -> dict[str, object]:
    fields: dict[str, object] = {}
    for name, value in event["System"].items():
        if isinstance(value, dict):
            _put(fields, name, value.get("#text"))
            attributes = value.get("#attributes")
            for attribute, each in attributes.items() if isinstance(attributes, dict) else ():
                _put(fields, f"{name}_{attribute}", each)
        else:
            _put(fields, name, value)
    for section in ("EventData", "UserData"):
        data = event.get(section)
        if isinstance(data, dict):
            _event_data(fields, data, settings.MAX_EVENT_DEPTH)
    return fields


def _event_data(fields: dict[str, object], data: Mapping[str, Any], depth: int) -> None:
    for name, value in data.items():
        if name == "#attributes":
            continue
        if not isinstance(value, dict):
            _put(fields, name, value)
        elif "#text" in value:
            _put(fields, name, value["#text"])
        elif depth > 0:
            _event_data(fields, value, depth - 1)


def _winlogbeat(winlog: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, object]:
    fields: dict[str, object] = {}
    for name, sigma in _HEADER.items():
        _put(fields, sigma, winlog.get(name))
    for section in ("user_data", "event_data"):
        data = winlog.get(section)
        if isinstance(data, dict):
            _event_data(fields, data, settings.MAX_EVENT_DEPTH)
    _put(fields, "Message", record.get("message"))
    return fields


def _flat(record: Mapping[str, Any]) -> dict[str, object]:
    """Return a flat record as it is, but for the names of the header that rules write otherwise."""
    fields = dict(record)
    if fields.get("Provider_Name") is None:
        for name in _PROVIDER:
            if fields.get(name):
                fields["Provider_Name"] = fields[name]
                break
    if fields.get("Computer") is None and fields.get("Hostname"):
        fields["Computer"] = fields["Hostname"]
    return fields


def _dotted(record: Mapping[str, Any]) -> dict[str, object]:
    fields: dict[str, object] = {}
    waiting: list[tuple[str, Any, int]] = [("", record, 0)]
    while waiting and len(fields) < settings.MAX_FIELDS:
        name, value, depth = waiting.pop()
        if isinstance(value, dict):
            if depth < settings.MAX_EVENT_DEPTH:
                below = f"{name}." if name else ""
                waiting += [(f"{below}{key}", each, depth + 1) for key, each in reversed(value.items())]
        elif isinstance(value, list) and any(isinstance(each, dict) for each in value):
            for each in reversed(value[: settings.MAX_LIST_ITEMS]):
                waiting.append((name, each, depth + 1))
        else:
            _join(fields, name, value)
    return fields


def _join(fields: dict[str, object], name: str, value: object) -> None:
    """Put a value beside those that other items of a list have under the same name."""
    held = fields.get(name)
    if held is None:
        _put(fields, name, value)
    elif value is not None:
        items = held if isinstance(held, list) else [held]
        fields[name] = [*items, *(value if isinstance(value, list) else [value])][: settings.MAX_LIST_ITEMS]


def _put(fields: dict[str, object], name: str, value: object) -> None:
    if value is not None and len(fields) < settings.MAX_FIELDS:
        fields[name] = value
