"""A founded node that can be written to while it is backed up."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from mithaq.intelligence.model import NewObject, Provenance
from mithaq.kernel.clock import FixedClock
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from mithaq.node.composition import Node, compose
from mithaq.node.data_folder import DataFolder
from mithaq.node.founding import found
from mithaq.node.settings import Settings
from mithaq.standards import stix
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp
from tests.country import indicator

PASSPHRASE = b"a passphrase for backups alone"
KEY_PASSPHRASE = b"the passphrase of the keys"


@pytest.fixture
def node(tmp_path: Path, db_url: str, at: datetime) -> Iterator[Node]:
    database = db_url if db_url.startswith("postgresql") else ""
    settings = Settings(nation="XA", names={"en": "Alpha"}, contact="duty@xa.example", database=database)
    found(DataFolder(tmp_path / "node"), settings, KEY_PASSPHRASE, at)
    opened = compose(tmp_path / "node", passphrase=KEY_PASSPHRASE, clock=FixedClock(at))
    yield opened
    opened.close()


@pytest.fixture
def sealed(node: Node, tmp_path: Path, at: datetime) -> Path:
    """A backup of a small node."""
    from mithaq.node.backup.service import backup

    for number in range(3):
        add_indicator(node, number, at)
    path = tmp_path / "node.backup"
    backup(node.folder, node.db, node.nation, path, PASSPHRASE, at)
    return path


def add_indicator(node: Node, number: int, at: datetime) -> None:
    body = indicator(number)
    said = Provenance("own", NationId("XA"), None, None, None, None, Tlp.GREEN, Pap.GREEN, {}, at)
    with node.db.write(at) as tx:
        node.holdings.store(tx, [NewObject(body, stix.parse(body), ACTUAL, said)])
