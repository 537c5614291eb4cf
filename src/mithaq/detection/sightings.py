"""A confirmed hit as a STIX sighting: that it was seen, when and by whom; nothing of the event itself."""

from datetime import datetime

from mithaq.detection.model import Hit
from mithaq.intelligence.indicators import new_sighting
from mithaq.intelligence.model import NewObject, Provenance, ReleaseInstruction, StoredObject
from mithaq.kernel.ids import NationId
from mithaq.standards.stix import parse

DEFENCE = "defence"


def sighting_of(hit: Hit, seen: StoredObject, nation: NationId, at: datetime) -> NewObject:
    """Build the sighting of a hit (STIX 2.1 §5.2), labelled as the indicator is.

    Where a partner spoke of the indicator first, it asks for release to that nation under the same agreement and
    for the same purpose; this node's own indicator asks for nothing.
    """
    body = new_sighting(
        hit.indicator_id,
        tlp=seen.tlp,
        created_by=nation,
        at=at,
        first_seen=hit.event_at,
        last_seen=hit.event_at,
        count=1,
    )
    purpose = _purpose(hit, seen)
    own = Provenance(
        source="own",
        nation=nation,
        agreement_id=None,
        agreement_version=None,
        release_id=None,
        purpose=purpose,
        tlp=seen.tlp,
        pap=seen.pap,
        carried={},
        received_at=at,
    )
    return NewObject(body, parse(body), hit.lane, own, _instruction(hit, purpose))


def _instruction(hit: Hit, purpose: str) -> ReleaseInstruction | None:
    if hit.origin.is_own or hit.origin.agreement_id is None:
        return None
    return ReleaseInstruction(hit.origin.agreement_id, (hit.origin.nation,), purpose)


def _purpose(hit: Hit, seen: StoredObject) -> str:
    for provenance in seen.provenance:
        if provenance.agreement_id == hit.origin.agreement_id and provenance.purpose:
            return provenance.purpose
    return DEFENCE
