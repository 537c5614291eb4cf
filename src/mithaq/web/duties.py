"""Duties: what this nation owes and is owed, with clocks, overdue first; what people settle, and clocks they start."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from starlette.responses import Response

from mithaq.exchange.duties import docket
from mithaq.exchange.duties.errors import BadDuty, UnknownDuty
from mithaq.exchange.duties.settings import MAX_BECAUSE_CHARS
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.nations.people.audit import audit
from mithaq.nations.people.model import Verb
from mithaq.node.agreements_in_words import vocabulary
from mithaq.node.agreements_in_words.vocabulary import REQUESTS, SECTORS, SEVERITIES, URGENCIES
from mithaq.release.obligations import EXPIRY_REMINDERS
from mithaq.web.doors import Door, Visit
from mithaq.web.intelligence import titles

if TYPE_CHECKING:
    from mithaq.agreements.vocabulary import RequestKind, Sector, SeverityName, Urgency

_INCIDENT = re.compile(r"incident--[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_MOST_DIGITS = 16
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
            "shown": _SHOWN,
            "query": visit.request.url.query,
        }
        if visit.wants_fragment():
            return visit.page("duties_clocks.html", **context)
        health = node.duties.health(connection, visit.at)
        current = node.agreements.current(connection, visit.at)
        return visit.page(
            "duties.html",
            **context,
            endings=node.duties.endings(connection, visit.at, visit.at + _LONGEST_REMINDER),
            doubt=health.doubt,
            undeleted=health.undeleted,
            partners=[partner.nation for partner in node.partners.all(connection)],
            vocabulary=vocabulary,
            requestable={
                each.document.id: context["titles"][each.document.id]
                for each in current
                if node.nation in each.parties and each.document.terms.response_times
            },
            lanes=sorted({str(ACTUAL), str(asked.lane), *docket.lanes(connection)}),
        )


def duty(visit: Visit) -> Response:
    """Show one duty, with the form that settles it where people do that."""
    node = visit.site.node
    with node.db.read() as connection:
        found = node.duties.get(connection, _number(visit))
        return visit.page(
            "duty.html",
            each=found,
            is_own=found.owed_by == node.nation,
            titles=titles(visit, connection),
            limit=MAX_BECAUSE_CHARS,
        )


def settle(visit: Visit) -> Response:
    """Take a person's word that a duty is done, with how.

    Raises:
        BadDuty: it is not said how.
        UnknownDuty: nobody settles such a duty by hand, or it is settled.
    """
    number, because = _number(visit), visit.field("reason").strip()
    if not because:
        raise BadDuty("say how it was done", subject=str(number))
    visit.site.node.duties.done(number, at=visit.at, actor=visit.person.id, because=because)
    return _done(visit, "duty.settle", str(number))


def request(visit: Visit) -> Response:
    """Start the clocks of a request between this nation and a partner."""
    node, nation = visit.site.node, NationId(visit.field("nation"))
    asked, asker = (nation, node.nation) if visit.field("asker") == "own" else (node.nation, nation)
    subject = node.duties.start_request(
        visit.field("agreement"),
        asked,
        asker,
        cast("RequestKind", _chosen(visit, "request", REQUESTS)),
        cast("Urgency", _chosen(visit, "urgency", URGENCIES)),
        at=visit.at,
        actor=visit.person.id,
    )
    return _done(visit, "duty.request", subject)


def incident(visit: Visit) -> Response:
    """Start the clocks of an incident in this nation."""
    incident_id = visit.field("incident").strip()
    if not _INCIDENT.fullmatch(incident_id):
        raise BadDuty("this is no id of an incident", subject=incident_id[:80])
    sectors = {str(each) for each in visit.form.getlist("sector")}
    if not sectors <= SECTORS.keys():
        raise BadDuty("choose one of the values that are offered")
    visit.site.node.duties.declare_incident(
        incident_id,
        cast("SeverityName", _chosen(visit, "severity", SEVERITIES)),
        cast("frozenset[Sector]", frozenset(sectors)),
        Lane.parse(visit.field("lane", str(ACTUAL))),
        at=visit.at,
        actor=visit.person.id,
    )
    return _done(visit, "duty.incident", incident_id)


def node_incident(visit: Visit) -> Response:
    """Start the clocks of an incident at this node."""
    _sure(visit)
    visit.site.node.duties.declare_node_incident(at=visit.at, actor=visit.person.id)
    return _done(visit, "duty.node-incident", visit.site.node.nation)


def believe_clock(visit: Visit) -> Response:
    """Take a person's word that this node's clock is right."""
    _sure(visit)
    visit.site.node.duties.believe_clock(at=visit.at, actor=visit.person.id)
    return _done(visit, "duty.believe-clock", "clock")


def _number(visit: Visit) -> int:
    asked = visit.request.path_params["number"]
    if not (asked.isascii() and asked.isdecimal() and len(asked) < _MOST_DIGITS):
        raise UnknownDuty("there is no duty %(duty)s", duty=asked[:80])
    return int(asked)


def _chosen(visit: Visit, name: str, offered: Mapping[str, str]) -> str:
    value = visit.field(name)
    if value not in offered:
        raise BadDuty("choose one of the values that are offered")
    return value


def _sure(visit: Visit) -> None:
    if visit.field("sure") != "yes":
        raise BadDuty("confirm it in the form")


def _done(visit: Visit, action: str, subject: str) -> Response:
    with visit.site.node.db.write(visit.at) as tx:
        audit(tx, actor=visit.person.id, action=action, subject=subject)
    return visit.go("/duties")


DOORS = (
    Door("/duties", duties, Verb.RELEASE_READ),
    Door("/duties/requests", request, Verb.DUTY_KEEP, "POST"),
    Door("/duties/incidents", incident, Verb.DUTY_KEEP, "POST"),
    Door("/duties/node-incidents", node_incident, Verb.DUTY_KEEP, "POST"),
    Door("/duties/believe-clock", believe_clock, Verb.DUTY_KEEP, "POST"),
    Door("/duties/{number}", duty, Verb.RELEASE_READ),
    Door("/duties/{number}/settle", settle, Verb.DUTY_KEEP, "POST"),
)
