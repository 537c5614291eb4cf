"""Events for tests of the lake."""

import hashlib
from datetime import datetime

from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.standards.observable import Observable, canonical_observable
from mithaq.telemetry.model import Event


def seen(text: str) -> Observable:
    kind, _, value = text.partition(":")
    observable = canonical_observable(kind, value)
    assert observable is not None, text
    return observable


def event(at: datetime, name: str, *values: str, lane: Lane = ACTUAL) -> Event:
    observables = tuple((f"f{place}", seen(value)) for place, value in enumerate(values))
    event_id = f"event--{hashlib.sha256(name.encode()).hexdigest()[:32]}"
    return Event(event_id, at, "s", "zeek.dns", lane, observables, name.encode())
