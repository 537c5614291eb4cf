"""A recall reaches everybody who has the object, over every hop and through every circle, and is counted back."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from mithaq.agreements.terms import Onward
from mithaq.exchange.duties import store
from mithaq.exchange.duties.attestation import read_attestation
from mithaq.exchange.duties.service import Duties
from mithaq.exchange.recalling import take_back
from mithaq.intelligence.model import ReleaseInstruction
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from tests.country import Country, alliance, deliver
from tests.obliged import attest, keep_books, rows, sweep, told
from tests.world import DEFAULT_TERMS, XA, XB, XC, XD, Treaty

XE = NationId("XE")
TERMS = msgspec.structs.replace(DEFAULT_TERMS, onward=Onward("parties"), recall_hours=24)
HOUR = timedelta(hours=1)


@pytest.fixture
def treaty(at: datetime) -> Treaty:
    return Treaty(at, nations=(XA, XB, XC, XD, XE), terms=TERMS)


@pytest.fixture
def five(tmp_path: Path, at: datetime, treaty: Treaty) -> Iterator[list[Country]]:
    countries = alliance(tmp_path, (XA, XB, XC, XD, XE), at, treaty)
    yield countries
    for country in countries:
        country.db.close()


def to(treaty: Treaty, *nations: NationId) -> ReleaseInstruction:
    return ReleaseInstruction(treaty.agreement_id, nations, "defence")


def pass_on(country: Country, treaty: Treaty, object_id: str, at: datetime, *nations: NationId) -> None:
    """Ask that a held foreign object goes on to these nations, by storing the wish beside it."""
    (held,) = country.held(object_id)
    from mithaq.intelligence.tables import instructions

    with country.db.write(at) as tx:
        tx.execute(
            instructions.insert().values(
                object=held.row, agreement_id=treaty.agreement_id, recipients=list(nations), purpose="defence", at=at
            )
        )
        tx.append("intelligence.stored", subject=object_id, lane=ACTUAL, actor="node", detail={"rows": [held.row]})


def recall(country: Country, object_id: str, at: datetime) -> None:
    with country.db.write(at) as tx:
        assert take_back(tx, country.context.holdings, object_id, ACTUAL, country.nation, "false positive")


def settle(countries: list[Country], at: datetime) -> None:
    """Let everything travel until nothing moves: releases, receipts, attestations."""
    for _ in range(20):
        moved = False
        for one in countries:
            for other in countries:
                if one is not other:
                    moved |= bool(deliver(one, other, at))
        for one in countries:
            keep_books(one, at)
        for one in countries:
            for other in countries:
                if one is not other:
                    moved |= bool(attest(one, other, at))
        if not moved:
            return
    raise AssertionError("the counts never come to rest")


def standing(countries: list[Country], object_id: str) -> list[str]:
    return [each.nation for each in countries if any(held.stands for held in each.held(object_id))]


def chain(five: list[Country], treaty: Treaty, at: datetime) -> str:
    """XA gives to XB, which passes on to XC, which passes on to XD."""
    a, b, c, d, _ = five
    object_id = a.add(1, at, to=to(treaty, XB))
    assert deliver(a, b, at) == ["admitted"]
    pass_on(b, treaty, object_id, at, XC)
    assert deliver(b, c, at) == ["admitted"]
    pass_on(c, treaty, object_id, at, XD)
    assert deliver(c, d, at) == ["admitted"]
    return object_id


def test_a_recall_travels_three_hops_and_the_counts_come_back_without_names(
    five: list[Country], treaty: Treaty, at: datetime
) -> None:
    a, b = five[0], five[1]
    object_id = chain(five, treaty, at)
    recall(a, object_id, at + HOUR)
    settle(five, at + HOUR)
    assert standing(five, object_id) == []
    with a.db.read() as connection:
        (duty,) = [each for each in Duties(a.context).listed(connection, at, state="any") if each.kind == "recall"]
    assert (duty.owed_by, duty.state, duty.told, duty.confirmed) == (XB, "fulfilled", 2, 2)
    assert duty.due_at == at + 25 * HOUR
    given = [read_attestation(row.statement) for row in rows(b, store.attestations) if row.by == XB]
    assert (given[-1].what, given[-1].told, given[-1].confirmed) == ("recall", 2, 2)
    heard = [bytes(row.statement) for row in rows(a, store.attestations)]
    assert heard
    assert not any(name.encode() in each for each in heard for name in (XC, XD)), "the originator learns no name"


def test_a_recipient_that_does_not_answer_is_overdue_by_name_and_the_rest_is_counted(
    five: list[Country], treaty: Treaty, at: datetime
) -> None:
    a, b, c, _, _ = five
    object_id = chain(five, treaty, at)
    recall(a, object_id, at)
    settle([a, b], at)
    keep_books(b, at)
    attest(b, a, at)
    late = at + 25 * HOUR
    assert sweep(b, late).breached == 1
    assert [(each["kind"], each["by"], each["to"]) for each in told(b, "breached")] == [("recall", XC, XB)]
    with a.db.read() as connection:
        (duty,) = [each for each in Duties(a.context).listed(connection, at, state="any") if each.kind == "recall"]
    assert (duty.state, duty.told, duty.confirmed) == ("fulfilled", 1, 0)
    assert standing(five, object_id) == [XC, XD]
    settle([a, b, c], late)
    assert standing(five, object_id) == [XD]


def test_a_recall_that_was_not_fetched_is_late_at_the_one_who_waits(
    five: list[Country], treaty: Treaty, at: datetime
) -> None:
    a, b = five[0], five[1]
    object_id = a.add(1, at, to=to(treaty, XB))
    deliver(a, b, at)
    recall(a, object_id, at)
    sweep(a, at + 25 * HOUR)
    with a.db.read() as connection:
        overdue = Duties(a.context).health(connection, at + 25 * HOUR).overdue
    assert [(each.kind, each.owed_by) for each in overdue] == [("recall", XB)]


def test_nations_that_gave_an_object_to_each_other_do_not_hold_it_on_each_others_word(
    five: list[Country], treaty: Treaty, at: datetime
) -> None:
    """XB gives to XC and XD, and these to each other: each holds two words when the recall comes."""
    a, b, c, d, _ = five
    object_id = a.add(1, at, to=to(treaty, XB))
    deliver(a, b, at)
    pass_on(b, treaty, object_id, at, XC, XD)
    deliver(b, c, at)
    deliver(b, d, at)
    pass_on(c, treaty, object_id, at, XD)
    pass_on(d, treaty, object_id, at, XC)
    c.plan(at)
    d.plan(at)
    assert deliver(c, d, at) == deliver(d, c, at) == ["admitted"]
    assert len(c.held(object_id)[0].provenance) == len(d.held(object_id)[0].provenance) == 2
    recall(a, object_id, at + HOUR)
    settle(five, at + HOUR)
    assert standing(five, object_id) == []


def test_a_circle_of_four_lets_go(five: list[Country], treaty: Treaty, at: datetime) -> None:
    a, b, c, d, e = five
    object_id = a.add(1, at, to=to(treaty, XB))
    deliver(a, b, at)
    for giver, taker in ((b, c), (c, d), (d, e), (e, b)):
        pass_on(giver, treaty, object_id, at, taker.nation)
        assert deliver(giver, taker, at) == ["admitted"]
    assert len(b.held(object_id)[0].provenance) == 2
    recall(a, object_id, at + HOUR)
    settle(five, at + HOUR)
    assert standing(five, object_id) == []


def test_an_own_object_that_came_back_does_not_stand_on_the_word_of_the_one_who_has_it_from_here(
    five: list[Country], treaty: Treaty, at: datetime
) -> None:
    a, b = five[0], five[1]
    object_id = a.add(1, at, to=to(treaty, XB))
    deliver(a, b, at)
    pass_on(b, treaty, object_id, at, XA)
    deliver(b, a, at)
    recall(a, object_id, at)
    assert standing([a], object_id) == []


def test_a_nation_cannot_recall_what_another_gave_over_fewer_hops(
    five: list[Country], treaty: Treaty, at: datetime
) -> None:
    a, b, c, _, _ = five
    object_id = a.add(1, at, to=to(treaty, XB, XC))
    deliver(a, b, at)
    deliver(a, c, at)
    pass_on(b, treaty, object_id, at, XC)
    deliver(b, c, at)
    with b.db.write(at) as tx:
        b.context.holdings.withdraw(tx, object_id, ACTUAL, XA, "XB lies: XA has recalled nothing")
    assert deliver(b, c, at) == ["withdrawn"]
    assert standing([c], object_id) == [XC], "the originator's own word stands"


def test_a_recall_of_another_originators_object_leaves_the_second_finder_alone(
    five: list[Country], treaty: Treaty, at: datetime
) -> None:
    a, _, c, d, _ = five
    object_id = a.add(1, at, to=to(treaty, XC))
    deliver(a, c, at)
    d.add(1, at, to=to(treaty, XC))
    deliver(d, c, at)
    recall(a, object_id, at)
    settle([a, c, d], at)
    (held,) = c.held(object_id)
    assert [word.nation for word in held.provenance if word.standing == "stands"] == [XD]
