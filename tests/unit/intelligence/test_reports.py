"""Chosen values of a report become indicators once, and a report refers to them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from mithaq.intelligence.imports.documents import read_document
from mithaq.intelligence.imports.reports import report_id, take_report
from mithaq.intelligence.imports.text import IndicatorTerms, look_up, own_indicators, plainly_new
from mithaq.intelligence.model import ImportTerms
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.warninglists import WarningLists
from mithaq.kernel.database import Database
from mithaq.kernel.lane import ACTUAL
from mithaq.standards.observable import Observable
from mithaq.standards.tlp import Tlp
from tests.papers import pdf

FILE = pdf(["evil0[.]example 8[.]8[.]8[.]8 و new[.]example عبر CVE-2026-12345"])
NEW = Observable("domain", "new.example")
OLD = Observable("domain", "evil0.example")


@pytest.fixture
def holdings(db: Database) -> Iterator[Holdings]:
    yield Holdings(db)


@pytest.fixture
def own(terms: ImportTerms, at: datetime) -> IndicatorTerms:
    return IndicatorTerms(terms.nation, ACTUAL, Tlp.AMBER, at + timedelta(days=30), name="تقرير")


def test_what_nobody_chose_is_only_what_is_new_and_plain(
    holdings: Holdings, own: IndicatorTerms, warning_lists: WarningLists, at: datetime
) -> None:
    with holdings.db.write(at) as tx:
        holdings.store(tx, own_indicators([OLD], own, at))
    with holdings.db.read() as connection:
        found = look_up(holdings, connection, read_document(FILE).text, ACTUAL, warning_lists)
    assert plainly_new(found) == [NEW]


def test_a_report_refers_to_its_indicators_new_and_old_and_keeps_its_file(
    holdings: Holdings, own: IndicatorTerms, at: datetime
) -> None:
    with holdings.db.write(at) as tx:
        (old,) = own_indicators([OLD], own, at)
        holdings.store(tx, [old])
    taken = take_report(holdings, FILE, read_document(FILE), [NEW, OLD], own, at + timedelta(hours=1))
    assert len(taken.created) == 1
    with holdings.db.read() as connection:
        (stored,) = holdings.get(connection, taken.id, ACTUAL)
        assert holdings.original(connection, stored.provenance[0].original or "") == FILE
    fields = json.loads(stored.body)
    assert fields["object_refs"] == [old.stix.id, *taken.created]
    assert (fields["name"], stored.tlp, stored.provenance[0].source) == ("تقرير", Tlp.AMBER, "own")


def test_the_same_file_again_adds_to_the_same_report_and_doubles_nothing(
    holdings: Holdings, own: IndicatorTerms, at: datetime
) -> None:
    document = read_document(FILE)
    first = take_report(holdings, FILE, document, [NEW], own, at)
    again = take_report(holdings, FILE, document, [NEW], own, at + timedelta(hours=1))
    more = take_report(holdings, FILE, document, [OLD], replace(own, name=""), at + timedelta(hours=2))
    assert first.id == again.id == more.id == report_id(own.nation, FILE)
    assert (again.created, again.is_new) == ((), False)
    assert (len(more.created), more.is_new) == (1, True)
    with holdings.db.read() as connection:
        newest = holdings.get(connection, first.id, ACTUAL)[0]
    assert json.loads(newest.body)["object_refs"] == [*first.created, *more.created]
    assert newest.stix.name == "تقرير"


def test_another_nations_indicator_is_not_referred_to(holdings: Holdings, own: IndicatorTerms, at: datetime) -> None:
    (foreign,) = own_indicators([NEW], own, at)
    word = replace(foreign.provenance, source="partner", nation="XB", agreement_id="agreement--1", release_id="r")
    with holdings.db.write(at) as tx:
        holdings.store(tx, [replace(foreign, provenance=word)])
    taken = take_report(holdings, FILE, read_document(FILE), [NEW], own, at)
    assert len(taken.created) == 1
    assert taken.created[0] != foreign.stix.id
