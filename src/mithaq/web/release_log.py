"""The release log as people read it: how far it has grown, who has cosigned it, which logs contradict what was seen."""

from starlette.responses import Response

from mithaq.exchange.errors import NotReleasable
from mithaq.exchange.ledger.conflicts import conflicts
from mithaq.exchange.ledger.proof_state import waiting
from mithaq.exchange.log.attached import MAX_EMERGENCY_CHARS
from mithaq.exchange.log.state import log_state
from mithaq.exchange.proving import Proving
from mithaq.nations.people.audit import audit
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
            limit=MAX_EMERGENCY_CHARS,
        )


def emergency(visit: Visit) -> Response:
    """Let a release go before its witnesses have answered; the log says so with the reason, and owes the proof."""
    node, release_id = visit.site.node, visit.field("release")
    if not release_id.startswith("release--"):
        raise NotReleasable("nothing under this name waits for witnesses", subject=release_id[:80])
    Proving(node.channel).order_emergency(release_id, visit.field("reason"), at=visit.at, actor=visit.person.id)
    with node.db.write(visit.at) as tx:
        audit(tx, actor=visit.person.id, action="release.emergency", subject=release_id)
    return visit.go("/exchange/log")


DOORS = (
    Door("/exchange/log", release_log, Verb.RELEASE_READ),
    Door("/exchange/log/emergency", emergency, Verb.RELEASE_DECIDE, "POST"),
)
