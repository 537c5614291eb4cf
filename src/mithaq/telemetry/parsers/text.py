"""Logs that are text: BIND's queries, Squid, web servers, and what syslog carries.

Each reader takes one line and returns a record, or None where the line is not of its log; none reads a character
more than a few times, whatever the line.

Source: BIND 9 ARM, "Query Logging"; Squid's `logformat squid`; Apache's `combined` and `vhost_combined`.
"""

import re
from datetime import datetime
from typing import Final

from mithaq.telemetry.parsers.times import from_bind, from_clf, from_epoch

Record = dict[str, object]

_BIND_CLIENT: Final = re.compile(r"client (?:@0x[0-9a-f]{1,16} )?([0-9A-Fa-f:.%a-z]{2,64})#([0-9]{1,5})\b")
_BIND_QUERY: Final = re.compile(
    r"(?: \(([^\s()]{1,1100})\))?: (?:view ([^\s:]{1,255}): )?query: (\S{1,1100}) (\S+) (\S+)"
)
_BIND_CLOCK: Final = re.compile(r"[0-9]{2}-[A-Z][a-z]{2}-[0-9]{4} [0-9:.]{8,15} ")
_SQUID: Final = re.compile(
    r"([0-9]{9,12}\.[0-9]{3}) +(-?[0-9]+) (\S+) ([A-Z_]+)/([0-9]{3}|-) ([0-9]+|-) (\S+) (\S+) (\S+) "
    r"([A-Z_]+)/(\S+) (\S.*)"
)
_COMBINED: Final = re.compile(
    r"(?:([^\s:\[]{1,255}|\[[0-9a-fA-F:.]{2,45}\]):([0-9]{1,5}) )?"
    r"(\S{1,255}) (\S+) (\S.{0,255}?) \[([0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9:]{8} [+-][0-9]{4})\] "
    r'"((?:[^"\\]|\\.)*)" ([0-9]{3}|-) ([0-9]+|-)(?: "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)")?'
)


def bind(text: str) -> tuple[Record, datetime | None] | None:
    """Read one line of BIND's query log; its clock is missing where syslog has written one before it."""
    client = _BIND_CLIENT.search(text, 0, 256)
    if client is None:
        return None
    query = _BIND_QUERY.match(text, client.end())
    if query is None:
        return None
    record: Record = {
        "client": client[1],
        "client_port": int(client[2]),
        "query": query[3],
        "qclass": query[4],
        "qtype": query[5],
    }
    if query[2]:
        record["view"] = query[2]
    server = text[query.end() :].strip().rpartition("(")[2]
    if server.endswith(")"):
        record["server"] = server[:-1]
    clock = _BIND_CLOCK.match(text)
    return record, from_bind(clock[0].strip()) if clock else None


def squid(text: str) -> tuple[Record, datetime | None] | None:
    """Read one line of Squid's native access log."""
    row = _SQUID.match(text)
    if row is None:
        return None
    clock, took, client, result, status, size, method, target, user, hierarchy, peer, media = row.groups()
    record: Record = {"client": client, "method": method, "result": result, "took_ms": int(took[:12])}
    record |= {"hierarchy": hierarchy, "content_type": media.strip()}
    if method == "CONNECT" or "://" not in target:
        record["host"] = target  # a tunnel names only host and port
    else:
        record["url"] = target
    for name, value in (("status", status), ("bytes", size), ("user", user), ("peer_host", peer)):
        if value != "-":
            record[name] = int(value[:18]) if name in {"status", "bytes"} else value
    return record, from_epoch(float(clock))


def combined(text: str) -> tuple[Record, datetime | None] | None:
    """Read one line of a web server: `common`, `combined` and `vhost_combined`."""
    row = _COMBINED.match(text)
    if row is None:
        return None
    host, port, client, _ident, user, clock, request, status, size, referrer, agent = row.groups()
    record: Record = {"client": client}
    if host:
        record |= {"host": host, "port": int(port)}
    method, _, rest = request.partition(" ")
    target, _, protocol = rest.rpartition(" ")
    if protocol.startswith("HTTP/") and target:
        record |= {"method": method, "protocol": protocol, "url" if "://" in target else "uri": _unquoted(target)}
    else:
        record["request"] = _unquoted(request)  # no HTTP: a probe, a TLS hello
    for name, value in (("status", status), ("bytes", size), ("user", user), ("referrer", referrer)):
        if value and value != "-":
            record[name] = int(value[:18]) if name in {"status", "bytes"} else _unquoted(value)
    if agent and agent != "-":
        record["user_agent"] = _unquoted(agent)
    return record, from_clf(clock)


def _unquoted(text: str) -> str:
    return text.replace('\\"', '"').replace("\\\\", "\\") if "\\" in text else text
