"""Hits for tests: a country's telemetry shows the address of an indicator it holds."""

from datetime import datetime

from mithaq.detection.model import Hit, Origin, Sight, hit_id
from mithaq.kernel.lane import ACTUAL
from tests.country import Country


def hit_of(country: Country, event: int, number: int, at: datetime) -> Hit:
    """A hit of the indicator with this number, seen in an event."""
    indicator_id = f"indicator--00000000-0000-4000-8000-{number:012d}"
    (stored, *_) = country.held(indicator_id)
    word, seen = stored.provenance[0], stored.stix.observables[0]
    return Hit(
        row=0,
        hit_id=hit_id(f"event-{event}", indicator_id, ACTUAL),
        event_id=f"event-{event}",
        event_at=at,
        source="zeek-conn",
        kind="conn",
        raw=b'{"id.orig_h":"192.0.2.10","id.resp_h":"' + seen.value.encode() + b'","id.resp_p":443}',
        sight=Sight("id.resp_h", seen, seen),
        indicator_id=indicator_id,
        object_row=stored.row,
        origin=Origin(word.source, word.nation, word.agreement_id, word.agreement_version),
        lane=ACTUAL,
        retro=event == 2,
        matched_at=at,
    )
