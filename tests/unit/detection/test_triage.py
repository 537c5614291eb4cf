from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mithaq.detection import store
from mithaq.detection.errors import HitDecided, UnknownGroup, UnusablePeriod, UnusableReason
from mithaq.detection.hits.triage import Triage
from mithaq.detection.model import Dismissal, Expectation, Group, HitState, RuleSight
from mithaq.detection.service import Detection
from mithaq.detection.settings import MAX_EXPECTED_DAYS
from mithaq.kernel import canonical, journal
from mithaq.kernel.database import Database
from mithaq.kernel.lane import ACTUAL
from mithaq.standards.sigma import LEVELS
from tests.unit.detection.worlds import AGREEMENT, OWN, PARTNER, Bench, indicator


@pytest.fixture
def bench(db: Database, tmp_path: Path, at: datetime) -> Iterator[Bench]:
    bench = Bench(db, tmp_path, at)
    for name in ("zeek", "proxy"):
        bench.source(name)
    bench.start()
    yield bench
    bench.detector.close()


@pytest.fixture
def triage(bench: Bench) -> Triage:
    return Triage(bench.db, bench.holdings, OWN)


def seen(bench: Bench, *instants: int, name: str = "evil.example", source: str = "zeek") -> None:
    bench.push(*({"ts": each, "uid": f"C{each}{name}", "query": name} for each in instants), source=source)
    bench.settle()


def evil(bench: Bench, *, partner: bool = True) -> str:
    new = indicator("[domain-name:value = 'evil.example']", bench.at, partner=partner)
    bench.store(new)
    bench.settle()
    return new.stix.id


def all_of(bench: Bench, triage: Triage, state: HitState | None = None) -> list[Group]:
    with bench.db.read() as connection:
        return list(triage.page(connection, state=state).groups)


def instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def test_hits_stand_together_by_object_source_and_what_was_seen(bench: Bench, triage: Triage) -> None:
    seen(bench, 500)
    evil(bench)
    seen(bench, 300, 900, 600)
    seen(bench, 400, name="www.evil.example")
    seen(bench, 100, 200, source="proxy")
    found = {(each.source, each.sight.shown): each for each in all_of(bench, triage)}
    assert {key: (each.count, each.new, each.retro) for key, each in found.items()} == {
        ("zeek", "evil.example"): (4, 4, 1),
        ("zeek", "www.evil.example"): (1, 1, 0),
        ("proxy", "evil.example"): (2, 2, 0),
    }
    group = found["zeek", "evil.example"]
    assert (group.first_at, group.last_at) == (instant(300), instant(900))
    assert (group.origin.nation, group.origin.agreement_id) == (PARTNER, AGREEMENT)


def test_pages_of_groups_show_each_once_the_newest_match_first(bench: Bench, triage: Triage) -> None:
    evil(bench)
    for number in range(5):
        seen(bench, number, name=f"a{number}.evil.example")
    with bench.db.read() as connection:
        first = triage.page(connection, limit=3)
        second = triage.page(connection, limit=3, after=first.next or "")
        assert triage.page(connection, limit=9, after="no cursor").groups == (*first.groups, *second.groups)
    names = [each.sight.shown for each in (*first.groups, *second.groups)]
    assert names == [f"a{number}.evil.example" for number in (4, 3, 2, 1, 0)]
    assert second.next is None


def test_a_confirmed_group_is_one_sighting_with_count_first_and_last(
    bench: Bench, triage: Triage, at: datetime
) -> None:
    stix_id = evil(bench)
    seen(bench, 300, 900, 600)
    (group,) = all_of(bench, triage)
    sighting_id = triage.confirm(group.row, "person--1", at)
    with bench.db.read() as connection:
        (stored,) = bench.holdings.get(connection, sighting_id, ACTUAL)
        assert len(bench.holdings.search(connection, "type:sighting", ACTUAL, None, 10, at=at).objects) == 1
        (told,) = journal.entries(connection, 0, kinds=frozenset({"detection.hit.confirmed"}))
    body = canonical.loads(stored.body, max_bytes=10_000, subject="")
    assert (body["sighting_of_ref"], body["count"]) == (stix_id, 3)
    assert (body["first_seen"], body["last_seen"]) == ("1970-01-01T00:05:00.000Z", "1970-01-01T00:15:00.000Z")
    assert {(hit.state, hit.sighting_id) for hit in bench.hits()} == {(HitState.CONFIRMED, sighting_id)}
    assert (told.detail["group"], told.detail["count"]) == (group.row, 3)
    assert [(each.state, each.confirmed, each.new) for each in all_of(bench, triage)] == [(HitState.CONFIRMED, 3, 0)]


