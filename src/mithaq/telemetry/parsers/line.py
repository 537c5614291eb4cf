"""Turn the lines of one source into events: the format is decided line by line, or declared and held to."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from mithaq.telemetry.errors import BadLine
from mithaq.telemetry.model import Event, Format, Source, event_id
from mithaq.telemetry.parsers.fields import observables_of
from mithaq.telemetry.parsers.mail import exim, postfix
from mithaq.telemetry.parsers.pairs import pairs
from mithaq.telemetry.parsers.records import kind_and_time, stream_name, time_of
from mithaq.telemetry.parsers.syslog import Syslog, syslog_of
from mithaq.telemetry.parsers.text import bind, combined, squid
from mithaq.telemetry.parsers.w3c import W3cHeader, is_directive, w3c_header_of
from mithaq.telemetry.parsers.zeek_tsv import TsvHeader, header_of

_JSON_FORMATS: Final = {
    Format.ZEEK_JSON: ("zeek.",),
    Format.SURICATA_EVE: ("suricata.",),
    Format.WINDOWS: ("windows.",),
    Format.ECS: ("ecs.", "windows."),  # Winlogbeat writes both
    Format.OCSF: ("ocsf.",),
    Format.DNSTAP: ("dns.dnstap",),
}
"""Of which kinds the lines of a declared format may be."""

_TEXT_KINDS: Final = {
    Format.BIND: "dns.bind",
    Format.SQUID: "proxy.squid",
    Format.COMBINED: "web.combined",
    Format.POSTFIX: "mail.postfix",
    Format.EXIM: "mail.exim",
    Format.SYSLOG: "syslog",
}
_TEXT_READERS: Final = (("dns.bind", bind), ("proxy.squid", squid), ("web.combined", combined), ("mail.exim", exim))
_CEE: Final = "@cee:"


@dataclass(frozen=True, slots=True)
class Decoded:
    """A line as a record of its sensor's own fields."""

    kind: str
    at: datetime | None
    record: Mapping[str, object]


class LineParser:
    """Read lines in order; what a header said is kept in `state` for the rows that follow it."""

    def __init__(self, source: Source, *, state: bytes = b"", file_name: str = "") -> None:
        self._source = source
        self._header = header_of(state)
        self._w3c = w3c_header_of(state)
        self._stem = "" if {"*", "?"} & set(file_name) else file_name.partition(".")[0]  # a folder names each file

    @property
    def state(self) -> bytes:
        """Return what must be known to go on in the middle of this file."""
        return self._header.lines + self._w3c.line

    def parse(self, line: bytes, offset: int, received_at: datetime) -> Event | None:
        """Return the event of a line, or None for an empty line, a header or a comment.

        `received_at` stands in where the line names no time.

        Raises:
            BadLine: the line is not what its source promises; the next one may be.
        """
        decoded = self.decode(line, received_at)
        if decoded is None:
            return None
        return Event(
            event_id=event_id(self._source.name, offset, line),
            at=decoded.at or received_at,
            source=self._source.name,
            kind=decoded.kind,
            lane=self._source.lane,
            observables=observables_of(decoded.record),
            raw=line,
            header=b"" if line[:1] == b"{" else self.state,
            record=decoded.record,
        )

    def decode(self, line: bytes, received_at: datetime) -> Decoded | None:
        """Return what a line says, or None for an empty line, a header or a comment.

        Raises:
            BadLine: the line is not what its source promises.
        """
        expected = self._source.format
        if line[:1] == b"{" and expected is not Format.ZEEK_TSV:
            return self._json(line)
        text = line.lstrip(b"\0")  # what a file that was truncated under its writer begins with
        if not text.strip():
            return None
        if text.startswith(b"#"):
            self._take_header(text)
            return None
        if expected is Format.ZEEK_TSV:
            return self._zeek_row(text)
        if text.lstrip()[:1] == b"{":
            return self._json(text)
        if expected is Format.W3C or (expected is Format.AUTO and self._w3c.fields):
            return self._w3c_row(text)
        if expected is Format.AUTO and self._header.fields:
            return self._zeek_row(text)
        return self._text(text.decode("utf-8", "replace").rstrip("\r"), received_at)

    def _take_header(self, line: bytes) -> None:
        if not is_directive(line):
            self._header = self._header.with_line(line)
            if self._header.fields:
                self._w3c = W3cHeader()
            return
        self._w3c = self._w3c.with_line(line)
        if self._w3c.fields:
            self._header = TsvHeader()

    def _zeek_row(self, line: bytes) -> Decoded:
        if not self._header.fields:
            raise BadLine("a row of a Zeek log came before its #fields header")
        record = self._header.record(line)
        kind = f"zeek.{stream_name(self._header.path)}"
        return Decoded(kind, time_of(record, kind), record)

    def _w3c_row(self, line: bytes) -> Decoded:
        if not self._w3c.fields:
            raise BadLine("a row of a W3C log came before its #Fields header")
        record, at = self._w3c.record(line)
        return Decoded("web.w3c", at, record)

    def _json(self, line: bytes) -> Decoded:
        record = _json(line)
        kind, at = kind_and_time(record, self._stem or self._header.path)
        return Decoded(_checked(self._source.format, kind), at, record)

    def _text(self, text: str, received_at: datetime) -> Decoded:
        """Read a line of a text log, below the header of syslog where it has one."""
        expected = self._source.format
        below = syslog_of(text, received_at)
        body = below.message if below else text
        inner = body.removeprefix(_CEE).lstrip()
        if below and inner.startswith("{"):
            found = self._json(inner.encode())
            return Decoded(found.kind, found.at or below.at, {**below.fields, **found.record})
        wanted = _TEXT_KINDS.get(expected)
        if wanted is None and expected is not Format.AUTO:
            raise BadLine("not a JSON object")
        decoded = _read(body, below)
        if decoded is None:
            raise BadLine("neither a JSON object nor a row below a header nor a line of a known log")
        if wanted not in {None, "syslog", decoded.kind}:
            raise BadLine("not a line of the format %(format)s", format=expected.value)
        return decoded


def _read(body: str, below: Syslog | None) -> Decoded | None:
    for kind, reader in _TEXT_READERS:
        found = reader(body)
        if found is not None:
            record, at = found
            return Decoded(kind, at or (below.at if below else None), {**(below.fields if below else {}), **record})
    if below is None:
        return None
    mail = postfix(below.app, body)
    if mail is not None:
        return Decoded("mail.postfix", below.at, {**below.fields, **mail})
    return Decoded("syslog", below.at, {**pairs(body), **below.fields, "message": body})


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


def _checked(expected: Format, kind: str) -> str:
    """Hold a line to the format its source was declared with.

    Raises:
        BadLine: it is another one.
    """
    match expected:
        case Format.AUTO | Format.SYSLOG:
            return kind
        case Format.DNS | Format.PROXY:
            return expected.value
        case _ if kind.startswith(_JSON_FORMATS.get(expected, ())):
            return kind
        case _:
            raise BadLine("not a line of the format %(format)s", format=expected.value)
