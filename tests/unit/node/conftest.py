"""A founded node without processes."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from mithaq.kernel.clock import FixedClock
from mithaq.node.composition import Node, compose
from mithaq.node.data_folder import DataFolder
from mithaq.node.founding import found
from mithaq.node.settings import Settings

KEY_PASSPHRASE = b"the passphrase of the keys"


@pytest.fixture
def node(tmp_path: Path, db_url: str, at: datetime) -> Iterator[Node]:
    database = db_url if db_url.startswith("postgresql") else ""
    settings = Settings(nation="XA", names={"en": "Alpha"}, contact="duty@xa.example", database=database)
    found(DataFolder(tmp_path / "node"), settings, KEY_PASSPHRASE, at)
    opened = compose(tmp_path / "node", passphrase=KEY_PASSPHRASE, clock=FixedClock(at))
    yield opened
    opened.close()
