"""Three countries for tests of the channel, the first one's doors open over real HTTP on loopback."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

import httpx

from mithaq.exchange import ledger
from mithaq.exchange.channel.client import PartnerClient
from tests.country import Country, alliance
from tests.doors import ShiftedClock, serving
from tests.world import XA, XB, XC, Treaty, signer_of

CLOCK = ShiftedClock()


@dataclass
class World:
    """Three countries, the first one's doors open."""

    folder: Path
    countries: list[Country]
    url: str
    http: httpx.Client
    stack: ExitStack

    @property
    def first(self) -> Country:
        return self.countries[0]

    @property
    def second(self) -> Country:
        return self.countries[1]

    def run_dir(self, country: Country) -> Path:
        return self.folder / country.nation

    def add(self, number: int) -> str:
        at = CLOCK.now()
        object_id = self.first.add(number, at)
        self.first.plan(at)
        return object_id

    def client(self, country: Country) -> PartnerClient:
        client = PartnerClient(country.nation, XA, self.url, signer_of(country.nation), CLOCK)
        self.stack.callback(client.close)
        return client

    def ask(self, method: str, target: str, body: bytes = b"", **headers: str) -> httpx.Response:
        return self.http.request(method, target, content=body, headers=headers)

    def channel(self, country: Country) -> ledger.Channel:
        with country.db.read() as connection:
            return ledger.channels(connection, [XA])[0]


@cache
def began() -> datetime:
    """When the first world of this process began: the others begin as it did, and need no new signatures."""
    return CLOCK.now()


@contextmanager
def opened(folder: Path) -> Iterator[World]:
    treaty = Treaty(began())
    countries = alliance(folder, (XA, XB, XC), began(), treaty)
    countries[0].order(treaty, began())
    with ExitStack() as stack:
        url = stack.enter_context(serving(countries[0], folder / XA, CLOCK))
        http = stack.enter_context(httpx.Client(base_url=url, verify=False, trust_env=False, timeout=20))
        yield World(folder, countries, url, http, stack)
    for country in countries:
        country.db.close()
