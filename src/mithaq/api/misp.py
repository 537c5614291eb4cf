"""Mount the doors of MISP of this node; their accounts and refusals are their own."""

from starlette.routing import BaseRoute, Mount, Route

from mithaq.exchange.misp.doors import MispDoors
from mithaq.exchange.misp.resources import Resources
from mithaq.exchange.misp.writing import Writing
from mithaq.exchange.taxii.posting import Posting
from mithaq.node.composition import Node


def routes(node: Node) -> list[BaseRoute]:
    """Return the routes of `/misp/`, the base address that MISP's programs are given."""
    writing = Writing(node.db, node.holdings, Posting(node.db, node.holdings, node.nation), node.misp)
    doors = MispDoors(Resources(node.misp, writing, node.warning_lists), node.constituents, node.clock)
    return [Mount("/misp", doors), Route("/misp", doors)]
