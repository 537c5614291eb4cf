"""What an event says under the paths of STIX patterns: its observables, and the fields of its line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Final

from mithaq.standards.observable import Observable, recognise
from mithaq.standards.stix.paths import REGISTRY_KEY, SERIAL, USER_AGENT
from mithaq.telemetry.errors import BadLine
from mithaq.telemetry.model import Event, Format, Source
from mithaq.telemetry.parsers.fields import observables_of
from mithaq.telemetry.parsers.line import LineParser
from mithaq.telemetry.parsers.paths import value_at
from mithaq.telemetry.vocabulary import ecs_fields

Value = tuple[str, str]
"""A field and the text in it."""

_PATH_ENDS: Final = re.compile(r"[\\/]+")
_HIVES: Final = {
    "HKLM": "HKEY_LOCAL_MACHINE",
    "HKCU": "HKEY_CURRENT_USER",
    "HKU": "HKEY_USERS",
    "HKCR": "HKEY_CLASSES_ROOT",
    "HKCC": "HKEY_CURRENT_CONFIG",
}
_DEVICE_HIVES: Final = {r"\REGISTRY\MACHINE": "HKEY_LOCAL_MACHINE", r"\REGISTRY\USER": "HKEY_USERS"}
_HTTP: Final = "network-traffic:extensions.http-request-ext."
_RESOLVES_TO: Final = "domain-name:resolves_to_refs.value"
_PROCESS_NAMES: Final = ("process:name", "process:image_ref.name", "process:binary_ref.name")
_PARENT_NAMES: Final = ("process:parent_ref.name", "process:parent_ref.image_ref.name")

COMMON: Final[Mapping[str, tuple[str, ...]]] = {
    USER_AGENT: ("user_agent.original",),
    f"{_HTTP}request_header.host": ("url.domain",),
    f"{_HTTP}request_method": ("http.request.method",),
    "network-traffic:dst_port": ("destination.port",),
    "network-traffic:src_port": ("source.port",),
    "process:command_line": ("process.command_line",),
    "process:parent_ref.command_line": ("process.parent.command_line",),
    "process:pid": ("process.pid",),
    "email-message:subject": ("email.subject",),
    "user-account:user_id": ("user.name",),
    "user-account:account_login": ("user.name",),
    _RESOLVES_TO: ("dns.resolved_ip",),
}
"""Paths whose values are those of fields that all sensors have in common (ECS)."""

_OWN: Final[Mapping[str, tuple[str, ...]]] = {
    f"{_HTTP}request_header.referer": ("referrer", "http.http_refer", "http.request.referrer", "cs(Referer)"),
    f"{_HTTP}request_value": ("uri", "http.url", "cs-uri", "cs-uri-stem", "url.path"),
    SERIAL: ("certificate.serial", "tls.serial", "tls.server.x509.serial_number"),
    "x509-certificate:subject": ("certificate.subject", "tls.subject", "tls.server.subject"),
    "x509-certificate:issuer": ("certificate.issuer", "tls.issuerdn", "tls.server.issuer"),
}
"""Paths whose values stand in fields of single sensors."""

_IN_ZEEK_SSL: Final = {"x509-certificate:subject": "subject", "x509-certificate:issuer": "issuer"}
_TLS: Final = frozenset({"ssl", "tls"})


class Facts:
    """One event, read as far as it is asked; its line is decoded once, when a field is asked for."""

    def __init__(self, event: Event) -> None:
        self.event = event

    @cached_property
    def record(self) -> Mapping[str, object]:
        """Return the line's own fields; none where it cannot be read any more."""
        source = Source(self.event.source, "", Format.AUTO, self.event.lane)
        try:
            decoded = LineParser(source, state=self.event.header).decode(self.event.raw, self.event.at)
        except BadLine:
            return {}
        return {} if decoded is None else decoded.record

    @cached_property
    def observables(self) -> tuple[tuple[str, Observable], ...]:
        """Return every (field, observable); an event of the sealed lake comes without."""
        return self.event.observables or observables_of(self.record)

    @cached_property
    def common(self) -> Mapping[str, str]:
        """Return the fields that have a common name."""
        return ecs_fields(self.event.kind, self.record)

    def values(self, path: str) -> Iterator[Value]:
        """Yield the texts that the event has under a path of a pattern."""
        for name in COMMON.get(path, ()):
            text = self.common.get(name)
            if text:
                yield from ((name, each) for each in (text.split(",") if path == _RESOLVES_TO else (text,)))
        yield from self._own(_OWN.get(path, ()))
        if self.event.kind == "zeek.ssl" and path in _IN_ZEEK_SSL:
            yield from self._own((_IN_ZEEK_SSL[path],))
        if path in _MADE:
            yield from _MADE[path](self)

    def _own(self, names: Iterable[str]) -> Iterator[Value]:
        for name in names:
            found = value_at(self.record, name)
            if isinstance(found, str) and found:
                yield name, found

    def peers(self, role: str, *, or_any: bool) -> Iterator[tuple[str, Observable]]:
        """Yield the addresses and names of one end of a connection (`src_ref` or `dst_ref`).

        `or_any`: where the event does not say which is which, each may be either.
        """
        sides = {"src_ref": _SOURCE, "dst_ref": _DESTINATION}
        if not any(name in self.common for names in sides.values() for name in names):
            ends = (each for each in self.observables if each[1].type in _ENDS)
            yield from ends if or_any else ()
            return
        for name in sides[role]:
            found = recognise(self.common.get(name, ""))
            if found is not None and found.type in _ENDS:
                yield name, found

    def parts(self, name: str) -> Iterator[tuple[str, list[str]]]:
        """Yield the field, with the names in its path, if the event has it."""
        text = self.common.get(name)
        if text:
            yield name, [part for part in _PATH_ENDS.split(text) if part]


