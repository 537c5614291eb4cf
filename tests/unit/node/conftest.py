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
from tests.databases import postgresql

KEY_PASSPHRASE = b"the passphrase of the keys"


@pytest.fixture(autouse=True, scope="package")
def cheap_passphrases() -> Iterator[None]:
    """Let a passphrase cost a millisecond; at its real cost it is tried where nodes really run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mithaq.kernel.keystore._SCRYPT_N", 2**10)
        patch.setattr("mithaq.node.backup.sealed_stream.SCRYPT_N", 2**10)
        yield


@pytest.fixture(params=["sqlite", "postgresql"])
def db_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database without a table: founding a node, or migrating, makes them."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'mithaq.db'}"
    else:
        with postgresql(request.getfixturevalue("postgres_server")) as url:
            yield url


@pytest.fixture
def node(tmp_path: Path, db_url: str, at: datetime) -> Iterator[Node]:
    opened = founded_node(tmp_path, db_url if db_url.startswith("postgresql") else "", at)
    yield opened
    opened.close()


def founded_node(folder: Path, database: str, at: datetime) -> Node:
    """Found a node, and open it with its keys."""
    settings = Settings(nation="XA", names={"en": "Alpha"}, contact="duty@xa.example", database=database)
    found(DataFolder(folder / "node"), settings, KEY_PASSPHRASE, at)
    return compose(folder / "node", passphrase=KEY_PASSPHRASE, clock=FixedClock(at))
