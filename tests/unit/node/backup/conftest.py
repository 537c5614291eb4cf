"""A node that is written to, and its backup."""

from datetime import datetime
from pathlib import Path

import pytest

from mithaq.intelligence.model import NewObject, Provenance
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from mithaq.node.backup.service import backup
from mithaq.node.composition import Node
from mithaq.standards import stix
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp
from tests.country import indicator

PASSPHRASE = b"a passphrase for backups alone"


@pytest.fixture
def sealed(node: Node, tmp_path: Path, at: datetime) -> Path:
    """A backup of a small node."""
    return small_backup(node, tmp_path, at)


def small_backup(node: Node, folder: Path, at: datetime) -> Path:
    """Give a node three indicators and back it up."""
    for number in range(3):
        add_indicator(node, number, at)
    path = folder / "node.backup"
    backup(node.folder, node.db, node.nation, path, PASSPHRASE, at)
    return path


def add_indicator(node: Node, number: int, at: datetime) -> None:
    body = indicator(number)
    said = Provenance("own", NationId("XA"), None, None, None, None, Tlp.GREEN, Pap.GREEN, {}, at)
    with node.db.write(at) as tx:
        node.holdings.store(tx, [NewObject(body, stix.parse(body), ACTUAL, said)])
