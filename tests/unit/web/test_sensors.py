"""Sensors on pages: who has which version, and what changed and why."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from mithaq.intelligence.model import NewObject, Provenance
from mithaq.kernel.lane import ACTUAL
from mithaq.nations.people.model import Role
from mithaq.node.composition import Node
from mithaq.response.sensors.model import SensorKind
from mithaq.standards import stix
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp
from tests.taxii import made
from tests.world import XA

SignIn = Callable[..., TestClient]


@pytest.fixture
def sensing(node: Node) -> Node:
    """A node with two sensors, of which one has fetched; then something hostile was taken back."""
    at = node.clock.now()
    for name in ("border-1", "quiet-1"):
        node.sensors.add(name, SensorKind.ZEEK, None, timedelta(days=9), at)
    body = made(1, pattern="[url:value = 'http://bad.invalid.com/a&lt;b']", valid_until="2026-12-23T11:00:00.000Z")
    with node.db.write(at) as tx:
        word = Provenance.own(XA, at, Tlp.GREEN, Pap.GREEN)
        node.holdings.store(tx, [NewObject(body, stix.parse(body), ACTUAL, word)])
    node.sensors.refresh_all(at)
    account = next(each for each in node.constituents.accounts("own-sensors") if each.name == "border-1")
    node.sensors.fetch(account, "border-1", None, at)
    return node


def test_a_node_without_sensors_is_told_that_nothing_fetches(signed_in: SignIn) -> None:
    assert "nothing fetches what this node knows" in signed_in(Role.ANALYST).get("/sensors").text


def test_who_has_not_fetched_comes_first(signed_in: SignIn, sensing: Node) -> None:
    page = signed_in(Role.ANALYST).get("/sensors").text
    assert page.index("quiet-1") < page.index("border-1")
    assert "Never fetched" in page
    assert "Has the newest version" in page
    assert 'href="/sensors"' in signed_in(Role.ANALYST).get("/detection").text


def test_a_sensor_shows_what_changed_and_why(signed_in: SignIn, sensing: Node) -> None:
    page = signed_in(Role.ANALYST).get("/sensors/border-1").text
    assert "an indicator that this sensor may have names it" in page
    assert "a&amp;lt;b" in page, "foreign text is text"
    assert signed_in(Role.ANALYST).get("/sensors/nothing").status_code == 404
