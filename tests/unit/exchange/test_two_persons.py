"""Where the agreement asks for it, two persons release together: one alone never does."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select

from mithaq.exchange import store
from mithaq.exchange.errors import NotReleasable
from mithaq.exchange.items import digest_of
from mithaq.exchange.orders import Orders, Why
from mithaq.intelligence.errors import NotHeld
from mithaq.intelligence.model import ReleaseInstruction
from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.standards.tlp import Tlp
from tests.country import Country, alliance, deliver, fetch
from tests.world import DEFAULT_TERMS, XA, XB, XC, Treaty

TERMS = msgspec.structs.replace(DEFAULT_TERMS, two_person_from="TLP:GREEN")
FIRST, SECOND = "person--first", "person--second"


@pytest.fixture
def treaty(at: datetime) -> Treaty:
    return Treaty(at, terms=TERMS)


@pytest.fixture
def three(tmp_path: Path, at: datetime, treaty: Treaty) -> Iterator[list[Country]]:
    countries = alliance(tmp_path, (XA, XB, XC), at, treaty)
    yield countries
    for country in countries:
        country.db.close()


def missing(country: Country) -> set[str]:
    """The codes of everything that stands against what was withheld."""
    with country.db.read() as connection:
        rows = connection.execute(select(store.withheld.c.reasons))
        return {reason["code"] for row in rows for reason in row.reasons}


def why(country: Country, object_id: str, at: datetime) -> Why:
    with country.db.read() as connection:
        (stored, *_) = country.context.holdings.get(connection, object_id, ACTUAL)
        (answer,) = Orders(country.context).why(connection, stored, XB, "defence", at)
    return answer


def test_a_single_person_releases_nothing_and_a_second_one_does(
    three: list[Country], treaty: Treaty, at: datetime
) -> None:
    a, b, _ = three
    object_id = a.add(1, at, to=ReleaseInstruction(treaty.agreement_id, None, "defence", FIRST))
    assert fetch(a, b, at) == []
    assert missing(a) == {"second-person"}
    answer = why(a, object_id, at)
    assert (answer.approved_by, answer.waits_for_a_person) == (frozenset({FIRST}), True)
    approved = Orders(a.context).approve(object_id, treaty.agreement_id, at=at, actor=SECOND)
    assert approved == {FIRST, SECOND}
    assert deliver(a, b, at) == ["admitted"], "the approval alone wakes planning"
    assert b.held(object_id)


def test_the_same_person_twice_is_one(three: list[Country], treaty: Treaty, at: datetime) -> None:
    a, b, _ = three
    object_id = a.add(1, at, to=ReleaseInstruction(treaty.agreement_id, None, "defence", FIRST))
    a.add(1, at, to=ReleaseInstruction(treaty.agreement_id, (XB,), "defence", FIRST))
    with pytest.raises(NotReleasable, match="it takes another person"):
        Orders(a.context).approve(object_id, treaty.agreement_id, at=at, actor=FIRST)
    assert fetch(a, b, at) == []


def test_under_a_standing_order_two_persons_approve_each_object(
    three: list[Country], treaty: Treaty, at: datetime
) -> None:
    a, b, _ = three
    a.order(treaty, at)
    object_id = a.add(1, at)
    orders = Orders(a.context)
    orders.approve(object_id, treaty.agreement_id, at=at, actor=FIRST)
    assert fetch(a, b, at) == []
    orders.approve(object_id, treaty.agreement_id, at=at, actor=SECOND)
    assert deliver(a, b, at) == ["admitted"]


def test_an_approval_of_one_version_does_not_count_for_the_next(
    three: list[Country], treaty: Treaty, at: datetime
) -> None:
    a, b, _ = three
    a.order(treaty, at)
    object_id = a.add(1, at)
    orders = Orders(a.context)
    orders.approve(object_id, treaty.agreement_id, at=at, actor=FIRST)
    read = digest_of(a.held(object_id)[0])
    a.add(1, at, modified="2026-11-23T11:30:00.000Z", name="beacon, corrected")
    with pytest.raises(NotReleasable, match="newer version has come"):
        orders.approve(object_id, treaty.agreement_id, digest=read, at=at, actor=SECOND)
    assert orders.approve(object_id, treaty.agreement_id, at=at, actor=SECOND) == {SECOND}
    assert fetch(a, b, at) == []
    assert why(a, object_id, at).approved_by == {SECOND}
    orders.approve(object_id, treaty.agreement_id, at=at, actor=FIRST)
    assert deliver(a, b, at) == ["admitted"]
    assert b.held(object_id)[0].stix.name == "beacon, corrected"


def test_an_approval_is_for_one_agreement_and_one_lane(three: list[Country], treaty: Treaty, at: datetime) -> None:
    a, b, _ = three
    a.order(treaty, at)
    exercise = Lane("exercise--00000000-0000-4000-8000-000000000001")
    object_id = a.add(1, at)
    a.add(1, at, lane=exercise)
    orders = Orders(a.context)
    for person in (FIRST, SECOND):
        orders.approve(object_id, treaty.agreement_id, lane=exercise, at=at, actor=person)
    assert deliver(a, b, at) == ["admitted"]
    assert (b.held(object_id), bool(b.held(object_id, exercise))) == ([], True)


def test_a_veto_stands_against_any_number_of_approvals(three: list[Country], treaty: Treaty, at: datetime) -> None:
    a, b, _ = three
    a.order(treaty, at)
    object_id = a.add(1, at)
    orders = Orders(a.context)
    orders.veto(object_id, None, at=at, actor="person--director")
    for person in (FIRST, SECOND, "person--third"):
        orders.approve(object_id, treaty.agreement_id, at=at, actor=person)
    assert fetch(a, b, at) == []
    assert missing(a) == {"veto"}


def test_below_the_label_one_person_is_enough(tmp_path: Path, at: datetime) -> None:
    treaty = Treaty(at, terms=msgspec.structs.replace(TERMS, two_person_from="TLP:AMBER"))
    a, b, _ = alliance(tmp_path, (XA, XB, XC), at, treaty)
    asked = ReleaseInstruction(treaty.agreement_id, None, "defence", FIRST)
    free, held = a.add(1, at, to=asked), a.add(2, at, to=asked, tlp=Tlp.AMBER)
    assert deliver(a, b, at) == ["admitted"]
    assert (bool(b.held(free)), b.held(held)) == (True, [])
    for country in (a, b):
        country.db.close()


def test_what_is_not_held_is_approved_by_nobody(three: list[Country], treaty: Treaty, at: datetime) -> None:
    with pytest.raises(NotHeld):
        Orders(three[0].context).approve("indicator--none", treaty.agreement_id, at=at, actor=FIRST)
