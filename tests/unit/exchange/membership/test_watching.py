"""Comparing by itself: what changed is read, what contradicts is told once, what cannot be read is asked for again."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from mithaq.agreements.statement import Draft
from mithaq.exchange.log.seen import evidence
from mithaq.exchange.log.witnessing import SHOWN
from mithaq.exchange.membership.comparing import Comparing
from mithaq.exchange.membership.model import Outcome
from mithaq.exchange.membership.outcome import MAX_KEPT, outcomes
from mithaq.exchange.membership.record import KeyRecord, encode
from mithaq.exchange.membership.shown import Source
from mithaq.exchange.membership.watching import AGAIN, RETRY, Watching
from mithaq.kernel import journal
from mithaq.kernel.ids import NationId
from mithaq.kernel.keystore import Keys
from mithaq.kernel.wake import WakeListener
from mithaq.nations.model import Partner
from tests.contradicting import Unreachable
from tests.country import Country
from tests.unit.exchange.membership.parties import (
    AGAINST_C,
    HOUR,
    Doors,
    Lying,
    append_all,
    entries_of,
    gathered,
    hear,
    next_statement,
    records,
    say,
    treaty_of,
)
from tests.world import XA, XB, XC

SECOND = timedelta(seconds=1)


@dataclass
class Watch:
    """One nation that compares with its neighbours' doors; `instead` are logs that stand in for theirs."""

    country: Country
    others: dict[NationId, Country]
    agreement_id: str
    now: datetime
    instead: dict[NationId, Source] = field(default_factory=dict)
    down: set[NationId] = field(default_factory=set)

    def _open(self, partner: Partner, agreement_id: str) -> AbstractContextManager[Source]:
        nation = partner.nation
        if nation in self.down:
            return nullcontext(Unreachable(nation))
        doors = Doors(self.others[nation], self.country.nation, agreement_id, self.now)
        return nullcontext(self.instead.get(nation, doors))

    def step(self, at: datetime) -> list[str]:
        """Compare what is due and return with whom that was."""
        self.now = at
        return [each.nation for each in Watching(self.country.context, self._open).step(at)]

    def outcome(self, nation: NationId) -> Outcome:
        with self.country.db.read() as connection:
            return next(each for each in outcomes(connection, self.agreement_id) if each.nation == nation)

    def told(self) -> list[str]:
        """The logs of which the journal says that they contradict."""
        with self.country.db.read() as connection:
            found = journal.newest(connection, before=None, limit=1000, kinds=frozenset({"exchange.contradiction"}))
        return [each.subject for each in found]


@pytest.fixture
def three(tmp_path: Path, at: datetime) -> Iterator[list[Country]]:
    countries = gathered(tmp_path, at)
    append_all(countries, at)
    yield countries[:3]
    for country in countries:
        country.db.close()


@pytest.fixture
def watch(three: list[Country], at: datetime) -> Watch:
    return Watch(three[0], {each.nation: each for each in three}, treaty_of(at).agreement_id, at)


def test_each_party_is_compared_once_and_again_only_after_hours(watch: Watch, at: datetime) -> None:
    assert watch.step(at) == ["XB", "XC"]
    assert [watch.outcome(each).state for each in (XB, XC)] == ["agrees", "agrees"]
    assert (watch.outcome(XB).size, watch.outcome(XB).read_at, watch.outcome(XB).differs_since) == (4, at, None)
    for later in (at, at + SECOND, at + AGAIN - SECOND):
        assert watch.step(later) == []
    assert watch.step(at + AGAIN) == ["XB", "XC"]


def test_who_shows_more_of_its_log_is_compared_and_nobody_else(
    watch: Watch, three: list[Country], at: datetime
) -> None:
    _a, b, _ = three
    watch.step(at)
    say(b, AGAINST_C, at)
    b.log_membership(at + SECOND)
    assert watch.step(at + 2 * SECOND) == ["XB"]
    outcome = watch.outcome(XB)
    assert (outcome.state, outcome.differs_since) == ("behind", at + 2 * SECOND)
    assert [(each.kind, each.about) for each in outcome.differences] == [("not-here", ("statement", "XB", 1))]
    assert watch.told() == [], "who is behind contradicts nobody"
    assert watch.step(at + 3 * SECOND) == []


def test_once_its_own_log_grew_a_nation_compares_with_all_and_what_differed_is_forgotten(
    watch: Watch, three: list[Country], at: datetime
) -> None:
    a, b, _ = three
    watch.step(at)
    envelope = say(b, AGAINST_C, at)
    b.log_membership(at + SECOND)
    watch.step(at + 2 * SECOND)
    hear(a, envelope, at + 3 * SECOND)
    a.membership.follow(at + 3 * SECOND)
    assert watch.step(at + 4 * SECOND) == ["XB", "XC"]
    assert (watch.outcome(XB).state, watch.outcome(XB).differs_since) == ("agrees", None)
    assert watch.outcome(XC).state == "behind", "XC has not been told"


def test_a_log_that_goes_on_to_differ_is_read_ever_less_often(watch: Watch, three: list[Country], at: datetime) -> None:
    say(three[1], AGAINST_C, at)
    three[1].membership.follow(at)
    read, now = [], at
    while now < at + timedelta(days=1):
        if "XB" in watch.step(now):
            read.append(now)
        now += timedelta(minutes=5)
    gaps = [later - earlier for earlier, later in pairwise(read)]
    assert gaps[0] == RETRY
    assert gaps == sorted(gaps)
    assert len(read) < 12


