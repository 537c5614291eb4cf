"""Telemetry: how each source of this nation's sensors does, and what of it could not be read."""

from starlette.responses import Response

from mithaq.nations.people.model import Verb
from mithaq.telemetry.service import Condition
from mithaq.web.doors import Door, Visit

_NEEDS_SOMEBODY = frozenset({Condition.UNREADABLE, Condition.SILENT, Condition.CHANGED})


def sources(visit: Visit) -> Response:
    """List the sources, those that need somebody first."""
    readings = visit.site.node.telemetry.readings(visit.at)
    ordered = sorted(readings, key=lambda each: (each.condition not in _NEEDS_SOMEBODY, each.status.source.name))
    return visit.page(
        "telemetry.html",
        readings=ordered,
        holdings=visit.site.node.telemetry.holdings(),
        troubled=visit.site.node.telemetry.troubled(),
        retained={each.status.source.name: each.status.retain_days for each in readings},
    )


DOORS = (Door("/telemetry", sources, Verb.DETECTION_READ),)
