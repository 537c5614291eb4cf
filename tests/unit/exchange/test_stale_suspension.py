"""A suspension that has not reached every node: who has it keeps to it, who has not is bounded by the age of keys."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select

from mithaq.agreements.statement import Draft
from mithaq.exchange import ledger, store
from mithaq.standards.tlp import Tlp
from tests.country import Country, alliance, deliver
from tests.world import DEFAULT_TERMS, XA, XB, XC, XD, Treaty, signer_of

AGAINST = Draft("suspend", "material-breach", target=XD)


@pytest.fixture
def treaty(at: datetime) -> Treaty:
    # the officials of this world spoke last two weeks before it begins
    terms = msgspec.structs.replace(DEFAULT_TERMS, suspension_by=2, status_max_age_days=14 + 5)
    return Treaty(at, nations=(XA, XB, XC, XD), terms=terms)


@pytest.fixture
def four(tmp_path: Path, at: datetime, treaty: Treaty) -> Iterator[list[Country]]:
    countries = alliance(tmp_path, (XA, XB, XC, XD), at, treaty)
    for country in countries:
        country.order(treaty, at)
    yield countries
    for country in countries:
        country.db.close()


def say(who: Country, treaty: Treaty, draft: Draft, at: datetime) -> bytes:
    who.statements.say(treaty.agreement_id, draft, signer_of(who.nation), at=at, actor="person--director")
    with who.db.read() as connection:
        heard = who.statements.all(connection, treaty.agreement_id)
    return [each.envelope for each in heard if each.statement.nation == who.nation][-1]


def hear(country: Country, *statements: bytes, at: datetime) -> None:
    for each in statements:
        country.statements.receive(each, at=at, actor="nation:XB")


def missing(country: Country) -> set[str]:
    with country.db.read() as connection:
        rows = connection.execute(select(store.withheld.c.reasons))
        return {reason["code"] for row in rows for reason in row.reasons}


def test_what_a_suspended_party_sends_is_quarantined_by_who_has_heard(
    four: list[Country], treaty: Treaty, at: datetime
) -> None:
    """XD does not have the statements, or acts as if it did not; one voice alone does not count."""
    _, b, c, d = four
    one = say(b, treaty, AGAINST, at)
    first = d.add(1, at)
    assert deliver(d, c, at) == ["admitted"]
    hear(c, one, say(four[0], treaty, AGAINST, at), at=at)
    second = d.add(2, at)
    assert deliver(d, c, at) == ["quarantined"]
    with c.db.read() as connection:
        (refusal,) = ledger.quarantined(connection, limit=9)
    assert [reason.code for reason in refusal.reasons] == ["party-suspended"]
    assert (bool(c.held(first)), c.held(second)) == (True, [])


def test_nothing_goes_to_a_suspended_party_until_that_has_ended(
    four: list[Country], treaty: Treaty, at: datetime
) -> None:
    a, b, c, d = four
    hear(c, say(a, treaty, AGAINST, at), say(b, treaty, AGAINST, at), at=at)
    object_id = c.add(1, at)
    assert deliver(c, d, at) == []
    assert missing(c) == {"party-suspended"}
    assert deliver(c, a, at) == ["admitted"], "others go on"
    hear(c, say(a, treaty, Draft("resume", "resolved", target=XD), at), at=at)
    assert deliver(c, d, at) == ["admitted"], "the end of a suspension wakes planning"
    assert d.held(object_id)


def test_a_node_that_has_not_heard_gives_amber_only_while_keys_are_fresh(
    four: list[Country], treaty: Treaty, at: datetime
) -> None:
    """A node that is cut off from news of suspensions is cut off from news of keys: what it may give runs out."""
    a, b, c, d = four
    say(a, treaty, AGAINST, at)
    say(b, treaty, AGAINST, at)
    c.add(1, at, tlp=Tlp.AMBER)
    assert deliver(c, d, at + timedelta(days=4)) == ["admitted"]
    late = at + timedelta(days=6)
    c.add(2, late, tlp=Tlp.AMBER)
    assert deliver(c, d, late) == []
    assert missing(c) == {"status-stale"}


def test_kinds_that_are_suspended_stay_and_others_go(four: list[Country], treaty: Treaty, at: datetime) -> None:
    a, b, *_ = four
    hear(a, say(b, treaty, Draft("suspend", "technical", scope=("indicator",)), at), at=at)
    a.add(1, at)
    assert deliver(a, b, at) == []
    assert missing(a) == {"kind"}
    assert deliver(a, four[2], at) == ["admitted"]


def test_after_the_notice_nothing_goes_to_or_from_who_has_left(
    four: list[Country], treaty: Treaty, at: datetime
) -> None:
    a, b, *_ = four
    leave = at + timedelta(days=365)
    longer = Treaty(
        at, nations=treaty.nations, terms=treaty.terms, days=900, agreement_id=treaty.agreement_id[:-1] + "9"
    )
    a.context.agreements.receive(longer.envelope.encode(), at=at, actor="p")
    b.context.agreements.receive(longer.envelope.encode(), at=at, actor="p")
    hear(a, say(b, longer, Draft("withdraw", "national-decision"), at), at=at)
    with a.db.read() as connection:
        gate = a.context.gatekeeper(connection, leave)
        held = a.add(3, at)
        verdict = gate.judge(a.held(held)[0], XB, longer.agreement_id, "defence")
        before = a.context.gatekeeper(connection, at).judge(a.held(held)[0], XB, longer.agreement_id, "defence")
    assert [reason.code for reason in verdict.reasons] == ["party-left"]
    assert before.allowed
