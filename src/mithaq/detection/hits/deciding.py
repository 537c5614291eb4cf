"""What a decision about one hit and one about a whole group have in common."""

from sqlalchemy import Connection

from mithaq.detection import store
from mithaq.detection.model import Hit, HitState
from mithaq.detection.store import Decision
from mithaq.intelligence.service import Holdings
from mithaq.kernel.database import Transaction
from mithaq.standards.stix import StixObject

CONFIRMED = "detection.hit.confirmed"
DISMISSED = "detection.hit.dismissed"
REOPENED = "detection.group.reopened"


def announce(tx: Transaction, hit: Hit, decision: Decision, **more: int | str) -> None:
    """Say in the journal what was decided about a hit, or about a group whose newest hit it is."""
    detail: dict[str, str | int] = {"indicator": hit.indicator_id, "sighting": decision.sighting_id, **more}
    if decision.dismissed_as is not None:
        detail |= {"as": decision.dismissed_as.value, "opinion": decision.opinion_id}
    kind = CONFIRMED if decision.state is HitState.CONFIRMED else DISMISSED
    tx.append(kind, subject=hit.hit_id, lane=hit.lane, actor=decision.by, detail=detail)


def own_opinion(connection: Connection, holdings: Holdings, hit: Hit) -> StixObject | None:
    """Return this nation's standing opinion on a hit's indicator, of which another one is the next version."""
    last = store.last_opinion(connection, hit.indicator_id, hit.lane)
    versions = holdings.get(connection, last, hit.lane) if last else []
    return versions[0].stix if versions and versions[0].stands else None
