"""What people decided about a hit, as the STIX objects that go back to whoever spoke of the indicator.

A confirmed hit is a sighting: that it was seen, when and by whom. A false positive is an opinion: that the indicator is
wrong, and why. Nothing of the event itself is in either.
"""

from collections.abc import Iterable
from datetime import datetime

from mithaq.detection.model import Hit, Span
from mithaq.intelligence.indicators import new_opinion, new_sighting
from mithaq.intelligence.model import NewObject, Provenance, ReleaseInstruction, StoredObject
from mithaq.kernel.ids import NationId
from mithaq.standards.stix import StixObject, parse

DEFENCE = "defence"
_MAX_COUNT = 999_999_999
"""STIX 2.1 §5.2: a sighting's count goes no further."""


def sighting_of(
    hit: Hit, seen: StoredObject, nation: NationId, at: datetime, span: Span | None = None
) -> list[NewObject]:
    """Build the sighting of a hit (STIX 2.1 §5.2), or of a group with its newest hit, labelled as the indicator is.

    It is one object; it asks for release to each nation whose word the indicator stands by, under the same agreement
    and for the same purpose. This node's own indicator asks for nothing.
    """
    span = span or Span(1, hit.event_at, hit.event_at)
    body = new_sighting(
        hit.indicator_id,
        tlp=seen.tlp,
        created_by=nation,
        at=at,
        first_seen=span.first_at,
        last_seen=span.last_at,
        count=min(span.count, _MAX_COUNT),
    )
    return _given_back(body, hit, seen, nation, at)


def opinion_of(
    hit: Hit, seen: StoredObject, nation: NationId, at: datetime, explanation: str, renews: StixObject | None
) -> list[NewObject]:
    """Build the opinion that a hit's indicator is a false positive (STIX 2.1 §4.15), on the same path as a sighting.

    `renews`: this nation's standing opinion on the indicator, of which this is the next version.
    """
    body = new_opinion(hit.indicator_id, tlp=seen.tlp, created_by=nation, at=at, explanation=explanation, renews=renews)
    return _given_back(body, hit, seen, nation, at)


def _given_back(body: bytes, hit: Hit, seen: StoredObject, nation: NationId, at: datetime) -> list[NewObject]:
    word = Provenance.own(nation, at, seen.tlp, seen.pap, purpose=_purpose(hit, seen))
    stix = parse(body)
    asked = list(dict.fromkeys(_instructions(hit, seen)))
    if not asked:
        return [NewObject(body, stix, hit.lane, word)]
    return [NewObject(body, stix, hit.lane, word, each) for each in asked]


def _instructions(hit: Hit, seen: StoredObject) -> Iterable[ReleaseInstruction]:
    if hit.origin.is_own:
        return
    if hit.origin.agreement_id is not None:
        yield ReleaseInstruction(hit.origin.agreement_id, (hit.origin.nation,), _purpose(hit, seen))
    for word in seen.provenance:
        if word.source == "partner" and word.standing == "stands" and word.agreement_id is not None:
            yield ReleaseInstruction(word.agreement_id, (word.nation,), word.purpose or DEFENCE)


def _purpose(hit: Hit, seen: StoredObject) -> str:
    for provenance in seen.provenance:
        if provenance.agreement_id == hit.origin.agreement_id and provenance.purpose:
            return provenance.purpose
    return DEFENCE
