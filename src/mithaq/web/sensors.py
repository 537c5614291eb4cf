"""Sensors: what each was given, which version it has fetched, what changed and why."""

from collections import Counter

from starlette.responses import Response

from mithaq.nations.people.model import Verb
from mithaq.response.sensors.model import Sensor
from mithaq.web.doors import Door, Visit

_SHOWN = 200
"""Changes of one version that a page shows; `mithaq sensor diff` shows all."""


def sensors(visit: Visit) -> Response:
    """List the sensors, those that have not fetched their newest version first."""
    found = visit.site.node.sensors.all()
    ordered = sorted(found, key=lambda each: (each.revoked_at is not None, not _is_behind(each), each.name))
    return visit.page("sensors.html", sensors=ordered, is_behind=_is_behind)


def sensor(visit: Visit) -> Response:
    """Show the versions of one sensor's bundle, the newest first."""
    found, versions = visit.site.node.sensors.show(visit.request.path_params["sensor"])
    return visit.page(
        "sensor.html",
        sensor=found,
        versions=versions,
        counts={each.number: Counter(change.what for change in each.changes) for each in versions},
        most=_SHOWN,
        is_behind=_is_behind,
    )


def _is_behind(sensor: Sensor) -> bool:
    return sensor.pulled_version < sensor.version


DOORS = (
    Door("/sensors", sensors, Verb.BLOCKLIST_READ),
    Door("/sensors/{sensor}", sensor, Verb.BLOCKLIST_READ),
)
