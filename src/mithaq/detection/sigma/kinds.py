"""Which events Sigma rules can be asked of: kinds of telemetry, the log sources they are, and Sigma's names of fields.

Most lines concern no rule. So a block is first searched for the few texts of which one stands in every line of a kind
that rules ask, and only these lines are decoded: where no rule asks for its kind, a block costs a search of its bytes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from mithaq.detection.sigma.fields import Fields, Sources, flatten
from mithaq.detection.sigma.model import Unit
from mithaq.standards.sigma import LogSource
from mithaq.telemetry.blocks import Block, Span
from mithaq.telemetry.model import Format
from mithaq.telemetry.parsers.line import Decoded
from mithaq.telemetry.vocabulary import ecs_fields

_CATEGORIES: Final[Mapping[str, tuple[str, ...]]] = {
    "zeek.dns": ("dns",),
    "zeek.conn": ("firewall",),
    "suricata.dns": ("dns",),
    "dns": ("dns",),
    "dns.bind": ("dns",),
    "dns.dnstap": ("dns",),
    "proxy": ("proxy",),
    "proxy.squid": ("proxy",),
    "web.combined": ("webserver",),
    "web.w3c": ("webserver", "proxy"),
}
"""The categories of Sigma's taxonomy that belong to no product, by kind of event."""

_LINUX: Final = frozenset({"syslog", "mail.postfix", "mail.exim"})
_WINDOWS: Final = "windows."
_ZEEK: Final = "zeek."
_TEXT_KINDS: Final = frozenset({"dns.bind", "proxy.squid", "web.combined", "syslog", "mail.postfix", "mail.exim"})
_NAMES: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "dns": {
        "dns.question.name": ("query",),
        "dns.question.type": ("record_type",),
        "dns.resolved_ip": ("answer",),
        "source.ip": ("src_ip",),
    },
    "proxy": {
        "url.full": ("c-uri",),
        "url.domain": ("cs-host", "r-dns"),
        "user_agent.original": ("c-useragent", "cs-user-agent"),
        "http.request.method": ("cs-method",),
        "http.response.status_code": ("sc-status",),
        "user.name": ("cs-username",),
        "source.ip": ("src_ip", "c-ip"),
        "destination.ip": ("dst_ip",),
    },
    "webserver": {
        "user_agent.original": ("cs-user-agent",),
        "http.request.method": ("cs-method",),
        "http.response.status_code": ("sc-status",),
        "user.name": ("cs-username",),
        "source.ip": ("c-ip",),
    },
    "firewall": {
        "source.ip": ("src_ip",),
        "source.port": ("src_port",),
        "destination.ip": ("dst_ip",),
        "destination.port": ("dst_port",),
    },
}
"""Names of Sigma's taxonomy beside those that an event has itself.

Source: Sigma specification 2.1, taxonomy appendix.
"""

_DNS_MARKS: Final = (b'"query"', b'"qname"', b'"rrname"', b'"question"')
_DNSTAP_MARKS: Final = (b"dnstap", b"_QUERY", b"_RESPONSE", b'"messageType"')
_PROXY_MARKS: Final = tuple(
    f'"{name}"'.encode() for name in ("url", "uri", "cs-uri", "cs_uri", "cs-host", "cs_host", "request_url")
)
_WINDOWS_MARKS: Final = (b'"EventID"', b'"winlog"', b'"Event"')
_ZEEK_MARKS: Final = (b'"_path"', b'"@stream"', b'"uid"', b'"fuid"', b'"id.orig_h"', b'"id_orig_h"')
_MARKS: Final[Mapping[str, tuple[bytes, ...]]] = {
    "windows.": _WINDOWS_MARKS,
    "zeek.": _ZEEK_MARKS,
    "suricata.dns": (b'"event_type"',),
    "dns": _DNS_MARKS,
    "dns.dnstap": _DNSTAP_MARKS,
    "proxy": _PROXY_MARKS,
}
"""Of each kind texts of which every JSON line of it has one; names of fields are written without escapes."""

_PATH: Final = re.compile(rb"^#path\s+(\S+)", re.MULTILINE)
_NO_NAME: Final = re.compile(r"[^a-z0-9]+")
_ANYTHING: Final = LogSource()


@dataclass(frozen=True, slots=True)
class Asked:
    """One event as rules are asked of it: where its line lies in its block, its fields, and what it is."""

    span: Span
    kind: str
    at: datetime
    fields: Fields
    sources: Sources


def sources_of(kind: str, record: Mapping[str, Any]) -> tuple[dict[str, object], Sources]:
    """Return a record's fields by Sigma's names, and the log sources that an event of this kind is."""
    fields, sources = flatten(record)
    if sources:
        return fields, sources
    categories = _CATEGORIES.get(kind, ())
    found = [LogSource(category=category) for category in categories]
    if kind.startswith(_ZEEK):
        found.append(LogSource("zeek", "", kind.removeprefix(_ZEEK)))
    if kind in _LINUX:
        app = fields.get("app")
        found += [LogSource("linux", "", app.lower() if isinstance(app, str) else ""), LogSource("linux", "", "syslog")]
    if categories:
        _add_names(fields, categories, ecs_fields(kind, record))
    return fields, tuple(dict.fromkeys(found))


def _add_names(fields: dict[str, object], categories: Collection[str], common: Mapping[str, str]) -> None:
    for category in categories:
        for ecs, names in _NAMES[category].items():
            if ecs in common:
                value = common[ecs].split(",") if ecs == "dns.resolved_ip" else common[ecs]
                for name in names:
                    fields.setdefault(name, value)
    url = fields.get("url") or fields.get("uri")
    if "webserver" in categories and isinstance(url, str):
        stem, _, query = url.partition("?")
        fields.setdefault("cs-uri-stem", stem)
        fields.setdefault("cs-uri-query", query or url)


