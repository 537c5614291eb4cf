"""Exchange: partners and how far they are, releases with receipts, what was withheld and why, quarantine."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection
from starlette.responses import Response

from mithaq.exchange import ledger
from mithaq.exchange.ledger.conflicts import conflicts
from mithaq.exchange.ledger.status import status_clocks
from mithaq.exchange.taxii.partners.judging import PartnerJudge
from mithaq.exchange.taxii.partners.viewing import laid_for
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane
from mithaq.nations.constituents.model import MAX_ACCOUNT_DAYS
from mithaq.nations.people.audit import audit
from mithaq.nations.people.model import Verb
from mithaq.web.doors import Door, Visit
from mithaq.web.intelligence import titles
from mithaq.web.settings import ROWS_A_PAGE

_SHOWN_REFUSALS = 20


def exchange(visit: Visit) -> Response:
    """Show every partner's channel and the newest refusals of both directions."""
    node = visit.site.node
    with node.db.read() as connection:
        partners = node.partners.all(connection)
        channels = ledger.channels(connection, [partner.nation for partner in partners])
        refused = ledger.withheld(connection, limit=_SHOWN_REFUSALS)
        names = _names(visit, connection, refused)
        return visit.page(
            "exchange.html",
            rows=list(zip(partners, channels, strict=True)),
            withheld=refused,
            quarantined=ledger.quarantined(connection, limit=_SHOWN_REFUSALS),
            titles=titles(visit, connection),
            names=names,
        )


def partner(visit: Visit, **shown_once: Any) -> Response:
    """Show a partner's card and standing, and to who may read releases what went to it and what came from it."""
    node, nation = visit.site.node, NationId(visit.request.path_params["nation"])
    with node.db.read() as connection:
        found = node.partners.get(connection, nation)
        (channel,) = ledger.channels(connection, [nation])
        stale = [each.stale_at for each in status_clocks(node.channel, connection, nation, visit.at) if each.stale_at]
        context: dict[str, Any] = {
            "partner": found,
            "channel": channel,
            "stale_at": min(stale, default=None),
            "conflicts": conflicts(connection, nation=nation),
            "titles": titles(visit, connection),
            "laid": laid_for(node.channel, connection, nation, visit.at),
            "agreed": _agreed(visit, connection, nation),
            "max_days": MAX_ACCOUNT_DAYS,
            "secret": "",
            **shown_once,
        }
        if not visit.may(Verb.RELEASE_READ):
            return visit.page("partner.html", **context)
        sent = ledger.sent_to(connection, nation, before=_number(visit, "sent"), limit=ROWS_A_PAGE)
        received = ledger.received_from(connection, nation, before=_number(visit, "received"), limit=ROWS_A_PAGE)
        refused = ledger.withheld(connection, limit=_SHOWN_REFUSALS, recipient=nation)
        return visit.page(
            "partner.html",
            **context,
            sent=sent,
            received=received,
            withheld=refused,
            names=_names(visit, connection, refused),
            more_sent=sent[-1].sequence if len(sent) == ROWS_A_PAGE else None,
            more_received=received[-1].sequence if len(received) == ROWS_A_PAGE else None,
        )


def withheld(visit: Visit) -> Response:
    """Show everything that was withheld, newest first."""
    with visit.site.node.db.read() as connection:
        found = ledger.withheld(connection, before=_number(visit, "before"), limit=ROWS_A_PAGE)
        agreed, names = titles(visit, connection), _names(visit, connection, found)
    more = found[-1].row if len(found) == ROWS_A_PAGE else None
    return visit.page("withheld.html", withheld=found, titles=agreed, names=names, more=more)


def veto(visit: Visit) -> Response:
    """Keep an object from one nation or from everybody, or lift that."""
    orders, object_id = visit.site.node.exchange, visit.field("object")
    nation = NationId(visit.field("nation")) if visit.field("nation") else None
    lifted = visit.field("lift") == "yes"
    act = orders.lift_veto if lifted else orders.veto
    act(object_id, nation, at=visit.at, actor=visit.person.id)
    with visit.site.node.db.write(visit.at) as tx:
        audit(tx, actor=visit.person.id, action="release.veto-lift" if lifted else "release.veto", subject=object_id)
    return visit.go(f"/intelligence/{object_id}")


