"""The release log as people read it: how far it has grown, who has cosigned it, which logs showed two histories."""

from starlette.responses import Response

from mithaq.exchange.log.state import log_state
from mithaq.nations.people.model import Verb
from mithaq.web.doors import Door, Visit


def release_log(visit: Visit) -> Response:
    """Show how this nation's newest log stands."""
    with visit.site.node.db.read() as connection:
        return visit.page("release_log.html", log=log_state(connection))


DOORS = (Door("/exchange/log", release_log, Verb.RELEASE_READ),)
