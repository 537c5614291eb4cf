"""Consents: what originators were asked to let pass on, by this nation and of it, with the answers."""

from datetime import timedelta

from starlette.responses import Response

from mithaq.exchange.consent import Answer
from mithaq.exchange.errors import NotReleasable
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane
from mithaq.nations.people.audit import audit
from mithaq.nations.people.model import Verb
from mithaq.web.doors import Door, Visit
from mithaq.web.intelligence import titles

_MAX_DAYS = 3650


def consents(visit: Visit) -> Response:
    """Show the questions of both directions, the newest first, those without an answer on top."""
    node = visit.site.node
    with node.db.read() as connection:
        found = sorted(node.consents.all(connection), key=lambda one: (one.answer == "asked", one.row), reverse=True)
        held = {}
        for each in found:
            versions = node.holdings.get(connection, each.passage.object, Lane.parse(each.passage.lane))
            held[each.row] = versions[0].stix.name if versions else ""
        return visit.page(
            "consents.html",
            to_answer=[each for each in found if each.passage.originator == node.nation],
            asked=[each for each in found if each.passage.holder == node.nation],
            names=held,
            titles=titles(visit, connection),
        )


def answer(visit: Visit) -> Response:
    """Consent to what a holder asked this nation, or refuse it, or take a consent back for what has not left."""
    number = visit.request.path_params["number"]
    if not number.isdecimal() or len(number) > 18:
        raise NotReleasable("nobody has asked this nation under number %(number)s", number=number[:20])
    given: Answer = "given" if visit.field("answer") == "given" else "refused"
    until = visit.at + timedelta(days=_days(visit) if given == "given" else 0)
    done = visit.site.node.consents.answer(int(number), given, until, at=visit.at, actor=visit.person.id)
    return _done(visit, f"consent.{given}", done.passage.object, "/exchange/consents")


def _days(visit: Visit) -> int:
    asked = visit.field("days")
    if not asked.isdecimal() or not 1 <= int(asked[:5]) <= _MAX_DAYS:
        raise NotReleasable("a consent counts for 1 to %(limit)s days", limit=_MAX_DAYS)
    return int(asked)


def ask(visit: Visit) -> Response:
    """Ask the originator whether the newest version of an object may go on to a nation."""
    object_id, lane = visit.field("object"), Lane.parse(visit.field("lane"))
    node, agreement_id = visit.site.node, visit.field("agreement")
    with node.db.read() as connection:
        nation = node.partners.get(connection, NationId(visit.field("nation"))).nation
        known = node.agreements.get(connection, agreement_id).document.id
    node.consents.ask(object_id, nation, known, lane=lane, at=visit.at, actor=visit.person.id)
    return _done(visit, "consent.ask", object_id, f"/intelligence/{object_id}?lane={lane}")


def _done(visit: Visit, action: str, subject: str, path: str) -> Response:
    with visit.site.node.db.write(visit.at) as tx:
        audit(tx, actor=visit.person.id, action=action, subject=subject)
    return visit.go(path)


DOORS = (
    Door("/exchange/consents", consents, Verb.RELEASE_READ),
    Door("/exchange/consents/ask", ask, Verb.RELEASE_DECIDE, "POST"),
    Door("/exchange/consents/{number}", answer, Verb.RELEASE_DECIDE, "POST"),
)
