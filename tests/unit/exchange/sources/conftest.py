"""A node that fetches from the world: its sources, its holdings, a clock that stands still."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mithaq.exchange.sources.credentials import Vault
from mithaq.exchange.sources.model import PRIVATE_NETWORK, Outcome, Progress, Terms
from mithaq.exchange.sources.retrying import Retrying
from mithaq.exchange.sources.running import Means, Running
from mithaq.exchange.sources.service import Sources
from mithaq.exchange.sources.web import Budget
from mithaq.intelligence.service import Holdings
from mithaq.kernel import journal
from mithaq.kernel.clock import FixedClock
from mithaq.kernel.database import Database
from mithaq.kernel.lane import ACTUAL
from mithaq.standards.tlp import Tlp
from tests.databases import ready_sqlite
from tests.world import XA

GREEN = Terms(tlp=Tlp.GREEN)


@dataclass
class Fetching:
    """What fetches, and what it has fetched."""

    db: Database
    folder: Path
    clock: FixedClock
    budget: Callable[[Callable[[], float]], Budget] = Budget
    drawn: float = 1.0
    sources: Sources = field(init=False)
    holdings: Holdings = field(init=False)

    def __post_init__(self) -> None:
        self.holdings = Holdings(self.db)
        self.sources = Sources(self.db, self.vault)

    @property
    def vault(self) -> Vault:
        return Vault(self.folder / "sources.key")

    @property
    def running(self) -> Running:
        means = Means(self.clock, lambda: self.drawn, time.monotonic, self.budget)
        return Running(self.db, self.holdings, XA, self.vault, means)

    @property
    def retrying(self) -> Retrying:
        return Retrying(self.db, self.holdings, XA)

    def follow(self, address: str, *, name: str = "feed", kind: Any = "taxii", **rest: Any) -> None:
        rest.setdefault("terms", GREEN)
        rest["flags"] = {PRIVATE_NETWORK, *rest.get("flags", ())}
        if kind == "taxii":
            rest.setdefault("collection", "Indicators")
        self.sources.add(name, kind, address, self.clock.now(), **rest)

    def run(self, name: str = "feed") -> Outcome:
        return self.running.run(self.sources.get(name))

    def progress(self, name: str = "feed") -> Progress:
        return self.sources.get(name).progress

    def held(self, name: str = "feed") -> list[str]:
        """Return the ids of the objects that stand by a source's word, in the order they came."""
        with self.db.read() as connection:
            found = self.holdings.since(connection, datetime.min.replace(tzinfo=self.clock.at.tzinfo), 0, 100_000)
        giver = f"source:{name}"
        return [
            each.stix.id
            for each in found
            if any(word.nation == giver and word.standing == "stands" for word in each.provenance)
        ]

    def object(self, stix_id: str) -> Any:
        with self.db.read() as connection:
            return self.holdings.get(connection, stix_id, ACTUAL)[0]

    def journal(self, *kinds: str) -> list[dict[str, Any]]:
        with self.db.read() as connection:
            return [each.detail for each in journal.entries(connection, 0, kinds=frozenset(kinds))]

    def reasons(self, name: str = "feed") -> list[tuple[str, str]]:
        return [(each.object_id, each.reason.code) for each in self.sources.quarantine(name)]

    def later(self, **by: float) -> None:
        self.clock.at += timedelta(**by)


@pytest.fixture
def fetching(db: Database, tmp_path: Path, at: datetime) -> Fetching:
    return Fetching(db, tmp_path, FixedClock(at))


@pytest.fixture
def quick(tmp_path: Path, at: datetime) -> Any:
    """The same on SQLite alone, for what touches no statement of its own."""
    database = Database.open(ready_sqlite(tmp_path / "quick.db"), run_dir=tmp_path / "run")
    yield Fetching(database, tmp_path, FixedClock(at))
    database.close()
