"""The membership logs of one agreement: every party's, as the newest comparison has found it."""

from starlette.responses import Response

from mithaq.exchange.ledger.membership import membership_state
from mithaq.exchange.membership.outcome import MAX_KEPT
from mithaq.nations.people.model import Verb
from mithaq.node.founding import own_card
from mithaq.web.agreement import chosen
from mithaq.web.doors import Door, Visit


def membership(visit: Visit) -> Response:
    """Show how far each party's log has grown, who witnesses it, and what it says otherwise than this nation's."""
    node, (found, _) = visit.site.node, chosen(visit)
    with node.db.read() as connection:
        cards = {each.nation: each.card for each in node.partners.all(connection)}
        state = membership_state(
            node.channel, connection, found.document.id, cards | {node.nation: own_card(node.folder)}, visit.at
        )
    return visit.page(
        "agreement_membership.html",
        agreement=found,
        title=visit.in_own_language(found.document.title),
        names={each.nation: visit.in_own_language(each.names) for each in found.document.parties},
        state=state,
        most=MAX_KEPT,
    )


DOORS = (Door("/agreements/{agreement_id}/membership", membership, Verb.AGREEMENT_READ),)
