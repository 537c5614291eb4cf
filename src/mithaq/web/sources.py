"""Sources: what this node fetches from the world, how each is doing, and what of it could not be admitted."""

from starlette.responses import Response

from mithaq.nations.people.model import Verb
from mithaq.web.doors import Door, Visit

_SHOWN = 200
"""How much of a quarantine a page shows; the command line shows all of it."""


def sources(visit: Visit) -> Response:
    """List the sources, those that need somebody first."""
    followed = visit.site.node.sources.all()
    ordered = sorted(followed, key=lambda each: (each.progress.reason is None, each.source.name))
    return visit.page("sources.html", sources=ordered)


def source(visit: Visit) -> Response:
    """Show one source, with what waits in its quarantine to whom may read that."""
    found = visit.site.node.sources.get(_name(visit))
    may_read = visit.may(Verb.INTELLIGENCE_READ)
    waiting = visit.site.node.sources.quarantine(found.source.name, limit=_SHOWN) if may_read else []
    return visit.page("source.html", followed=found, waiting=waiting, may_read=may_read)


def fetch(visit: Visit) -> Response:
    """Let a source be fetched now."""
    visit.site.node.sources.ask(_name(visit), visit.at, by=visit.person.id)
    return _back(visit)


def pause(visit: Visit) -> Response:
    """Fetch a source no more until it is resumed."""
    visit.site.node.sources.pause(_name(visit), visit.at, by=visit.person.id)
    return _back(visit)


def resume(visit: Visit) -> Response:
    """Fetch a source again, from where it was left."""
    visit.site.node.sources.resume(_name(visit), visit.at, by=visit.person.id)
    return _back(visit)


def retry(visit: Visit) -> Response:
    """Try to admit what waits in a source's quarantine."""
    node = visit.site.node
    waiting = node.sources.quarantine(_name(visit), limit=_SHOWN)
    node.retrying.retry(node.sources.get(_name(visit)).source, waiting, visit.at)
    return _back(visit)


def discard(visit: Visit) -> Response:
    """Throw one thing out of a source's quarantine."""
    row = visit.field("row")
    rows = [int(row)] if row.isdecimal() else []
    visit.site.node.sources.discard(_name(visit), rows, visit.at, by=visit.person.id)
    return _back(visit)


def _name(visit: Visit) -> str:
    return str(visit.request.path_params["name"])


def _back(visit: Visit) -> Response:
    return visit.go(f"/sources/{_name(visit)}")


_ONE = "/sources/{name}"
DOORS = (
    Door("/sources", sources, Verb.NODE_READ),
    Door(_ONE, source, Verb.NODE_READ),
    Door(f"{_ONE}/fetch", fetch, Verb.INTELLIGENCE_WRITE, "POST"),
    Door(f"{_ONE}/pause", pause, Verb.INTELLIGENCE_WRITE, "POST"),
    Door(f"{_ONE}/resume", resume, Verb.INTELLIGENCE_WRITE, "POST"),
    Door(f"{_ONE}/retry", retry, Verb.QUARANTINE_DECIDE, "POST"),
    Door(f"{_ONE}/discard", discard, Verb.QUARANTINE_DECIDE, "POST"),
)
