"""Duties: what this nation owes and is owed under its agreements, with clocks, overdue first."""

from datetime import timedelta
from typing import Any

from starlette.responses import Response

from mithaq.exchange.duties import docket
from mithaq.exchange.duties.service import BY_HAND
from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.nations.people.model import Verb
from mithaq.release.obligations import EXPIRY_REMINDERS
from mithaq.web.doors import Door, Visit
from mithaq.web.intelligence import titles

_LONGEST_REMINDER = timedelta(days=max(EXPIRY_REMINDERS))
_SHOWN = 100


def duties(visit: Visit) -> Response:
    """Show what is owed in both directions, as far as it was asked for; the clocks alone to a page that is open."""
    node = visit.site.node
    asked = docket.Asked(
        visit.query("nation"), visit.query("agreement"), Lane.parse(visit.query("lane") or str(ACTUAL))
    )
    with node.db.read() as connection:
        context: dict[str, Any] = {
            "asked": asked,
            "docket": docket.docket(connection, node.nation, visit.at, asked, limit=_SHOWN),
            "titles": titles(visit, connection),
            "by_hand": BY_HAND,
            "shown": _SHOWN,
            "query": visit.request.url.query,
        }
        if visit.wants_fragment():
            return visit.page("duties_clocks.html", **context)
        health = node.duties.health(connection, visit.at)
        return visit.page(
            "duties.html",
            **context,
            endings=node.duties.endings(connection, visit.at, visit.at + _LONGEST_REMINDER),
            doubt=health.doubt,
            undeleted=health.undeleted,
            partners=[partner.nation for partner in node.partners.all(connection)],
            lanes=sorted({str(ACTUAL), str(asked.lane), *docket.lanes(connection)}),
        )


DOORS = (Door("/duties", duties, Verb.RELEASE_READ),)
