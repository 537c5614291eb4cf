"""Who speaks for a nation's keys: the row of its statements, every signing key, how fresh its status is."""

from starlette.responses import Response

from mithaq.exchange.ledger.status import status_clocks
from mithaq.kernel.ids import NationId
from mithaq.nations.keys.settings import SUB_KEY_AGE
from mithaq.nations.people.model import Verb
from mithaq.node.founding import own_card
from mithaq.web.doors import Door, Visit
from mithaq.web.intelligence import titles


def keys(visit: Visit) -> Response:
    """Show the key history of a partner, or of this nation itself."""
    node, nation = visit.site.node, NationId(visit.request.path_params["nation"])
    with node.db.read() as connection:
        is_own = nation == node.nation
        partner = None if is_own else node.partners.get(connection, nation)
        return visit.page(
            "partner_keys.html",
            nation_code=nation,
            is_own=is_own,
            partner=partner,
            card=partner.card if partner else own_card(node.folder),
            statements=node.partners.statement_history(connection, nation),
            keys=list(reversed(node.partners.keys(connection, nation))),
            clocks=status_clocks(node.channel, connection, nation, visit.at) if partner else (),
            sub_key_days=SUB_KEY_AGE.days,
            titles=titles(visit, connection),
        )


DOORS = (Door("/exchange/{nation}/keys", keys, Verb.NODE_READ),)
