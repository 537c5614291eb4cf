"""One release: parties, agreement, objects, receipt and signatures, its place in the release log."""

from starlette.responses import Response

from mithaq.exchange.ledger import one_release
from mithaq.kernel.ids import NationId
from mithaq.nations.people.model import Verb
from mithaq.web.doors import Door, Visit
from mithaq.web.intelligence import titles

_SHOWN_OBJECTS = 200
_MAX_DIGITS = 9


def sent(visit: Visit) -> Response:
    """Show a release to a partner."""
    return _show(visit, is_own=True)


def received(visit: Visit) -> Response:
    """Show a release from a partner."""
    return _show(visit, is_own=False)


def _show(visit: Visit, *, is_own: bool) -> Response:
    node, nation = visit.site.node, NationId(visit.request.path_params["nation"])
    asked = visit.request.path_params["sequence"]
    sequence = int(asked) if asked.isdecimal() and len(asked) <= _MAX_DIGITS else 0
    read = one_release.sent if is_own else one_release.received
    with node.db.read() as connection:
        partner = node.partners.get(connection, nation)
        release = read(node.channel, connection, nation, sequence)
        agreed = titles(visit, connection)
    return visit.page(
        "release.html", release=release, partner=partner, is_own=is_own, titles=agreed, shown_objects=_SHOWN_OBJECTS
    )


def named(visit: Visit) -> Response:
    """Lead to a release that was exchanged with a partner, by its name."""
    node, nation = visit.site.node, NationId(visit.request.path_params["nation"])
    with node.db.read() as connection:
        known = node.partners.get(connection, nation).nation
        direction, sequence = one_release.place_of(connection, known, visit.request.path_params["release_id"])
    return visit.go(f"/exchange/{known}/{direction}/{sequence}")


DOORS = (
    Door("/exchange/{nation}/sent/{sequence}", sent, Verb.RELEASE_READ),
    Door("/exchange/{nation}/received/{sequence}", received, Verb.RELEASE_READ),
    Door("/exchange/{nation}/releases/{release_id}", named, Verb.RELEASE_READ),
)