def approve(visit: Visit) -> Response:
    """Approve, as one of several persons, the release of the version that was shown."""
    object_id, lane = visit.field("object"), Lane.parse(visit.field("lane"))
    visit.site.node.exchange.approve(
        object_id,
        visit.field("agreement"),
        lane=lane,
        digest=visit.field("digest") or "-",
        at=visit.at,
        actor=visit.person.id,
    )
    with visit.site.node.db.write(visit.at) as tx:
        audit(tx, actor=visit.person.id, action="release.approve", subject=object_id)
    return visit.go(f"/intelligence/{object_id}?lane={lane}")


def confirm(visit: Visit) -> Response:
    """Trust a partner whose fingerprint was compared by voice."""
    nation = NationId(visit.request.path_params["nation"])
    visit.site.node.partners.confirm(nation, visit.field("fingerprint"), at=visit.at, actor=visit.person.id)
    return _managed(visit, nation, "partner.confirm")


def suspend(visit: Visit) -> Response:
    """Stop every exchange with a partner at once."""
    nation = NationId(visit.request.path_params["nation"])
    visit.site.node.partners.suspend(nation, at=visit.at, actor=visit.person.id)
    return _managed(visit, nation, "partner.suspend")


def account(visit: Visit) -> Response:
    """Give a program of a partner an account for one agreement, and show its secret once."""
    days = visit.field("days")
    lifetime = timedelta(days=int(days) if days.isascii() and days.isdecimal() and len(days) < 9 else 0)
    nation, accounts = NationId(visit.request.path_params["nation"]), visit.site.node.partner_accounts
    name = visit.field("name").strip()
    _, _, secret = accounts.add(nation, visit.field("agreement"), name, lifetime, visit.at, by=visit.person.id)
    return partner(visit, secret=secret)


def revoke(visit: Visit) -> Response:
    """End an account of a partner."""
    visit.site.node.partner_accounts.revoke(visit.field("account"), visit.at, by=visit.person.id)
    return visit.go(f"/exchange/{visit.request.path_params['nation']}")


def _agreed(visit: Visit, connection: Connection, nation: NationId) -> list[str]:
    """Return the agreements under which a nation may be given an account now."""
    judge = PartnerJudge(visit.site.node.channel, connection, visit.at)
    known = {agreement.document.id for agreement in visit.site.node.agreements.all(connection)}
    return sorted(each for each in known if not judge.against_all(nation, each))


def _managed(visit: Visit, nation: NationId, action: str) -> Response:
    with visit.site.node.db.write(visit.at) as tx:
        audit(tx, actor=visit.person.id, action=action, subject=nation)
    return visit.go(f"/exchange/{nation}")


def _names(visit: Visit, connection: Connection, refusals: Iterable[ledger.Refusal]) -> dict[str, str]:
    """Return the names of withheld objects, by id."""
    found: dict[str, str] = {}
    for each in refusals:
        held = visit.site.node.holdings.get(connection, each.object_id, Lane.parse(each.lane))
        found[each.object_id] = (held[0].stix.name if held else "") or each.object_id
    return found


def _number(visit: Visit, name: str) -> int | None:
    asked = visit.query(name)
    return int(asked) if asked.isdecimal() and len(asked) < 19 else None


DOORS = (
    Door("/exchange", exchange, Verb.RELEASE_READ),
    Door("/exchange/withheld", withheld, Verb.RELEASE_READ),
    Door("/exchange/{nation}", partner, (Verb.RELEASE_READ, Verb.PARTNER_MANAGE)),
    Door("/exchange/{nation}/confirm", confirm, Verb.PARTNER_MANAGE, "POST"),
    Door("/exchange/{nation}/suspend", suspend, Verb.PARTNER_MANAGE, "POST"),
    Door("/exchange/{nation}/account", account, Verb.PARTNER_MANAGE, "POST"),
    Door("/exchange/{nation}/revoke", revoke, Verb.PARTNER_MANAGE, "POST"),
    Door("/approve", approve, Verb.RELEASE_DECIDE, "POST"),
    Door("/veto", veto, Verb.RELEASE_VETO, "POST"),
)
