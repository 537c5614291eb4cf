"""Which sensor has written a JSON record, told by the fields that only it writes, and when the event was.

Source: Elastic Common Schema 8/9, Winlogbeat's exported fields, OCSF 1.x, golang-dnstap's and DNS-collector's JSON,
Vector's dnstap source, the JSON of the `evtx` parser, and of NXLog and Logstash as the Security Datasets keep it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from mithaq.telemetry.parsers.paths import MAX_SHAPE_CHARS, MAX_SHAPES, value_at
from mithaq.telemetry.parsers.times import first_time

_STREAM: Final = re.compile(r"[a-zA-Z0-9_.-]{1,60}")
_NO_NAME: Final = re.compile(r"[^a-z0-9]+")
_DNS_FIELDS: Final = frozenset({"query", "qname", "rrname", "question"})
_PROXY_FIELDS: Final = frozenset({"url", "uri", "cs-uri", "cs_uri", "cs-host", "cs_host", "request_url"})
_ZEEK_FIELDS: Final = frozenset({"uid", "fuid", "id.orig_h", "id_orig_h"})
_WINDOWS_FIELDS: Final = frozenset({"Channel", "ProviderGuid", "SourceName", "Provider_Name", "ProviderName"})
_EVENT_FIELDS: Final = frozenset({"dataset", "kind", "category", "module", "code"})
_DNSTAP_TYPE: Final = re.compile(r"(?:AUTH|RESOLVER|CLIENT|FORWARDER|STUB|TOOL|UPDATE)_(?:QUERY|RESPONSE)")

_TELLING: Final = frozenset(
    {
        *("_path", "@stream", "event_type", "winlog", "Event", "Event.System", "Channel", "SourceName", "class_uid"),
        *("class_name", "dnstap", "message", "dataType", "event", "event.dataset", "ecs"),
    }
)
"""The fields whose values `kind_of` reads."""

_MAX_SAID: Final = 256
_MAX_SAID_CHARS: Final = 255

_TIMES: Final = ("ts", "timestamp", "@timestamp", "time", "datetime", "date", "event_time")
_WINDOWS_TIMES: Final = (
    *("Event.System.TimeCreated.#attributes.SystemTime", "Event.System.TimeCreated.@SystemTime"),
    *("TimeCreated", "UtcTime", "@timestamp", "EventTime", "timestamp"),
)
_DNSTAP_TIMES: Final = (
    *("message.response_time", "message.query_time", "dnstap.timestamp-rfc3339ns", "dnstap.timestamp"),
    *("timestamp", "time", "dt_reply", "dt_query"),
)


def kind_and_time(record: Mapping[str, object], stem: str) -> tuple[str, datetime | None]:
    """Name the sensor and its log, and the event's own time, None where it names none that can be read.

    `stem` is the name of the file, for Zeek logs that do not say their own. What records with the same fields have in
    common is found once.
    """
    shape = tuple(record)
    plan = _PLANS.get(shape) or _planned(shape)
    said = (stem, *[record[name] for name in plan.told_by])
    try:
        known = plan.kinds.get(said)
    except TypeError:  # a kind that nested fields tell
        known, said = None, ()
    kind, times = known or plan.learn(said, kind_of(record, stem))
    return kind, first_time(record, times)


def kind_of(record: Mapping[str, object], stem: str) -> str:
    """Name the sensor and its log, whatever is known of records with these fields."""
    for name in ("_path", "@stream"):
        stream = record.get(name)
        if isinstance(stream, str):
            return f"zeek.{stream_name(stream)}"
    event_type = record.get("event_type")
    if isinstance(event_type, str) and "timestamp" in record:
        return f"suricata.{stream_name(event_type)}"
    if "ts" in record and not _ZEEK_FIELDS.isdisjoint(record):
        return f"zeek.{stream_name(stem)}"
    return _schema(record) or _loose(record)


def time_of(record: Mapping[str, object], kind: str) -> datetime | None:
    """Return the event's own time, or None where it names none that can be read."""
    return first_time(record, _times(kind))


