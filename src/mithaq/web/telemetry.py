"""Telemetry: how each source of this nation's sensors does, and what of it could not be read."""

from starlette.responses import Response

from mithaq.nations.people.model import Verb
from mithaq.telemetry.service import Reading
from mithaq.web.doors import Door, Visit


def sources(visit: Visit) -> Response:
    """List the sources, those that need somebody first."""
    readings = visit.site.node.telemetry.readings(visit.at)
    ordered = sorted(readings, key=lambda each: (not _needs_somebody(each), each.status.source.name))
    return visit.page("telemetry.html", readings=ordered)


def _needs_somebody(reading: Reading) -> bool:
    return bool(reading.trouble or reading.vitals.is_silent or reading.vitals.gone)


DOORS = (Door("/telemetry", sources, Verb.DETECTION_READ),)