def test_a_key_swap_is_kept_with_its_proofs_and_told_once_however_often_it_is_seen(
    watch: Watch, three: list[Country], at: datetime
) -> None:
    a, b, _ = three
    for country, keys in ((a, Keys.generate()), (b, Keys.generate())):
        second = next_statement(XC, at + HOUR, keys)
        country.context.partners.take_statements(XC, [second.envelope], at=at + HOUR, actor="nation:XC")
    append_all(three, at + HOUR)
    for days in range(4):
        assert "XB" in watch.step(at + HOUR + timedelta(days=days))
    outcome = watch.outcome(XB)
    assert (outcome.state, [each.about for each in outcome.contradictions]) == (
        "contradicts",
        [("key-statement", "XC", 2)],
    )
    assert outcome.differs_since == at + HOUR
    with a.db.read() as connection:
        (kept,) = evidence(connection)
    assert watch.told() == [kept.origin] == [outcome.origin]


def test_a_keeper_that_goes_on_to_write_other_texts_under_one_number_fills_no_disk(
    watch: Watch, three: list[Country], at: datetime
) -> None:
    a, b, _ = three
    whole = entries_of(b, at)
    key = next(each for each in records(b, at) if isinstance(each, KeyRecord) and each.nation == XC)
    grown = list(whole)
    for number in range(5):
        grown.append(encode(KeyRecord(1, key.agreement, f"{number:064}", key.at, XC, 1, key.key_id, [], [], key.at)))
        watch.instead[XB] = Lying(at, tuple(grown))
        watch.step(at + number * AGAIN)
    assert watch.outcome(XB).state == "contradicts"
    assert len(watch.told()) == 1
    with a.db.read() as connection:
        assert len(evidence(connection)) == 1


def test_of_endless_differences_some_are_kept_contradictions_first(
    watch: Watch, three: list[Country], at: datetime
) -> None:
    b = three[1]
    key = next(each for each in records(b, at) if isinstance(each, KeyRecord) and each.nation == XC)
    more = [
        encode(KeyRecord(1, key.agreement, "0" * 64, key.at, XA, number, key.key_id, [], [], key.at))
        for number in range(2, 300)
    ]
    swapped = encode(KeyRecord(1, key.agreement, "0" * 64, key.at, XC, 1, key.key_id, [], [], key.at))
    watch.instead[XB] = Lying(at, (*entries_of(b, at), *more, swapped))
    watch.step(at)
    outcome = watch.outcome(XB)
    assert len(outcome.differences) == MAX_KEPT
    assert outcome.differences[0].about == ("key-statement", "XC", 1)


def test_a_rolled_back_log_is_refused_told_once_and_asked_for_again(
    watch: Watch, three: list[Country], at: datetime
) -> None:
    watch.step(at)
    watch.instead[XB] = Lying(at, entries_of(three[1], at)[:-1])
    for number in range(3):
        assert "XB" in watch.step(at + AGAIN + number * RETRY)
    outcome = watch.outcome(XB)
    assert (outcome.state, outcome.refused and outcome.refused.kind) == ("refused", "rolled-back")
    assert watch.told() == [outcome.origin]
    del watch.instead[XB]
    watch.step(at + AGAIN + 3 * RETRY)
    assert watch.outcome(XB).state == "agrees"


def test_a_node_that_is_down_holds_up_nobody_and_what_was_known_of_its_log_stays(watch: Watch, at: datetime) -> None:
    watch.step(at)
    watch.down = {XB}
    assert watch.step(at + AGAIN) == ["XB", "XC"]
    outcome = watch.outcome(XB)
    assert (outcome.state, outcome.trouble and outcome.trouble.code) == ("not-read", "partner-unreachable")
    assert (outcome.read_at, outcome.tried_at, outcome.size) == (at, at + AGAIN, 4)
    assert watch.outcome(XC).state == "agrees"
    assert watch.step(at + AGAIN + RETRY - SECOND) == []
    watch.down = set()
    assert watch.step(at + AGAIN + RETRY) == ["XB"]
    assert watch.outcome(XB).state == "agrees"


def test_nobody_is_asked_who_is_not_trusted_or_under_an_agreement_that_is_over(
    watch: Watch, three: list[Country], at: datetime
) -> None:
    three[0].context.partners.suspend(XB, at=at, actor="person--1")
    assert watch.step(at) == ["XC"]
    assert watch.step(at + timedelta(days=3650)) == []


def test_a_suspended_agreement_is_watched_on(watch: Watch, three: list[Country], at: datetime) -> None:
    a = three[0]
    say(a, Draft("suspend", "national-decision"), at)
    a.membership.follow(at)
    with a.db.read() as connection:
        assert a.context.agreements.current(connection, at) == []
    assert watch.step(at) == ["XB", "XC"]


def test_the_command_and_the_worker_keep_the_same_outcome(watch: Watch, three: list[Country], at: datetime) -> None:
    a = three[0]

    def source(partner: Partner) -> Source:
        return Doors(watch.others[partner.nation], XA, watch.agreement_id, at)

    Comparing(a.context).with_all(watch.agreement_id, source, at)
    assert [watch.outcome(each).state for each in (XB, XC)] == ["agrees", "agrees"]
    assert watch.step(at + SECOND) == []


def test_a_witness_wakes_those_who_compare(three: list[Country], at: datetime, tmp_path: Path) -> None:
    a, b, _ = three
    assert a.db.waker is not None
    with WakeListener(a.db.waker.run_dir, "test", (SHOWN,)) as listener:
        assert not listener.wait(0)
        say(b, AGAINST_C, at)
        b.log_membership(at)
        assert listener.wait(5)