def test_a_decision_covers_what_was_shown_and_what_comes_later_waits(
    bench: Bench, triage: Triage, at: datetime
) -> None:
    evil(bench)
    seen(bench, 1, 2)
    (group,) = all_of(bench, triage)
    shown = bench.hits()[-1].row
    seen(bench, 3)
    triage.confirm(group.row, "person--1", at, up_to=shown)
    with pytest.raises(HitDecided):
        triage.confirm(group.row, "person--2", at, up_to=shown)
    (group,) = all_of(bench, triage, HitState.NEW)
    assert (group.count, group.new, group.confirmed) == (3, 1, 2)
    sighting_id = triage.confirm(group.row, "person--2", at)
    with bench.db.read() as connection:
        (stored,) = bench.holdings.get(connection, sighting_id, ACTUAL)
    assert canonical.loads(stored.body, max_bytes=10_000, subject="")["count"] == 1


def test_a_false_positive_of_a_group_is_one_opinion_and_needs_words(bench: Bench, triage: Triage, at: datetime) -> None:
    evil(bench)
    seen(bench, 1, 2)
    (group,) = all_of(bench, triage)
    with pytest.raises(UnusableReason):
        triage.dismiss(group.row, "p", at, why=Dismissal.FALSE_POSITIVE)
    opinion_id = triage.dismiss(group.row, "p", at, why=Dismissal.FALSE_POSITIVE, reason="a mirror")
    assert {(hit.dismissed_as, hit.opinion_id) for hit in bench.hits()} == {(Dismissal.FALSE_POSITIVE, opinion_id)}
    with pytest.raises(HitDecided):
        triage.reopen(group.row, "p", at)


def test_what_is_expected_here_leaves_nothing_and_can_be_undone(bench: Bench, triage: Triage, at: datetime) -> None:
    evil(bench)
    seen(bench, 1, 2)
    (group,) = all_of(bench, triage)
    assert triage.dismiss(group.row, "p", at, why=Dismissal.BENIGN) == ""
    assert all_of(bench, triage, HitState.NEW) == []
    assert triage.reopen(group.row, "p", at) == 2
    assert [(each.new, each.dismissed) for each in all_of(bench, triage, HitState.NEW)] == [(2, 0)]
    assert {(hit.state, hit.decided_by, hit.decided_at) for hit in bench.hits()} == {(HitState.NEW, "", None)}


def test_what_is_expected_for_days_is_dismissed_as_it_comes_and_no_longer(
    bench: Bench, triage: Triage, at: datetime
) -> None:
    evil(bench)
    seen(bench, 1, 2)
    (group,) = all_of(bench, triage)
    triage.dismiss(group.row, "p", at, why=Dismissal.BENIGN, days=7)
    seen(bench, 3)
    seen(bench, 4, source="proxy")
    seen(bench, 5, name="www.evil.example")
    (group,) = all_of(bench, triage, HitState.DISMISSED)
    assert group.expected == Expectation("p", at + timedelta(days=7))
    assert (group.count, group.new, group.dismissed) == (3, 0, 3)
    late = next(hit for hit in bench.hits() if hit.event_at == instant(3))
    assert (late.state, late.dismissed_as, late.decided_by) == (HitState.DISMISSED, Dismissal.BENIGN, "p")
    assert {(each.source, each.sight.shown) for each in all_of(bench, triage, HitState.NEW)} == {
        ("proxy", "evil.example"),
        ("zeek", "www.evil.example"),
    }
    with bench.db.read() as connection:
        told = [each.subject for each in journal.entries(connection, 0, kinds=frozenset({"detection.hit.expected"}))]
        (word,) = journal.entries(connection, 0, kinds=frozenset({"detection.hit.dismissed"}))
    assert (told, word.detail["expected_until"]) == ([late.hit_id], "2026-11-30T12:00:00.000Z")
    bench.at = at + timedelta(days=7)
    seen(bench, 6)
    assert (all_of(bench, triage)[0].count, all_of(bench, triage)[0].new) == (4, 1)