def _times(kind: str) -> tuple[str, ...]:
    if kind.startswith("windows."):
        return _WINDOWS_TIMES
    return _DNSTAP_TIMES if kind == "dns.dnstap" else _TIMES


@dataclass(slots=True)
class _Plan:
    """Of records with the same fields: which tell the kind; by what these say, the kind and where its time is."""

    shape: frozenset[str]
    told_by: tuple[str, ...]
    kinds: dict[tuple[object, ...], tuple[str, tuple[str, ...]]] = field(default_factory=dict)

    def learn(self, said: tuple[object, ...], kind: str) -> tuple[str, tuple[str, ...]]:
        """Return a kind and where its time may be; keep that for records that say the same."""
        found = kind, tuple(path for path in _times(kind) if {path, path.partition(".")[0]} & self.shape)
        if said and all(isinstance(each, str) and len(each) <= _MAX_SAID_CHARS for each in said):
            if len(self.kinds) >= _MAX_SAID:
                self.kinds.clear()
            self.kinds[said] = found
        return found


_PLANS: Final[dict[tuple[str, ...], _Plan]] = {}


def _planned(shape: tuple[str, ...]) -> _Plan:
    """Make the plan of a shape, and keep it if it is of a size that sensors write."""
    plan = _Plan(frozenset(shape), tuple(name for name in shape if name in _TELLING))
    if sum(map(len, shape)) <= MAX_SHAPE_CHARS:
        if len(_PLANS) >= MAX_SHAPES:
            _PLANS.clear()
        _PLANS[shape] = plan
    return plan


def stream_name(name: str) -> str:
    """Return the name of a log where it may stand in a kind."""
    return name if _STREAM.fullmatch(name) else "log"


def _schema(record: Mapping[str, object]) -> str:
    channel = _windows_channel(record)
    if channel is not None:
        return f"windows.{_channel_name(channel)}"
    if isinstance(record.get("class_uid"), int) and not {"metadata", "category_uid"}.isdisjoint(record):
        name = record.get("class_name")
        return f"ocsf.{_slug(name if isinstance(name, str) else str(record['class_uid']))}"
    if _is_dnstap(record):
        return "dns.dnstap"
    event = record.get("event")
    dataset = value_at(record, "event.dataset")
    if isinstance(record.get("ecs"), Mapping) or "ecs.version" in record or isinstance(dataset, str):
        return f"ecs.{stream_name(dataset) if isinstance(dataset, str) else 'log'}"
    if "@timestamp" in record and isinstance(event, Mapping) and not _EVENT_FIELDS.isdisjoint(event):
        return "ecs.log"
    return ""


def _loose(record: Mapping[str, object]) -> str:
    if not _DNS_FIELDS.isdisjoint(record):
        return "dns"
    return "json" if _PROXY_FIELDS.isdisjoint(record) else "proxy"


def _windows_channel(record: Mapping[str, object]) -> str | None:
    """Return the event log's channel where the record is a Windows event."""
    winlog = record.get("winlog")
    if isinstance(winlog, Mapping):
        return str(winlog.get("channel") or "log")
    system = value_at(record, "Event.System")
    if isinstance(system, Mapping):
        return str(system.get("Channel") or "log")
    if not {"EventID", "EventId", "event_id"}.isdisjoint(record) and not _WINDOWS_FIELDS.isdisjoint(record):
        return str(record.get("Channel") or record.get("SourceName") or "log")
    return None


def _channel_name(channel: str) -> str:
    short = channel.removeprefix("Microsoft-Windows-").removesuffix("/Operational")
    return _slug(short)


def _slug(text: str) -> str:
    return _NO_NAME.sub("-", text[:60].lower()).strip("-") or "log"


def _is_dnstap(record: Mapping[str, object]) -> bool:
    if isinstance(record.get("dnstap"), Mapping):
        return True
    message = record.get("message")
    kind = message.get("type") if isinstance(message, Mapping) else message
    if isinstance(kind, str) and _DNSTAP_TYPE.fullmatch(kind):
        return True
    return record.get("dataType") == "Message" and "messageType" in record
