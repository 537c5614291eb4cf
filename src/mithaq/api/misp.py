"""Mount the doors of MISP of this node; their accounts and refusals are their own."""

from starlette.routing import BaseRoute, Mount, Route

from mithaq.exchange.misp.doors import MispDoors
from mithaq.exchange.misp.resources import Resources, Services
from mithaq.exchange.taxii.posting import Posting
from mithaq.node.composition import Node


def routes(node: Node) -> list[BaseRoute]:
    """Return the routes of `/misp/`, the base address that MISP's programs are given."""
    posting = Posting(node.db, node.holdings, node.nation)
    services = Services.over(node.db, node.holdings, posting, node.misp, node.warning_lists)
    doors = MispDoors(Resources(services), node.constituents, node.clock)
    return [Mount("/misp", doors), Route("/misp", doors)]
