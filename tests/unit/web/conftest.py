"""A real node's services on a database in a file, and browsers that are signed in."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from mithaq.kernel.clock import FixedClock
from mithaq.kernel.database import Database
from mithaq.kernel.ids import NationId
from mithaq.nations.people.model import Role
from mithaq.nations.people.service import People
from mithaq.nations.service import Partners
from mithaq.web.app import create_app

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Starlette would rather have httpx2, which is no dependency of this project
    from starlette.testclient import TestClient

ORIGIN = "http://localhost"


@dataclass(frozen=True)
class PageSettings:
    public_url: str = ""
    language: str = ""


@dataclass
class PageNode:
    """The services that pages need, composed as a node composes them."""

    db: Database
    nation: NationId
    names: dict[str, str]
    people: People
    partners: Partners
    clock: FixedClock
    settings: PageSettings
    run_dir: Path


@pytest.fixture
def node(tmp_path: Path, at: datetime) -> Iterator[PageNode]:
    db = Database.open(f"sqlite:///{tmp_path / 'node.db'}", run_dir=tmp_path)
    db.create_all()
    own = NationId("XA")
    names = {"ar": "قمر", "en": "Qamar", "fr": "Qamar"}
    yield PageNode(db, own, names, People(db), Partners(db, own), FixedClock(at), PageSettings(), tmp_path)
    db.close()


@pytest.fixture
def browser(node: PageNode) -> Iterator[TestClient]:
    """Somebody who is not signed in."""
    with TestClient(create_app(node), base_url=ORIGIN, follow_redirects=False) as client:
        yield client


@pytest.fixture
def signed_in(node: PageNode) -> Iterator[Callable[..., TestClient]]:
    """Return a function that signs somebody in with the given roles."""
    opened: list[TestClient] = []

    def sign_in(*roles: Role, name: str = "Layla") -> TestClient:
        client = TestClient(create_app(node), base_url=ORIGIN, follow_redirects=False)
        _, secret = node.people.link(name, frozenset(roles), node.clock.now())
        assert client.post("/link", data={"t": secret}).status_code == 303
        opened.append(client)
        return client

    yield sign_in
    for client in opened:
        client.close()


@pytest.fixture
def token_of() -> Callable[[TestClient], str]:
    """Return a function that reads the form token from a page of the session."""

    def read(client: TestClient) -> str:
        text = client.get("/keys").text
        return text.split('name="_csrf" value="', 1)[1].split('"', 1)[0]

    return read