def test_an_expectation_is_taken_back_with_all_that_it_dismissed_and_by_any_other_decision(
    bench: Bench, triage: Triage, at: datetime
) -> None:
    evil(bench)
    seen(bench, 1)
    (group,) = all_of(bench, triage)
    triage.dismiss(group.row, "p", at, why=Dismissal.BENIGN, days=7)
    seen(bench, 2)
    assert triage.reopen(group.row, "p", at) == 2
    seen(bench, 3)
    (group,) = all_of(bench, triage, HitState.NEW)
    assert (group.new, group.dismissed, group.expected) == (3, 0, None)
    shown = bench.hits()[0].row
    triage.dismiss(group.row, "p", at, why=Dismissal.BENIGN, days=7, up_to=shown)
    triage.confirm(group.row, "p", at)
    assert all_of(bench, triage)[0].expected is None


@pytest.mark.parametrize(
    ("why", "days"), [(Dismissal.FALSE_POSITIVE, 1), (Dismissal.BENIGN, -1), (Dismissal.BENIGN, MAX_EXPECTED_DAYS + 1)]
)
def test_days_for_which_nothing_can_be_expected_change_nothing(
    bench: Bench, triage: Triage, at: datetime, why: Dismissal, days: int
) -> None:
    evil(bench)
    seen(bench, 1)
    (group,) = all_of(bench, triage)
    with pytest.raises(UnusablePeriod):
        triage.dismiss(group.row, "p", at, why=why, reason="a mirror", days=days)
    assert all_of(bench, triage) == [group]


def test_one_hit_decided_by_itself_is_counted_in_its_group(bench: Bench, triage: Triage, at: datetime) -> None:
    evil(bench)
    seen(bench, 1, 2)
    Detection(bench.db, bench.holdings, OWN).dismiss(bench.hits()[0].hit_id, "p", at, why=Dismissal.BENIGN)
    (group,) = all_of(bench, triage)
    assert (group.state, group.new, group.dismissed) == (HitState.NEW, 1, 1)


def test_an_erased_value_is_in_no_group_and_a_later_hit_begins_another(
    bench: Bench, triage: Triage, at: datetime
) -> None:
    evil(bench)
    seen(bench, 1)
    with bench.db.write(at) as tx:
        store.redact_hits(tx, [bench.hits()[0].object_row])
    seen(bench, 2)
    assert [each.sight.shown for each in all_of(bench, triage)] == ["evil.example", "[erased]"]


def test_rules_of_a_lower_level_are_left_out_where_that_is_asked_and_nothing_else_is(
    bench: Bench, triage: Triage
) -> None:
    evil(bench)
    seen(bench, 1)
    (hit,) = bench.hits()
    for number, level in enumerate(("", *LEVELS)):
        rule = RuleSight(f"rule-{number}", f"rule {level}", level, ())
        with bench.db.write(bench.at) as tx:
            store.add_hits(tx, [replace(hit, hit_id=f"h{number}", event_id=f"e{number}", sight=rule)])

    def shown(level: str | None) -> set[str]:
        with bench.db.read() as connection:
            return {each.sight.shown for each in triage.page(connection, level=level).groups}

    always = {"evil.example", "rule "}
    assert shown(None) == always | {f"rule {level}" for level in LEVELS}
    for place, level in enumerate(LEVELS):
        assert shown(level) == always | {f"rule {each}" for each in LEVELS[place:]}


def test_a_group_that_is_not_there_is_said_to_be_unknown(bench: Bench, triage: Triage, at: datetime) -> None:
    with pytest.raises(UnknownGroup):
        triage.confirm(77, "p", at)
    with pytest.raises(UnknownGroup):
        triage.reopen(77, "p", at)
