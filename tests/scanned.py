"""Files that a node has scanned."""

from datetime import datetime

from mithaq.detection.yara.scanning import Scanning
from mithaq.node.composition import Node


def scan_all(node: Node, at: datetime) -> None:
    """Scan every file that waits, as the node's worker does."""
    scanning = Scanning(node.db, node.holdings, node.data)
    try:
        scanning.learn(at)
        scanning.look(at)
        while scanning.step(at):
            pass
    finally:
        scanning.close()
