"""What comes in between a decision and its delivery: withdrawals, suspensions, second channels."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from mithaq.exchange import store
from mithaq.exchange.ledger import holders, withheld
from mithaq.exchange.orders import Orders
from mithaq.exchange.receiving.service import Receiving
from mithaq.exchange.sending.service import Sending
from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.nations.signer import LocalSigner
from tests.country import Country, alliance, deliver, fetch, give_receipts
from tests.world import XA, XB, Treaty, keys_of

DRILL = Lane("exercise--11111111-1111-4111-8111-111111111111")
LATER = "2026-11-23T11:30:00.000Z"


class Interrupted(LocalSigner):
    """A signer during whose work something else happens, once."""

    def __init__(self, country: Country, meanwhile: Callable[[], object]) -> None:
        super().__init__(keys_of(country.nation), country.nation)
        self._meanwhile = [meanwhile]

    def sign(self, payload_type: str, payload: bytes) -> bytes:
        self._happen()
        return super().sign(payload_type, payload)

    def open_sealed(self, sealed: bytes, info: bytes) -> bytes:
        self._happen()
        return super().open_sealed(sealed, info)

    def _happen(self) -> None:
        if self._meanwhile:
            self._meanwhile.pop()()


@pytest.fixture
def two(tmp_path: Path, at: datetime) -> Iterator[list[Country]]:
    treaty = Treaty(at, nations=(XA, XB))
    countries = alliance(tmp_path, (XA, XB), at, treaty)
    countries[0].order(treaty, at)
    yield countries
    for country in countries:
        country.db.close()


def withdraw(country: Country, object_id: str, at: datetime, lane: Lane = ACTUAL) -> None:
    with country.db.write(at) as tx:
        country.context.holdings.withdraw(tx, object_id, lane, country.nation, "mistaken")


def deliver_all(sender: Country, recipient: Country, at: datetime) -> list[str]:
    outcomes: list[str] = []
    while more := deliver(sender, recipient, at):
        outcomes += more
    return outcomes


def stands(country: Country, object_id: str, lane: Lane = ACTUAL) -> bool:
    return any(stored.stands for stored in country.held(object_id, lane))


def test_a_new_version_that_follows_a_withdrawal_at_once_arrives(two: list[Country], at: datetime) -> None:
    a, b = two
    object_id = a.add(1, at)
    deliver(a, b, at)
    withdraw(a, object_id, at)
    a.add(1, at, modified=LATER)
    assert deliver_all(a, b, at) == ["withdrawn", "admitted"]
    assert stands(b, object_id)


def test_a_withdrawal_in_an_exercise_keeps_nothing_back_outside_it(two: list[Country], at: datetime) -> None:
    a, b = two
    object_id = a.add(1, at)
    a.add(1, at, lane=DRILL)
    a.plan(at)
    withdraw(a, object_id, at, DRILL)
    assert deliver(a, b, at) == ["admitted"]
    assert (stands(b, object_id), stands(b, object_id, DRILL)) == (True, False)


def test_a_withdrawal_while_the_release_is_signed_lets_nothing_leave(two: list[Country], at: datetime) -> None:
    """Nothing was sent yet when the withdrawal was planned, so the recipient would never hear that it fell."""
    a, b = two
    object_id = a.add(1, at)
    a.plan(at)

    def taken_back() -> None:
        withdraw(a, object_id, at)
        a.plan(at)

    sending = Sending(replace(a.context, signer=Interrupted(a, taken_back)))
    assert sending.frames(XB, 0, at) == []
    assert deliver(a, b, at) == []
    with a.db.read() as connection:
        assert connection.execute(select(store.sent)).all() == []


def test_what_may_still_go_of_a_void_release_goes_under_the_next_number(two: list[Country], at: datetime) -> None:
    a, b = two
    kept, free = a.add(1, at), a.add(2, at)
    assert len(fetch(a, b, at)) == 1
    Orders(a.context).veto(kept, None, at=at, actor="person--director")
    assert deliver_all(a, b, at) == ["void", "admitted"]
    assert (stands(b, kept), stands(b, free)) == (False, True)
    Orders(a.context).lift_veto(kept, None, at=at, actor="person--director")
    assert deliver(a, b, at) == ["admitted"]
    assert stands(b, kept)


def test_a_release_that_became_void_under_a_suspension_goes_when_that_ends(two: list[Country], at: datetime) -> None:
    a, b = two
    object_id = a.add(1, at)
    fetch(a, b, at)
    agreement_id = Treaty(at).agreement_id
    a.context.agreements.set_suspended(agreement_id, True, at=at, actor="person--director")
    assert deliver(a, b, at) == ["void"]
    a.context.agreements.set_suspended(agreement_id, False, at=at, actor="person--director")
    assert deliver(a, b, at) == ["admitted"]
    assert stands(b, object_id)


def test_an_answer_that_a_void_overtook_is_still_taken_confirmed_and_withdrawn(
    two: list[Country], at: datetime
) -> None:
    """The first answer is slow; the recipient asks again, and then the first one arrives after all."""
    a, b = two
    fallen, free = a.add(1, at), a.add(2, at)
    (slow,) = fetch(a, b, at)
    withdraw(a, fallen, at)
    assert len(fetch(a, b, at)) == 1
    assert Receiving(b.context).take(XA, slow, at) == "admitted"
    assert (stands(b, fallen), stands(b, free)) == (True, True)
    give_receipts(a, b, at)
    with a.db.read() as connection:
        assert [each.version for each in holders(connection, fallen)] != []
        assert [row.outcome for row in connection.execute(select(store.sent))] == ["admitted"]
    assert sorted(deliver_all(a, b, at)) == ["admitted", "withdrawn"]
    assert (stands(b, fallen), stands(b, free)) == (False, True)
    with a.db.read() as connection:
        assert connection.execute(select(store.overtaken)).all() == []


def test_what_a_void_number_said_before_is_forgotten_once_the_void_is_confirmed(
    two: list[Country], at: datetime
) -> None:
    a, b = two
    withdrawn = a.add(1, at)
    fetch(a, b, at)
    withdraw(a, withdrawn, at)
    fetch(a, b, at)
    with a.db.read() as connection:
        assert len(connection.execute(select(store.overtaken)).all()) == 1
    assert deliver(a, b, at) == ["void"]
    with a.db.read() as connection:
        assert connection.execute(select(store.overtaken)).all() == []


def test_what_was_withheld_and_went_since_does_not_go_again_at_the_next_change(
    two: list[Country], at: datetime
) -> None:
    a, b = two
    agreement_id = Treaty(at).agreement_id
    a.context.agreements.set_suspended(agreement_id, True, at=at, actor="person--director")
    object_id = a.add(1, at)
    assert deliver(a, b, at) == []
    with a.db.read() as connection:
        assert [each.object_id for each in withheld(connection)] == [object_id]
    a.context.agreements.set_suspended(agreement_id, False, at=at, actor="person--director")
    assert deliver_all(a, b, at) == ["admitted"]
    with a.db.read() as connection:
        assert withheld(connection) == []
    Orders(a.context).veto(a.add(2, at), None, at=at, actor="person--director")
    assert deliver_all(a, b, at) == []


def test_two_channels_to_one_partner_take_each_release_once(two: list[Country], at: datetime) -> None:
    """While a partner's address changes, the channel to the earlier one may still be open."""
    a, b = two
    object_id = a.add(1, at)
    (frame,) = fetch(a, b, at)
    outcomes: list[str | None] = []

    def second_channel() -> None:
        outcomes.append(Receiving(b.context).take(XA, frame, at))

    first = Receiving(replace(b.context, signer=Interrupted(b, second_channel)))
    outcomes.append(first.take(XA, frame, at))
    assert outcomes == ["admitted", None]
    assert len(b.held(object_id)[0].provenance) == 1
