"""The header of a syslog message, as it comes over the network or as syslog programs write it to files.

Source: RFC 5424 §6, RFC 3164 §4, and rsyslog's traditional and RFC 3339 file formats.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mithaq.telemetry.parsers.pairs import pairs
from mithaq.telemetry.parsers.times import from_syslog, from_text

_PRI: Final = re.compile(r"<([0-9]{1,3})>")
_OLD_CLOCK: Final = re.compile(r"[A-Z][a-z]{2} [ 0-9][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2} ")
_NEW_CLOCK: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,18}(?:Z|[+-][0-9]{2}:[0-9]{2}) ")
_TAG: Final = re.compile(r"([A-Za-z0-9_./-]{1,64})(?:\[([0-9]{1,10})\])?: ?")
_SEVERITIES: Final = 8


@dataclass(frozen=True, slots=True)
class Syslog:
    """What the header says, and the message below it; `fields` has only what is there."""

    at: datetime | None
    app: str
    fields: dict[str, object]
    message: str


def syslog_of(text: str, received_at: datetime) -> Syslog | None:
    """Read a line's syslog header, or return None where it has none.

    >>> from datetime import UTC
    >>> read = syslog_of("<30>Nov 28 01:39:47 ns1 named[7]: hello", datetime(2026, 11, 28, 2, tzinfo=UTC))
    >>> read.app, read.message, read.fields["host"]
    ('named', 'hello', 'ns1')
    """
    priority = _PRI.match(text)
    rest = text[priority.end() :] if priority else text
    fields: dict[str, object] = {}
    if priority and int(priority[1]) < 24 * _SEVERITIES:
        fields["facility"], fields["severity"] = divmod(int(priority[1]), _SEVERITIES)
        if rest.startswith("1 "):
            return _rfc5424(rest[2:], fields)
    return _rfc3164(rest, fields, received_at, is_syslog=priority is not None)


def _rfc5424(text: str, fields: dict[str, object]) -> Syslog | None:
    parts = text.split(" ", 5)
    if len(parts) < 6:
        return None
    clock, host, app, process, message_id, rest = parts
    named = {"host": host, "app": app, "pid": process, "msgid": message_id}
    fields |= {name: value for name, value in named.items() if value != "-"}
    data, message = _structured(rest)
    if data:
        fields["data"] = pairs(data)
    return Syslog(from_text(clock), app, fields, message.removeprefix("\ufeff"))


def _structured(text: str) -> tuple[str, str]:
    """Return the structured data (RFC 5424 §6.3), in which `"`, `\\` and `]` are escaped, and the message."""
    if not text.startswith("["):
        return "", text[1:].removeprefix(" ") if text.startswith("-") else text
    place, quoted = 0, False
    while place < len(text):
        char = text[place]
        if char == "\\":
            place += 1
        elif char == '"':
            quoted = not quoted
        elif char == "]" and not quoted and text[place + 1 : place + 2] != "[":
            break
        place += 1
    return text[1:place].replace("][", " "), text[place + 1 :].removeprefix(" ")


def _rfc3164(text: str, fields: dict[str, object], received_at: datetime, *, is_syslog: bool) -> Syslog | None:
    old, new = _OLD_CLOCK.match(text), _NEW_CLOCK.match(text)
    clock = old or new
    if clock is None:
        return _message(None, text, fields) if is_syslog else None  # a device that sends no time (§4.3.3)
    written = clock[0].strip()
    at = from_syslog(written, received_at) if old else from_text(written)
    rest = text[clock.end() :]
    host, space, after = rest.partition(" ")
    if not space or not (is_syslog or _TAG.match(after)):
        return None
    fields["host"] = host
    return _message(at, after, fields)


def _message(at: datetime | None, text: str, fields: dict[str, object]) -> Syslog:
    tag = _TAG.match(text)
    if tag is None:
        return Syslog(at, "", fields, text)
    fields["app"] = tag[1]
    if tag[2]:
        fields["pid"] = tag[2]
    return Syslog(at, tag[1], fields, text[tag.end() :])
