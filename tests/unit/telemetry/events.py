"""Events for tests of detection, and lines for tests of the lake."""

import hashlib
from collections import defaultdict
from datetime import datetime

from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.standards.observable import Observable, canonical_observable
from mithaq.telemetry.blocks import Parsed
from mithaq.telemetry.model import Event, Format, Source


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
