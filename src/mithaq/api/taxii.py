"""Mount the TAXII server of this node; its doors, accounts and refusals are its own."""

from starlette.routing import BaseRoute, Mount, Route

from mithaq.exchange.taxii.doors import TaxiiDoors
from mithaq.exchange.taxii.posting import Posting
from mithaq.exchange.taxii.resources import Resources
from mithaq.node.composition import Node


def routes(node: Node) -> list[BaseRoute]:
    """Return the routes of `/taxii2/`, with and without the slash at its end."""
    title = node.names.get("en") or next(iter(node.names.values()), node.nation)
    posting = Posting(node.db, node.holdings, node.nation)
    resources = Resources(node.channel, posting, title=title, contact=node.settings.contact)
    doors = TaxiiDoors(resources, node.constituents, node.partner_accounts, node.clock, node.run_dir)
    return [Mount("/taxii2", doors), Route("/taxii2", doors)]