def kinds_of(unit: Unit) -> frozenset[str]:
    """Return the kinds of events that a unit's rules are asked of; one that ends in a dot is a beginning.

    Of Windows events these are the channels that it names. A rule that names no log source is asked of nothing here:
    it would have every line of every sensor decoded.
    """
    found: set[str] = set()
    for detection in unit.detections:
        kinds = kinds_asked([detection.route])
        channels = {
            f"{_WINDOWS}{_channel(each.value)}"
            for each in detection.predicates
            if each.field == "Channel" and each.operator == "is"
        }
        found |= (kinds - {_WINDOWS}) | channels if channels and _WINDOWS in kinds else kinds
    return frozenset(found)


def _channel(name: str) -> str:
    """Return a channel as it stands in a kind; `kind_of` names it so."""
    short = name[:60].removeprefix("microsoft-windows-").removesuffix("/operational")
    return _NO_NAME.sub("-", short).strip("-") or "log"


def kinds_asked(sources: Iterable[LogSource]) -> frozenset[str]:
    """Return the kinds of events that rules of these log sources may be true of."""
    found: set[str] = set()
    for source in sources:
        if source == _ANYTHING:
            continue
        if source.product == "windows" or (not source.product and not _is_category(source)):
            found.add(_WINDOWS)
        if source.product == "zeek" and not source.category:
            found.add(f"{_ZEEK}{source.service}")
        if source.product == "linux" and not source.category:
            found |= _LINUX
        if not source.product and not source.service:
            found.update(kind for kind, categories in _CATEGORIES.items() if source.category in categories)
    return frozenset(found)


def _is_category(source: LogSource) -> bool:
    return not source.service and any(source.category in categories for categories in _CATEGORIES.values())


def is_among(kind: str, kinds: Collection[str]) -> bool:
    """Tell whether a kind of event is one of these, or begins as one of them does that ends in a dot."""
    return kind in kinds or f"{kind.partition('.')[0]}." in kinds


class Concern:
    """Which lines of a block rules can be asked of, by the kinds of events that they ask."""

    def __init__(self, kinds: Iterable[str]) -> None:
        self.kinds = frozenset(_WINDOWS if kind.startswith(_WINDOWS) else kind for kind in kinds)
        kinds = self.kinds
        self._zeek = frozenset(kind.removeprefix(_ZEEK) for kind in kinds if kind.startswith(_ZEEK))
        marks = [mark for kind in sorted(kinds) for mark in _MARKS.get(kind, ())]
        marks += [f'"{stream}"'.encode() for stream in sorted(self._zeek) if stream]
        self._marks = tuple(dict.fromkeys(marks))
        self._text = bool(kinds & _TEXT_KINDS)

    def __bool__(self) -> bool:
        return bool(self.kinds)

    def is_asked(self, kind: str) -> bool:
        """Tell whether rules are asked of events of this kind."""
        return is_among(kind, self.kinds)

    def events(self, block: Block) -> Iterator[Asked]:
        """Yield the events of a block that rules are asked of, in their order."""
        spans = self._spans(block)
        for span, decoded in block.decoded_at(spans) if spans else ():
            if self.is_asked(decoded.kind):
                yield asked_of(span, decoded, block.received_at)

    def _spans(self, block: Block) -> list[Span]:
        """Return where the lines lie that may be of a kind that is asked; some may be of another."""
        text = block.text
        if not self.kinds or not text:
            return []
        if block.source.format in {Format.DNS, Format.PROXY}:
            return _lines(text) if block.source.format.value in self.kinds else []
        stem = block.file_name.partition(".")[0]
        if stem in self._zeek or self._has_rows(block) or (self._text and not _is_all_json(text)):
            return _lines(text)
        return sorted({_line_around(text, place) for mark in self._marks for place in _places(text, mark)})

    def _has_rows(self, block: Block) -> bool:
        """Tell whether there may be rows below a header that are asked of."""
        header, text = block.header, block.text
        if "web.w3c" in self.kinds and (b"#Fields" in header or b"#Fields" in text):
            return True
        if not self._zeek:
            return False
        named = _PATH.findall(header) + (_PATH.findall(text) if b"#path" in text else [])
        paths = {path.decode("utf-8", "replace") for path in named}
        return bool(paths) and ("" in self._zeek or not self._zeek.isdisjoint(paths))


def asked_of(span: Span, decoded: Decoded, received_at: datetime) -> Asked:
    """Return a decoded line as rules are asked of it; without a time of its own it is of when it was received."""
    fields, sources = sources_of(decoded.kind, decoded.record)
    return Asked(span, decoded.kind, decoded.at or received_at, fields, sources)


def _lines(text: bytes) -> list[Span]:
    found: list[Span] = []
    start = 0
    for line in text.split(b"\n"):
        end = start + len(line)
        if line and not line.startswith(b"#"):
            found.append((start, end))
        start = end + 1
    return found


def _is_all_json(text: bytes) -> bool:
    return all(line[:1] in {b"{", b"#", b""} for line in text.split(b"\n"))


def _places(text: bytes, mark: bytes) -> Iterator[int]:
    """Yield a place in each line that has the text."""
    place = text.find(mark)
    while place >= 0:
        yield place
        end = text.find(b"\n", place)
        place = text.find(mark, end) if end >= 0 else -1


def _line_around(text: bytes, place: int) -> Span:
    end = text.find(b"\n", place)
    return text.rfind(b"\n", 0, place) + 1, len(text) if end < 0 else end
