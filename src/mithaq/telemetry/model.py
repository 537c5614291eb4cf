"""The words of telemetry: a source, a line that became an event, a line that could not."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from mithaq.kernel.lane import Lane
from mithaq.standards.observable import Observable


class Format(StrEnum):
    """What the lines of a source look like; `auto` decides line by line."""

    AUTO = "auto"
    ZEEK_TSV = "zeek-tsv"
    ZEEK_JSON = "zeek-json"
    SURICATA_EVE = "suricata-eve"
    WINDOWS = "windows-json"
    ECS = "ecs"
    OCSF = "ocsf"
    DNSTAP = "dnstap"
    BIND = "bind"
    SQUID = "squid"
    W3C = "w3c"
    COMBINED = "combined"
    POSTFIX = "postfix"
    EXIM = "exim"
    SYSLOG = "syslog"
    DNS = "dns"
    PROXY = "proxy"


@dataclass(frozen=True, slots=True)
class Source:
    """A stream of lines with a name; `path` is empty for one whose lines come over the network.

    `feed` says from where: nothing for one that is pushed over HTTP, else a feed as `feeds` writes it.
    """

    name: str
    path: str
    format: Format
    lane: Lane
    feed: str = ""

    @property
    def is_pushed(self) -> bool:
        """Tell whether the lines come through the spool and not from a file of the sensor."""
        return not self.path


@dataclass(frozen=True, slots=True)
class Event:
    """One line of telemetry, with everything in it that an indicator could name.

    `header`: the header lines without which a row of columns cannot be read again; empty for other lines.
    `record`: the line as a record of its sensor's own fields; empty for an event that was read from the lake.
    """

    event_id: str
    at: datetime
    source: str
    kind: str
    lane: Lane
    observables: tuple[tuple[str, Observable], ...]
    raw: bytes
    header: bytes = b""
    record: Mapping[str, object] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class BrokenLine:
    """A line that was skipped: where it is, and why it could not be read."""

    source: str
    line: int
    offset: int
    reason: str


def event_id(source: str, offset: int, line: bytes) -> str:
    """Return the identifier of a line: the same line at the same place is the same event.

    A replay of a file therefore gives the same events again, while two equal lines in one file stay two.
    """
    digest = hashlib.sha256(b"%b\0%d\0" % (source.encode(), offset) + line)
    return f"event--{digest.hexdigest()[:32]}"
