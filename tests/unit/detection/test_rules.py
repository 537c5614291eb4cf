from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mithaq.detection.detector import Detector
from mithaq.detection.rules import against_detection
from mithaq.intelligence.model import NewObject, as_if_stored
from mithaq.intelligence.warninglists import WarningLists
from mithaq.kernel.database import Database
from mithaq.standards.observable import Observable
from mithaq.standards.registries import is_registry_suffix
from tests.unit.detection.worlds import PARTNER, Bench, indicator


@pytest.fixture
def bench(db: Database, tmp_path: Path, at: datetime) -> Iterator[Bench]:
    bench = Bench(db, tmp_path, at)
    bench.source()
    bench.start()
    yield bench
    bench.detector.close()


def under(action: str | None, new: NewObject) -> NewObject:
    """The same, as a partner gives it under an agreement that permits an action."""
    carried = {} if action is None else {"permitted_actions": action}
    return replace(new, provenance=replace(new.provenance, carried=carried))


def codes(new: NewObject, at: datetime) -> list[str]:
    return [reason.code for reason in against_detection(as_if_stored([new], at), at)]


@pytest.mark.parametrize(
    ("action", "reasons"),
    [
        (None, []),
        ("none", ["action-not-permitted"]),
        ("contact-for-instruction", ["action-not-permitted"]),
        ("internally-visible-actions", []),
        ("externally-visible-direct-actions", []),
        ("something-new", ["action-not-permitted"]),
    ],
)
def test_terms_that_permit_no_action_inside_permit_no_detection(
    bench: Bench, at: datetime, action: str | None, reasons: list[str]
) -> None:
    new = under(action, indicator("[domain-name:value = 'evil.example']", at))
    assert codes(new, at) == reasons
    bench.push({"ts": 1, "uid": "A", "query": "evil.example"})
    bench.settle()
    bench.store(new)
    bench.settle()
    bench.push({"ts": 2, "uid": "B", "query": "evil.example"})
    bench.settle()
    assert [hit.retro for hit in bench.hits()] == ([] if reasons else [True, False])


def test_one_nation_that_permits_it_is_enough_and_the_hit_is_its_word(bench: Bench, at: datetime) -> None:
    new = under("none", indicator("[domain-name:value = 'evil.example']", at))
    other = replace(new.provenance, nation=type(PARTNER)("XC"), agreement_id="agreement--2", carried={})
    bench.store(new, replace(new, provenance=other))
    bench.push({"ts": 2, "uid": "B", "query": "evil.example"})
    bench.settle()
    assert [(hit.origin.nation, hit.origin.agreement_id) for hit in bench.hits()] == [("XC", "agreement--2")]


def test_every_reason_is_told(at: datetime) -> None:
    day = timedelta(days=1)
    spent = indicator("[domain-name:value = 'co.uk']", at - 9 * day, until=at - day, revoked=True)
    assert codes(spent, at) == ["revoked", "expired", "public-suffix"]
    assert codes(indicator("[x-radio:band = 'S']", at), at) == ["no-observable"]
    assert codes(indicator("[domain-name:value = 'evil.example']", at + 3 * day), at) == ["not-yet-valid"]


@pytest.mark.parametrize("suffix", ["com", "co.uk", "xn--p1ai"])
def test_an_indicator_of_a_public_suffix_hits_nothing_and_no_line_is_a_candidate(
    bench: Bench, at: datetime, suffix: str
) -> None:
    bench.push({"ts": 1, "uid": "A", "query": f"past.{suffix}"})
    bench.settle()
    bench.store(indicator(f"[domain-name:value = '{suffix}']", at))
    bench.settle()
    bench.push({"ts": 1, "uid": "B", "query": f"innocent.{suffix}"}, {"ts": 1, "uid": "C", "query": suffix})
    bench.settle()
    assert bench.hits() == []
    bench.crash()
    assert sum(len(watch.lines) for watch in bench.detector._watchlist._lanes.values()) == 0


def test_a_suffix_beside_another_value_leaves_the_other(bench: Bench, at: datetime) -> None:
    bench.store(indicator("[domain-name:value = 'co.uk' OR domain-name:value = 'evil.co.uk']", at))
    bench.push({"ts": 1, "uid": "A", "query": "other.co.uk"}, {"ts": 1, "uid": "B", "query": "www.evil.co.uk"})
    bench.settle()
    assert [hit.sight.matched.value for hit in bench.hits()] == ["evil.co.uk"]


@pytest.mark.parametrize(
    ("name", "answer"),
    [("kobe.jp", True), ("any.kobe.jp", True), ("city.kobe.jp", False), ("duckdns.org", False), ("a.co.uk", False)],
)
def test_the_quick_answer_is_the_lists_answer(name: str, answer: bool) -> None:
    assert is_registry_suffix(Observable("domain", name)) is answer


def test_a_value_on_a_warning_list_gives_a_hit_that_says_so(bench: Bench, at: datetime) -> None:
    bench.detector.close()
    lists = WarningLists(bench.data / "cache")
    bench.detector = Detector(bench.db, bench.holdings, bench.data, bench._launch, warning_lists=lists)
    bench.start()
    bench.store(indicator("[ipv4-addr:value = '8.8.8.8']", at), indicator("[domain-name:value = 'evil.example']", at))
    bench.settle()
    bench.push({"ts": 1, "uid": "A", "id.resp_h": "8.8.8.8", "query": "evil.example"})
    bench.settle()
    warned = {hit.sight.matched.value: hit.warned for hit in bench.hits()}
    assert any("DNS" in name for name in warned["8.8.8.8"])
    assert warned["evil.example"] == ()
