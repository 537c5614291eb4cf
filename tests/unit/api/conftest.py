"""The API of a real node in an alliance of three."""

import warnings
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from starlette.applications import Starlette

from mithaq.api.app import machine_doors
from mithaq.nations.people.model import Verb
from mithaq.node.composition import Node
from tests.country import Country, alliance
from tests.pages import still_node
from tests.world import XA, XB, XC, Treaty

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Starlette would rather have httpx2, which is no dependency of this project
    from starlette.testclient import TestClient

Ask = Callable[..., TestClient]


@pytest.fixture
def countries(tmp_path: Path, at: datetime) -> Iterator[list[Country]]:
    found = alliance(tmp_path, (XA, XB, XC), at, Treaty(at))
    yield found
    for country in found:
        country.db.close()


@pytest.fixture
def node(countries: list[Country], tmp_path: Path, at: datetime) -> Node:
    return still_node(countries[0], tmp_path, at)


@pytest.fixture
def program(node: Node, at: datetime) -> Iterator[Ask]:
    """Return a function that makes a client with a token of the given scopes, or without any token."""
    app = Starlette(routes=machine_doors(node))
    opened: list[TestClient] = []

    def make(*scopes: Verb, language: str = "en") -> TestClient:
        client = TestClient(app, raise_server_exceptions=False)
        client.headers["accept-language"] = language
        if scopes:
            _, secret = node.people.add_token("program", frozenset(scopes), timedelta(days=1), at)
            client.headers["authorization"] = f"Bearer {secret}"
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.close()
