"""Pushing into constituents' MISP on a page: what the last push came to, what went, and what stays and why."""

import json
from collections.abc import Callable

from starlette.testclient import TestClient

from mithaq.exchange.event_versions import keep_event
from mithaq.exchange.pushing import store
from mithaq.exchange.pushing.model import Last, Went
from mithaq.intelligence.imports.misp import import_misp
from mithaq.intelligence.model import ImportTerms
from mithaq.kernel.lane import ACTUAL
from mithaq.kernel.reason import Reason
from mithaq.nations.people.model import Role
from mithaq.node.composition import Node
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp
from tests.misp import event

SignIn = Callable[..., TestClient]
GRID = "grid-operator"
UUIDS = [f"7b8f0b1e-1234-4abc-8def-0000000000e{number}" for number in range(3)]
WHY = Reason("event-not-taken", "it does not take the event: status %(status)s", {"status": 403})


def aimed(node: Node, last: Last | None = None) -> None:
    at = node.clock.now()
    node.constituents.add(GRID, {"en": "National Grid"}, [], "soc@grid.example", at)
    node.collections.add("feed", "Feed", at, audience=(GRID,))
    node.push_targets.add(GRID, "https://misp.grid.example/?key=s3cretkey", "k" * 40, at, by="operator")
    if last is not None:
        with node.db.write(at) as tx:
            found = store.find(tx.connection, GRID)
            assert found is not None
            store.note_last(tx, found[0], last)
            store.note(tx, GRID, UUIDS[0], 1_700_000_000)


def test_a_nation_that_pushes_nowhere_is_told_what_would_be_there(signed_in: SignIn) -> None:
    assert "would be here" in signed_in(Role.ANALYST).get("/pushing").text
    assert signed_in(Role.ANALYST).get("/pushing/nobody").status_code == 404


def test_what_a_push_came_to_is_shown_without_what_may_be_a_key(signed_in: SignIn, node: Node) -> None:
    failed = (Went(UUIDS[1], "failed", WHY),)
    aimed(node, Last(node.clock.now(), 1, 2, 1, (UUIDS[2],), failed, Reason("x", "the server is gone")))
    client = signed_in(Role.ANALYST)
    listed, page = client.get("/pushing").text, client.get(f"/pushing/{GRID}").text
    assert "s3cretkey" not in listed + page
    assert "Ended early" in listed
    for said in (*UUIDS, "status 403", "server is gone", "still there"):
        assert said.lower() in page.lower(), said


def test_an_event_that_stays_is_named_with_its_reason_to_who_may_read_releases(signed_in: SignIn, node: Node) -> None:
    aimed(node)
    file = json.dumps({"Event": event(info="<b>for a group</b>", distribution="4")}).encode()
    terms = ImportTerms(node.nation, ACTUAL, Tlp.GREEN, Pap.GREEN)
    import_misp(node.holdings, file, terms=terms, warning_lists=None, keep=keep_event, at=node.clock.now())
    page = signed_in(Role.RELEASER).get(f"/pushing/{GRID}").text
    assert "Not pushed yet" in page
    assert "sharing group" in page
    assert "&lt;b&gt;for a group" in page
    assert "sharing group" not in signed_in(Role.ADMINISTRATOR, name="Omar").get(f"/pushing/{GRID}").text
