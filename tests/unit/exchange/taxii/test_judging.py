"""The quick way to the gate asks it the same as the plain one."""

from datetime import datetime

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from mithaq.exchange.columns import COLUMNS
from mithaq.exchange.items import item_of
from mithaq.exchange.taxii.judging import Judge
from mithaq.intelligence.tables import objects
from mithaq.kernel.lane import ACTUAL, TEST
from mithaq.release.clauses import LOCAL_CLAUSES
from mithaq.release.expression import facts_in
from mithaq.release.model import NO_SCOPE
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp
from tests.taxii import GRID, ROOT, TAXII, Served, carried, made, name
from tests.world import XA, XB, changed

SAYINGS = ("own", "partner", "partner-strict", "posted", "instructed", "partner-withdraws", "own-withdraws")


def say(served: Served, number: int, saying: str, body: bytes) -> None:
    at = served.clock.now()
    match saying:
        case "own":
            served.store(body, may_conflict=True)
        case "partner":
            served.store(body, partner=carried(at), may_conflict=True)
        case "partner-strict":
            served.store(body, partner=carried(at, constituents=None, action=1), may_conflict=True)
        case "posted":
            content = b'{"objects":[' + body + b"]}"
            place = f"{ROOT}collections/feed/objects/"
            assert served.client(GRID).post(place, content=content, headers={"content-type": TAXII}).status_code == 202
        case "instructed":
            with served.node.db.read() as connection:
                held = served.node.holdings.get(connection, name(number), ACTUAL)
            if held:
                served.instruct(name(number), "agreement--1")
        case _:
            with served.node.db.write(at) as tx:
                nation = XB if saying.startswith("partner") else XA
                served.node.holdings.withdraw(tx, name(number), ACTUAL, nation, "wrong")


Story = st.tuples(
    st.integers(1, 2),
    st.lists(st.sampled_from(SAYINGS), min_size=1, max_size=4),
    st.sampled_from([*Tlp, None]),
    st.sampled_from([*Pap, None]),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stories=st.lists(Story, min_size=1, max_size=2), version=st.integers(0, 9))
def test_rows_become_the_same_items_as_held_objects(
    quick: Served, stories: list[tuple[int, list[str], Tlp | None, Pap | None]], version: int
) -> None:
    if not quick.node.collections.all():
        quick.collection(can_write=True)
    for place, (number, sayings, tlp, pap) in enumerate(stories):
        body = made(number, tlp=tlp, pap=pap, modified=f"2026-11-23T11:0{version}:0{place}.000Z", name=str(sayings))
        for saying in sayings:
            say(quick, number, saying, body)
    compare(quick)


def compare(served: Served) -> None:
    """Hold every row against the object that the holdings make of it; of what differs only the scope may."""
    with served.node.db.read() as connection:
        rows = connection.execute(select(*COLUMNS).order_by(objects.c.row)).all()
        quickly = Judge(connection, XA, served.clock.now()).items(rows)
        plainly = [item_of(held, XA) for held in served.node.holdings.rows(connection, [row.row for row in rows])]
    assert quickly == [changed(item, scope=NO_SCOPE) for item in plainly]
    assert quickly


def test_objects_of_every_kind_become_the_same_items_on_both_databases(served: Served, at: datetime) -> None:
    served.collection(can_write=True)
    served.store(made(1), made(2, tlp=None), made(3, tlp=Tlp.RED), made(4, pap=None))
    served.store(made(5), lane=TEST)
    served.store(made(6), partner=carried(at))
    served.store(made(6))
    say(served, 7, "posted", made(7))
    say(served, 8, "posted", made(8))
    say(served, 8, "instructed", made(8))
    say(served, 6, "own-withdraws", made(6))
    compare(served)


def test_no_clause_inside_the_nation_looks_at_what_is_left_out() -> None:
    looked_at = {fact for clause in LOCAL_CLAUSES for fact in facts_in(clause.condition)}
    assert looked_at.isdisjoint({"sectors", "campaigns", "severity", "content"})
    assert looked_at.isdisjoint({"agreement_signed", "agreement_suspended", "not_before", "not_after", "parties"})
