"""A composed node for the faces' tests: the real composition over a country's database, keys and partners."""

import atexit
import shutil
import tempfile
from datetime import datetime
from functools import cache
from pathlib import Path

from mithaq.kernel.clock import Clock, FixedClock
from mithaq.kernel.wake import Waker
from mithaq.nations.people.model import Role
from mithaq.node.composition import Node
from mithaq.node.data_folder import DataFolder
from mithaq.node.settings import Settings
from tests.country import Country
from tests.world import card_of

NAMES = {"ar": "قمر", "en": "Qamar", "fr": "Qamar"}


def node_of(
    country: Country, folder: Path, clock: Clock, *, public_url: str = "", language: str = "", rehearses: bool = False
) -> Node:
    place = DataFolder(folder / f"node-{country.nation}")
    place.root.mkdir(parents=True, exist_ok=True)
    place.cache.symlink_to(_shared_cache(), target_is_directory=True)
    place.prepare()
    country.db.waker = Waker(place.run)
    place.card.write_bytes(card_of(country.nation, clock.now()))
    settings = Settings(
        nation=country.nation,
        names=NAMES,
        contact="duty@xa.example",
        public_url=public_url,
        language=language,
        permit_documentation_ranges=rehearses,
    )
    return Node(place, settings, country.db, clock, country.context.signer)


@cache
def _shared_cache() -> Path:
    """What can be computed anew is computed once a test run: the warning lists take seconds."""
    folder = Path(tempfile.mkdtemp(prefix="mithaq-cache-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def still_node(country: Country, folder: Path, at: datetime) -> Node:
    """A node whose clock stands still."""
    return node_of(country, folder, FixedClock(at))


def link_of(node: Node, *roles: Role, name: str = "Layla") -> str:
    """Return the token of a one-time link."""
    return node.people.link(name, frozenset(roles), node.clock.now())[1]
