"""A version that nobody's word stands for any more is still whose it was."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from mithaq.exchange.consents import Consents
from mithaq.exchange.items import item_of
from mithaq.exchange.orders import Orders
from mithaq.intelligence.model import ReleaseInstruction, StoredObject
from mithaq.kernel.lane import ACTUAL
from tests.country import Country, alliance, deliver
from tests.world import XA, XB, XC, Treaty

NEWER = "2026-11-23T11:30:00.000Z"


@pytest.fixture
def treaty(at: datetime) -> Treaty:
    return Treaty(at)


@pytest.fixture
def pair(tmp_path: Path, at: datetime, treaty: Treaty) -> Iterator[list[Country]]:
    countries = alliance(tmp_path, (XA, XB, XC), at, treaty)
    yield countries[:2]
    for country in countries:
        country.db.close()


def given_twice(a: Country, b: Country, treaty: Treaty, at: datetime) -> tuple[StoredObject, StoredObject]:
    """An object of XA in two versions as XB holds them, the newer one first."""
    to_b = ReleaseInstruction(treaty.agreement_id, (XB,), "defence")
    object_id = a.add(1, at, to=to_b)
    assert deliver(a, b, at) == ["admitted"]
    a.add(1, at, to=to_b, modified=NEWER)
    assert deliver(a, b, at) == ["admitted"]
    newer, older = b.held(object_id)
    assert (newer.stands, older.stands) == (True, False)
    return newer, older


def test_a_superseded_foreign_version_is_judged_under_its_originators_terms(
    pair: list[Country], at: datetime, treaty: Treaty
) -> None:
    a, b = pair
    newer, older = given_twice(a, b, treaty, at)
    assert item_of(older, XB).originator == XA
    assert item_of(older, XB).carried == item_of(newer, XB).carried != ()
    with b.db.read() as connection:
        (why,) = Orders(b.context).why(connection, older, XC, "defence", at)
    assert sorted(reason.code for reason in why.verdict.reasons) == ["onward", "withdrawn"]


def test_a_foreign_version_that_was_taken_back_stays_its_originators(
    pair: list[Country], at: datetime, treaty: Treaty
) -> None:
    a, b = pair
    newer, _ = given_twice(a, b, treaty, at)
    with b.db.write(at) as tx:
        b.context.holdings.withdraw(tx, newer.stix.id, ACTUAL, XA, "withdrawn by its sender")
    for stored in b.held(newer.stix.id):
        assert item_of(stored, XB).originator == XA
        assert item_of(stored, XB).carried
    passage = Consents(b.context).ask(newer.stix.id, XC, treaty.agreement_id, at=at, actor="person--1")
    assert passage.originator == XA


def test_an_own_word_that_was_taken_back_makes_no_foreign_version_an_own_one(
    pair: list[Country], at: datetime, treaty: Treaty
) -> None:
    a, b = pair
    b.add(1, at)
    with b.db.write(at) as tx:
        b.context.holdings.withdraw(tx, "indicator--00000000-0000-4000-8000-000000000001", ACTUAL, XB, "wrong")
    newer, older = given_twice(a, b, treaty, at)
    assert {word.nation for word in older.provenance} == {XA, XB}
    assert item_of(older, XB).originator == item_of(newer, XB).originator == XA
    with b.db.write(at) as tx:
        b.context.holdings.withdraw(tx, older.stix.id, ACTUAL, XA, "withdrawn by its sender")
    assert item_of(b.held(older.stix.id)[1], XB).originator == XA


def test_an_own_version_that_an_own_newer_one_replaces_stays_own(pair: list[Country], at: datetime) -> None:
    _, b = pair
    object_id = b.add(1, at)
    b.add(1, at, modified=NEWER)
    newer, older = b.held(object_id)
    assert (newer.stands, older.stands) == (True, False)
    assert (item_of(older, XB).originator, item_of(older, XB).carried) == (XB, ())
