"""Turn the lines of one source into events: the format is decided line by line."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec

from mithaq.telemetry.errors import BadLine
from mithaq.telemetry.model import Event, Format, Source, event_id
from mithaq.telemetry.parsers.fields import observables_of
from mithaq.telemetry.parsers.zeek_tsv import header_of

_STREAM: Final = re.compile(r"[a-zA-Z0-9_.-]{1,60}")
_TIMES: Final = ("ts", "timestamp", "@timestamp", "time", "datetime", "date", "event_time")
_DNS_FIELDS: Final = frozenset({"query", "qname", "rrname", "question"})
_PROXY_FIELDS: Final = frozenset({"url", "uri", "cs-uri", "cs_uri", "cs-host", "cs_host", "request_url"})
_ZEEK_FIELDS: Final = frozenset({"uid", "fuid", "id.orig_h", "id_orig_h"})
_MILLISECONDS_FROM: Final = 1e11
"""Seconds reach this number in the year 5138; a larger number counts milliseconds."""


class LineParser:
    """Read lines in order; what a Zeek header said is kept in `state` for the rows that follow it."""

    def __init__(self, source: Source, *, state: bytes = b"", file_name: str = "") -> None:
        self._source = source
        self._header = header_of(state)
        self._stem = file_name.partition(".")[0]

    @property
    def state(self) -> bytes:
        """Return what must be known to go on in the middle of this file."""
        return self._header.lines

    def parse(self, line: bytes, offset: int, received_at: datetime) -> Event | None:
        """Return the event of a line, or None for an empty line, a header or a comment.

        `received_at` stands in where the line names no time.

        Raises:
            BadLine: the line is not what its source promises; the next one may be.
        """
        if not line.strip():
            return None
        if line.startswith(b"#"):
            self._header = self._header.with_line(line)
            return None
        record, kind = self._record(line)
        return Event(
            event_id=event_id(self._source.name, offset, line),
            at=_time(record) or received_at,
            source=self._source.name,
            kind=kind,
            lane=self._source.lane,
            observables=observables_of(record),
            raw=line,
        )

    def _record(self, line: bytes) -> tuple[Mapping[str, object], str]:
        expected = self._source.format
        if line.lstrip()[:1] == b"{" and expected is not Format.ZEEK_TSV:
            record = _json(line)
            return record, _checked(expected, _kind(record, self._stem))
        if expected in {Format.AUTO, Format.ZEEK_TSV}:
            if not self._header.fields:
                raise BadLine("neither a JSON object nor a row below a Zeek header")
            return self._header.record(line), f"zeek.{_stream(self._header.path)}"
        raise BadLine("not a JSON object")


def _json(line: bytes) -> Mapping[str, object]:
    try:
        record = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadLine("not valid JSON: %(problem)s", problem=str(error)) from error
    except RecursionError as error:
        raise BadLine("not valid JSON: nested too deeply") from error
    if not isinstance(record, dict):
        raise BadLine("not a JSON object")
    return record


def _kind(record: Mapping[str, object], stem: str) -> str:
    """Name the sensor and its log from the fields that only it writes."""
    for name in ("_path", "@stream"):
        stream = record.get(name)
        if isinstance(stream, str):
            return f"zeek.{_stream(stream)}"
    event_type = record.get("event_type")
    if isinstance(event_type, str) and "timestamp" in record:
        return f"suricata.{_stream(event_type)}"
    if "ts" in record and not _ZEEK_FIELDS.isdisjoint(record):
        return f"zeek.{_stream(stem)}"
    if not _DNS_FIELDS.isdisjoint(record):
        return "dns"
    return "json" if _PROXY_FIELDS.isdisjoint(record) else "proxy"


def _stream(name: str) -> str:
    return name if _STREAM.fullmatch(name) else "log"


def _checked(expected: Format, kind: str) -> str:
    """Hold a line to the format its source was declared with.

    Raises:
        BadLine: it is another one.
    """
    match expected:
        case Format.ZEEK_JSON if not kind.startswith("zeek."):
            raise BadLine("not a line of a Zeek log")
        case Format.SURICATA_EVE if not kind.startswith("suricata."):
            raise BadLine("not a Suricata EVE record: no event_type and timestamp")
        case Format.DNS | Format.PROXY:
            return expected.value
    return kind


def _time(record: Mapping[str, object]) -> datetime | None:
    """Return the event's own time; an unreadable one must not cost the event."""
    for name in _TIMES:
        value = record.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return _from_epoch(value)
        if isinstance(value, str):
            return _from_text(value)
    return None


def _from_epoch(value: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(value / 1000 if value > _MILLISECONDS_FROM else value, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _from_text(value: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(value)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    try:
        return _from_epoch(float(value))
    except ValueError:
        return None
