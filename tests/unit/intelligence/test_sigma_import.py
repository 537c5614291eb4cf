"""A rule becomes an indicator; its newer text the next version, its older one nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from mithaq.intelligence.imports.sigma import import_sigma, indicator_id
from mithaq.intelligence.model import ImportReport, ImportTerms, ReleaseInstruction, StoredObject
from mithaq.intelligence.service import Holdings
from mithaq.kernel.database import Database
from mithaq.kernel.lane import ACTUAL
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp
from tests.unit.detection.sigma.rules import correlation, rule_id, selection

RULE = selection("a: foo") + b"modified: 2026-01-02\ntags: [attack.t1059.001]\nreferences: [https://example.org/x]\n"
COUNT = "type: event_count\nrules: a_rule\ntimespan: 1m\ncondition: {gte: 3}"


@pytest.fixture
def holdings(db: Database) -> Holdings:
    return Holdings(db)


def imported(holdings: Holdings, terms: ImportTerms, at: datetime, *texts: bytes) -> ImportReport:
    return import_sigma(holdings, [(f"{n}.yml", text) for n, text in enumerate(texts)], terms=terms, at=at)


def held(holdings: Holdings, terms: ImportTerms, number: int = 1) -> list[StoredObject]:
    with holdings.db.read() as connection:
        return holdings.get(connection, indicator_id(terms.nation, rule_id(number)), ACTUAL)


def test_a_rule_is_held_as_an_indicator_with_its_own_text(holdings: Holdings, terms: ImportTerms, at: datetime) -> None:
    assert imported(holdings, replace(terms, pap=Pap.AMBER), at, RULE).stored == 1
    (version,) = held(holdings, terms)
    body = json.loads(version.body)
    assert (body["pattern"], body["pattern_type"]) == (RULE.decode(), "sigma")
    assert version.stix.attack_ids == ("T1059.001",)
    assert (version.tlp, version.pap) == (Tlp.GREEN, Pap.AMBER)
    assert body["external_references"][0] == {"source_name": "sigma", "external_id": rule_id(1)}
    with holdings.db.read() as connection:
        for query in ("type:indicator", "Rule"):
            assert holdings.search(connection, query, ACTUAL, None, 10, at=at).objects != ()


def test_a_newer_text_is_the_next_version_and_the_same_is_known(
    holdings: Holdings, terms: ImportTerms, at: datetime
) -> None:
    imported(holdings, terms, at, RULE)
    again = imported(holdings, terms, at, RULE)
    assert (again.stored, again.duplicates) == (0, 1)
    newer = RULE.replace(b"foo", b"bar").replace(b"2026-01-02", b"2026-01-03")
    assert imported(holdings, terms, at, newer).stored == 1
    assert [version.stix.pattern for version in held(holdings, terms)] == [newer.decode(), RULE.decode()]
    older = imported(holdings, terms, at + timedelta(days=1), RULE)
    assert [reason.code for _, reason in older.refused] == ["sigma-older-rule"]


def test_what_this_nation_withdrew_is_not_brought_back(holdings: Holdings, terms: ImportTerms, at: datetime) -> None:
    imported(holdings, terms, at, RULE)
    with holdings.db.write(at) as tx:
        holdings.withdraw(tx, held(holdings, terms)[0].stix.id, ACTUAL, terms.nation, "wrong")
    report = imported(holdings, terms, at, RULE.replace(b"foo", b"bar"))
    assert [reason.code for _, reason in report.refused] == ["withdrawn-here"]


def test_a_bad_rule_is_refused_by_its_id_and_the_rest_goes_on(
    holdings: Holdings, terms: ImportTerms, at: datetime
) -> None:
    bad = selection("a: &x 1", 2).replace(b"condition", b"other: *x\n    condition")
    report = imported(holdings, terms, at, b"", bad, RULE + b"---\n" + selection("b: 1", 3), b"just text")
    assert (report.stored, report.refused_count) == (2, 3)
    assert [name for name, _ in report.refused] == ["0.yml", rule_id(2), "3.yml"]


def test_a_correlation_and_its_rules_are_one_indicator(holdings: Holdings, terms: ImportTerms, at: datetime) -> None:
    text = selection("a: foo") + b"---\n" + correlation(COUNT)
    assert imported(holdings, terms, at, text).stored == 1
    assert held(holdings, terms, 1) == []
    (version,) = held(holdings, terms, 99)
    from mithaq.detection.sigma.engine import SigmaEngine

    unit = SigmaEngine().put(version.stix.pattern.encode())
    assert (unit.id, unit.silent) == (rule_id(99), (rule_id(1),))


def test_a_release_is_asked_for_with_the_rule_even_where_it_is_held(
    holdings: Holdings, terms: ImportTerms, at: datetime
) -> None:
    imported(holdings, terms, at, RULE)
    wish = ReleaseInstruction("agreement--1", None, "defence", "somebody")
    imported(holdings, replace(terms, instruction=wish), at, RULE)
    (version,) = held(holdings, terms)
    assert version.instructions == (wish,)
