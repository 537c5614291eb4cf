"""A real node in an alliance of three, and browsers that are signed in to it."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import pytest
from httpx import Response

from mithaq.nations.people.model import Role
from mithaq.node.composition import Node
from mithaq.web.app import create_app
from tests.country import Country, alliance
from tests.pages import still_node
from tests.world import XA, XB, XC, Treaty

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Starlette would rather have httpx2, which is no dependency of this project
    from starlette.testclient import TestClient

ORIGIN = "http://localhost"


@pytest.fixture
def countries(tmp_path: Path, at: datetime) -> Iterator[list[Country]]:
    """Three nations under one agreement; the pages are the first one's."""
    found = alliance(tmp_path, (XA, XB, XC), at, Treaty(at))
    yield found
    for country in found:
        country.db.close()


@pytest.fixture
def node(countries: list[Country], tmp_path: Path, at: datetime) -> Node:
    return still_node(countries[0], tmp_path, at)


@pytest.fixture
def browser(node: Node) -> Iterator[TestClient]:
    """Somebody who is not signed in."""
    with TestClient(create_app(node), base_url=ORIGIN, follow_redirects=False) as client:
        yield client


@pytest.fixture
def signed_in(node: Node) -> Iterator[Callable[..., TestClient]]:
    """Return a function that signs somebody in with the given roles."""
    with ExitStack() as opened:

        def sign_in(*roles: Role, name: str = "Layla") -> TestClient:
            client = opened.enter_context(TestClient(create_app(node), base_url=ORIGIN, follow_redirects=False))
            _, secret = node.people.link(name, frozenset(roles), node.clock.now())
            assert client.post("/link", data={"t": secret}).status_code == 303
            return client

        yield sign_in


@pytest.fixture
def token_of() -> Callable[[TestClient], str]:
    """Return a function that reads the form token from a page of the session."""

    def read(client: TestClient) -> str:
        text = client.get("/keys").text
        return text.split('name="_csrf" value="', 1)[1].split('"', 1)[0]

    return read


@pytest.fixture
def post(token_of: Callable[[TestClient], str]) -> Callable[..., Response]:
    """Return a function that sends a form with the session's own token."""

    def send(client: TestClient, path: str, *, files: object = None, **fields: object) -> Response:
        return client.post(path, data={"_csrf": token_of(client), **fields}, files=files)  # type: ignore[arg-type]

    return send
