"""One vocabulary over all sensors: the fields of an event under the names of the Elastic Common Schema (ECS).

The line stays as it came; this only says under which name a field of its record is known everywhere. What is not
listed has no common name and is found in the line.

Source: Elastic Common Schema 8.17 field reference.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Final

from mithaq.telemetry.parsers.paths import MAX_SHAPE_CHARS, MAX_SHAPES, value_at

Names = Mapping[str, tuple[str, ...]]


ECS_NAMES: Final = (
    *("destination.domain", "destination.ip", "destination.port", "dns.question.name", "dns.question.type"),
    *("dns.resolved_ip", "email.from.address", "email.subject", "email.to.address", "event.code"),
    *("file.hash.md5", "file.hash.sha1", "file.hash.sha256", "file.path", "host.name", "http.request.method"),
    *("http.response.status_code", "network.transport", "process.command_line", "process.executable", "process.pid"),
    *("process.parent.command_line", "process.parent.executable", "registry.path", "source.domain", "source.ip"),
    *("source.port", "tls.client.ja3", "tls.client.ja4", "tls.client.server_name", "tls.server.hash.sha1"),
    *("url.domain", "url.full", "user.domain", "user.name", "user_agent.original"),
)
"""Every name that `ecs_fields` gives, in order."""

_ZEEK: Final[Names] = {
    "source.ip": ("id.orig_h", "id_orig_h"),
    "source.port": ("id.orig_p", "id_orig_p"),
    "destination.ip": ("id.resp_h", "id_resp_h"),
    "destination.port": ("id.resp_p", "id_resp_p"),
    "network.transport": ("proto",),
    "dns.question.name": ("query",),
    "dns.question.type": ("qtype_name",),
    "dns.resolved_ip": ("answers",),
    "url.domain": ("host",),
    "http.request.method": ("method",),
    "http.response.status_code": ("status_code",),
    "user_agent.original": ("user_agent",),
    "tls.client.server_name": ("server_name",),
    "tls.client.ja3": ("ja3",),
    "tls.client.ja4": ("ja4",),
    "file.hash.md5": ("md5",),
    "file.hash.sha1": ("sha1",),
    "file.hash.sha256": ("sha256",),
    "file.path": ("filename",),
    "email.from.address": ("mailfrom",),
    "email.to.address": ("rcptto",),
    "email.subject": ("subject",),
    "user.name": ("username", "client"),
}
_SURICATA: Final[Names] = {
    "source.ip": ("src_ip",),
    "source.port": ("src_port",),
    "destination.ip": ("dest_ip",),
    "destination.port": ("dest_port",),
    "network.transport": ("proto",),
    "dns.question.name": ("dns.rrname", "dns.query.rrname"),
    "dns.question.type": ("dns.rrtype",),
    "dns.resolved_ip": ("dns.grouped.A", "dns.grouped.AAAA"),
    "url.domain": ("http.hostname",),
    "http.request.method": ("http.http_method",),
    "http.response.status_code": ("http.status",),
    "user_agent.original": ("http.http_user_agent",),
    "tls.client.server_name": ("tls.sni",),
    "tls.client.ja3": ("tls.ja3.hash",),
    "tls.client.ja4": ("tls.ja4",),
    "tls.server.hash.sha1": ("tls.fingerprint",),
    "file.hash.md5": ("fileinfo.md5",),
    "file.hash.sha1": ("fileinfo.sha1",),
    "file.hash.sha256": ("fileinfo.sha256",),
    "file.path": ("fileinfo.filename",),
    "host.name": ("host",),
}
_WINDOWS_PLACES: Final = ("", "winlog.event_data.", "Event.EventData.", "Event.UserData.")
_WINDOWS_DATA: Final[Names] = {
    "source.ip": ("SourceIp", "SourceAddress", "IpAddress", "ClientAddress"),
    "source.port": ("SourcePort", "IpPort"),
    "source.domain": ("SourceHostname", "WorkstationName"),
    "destination.ip": ("DestinationIp", "DestAddress"),
    "destination.port": ("DestinationPort", "DestPort"),
    "destination.domain": ("DestinationHostname",),
    "network.transport": ("Protocol",),
    "dns.question.name": ("QueryName",),
    "dns.resolved_ip": ("QueryResults",),
    "file.path": ("TargetFilename", "ImageLoaded"),
    "registry.path": ("TargetObject",),
    "process.executable": ("Image", "NewProcessName", "ProcessName", "SourceImage"),
    "process.pid": ("NewProcessId", "ProcessId", "SourceProcessId"),
    "process.command_line": ("CommandLine", "ProcessCommandLine"),
    "process.parent.executable": ("ParentImage", "ParentProcessName"),
    "process.parent.command_line": ("ParentCommandLine",),
    "user.name": ("User", "TargetUserName", "SubjectUserName", "AccountName"),
    "user.domain": ("TargetDomainName", "SubjectDomainName", "Domain"),
}
_WINDOWS: Final[Names] = {
    **{name: tuple(p + f for p in _WINDOWS_PLACES for f in fields) for name, fields in _WINDOWS_DATA.items()},
    "event.code": ("EventID", "winlog.event_id", "event.code", "Event.System.EventID.#text", "Event.System.EventID"),
    "host.name": ("Hostname", "Computer", "winlog.computer_name", "Event.System.Computer", "host.name"),
}
_HASHES: Final = ("Hashes", "Hash", "winlog.event_data.Hashes", "Event.EventData.Hashes", "Event.EventData.Hash")
_HASH_OF: Final = "file.hash."
_OCSF: Final[Names] = {
    "source.ip": ("src_endpoint.ip",),
    "source.port": ("src_endpoint.port",),
    "source.domain": ("src_endpoint.hostname",),
    "destination.ip": ("dst_endpoint.ip",),
    "destination.port": ("dst_endpoint.port",),
    "destination.domain": ("dst_endpoint.hostname",),
    "network.transport": ("connection_info.protocol_name",),
    "dns.question.name": ("query.hostname",),
    "dns.question.type": ("query.type",),
    "url.full": ("http_request.url.url_string", "url.url_string"),
    "url.domain": ("http_request.url.hostname", "url.hostname"),
    "http.request.method": ("http_request.http_method",),
    "http.response.status_code": ("http_response.code",),
    "user_agent.original": ("http_request.user_agent",),
    "tls.client.server_name": ("tls.sni",),
    "tls.client.ja3": ("tls.ja3_hash.value",),
    "file.path": ("file.path", "process.file.path"),
    "process.executable": ("process.file.path",),
    "process.command_line": ("process.cmd_line",),
    "process.pid": ("process.pid",),
    "process.parent.executable": ("process.parent_process.file.path",),
    "process.parent.command_line": ("process.parent_process.cmd_line",),
    "email.from.address": ("email.from",),
    "email.to.address": ("email.to",),
    "email.subject": ("email.subject",),
    "user.name": ("actor.user.name", "user.name"),
    "user.domain": ("actor.user.domain", "user.domain"),
    "host.name": ("device.hostname",),
}
_DNS: Final[Names] = {
    "source.ip": ("client", "network.query-ip", "message.query_address", "q_addr", "sourceAddress"),
    "source.port": ("client_port", "network.query-port", "message.query_port", "q_port", "sourcePort"),
    "destination.ip": ("server", "network.response-ip", "message.response_address", "responseAddress"),
    "network.transport": ("network.protocol", "message.socket_protocol", "s_proto", "socketProtocol"),
    "dns.question.name": ("query", "qname", "rrname", "dns.qname", "q_name"),
    "dns.question.type": ("qtype", "dns.qtype", "q_type"),
    "dns.resolved_ip": ("answers",),
    "host.name": ("host", "dnstap.identity", "identity", "serverId"),
}
_WEB: Final[Names] = {
    "source.ip": ("client", "c-ip", "src_ip", "client_ip"),
    "source.port": ("c-port",),
    "destination.ip": ("s-ip", "peer_host", "r-ip"),
    "destination.port": ("s-port", "port"),
    "url.full": ("url", "cs-uri", "request_url"),
    "url.domain": ("host", "cs-host", "cs(Host)"),
    "http.request.method": ("method", "cs-method"),
    "http.response.status_code": ("status", "sc-status"),
    "user_agent.original": ("user_agent", "cs(User-Agent)"),
    "user.name": ("user", "cs-username"),
}
_MAIL: Final[Names] = {
    "source.ip": ("peer_ip",),
    "source.domain": ("peer_host", "helo"),
    "email.from.address": ("from",),
    "email.to.address": ("to",),
    "email.subject": ("subject",),
    "user.name": ("sasl_username", "authenticated"),
    "host.name": ("host",),
}
_SYSLOG: Final[Names] = {
    "source.ip": ("SRC", "srcip", "src", "src_ip"),
    "source.port": ("SPT", "srcport", "spt"),
    "destination.ip": ("DST", "dstip", "dst", "dst_ip"),
    "destination.port": ("DPT", "dstport", "dpt"),
    "network.transport": ("PROTO", "proto"),
    "url.domain": ("hostname",),
    "user.name": ("user", "USER"),
    "host.name": ("host",),
}
_BY_SENSOR: Final[Mapping[str, Names]] = {
    "zeek": _ZEEK,
    "suricata": _SURICATA,
    "windows": _WINDOWS,
    "ecs": {name: (name,) for name in ECS_NAMES},
    "ocsf": _OCSF,
    "dns": _DNS,
    "proxy": _WEB,
    "web": _WEB,
    "mail": _MAIL,
    "syslog": _SYSLOG,
    "json": {},
}


def ecs_fields(kind: str, record: Mapping[str, object]) -> dict[str, str]:
    """Return the fields of a record that have a common name, as text; several values are joined by a comma.

    >>> ecs_fields("zeek.dns", {"id.orig_h": "10.0.0.1", "query": "evil.example"})
    {'dns.question.name': 'evil.example', 'source.ip': '10.0.0.1'}
    """
    sensor = kind.partition(".")[0]
    shape = tuple(record)
    found: dict[str, str] = {}
    for name, paths in _PLANS.get((sensor, shape)) or _planned(sensor, shape):
        for path in paths:
            text = text_of(record[path] if path in record else value_at(record, path))
            if text:
                found[name] = text
                break
    if sensor == "windows":
        _add_hashes(found, record)
        return dict(sorted(found.items()))
    return found


Read = Callable[[str], str]
Place = tuple[str, int, Read]
"""A common name that a place in a record may have, the lower number before the higher, and how it is read."""


def _as_it_is(text: str) -> str:
    return text


@cache
def places(sensor: str) -> Mapping[tuple[str, ...], Sequence[Place]]:
    """Return which fields of this sensor's records have a common name, by the fields that lead there.

    Of the same names `ecs_fields` makes one record's texts.
    """
    found: dict[tuple[str, ...], list[Place]] = defaultdict(list)
    for name, paths in _BY_SENSOR.get(sensor, {}).items():
        for rank, path in enumerate(paths):
            for way in {(path,), tuple(path.split("."))}:
                found[way].append((name, rank, _as_it_is))
    for rank, path in enumerate(_HASHES if sensor == "windows" else ()):
        for way in {(path,), tuple(path.split("."))}:
            found[way] += [(name, rank, partial(_digest, name)) for name in ECS_NAMES if name.startswith(_HASH_OF)]
    return found


def _digest(name: str, listed: str) -> str:
    return _digests(listed).get(name, "")


_Plan = tuple[tuple[str, tuple[str, ...]], ...]
_PLANS: Final[dict[tuple[str, tuple[str, ...]], _Plan]] = {}
"""For records with the same fields: by name, in which places it may be."""


def _planned(sensor: str, shape: tuple[str, ...]) -> _Plan:
    """Make the plan of a shape, and keep it if it is of a size that sensors write."""
    there = frozenset(shape)
    plan = tuple(
        (name, places)
        for name, paths in sorted(_BY_SENSOR.get(sensor, {}).items())
        if (places := tuple(path for path in paths if path in there or path.partition(".")[0] in there))
    )
    if sum(map(len, shape)) <= MAX_SHAPE_CHARS:
        if len(_PLANS) >= MAX_SHAPES:
            _PLANS.clear()
        _PLANS[sensor, shape] = plan
    return plan


def _add_hashes(found: dict[str, str], record: Mapping[str, object]) -> None:
    listed = next((text for path in _HASHES if (text := text_of(value_at(record, path)))), "")
    found |= _digests(listed)


def _digests(listed: str) -> dict[str, str]:
    """Take Sysmon's `SHA1=…,MD5=…` apart.

    >>> _digests("SHA1=0A,MD5=0B,IMPHASH=0C")
    {'file.hash.sha1': '0a', 'file.hash.md5': '0b'}
    """
    found: dict[str, str] = {}
    for part in listed.split(","):
        algorithm, _, digest = part.strip().partition("=")
        name = f"{_HASH_OF}{algorithm.lower()}"
        if name in ECS_NAMES and digest:
            found[name] = digest.lower()
    return found


def text_of(value: object) -> str:
    """Return a field's value as text; nothing for what is unset, no text and no number."""
    if isinstance(value, str):
        return "" if value == "-" else value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, list | tuple):
        return ",".join(text for item in value if (text := text_of(item)))
    return ""
