"""Mount the feeds of this node's constituents; their doors, accounts and refusals are their own."""

from starlette.routing import BaseRoute, Mount

from mithaq.node.composition import Node
from mithaq.response.feeds.doors import FeedDoors
from mithaq.response.feeds.service import Feeds


def routes(node: Node) -> list[BaseRoute]:
    """Return the routes of `/feeds/`."""
    feeds = Feeds(node.db, node.nation, node.blocklists, node.sensors, node.clock.now)
    return [Mount("/feeds", FeedDoors(feeds, node.constituents, node.clock))]
