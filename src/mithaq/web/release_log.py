"""The release log as people read it: how far it has grown, who has cosigned it, which logs contradict what was seen."""

from starlette.responses import Response

from mithaq.exchange.ledger.conflicts import conflicts
from mithaq.exchange.ledger.proof_state import waiting
from mithaq.exchange.log.state import log_state
from mithaq.nations.people.model import Verb
from mithaq.web.doors import Door, Visit


def release_log(visit: Visit) -> Response:
    """Show how this nation's newest log stands, and which releases wait for which witness."""
    node = visit.site.node
    with node.db.read() as connection:
        return visit.page(
            "release_log.html",
            log=log_state(connection),
            waiting=waiting(node.channel, connection),
            conflicts=conflicts(connection),
        )


DOORS = (Door("/exchange/log", release_log, Verb.RELEASE_READ),)
