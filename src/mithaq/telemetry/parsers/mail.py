"""Mail servers' logs: Postfix as syslog carries it, Exim's main and reject log.

Source: Postfix's logging (`smtpd`, `qmgr`, `smtp`, `cleanup`), Exim specification §52 "Log files".
"""

import re
from datetime import datetime
from typing import Final

from mithaq.telemetry.parsers.pairs import pairs
from mithaq.telemetry.parsers.times import from_text

Record = dict[str, object]

_QUEUE_ID: Final = re.compile(r"([0-9A-F]{6,20}|[0-9A-Za-z]{10,20}|NOQUEUE): ")
_PEER: Final = re.compile(r"(?:^|[ =,])([A-Za-z0-9_.-]{1,255})\[([0-9A-Fa-f:.]{3,50})\]")
_REJECT: Final = re.compile(r"(reject|warning|milter-reject|discard|filter): ([A-Z]+) from ")
_EXIM_CLOCK: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}) ([0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?) ([+-][0-9]{4} )?"
)
_EXIM_PID: Final = re.compile(r"\[[0-9]{1,10}\] ")
_EXIM_ID: Final = re.compile(r"([0-9A-Za-z]{6}-[0-9A-Za-z]{6,11}-[0-9A-Za-z]{2,4}) ")
_EXIM_FLAG: Final = re.compile(r"(<=|=>|->|>>|\*>|\*\*|==|\(=) (\S{1,512})")
_EXIM_HOST: Final = re.compile(r" H=(?:([A-Za-z0-9_.-]{1,255}) )?(?:\(([^\s()]{1,255})\) )?\[([0-9A-Fa-f:.]{3,50})\]")
_EXIM_KEYS: Final = {
    "F": "from",
    "T": "subject",
    "P": "protocol",
    "S": "bytes",
    "A": "authenticated",
    "id": "message_id",
}
_MAX_PEERS: Final = 16
_MAX_RECEIVERS: Final = 1000


def postfix(app: str, text: str) -> Record | None:
    """Read one message of a Postfix daemon (`postfix/smtpd`); the names are Postfix's own."""
    if not app.startswith("postfix"):
        return None
    record: Record = {"daemon": app.rpartition("/")[2]}
    queued = _QUEUE_ID.match(text)
    if queued:
        record["queue_id"] = queued[1]
        text = text[queued.end() :]
    if _REJECT.match(text):
        record["action"] = text.partition(":")[0]
    record |= pairs(text)
    for number, peer in enumerate(_PEER.finditer(text)):
        if number == _MAX_PEERS:
            break
        if peer[1] != "unknown":
            record.setdefault("peer_host", peer[1])
        record.setdefault("peer_ip", peer[2])
    for key in ("client", "relay"):
        record.pop(key, None)  # `client=name[ip]` is in peer_host and peer_ip
    return record


def exim(text: str) -> tuple[Record, datetime | None] | None:
    """Read one line of Exim's main or reject log."""
    clock = _EXIM_CLOCK.match(text)
    if clock is None:
        return None
    rest = text[clock.end() :]
    pid = _EXIM_PID.match(rest)
    rest = rest[pid.end() :] if pid else rest
    record: Record = {}
    queued = _EXIM_ID.match(rest)
    if queued:
        record["queue_id"] = queued[1]
        rest = rest[queued.end() :]
    flag = _EXIM_FLAG.match(rest)
    host = _EXIM_HOST.search(" " + rest)
    if not (queued or host):
        return None
    _flagged(record, flag)
    if host:
        named = zip(("peer_host", "helo", "peer_ip"), host.groups(), strict=True)
        record |= {name: value for name, value in named if value}
    found = pairs(rest)
    record |= {name: found[key] for key, name in _EXIM_KEYS.items() if key in found and name not in record}
    receivers = rest.rpartition(" for ")[2].split(" ", _MAX_RECEIVERS)
    if " for " in rest and all("@" in each for each in receivers):
        record["to"] = receivers
    record.setdefault("message", rest)
    return record, from_text(f"{clock[1]}T{clock[2]}{(clock[3] or '').strip()}")


def _flagged(record: Record, flag: "re.Match[str] | None") -> None:
    if flag is None:
        return
    record["flag"] = flag[1]
    record["from" if flag[1] == "<=" else "to"] = flag[2].removeprefix("<").removesuffix(">")
