"""Telemetry: how each source of this nation's sensors does, and what of it could not be read."""

from starlette.responses import Response

from mithaq.nations.people.model import Verb
from mithaq.telemetry.service import Condition
from mithaq.web.doors import Door, Visit

_NEEDS_SOMEBODY = frozenset({Condition.UNREADABLE, Condition.SILENT, Condition.CHANGED})


def sources(visit: Visit) -> Response:
    """List the sources, those that need somebody first."""
    node = visit.site.node
    readings = node.telemetry.readings(visit.at)
    with node.db.read() as connection:
        missing = node.detection.missing_fields(connection)
    ordered = sorted(readings, key=lambda each: (each.condition not in _NEEDS_SOMEBODY, each.status.source.name))
    return visit.page(
        "telemetry.html",
        readings=ordered,
        missing=missing,
        holdings=node.telemetry.holdings(),
        troubled=node.telemetry.troubled(),
        retained={each.status.source.name: each.status.retain_days for each in readings},
    )


DOORS = (Door("/telemetry", sources, Verb.DETECTION_READ),)
