"""What is noted of objects that stand on a shelf in several versions."""

from datetime import datetime

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from mithaq.exchange.taxii.store import shelved, shelves
from mithaq.intelligence.tables import objects
from mithaq.kernel.lane import ACTUAL
from tests.taxii import BANK, GRID, ROOT, Served, carried, made, name
from tests.world import XA

OBJECTS = f"{ROOT}collections/feed/objects/"
NOTED = (
    select(shelves.c.constituent, objects.c.stix_id, shelved.c.has_siblings)
    .join(shelves, shelves.c.id == shelved.c.shelf)
    .join(objects, objects.c.row == shelved.c.object)
    .order_by(shelves.c.constituent, shelved.c.date_added)
)
Saying = st.tuples(
    st.integers(1, 2), st.sampled_from(["own", "partner", "partner", "own-withdraws"]), st.integers(10, 14)
)
QUESTIONS = ("", "?match[version]=first", "?match[version]=first,last", "?match[version]=all", "?limit=1")


def version(number: int, minute: int) -> bytes:
    return made(number, modified=f"2026-11-23T11:{minute:02d}:00.000Z")


def noted(served: Served) -> list[tuple[str, str, bool]]:
    with served.node.db.read() as connection:
        return [(each.constituent, each.stix_id, each.has_siblings) for each in connection.execute(NOTED)]


def test_it_is_noted_of_each_version_whichever_came_first(served: Served, at: datetime) -> None:
    served.collection(audience=(BANK, GRID))
    served.store(version(1, 30), version(2, 30))
    assert noted(served) == [(who, name(number), False) for who in (BANK, GRID) for number in (1, 2)]
    served.store(version(1, 20), partner=carried(at))
    on_each = [(name(1), True), (name(2), False), (name(1), True)]
    assert noted(served) == [(who, *each) for who in (BANK, GRID) for each in on_each]


def test_versions_that_come_at_once_are_noted_too(served: Served, at: datetime) -> None:
    served.store(version(1, 30), version(2, 30))
    served.store(version(1, 20), partner=carried(at))
    served.collection()
    served.settle()
    assert noted(served) == [(GRID, name(1), True), (GRID, name(2), False), (GRID, name(1), True)]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(Saying, min_size=3, max_size=8), tens=st.integers(1, 10**9))
def test_what_is_noted_answers_as_if_versions_were_looked_for_each_time(
    quick: Served, at: datetime, history: list[tuple[int, str, int]], tens: int
) -> None:
    if not quick.node.collections.all():
        quick.collection()
    for digit, saying, minute in history:
        number = tens * 10 + digit
        if saying == "own-withdraws":
            with quick.node.db.write(at) as tx:
                quick.node.holdings.withdraw(tx, name(number), ACTUAL, XA, "wrong")
            quick.settle()
        else:
            terms = carried(at) if saying == "partner" else None
            quick.store(version(number, minute), partner=terms, may_conflict=True)
    client = quick.client()
    found = [client.get(f"{OBJECTS}{question}").json() for question in QUESTIONS]
    with quick.node.db.write(at) as tx:
        tx.execute(update(shelved).values(has_siblings=True))
    assert [client.get(f"{OBJECTS}{question}").json() for question in QUESTIONS] == found
