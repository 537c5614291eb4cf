"""An osquery pack: queries for programs that run, names that were resolved and connections that are open.

Source: osquery.readthedocs.io, Query packs; schema 5.x (`processes`, `hash`, `dns_cache`, `process_open_sockets`).
"""

import json
from collections.abc import Sequence
from typing import Any, Final

from mithaq.response.sensors.model import Line
from mithaq.response.sensors.settings import QUERY_INTERVAL_S, VALUES_A_QUERY

FILE: Final = "osquery/mithaq.conf"
_EVERY: Final = "linux,darwin,windows"
_RUNNING: Final = (
    "SELECT p.pid, p.name, p.path, p.cmdline, h.{kind} FROM processes AS p JOIN hash AS h ON h.path = p.path "
    "WHERE p.path != '' AND h.{kind} IN ({values})"
)
_RESOLVED: Final = "SELECT name, type FROM dns_cache WHERE lower(name) IN ({values})"
_CONNECTED: Final = (
    "SELECT s.pid, p.name, p.path, s.remote_address, s.remote_port FROM process_open_sockets AS s "
    "LEFT JOIN processes AS p ON p.pid = s.pid WHERE s.remote_address IN ({values})"
)
_QUERIES: Final = (
    ("md5", ("md5",), _RUNNING.replace("{kind}", "md5"), _EVERY, "a program of this hash runs"),
    ("sha1", ("sha1",), _RUNNING.replace("{kind}", "sha1"), _EVERY, "a program of this hash runs"),
    ("sha256", ("sha256",), _RUNNING.replace("{kind}", "sha256"), _EVERY, "a program of this hash runs"),
    ("domain", ("domain",), _RESOLVED, "windows", "this name was resolved"),
    ("address", ("ipv4", "ipv6"), _CONNECTED, _EVERY, "a connection to this address is open"),
)


def render(lines: Sequence[Line]) -> bytes:
    """Write the pack; networks, URLs and fingerprints are in none of osquery's tables."""
    queries: dict[str, Any] = {}
    for name, types, query, platform, description in _QUERIES:
        values = sorted({line.value for line in lines if line.type in types and _is_plain(line.value)})
        for start in range(0, len(values), VALUES_A_QUERY):
            part = ", ".join(map(literal, values[start : start + VALUES_A_QUERY]))
            queries[f"mithaq_{name}_{start // VALUES_A_QUERY + 1}"] = {
                "query": query.replace("{values}", part) + ";",
                "interval": QUERY_INTERVAL_S,
                "platform": platform,
                "description": description,
            }
    return json.dumps({"queries": queries}, indent=1, sort_keys=True, ensure_ascii=True).encode() + b"\n"


def literal(text: str) -> str:
    """Write a text as a literal of SQL.

    >>> literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def _is_plain(text: str) -> bool:
    """Tell whether a literal can hold a text: a zero byte ends a statement early."""
    return "\0" not in text
