"""Pushing into constituents' own MISP: where to, what went, what stays and why, and what went wrong last."""

from starlette.responses import Response

from mithaq.nations.people.model import Verb
from mithaq.web.doors import Door, Visit

_SHOWN = 200
"""How many events that went, or stay, a page shows; the command line shows all of them."""


def targets(visit: Visit) -> Response:
    """List where events are pushed to, with what the last push came to."""
    found = visit.site.node.push_targets
    standing = [found.standing(each.constituent, 0)[:2] for each in found.all()]
    return visit.page("pushing.html", standing=standing)


def target(visit: Visit) -> Response:
    """Show one target: what went there, what stays here and why, and what went wrong."""
    node = visit.site.node
    found, last, sent = node.push_targets.standing(str(visit.request.path_params["constituent"]), _SHOWN)
    may_read = visit.may(Verb.RELEASE_READ)
    withheld = node.misp.refusals(found.constituent, visit.at)[:_SHOWN] if may_read else []
    return visit.page("push_target.html", target=found, last=last, sent=sent, withheld=withheld, may_read=may_read)


DOORS = (
    Door("/pushing", targets, Verb.NODE_READ),
    Door("/pushing/{constituent}", target, Verb.NODE_READ),
)