_ENDS: Final = frozenset({"ipv4", "ipv6", "domain"})
_SOURCE: Final = ("source.ip", "source.domain")
_DESTINATION: Final = ("destination.ip", "destination.domain", "url.domain", "tls.client.server_name")


def _last(*names: str) -> Callable[[Facts], Iterator[Value]]:
    """Return the name at the end of a file's path."""
    return lambda facts: ((name, parts[-1]) for each in names for name, parts in facts.parts(each) if parts)


def _folder(facts: Facts) -> Iterator[Value]:
    for name in ("file.path", "process.executable"):
        text = facts.common.get(name, "")
        end = max(text.rfind("\\"), text.rfind("/"))
        if end > 0:
            yield name, text[:end]


def _registry_keys(facts: Facts) -> Iterator[Value]:
    """Yield the path, and the key above it: Sysmon writes the name of a value behind its key's."""
    text = facts.common.get("registry.path", "")
    if text:
        key = full_key(text)
        yield "registry.path", key
        yield "registry.path", key.rpartition("\\")[0]


def _registry_value(facts: Facts) -> Iterator[Value]:
    for name, parts in facts.parts("registry.path"):
        if parts:
            yield name, parts[-1]


def _protocols(facts: Facts) -> Iterator[Value]:
    """Yield the protocols that the log is about, and that it names."""
    stream = facts.event.kind.partition(".")[2]
    if facts.event.kind.startswith(("zeek.", "suricata.")):
        yield from (("kind", each) for each in (sorted(_TLS) if stream in _TLS else [stream]))
    for name in ("service", "app_proto", "network.protocol"):
        text = value_at(facts.record, name)
        if isinstance(text, str):
            yield from ((name, each.lower()) for each in text.split(",") if each)
    if "network.transport" in facts.common:
        yield "network.transport", facts.common["network.transport"].lower()


def _peer_types(role: str) -> Callable[[Facts], Iterator[Value]]:
    names = {"ipv4": "ipv4-addr", "ipv6": "ipv6-addr", "domain": "domain-name"}
    return lambda facts: (
        (field, names[seen.type]) for field, seen in facts.peers(role, or_any=False) if seen.type in names
    )


_MADE: Final[Mapping[str, Callable[[Facts], Iterator[Value]]]] = {
    "file:name": _last("file.path", "process.executable"),
    "file:parent_directory_ref.path": _folder,
    "directory:path": _folder,
    **dict.fromkeys(_PROCESS_NAMES, _last("process.executable")),
    **dict.fromkeys(_PARENT_NAMES, _last("process.parent.executable")),
    REGISTRY_KEY: _registry_keys,
    "windows-registry-key:values.name": _registry_value,
    "network-traffic:protocols": _protocols,
    "network-traffic:dst_ref.type": _peer_types("dst_ref"),
    "network-traffic:src_ref.type": _peer_types("src_ref"),
}
PATHS: Final = frozenset({*COMMON, *_OWN, *_MADE})
"""Every path of a pattern that is read here."""


def full_key(text: str) -> str:
    r"""Return a registry key with its hive's full name.

    >>> full_key(r"HKLM\Software\X")
    'HKEY_LOCAL_MACHINE\\Software\\X'
    """
    for device, hive in _DEVICE_HIVES.items():
        if text.upper().startswith(device):
            return hive + text[len(device) :]
    hive, slash, rest = text.partition("\\")
    return f"{_HIVES.get(hive.upper(), hive)}{slash}{rest}"
