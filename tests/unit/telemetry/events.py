"""Events for tests of detection, lines for tests of the lake, and lines as sensors write them."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.standards.observable import Observable, canonical_observable
from mithaq.telemetry.blocks import Parsed
from mithaq.telemetry.lake.finding import Found, Wanted, find
from mithaq.telemetry.lake.index import SealedIndex
from mithaq.telemetry.model import Event, Format, Source

CONN: dict[str, Any] = {
    "_path": "conn",
    "id.orig_h": "10.0.0.1",
    "id.orig_p": 50_000,
    "id.resp_h": "198.51.100.7",
    "id.resp_p": 443,
}
DNS: dict[str, Any] = {"_path": "dns", "id.orig_h": "10.0.0.2", "query": "A.Evil.Example", "answers": ["203.0.113.9"]}
SYSMON: dict[str, Any] = {
    "Channel": "Microsoft-Windows-Sysmon/Operational",
    "EventID": 1,
    "SourceName": "x",
    "Hostname": "WS1",
    "Image": "C:\\Windows\\System32\\cmd.exe",
    "CommandLine": "cmd /c WhoAmI 100%_x",
    "TargetUserName": "Aisha",
}


def seen(text: str) -> Observable:
    kind, _, value = text.partition(":")
    observable = canonical_observable(kind, value)
    assert observable is not None, text
    return observable


def event(at: datetime, name: str, *values: str, lane: Lane = ACTUAL) -> Event:
    observables = tuple((f"f{place}", seen(value)) for place, value in enumerate(values))
    event_id = f"event--{hashlib.sha256(name.encode()).hexdigest()[:32]}"
    return Event(event_id, at, "s", "zeek.dns", lane, observables, name.encode())


def parsed(at: datetime, name: str, *values: str, lane: Lane = ACTUAL) -> Parsed:
    """Return a line of this text whose record names these values, in fields such as `f_domain`."""
    record: dict[str, list[str]] = defaultdict(list)
    for kind, _, value in (each.partition(":") for each in values):
        record[f"f_{kind}"].append(value)
    source = Source("s", "", Format.AUTO, lane)
    return Parsed(source, [0], [at], ["zeek.dns"], [name.encode()], [b""], [dict(record)])


def hunt(data: Path, wanted: Sequence[Wanted], stems: Sequence[str]) -> Iterator[Found]:
    """Yield what sealed segments have of what is wanted, the last of them first."""
    for stem in reversed(stems):
        yield from find(data, stem, SealedIndex.open(data, stem), wanted)
