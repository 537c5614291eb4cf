"""A nation's node that serves partner nations over TAXII, for tests: real releases, receipts, gate and doors."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from mithaq.api.app import machine_doors
from mithaq.exchange.taxii.partners import store
from mithaq.exchange.taxii.partners.shelving import PartnerShelving
from mithaq.kernel import journal
from mithaq.kernel.clock import FixedClock
from mithaq.kernel.ids import NationId
from mithaq.node.composition import Node
from tests.country import Country, alliance, deliver
from tests.pages import node_of
from tests.taxii import TAXII, basic
from tests.world import XA, XB, XC, Treaty

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Starlette would rather have httpx2, which is no dependency of this project
    from starlette.testclient import TestClient


@dataclass
class Abroad:
    """The first of three nations, its node, and what its partners have of it."""

    countries: list[Country]
    treaty: Treaty
    node: Node
    clock: FixedClock
    shelving: PartnerShelving
    reader: journal.Reader

    @staticmethod
    def found(folder: Path, at: datetime, treaty: Treaty | None = None, url: str | None = None) -> "Abroad":
        treaty = treaty or Treaty(at)
        countries = alliance(folder, (XA, XB, XC), at, treaty)
        if url is not None:
            countries[0].db.close()
            countries[0] = Country.found(XA, folder / "other", url)
            countries[0].befriend(countries, at)
            countries[0].context.agreements.receive(treaty.envelope.encode(), at=at, actor="person--1")
        countries[0].order(treaty, at)
        clock = FixedClock(at)
        node = node_of(countries[0], folder, clock)
        shelving = PartnerShelving(node.channel, clock.now)
        return Abroad(countries, treaty, node, clock, shelving, shelving.reader())

    @property
    def own(self) -> Country:
        return self.countries[0]

    def partner(self, nation: NationId) -> Country:
        return next(each for each in self.countries if each.nation == nation)

    def give(self, *numbers: int, to: Sequence[NationId] = (XB, XC), **changes: Any) -> list[str]:
        """Store own indicators, and let these nations fetch and confirm what waits for them."""
        ids = [self.own.add(number, self.clock.now(), **changes) for number in numbers]
        for nation in to:
            while deliver(self.own, self.partner(nation), self.clock.now()):
                pass
        self.settle()
        return ids

    def settle(self) -> None:
        now = self.clock.now
        while journal.run_once(self.node.db, self.reader, now()) or self.shelving.fill(now()):
            pass

    @cached_property
    def app(self) -> Starlette:
        """The doors for machines, made once for all who ask."""
        return Starlette(routes=machine_doors(self.node))

    def secret(self, nation: NationId = XB, *, days: int = 300) -> str:
        made = self.node.partner_accounts.add(
            nation, self.treaty.agreement_id, "opencti", timedelta(days=days), self.clock.now(), by="person--1"
        )
        self.settle()
        return made[2]

    def client(self, nation: NationId = XB, secret: str = "") -> TestClient:
        client = TestClient(self.app, raise_server_exceptions=False)
        client.headers.update({"accept": TAXII, "authorization": basic(nation, secret or self.secret(nation))})
        client.follow_redirects = False
        return client

    def feed(self, nation: NationId = XB) -> str:
        """Return the address of a nation's collection."""
        with self.node.db.read() as connection:
            found = store.find_shelf(connection, nation, self.treaty.agreement_id)
        assert found is not None
        return f"/taxii2/mithaq/collections/{found.collection.id}/"

    def close(self) -> None:
        for country in self.countries:
            country.db.close()


def id_of(number: int) -> str:
    return f"indicator--00000000-0000-4000-8000-{number:012d}"
