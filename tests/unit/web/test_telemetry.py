"""Telemetry on a page: what needs somebody comes first, and foreign text is text."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from mithaq.nations.people.model import Role
from mithaq.node.composition import Node
from mithaq.telemetry import store
from mithaq.telemetry.health import Looked
from mithaq.telemetry.model import Format

SignIn = Callable[..., TestClient]


@pytest.fixture
def sensing(node: Node) -> Node:
    """A node with a source that is as usual, and one that fell silent, changed, and wrote nonsense."""
    at = node.clock.now()
    for name in ("a-dns", "proxy"):
        node.telemetry.add_source(name, path="", line_format=Format.AUTO, by="operator", at=at)
    looked = Looked()
    for number in range(300):
        looked.learn("proxy", {"url": "x", **({"client": "y"} if number < 150 else {})})
    looked.note("not valid JSON", b"<script>alert(1)</script>")
    for minutes in range(60, 40, -1):
        with node.db.write(at - timedelta(minutes=minutes)) as tx:
            store.count_lines(tx, "proxy", lines=2, events=1, broken=1)
            store.save_looked(tx, "proxy", looked, event_at=tx.at - timedelta(seconds=5), read_at=tx.at)
    with node.db.write(at) as tx:
        store.count_lines(tx, "a-dns", lines=1, events=1, broken=0)
    return node


def test_a_node_without_sensors_is_told_that_it_sees_nothing(signed_in: SignIn) -> None:
    assert "sees nothing of its own networks" in signed_in(Role.ANALYST).get("/telemetry").text


def test_what_needs_somebody_comes_first_and_says_why(signed_in: SignIn, sensing: Node) -> None:
    page = signed_in(Role.ANALYST).get("/telemetry").text
    assert page.index("proxy") < page.index("a-dns")
    assert "is not usual for it" in page
    assert "Fields that do not come any more" in page
    assert ">proxy: client<" in page
    assert "as usual" in page


def test_a_line_that_could_not_be_read_is_text(signed_in: SignIn, sensing: Node) -> None:
    page = signed_in(Role.ANALYST).get("/telemetry").text
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
