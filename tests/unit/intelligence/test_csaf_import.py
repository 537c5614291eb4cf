"""An advisory becomes vulnerabilities and a report; its newer revision takes its place, its older one does not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mithaq.intelligence.imports.csaf import import_csaf
from mithaq.intelligence.imports.csaf_objects import report_id, vulnerability_id
from mithaq.intelligence.model import ImportReport, ImportTerms, NewObject, Provenance, ReleaseInstruction, StoredObject
from mithaq.intelligence.service import Holdings
from mithaq.kernel.database import Database
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from mithaq.standards import stix
from mithaq.standards.csaf import read_advisory
from mithaq.standards.tlp import Tlp
from tests.unit.standards.test_csaf import encoded

CVE = "CVE-2026-12345"
NO_LABEL: Any = {"tlp": {"label": "WHITE"}}


@pytest.fixture
def holdings(db: Database) -> Iterator[Holdings]:
    yield Holdings(db)


@pytest.fixture
def open_terms(terms: ImportTerms) -> ImportTerms:
    return replace(terms, tlp=None)


def advisory(version: str = "1", *, day: int = 2, number: str = "X-1", label: str = "WHITE", **more: Any) -> bytes:
    tracking = {"id": number, "version": version, "current_release_date": f"2026-01-{day:02}T00:00:00Z"}
    vulnerability = {"cve": CVE, "notes": [{"category": "summary", "text": f"said by {number}"}]} | more
    status = more.pop("status", "final")
    vulnerability.pop("status", None)
    return encoded([vulnerability], tracking=tracking | {"status": status}, distribution={"tlp": {"label": label}})


def imported(holdings: Holdings, body: bytes, terms: ImportTerms, at: datetime) -> ImportReport:
    return import_csaf(holdings, body, terms=terms, warning_lists=None, at=at)


def codes(report: ImportReport) -> list[str]:
    return [reason.code for _, reason in report.refused]


def held(holdings: Holdings, stix_id: str) -> list[StoredObject]:
    with holdings.db.read() as connection:
        return holdings.get(connection, stix_id, ACTUAL)


def test_real_advisories_come_in_and_their_files_are_kept(
    data_dir: Path, holdings: Holdings, open_terms: ImportTerms, at: datetime
) -> None:
    for file in sorted((data_dir / "csaf").glob("*.json"))[::6]:
        body = file.read_bytes()
        raw = json.loads(body)
        report = imported(holdings, body, open_terms, at)
        assert (report.stored, report.refused_count) == (len(raw["vulnerabilities"]) + 1, 0)
        (whole,) = held(holdings, report_id(open_terms.nation, read_advisory(body)))
        refs = [vulnerability_id(each["cve"]) for each in raw["vulnerabilities"]]
        assert json.loads(whole.body)["object_refs"] == refs
        assert (whole.tlp, whole.provenance[0].carried["csaf"]["id"]) == (Tlp.CLEAR, raw["document"]["tracking"]["id"])
        for product in raw["vulnerabilities"][0]["product_status"]["known_affected"][:3]:
            assert read_advisory(body).products()[product] in whole.stix.description
        with holdings.db.read() as connection:
            assert holdings.original(connection, whole.provenance[0].original or "") == body
        (first,) = held(holdings, refs[0])
        references = json.loads(first.body)["external_references"]
        vector = raw["vulnerabilities"][0]["scores"][0]["cvss_v3"]["vectorString"]
        assert vector in [each.get("external_id") for each in references]
        assert references[0]["external_id"] == raw["vulnerabilities"][0]["cve"]
        assert imported(holdings, body, open_terms, at + timedelta(days=1)).stored == 0


def test_a_newer_revision_takes_the_place_of_the_older(
    holdings: Holdings, open_terms: ImportTerms, at: datetime
) -> None:
    first, second = advisory("1", day=2), advisory("2", day=3)
    imported(holdings, first, open_terms, at)
    assert imported(holdings, second, open_terms, at + timedelta(hours=1)).refused_count == 0
    newer, older = held(holdings, report_id(open_terms.nation, read_advisory(first)))
    assert (newer.stands, older.stands) == (True, False)
    assert newer.provenance[0].carried["csaf"]["version"] == "2"


def test_an_older_or_contradicting_revision_is_refused(
    holdings: Holdings, open_terms: ImportTerms, at: datetime
) -> None:
    imported(holdings, advisory("3", day=5), open_terms, at)
    cases = {
        advisory("2", day=4): "csaf-older-revision",
        advisory("2", day=6): "csaf-older-revision",
        advisory("4", day=4): "csaf-older-revision",
        advisory("3", day=5, title="another"): "csaf-same-revision",
    }
    for body, code in cases.items():
        report = imported(holdings, body, open_terms, at + timedelta(hours=1))
        assert (codes(report), report.stored) == ([code], 0)


def test_a_draft_is_held_red_until_it_is_final(holdings: Holdings, open_terms: ImportTerms, at: datetime) -> None:
    imported(holdings, advisory("1", status="draft"), open_terms, at)
    assert held(holdings, vulnerability_id(CVE))[0].tlp is Tlp.RED
    imported(holdings, advisory("2", day=3, status="interim"), open_terms, at + timedelta(hours=1))
    assert held(holdings, vulnerability_id(CVE))[0].tlp is Tlp.CLEAR
    report = held(holdings, report_id(open_terms.nation, read_advisory(advisory())))[0]
    assert "csaf:interim" in report.stix.labels


def test_the_stricter_of_two_labels_holds_and_none_is_red(holdings: Holdings, terms: ImportTerms, at: datetime) -> None:
    imported(holdings, advisory(label="AMBER", number="A"), replace(terms, tlp=Tlp.GREEN), at)
    imported(holdings, encoded([{"title": "no number"}], tracking={"id": "B"}), replace(terms, tlp=None), at)
    with holdings.db.read() as connection:
        labels = {each.stix.name: each.tlp for each in holdings.rows(connection, [1, 2, 3, 4])}
    assert labels == {CVE: Tlp.AMBER, "A: t": Tlp.AMBER, "no number": Tlp.RED, "B: t": Tlp.RED}


def test_two_advisories_of_one_vulnerability_are_both_kept(
    holdings: Holdings, open_terms: ImportTerms, at: datetime
) -> None:
    one, two = advisory(number="X-1"), advisory(number="Y-2")
    imported(holdings, one, open_terms, at)
    imported(holdings, two, open_terms, at + timedelta(hours=1))
    references = json.loads(held(holdings, vulnerability_id(CVE))[0].body)["external_references"]
    assert {"X-1", "Y-2"} <= {each.get("external_id") for each in references}


def test_a_stricter_advisory_adds_nothing_to_what_is_held_for_more(
    holdings: Holdings, open_terms: ImportTerms, at: datetime
) -> None:
    imported(holdings, advisory(number="X-1"), open_terms, at)
    imported(holdings, advisory(number="SECRET", label="AMBER"), open_terms, at + timedelta(hours=1))
    (only,) = held(holdings, vulnerability_id(CVE))
    assert (only.tlp, b"SECRET" in only.body) == (Tlp.CLEAR, False)


def test_what_was_held_for_fewer_does_not_come_along(holdings: Holdings, open_terms: ImportTerms, at: datetime) -> None:
    imported(holdings, advisory(number="SECRET", label="AMBER"), open_terms, at)
    imported(holdings, advisory(number="X-1"), open_terms, at + timedelta(hours=1))
    newest = held(holdings, vulnerability_id(CVE))[0]
    assert (newest.tlp, b"SECRET" in newest.body) == (Tlp.CLEAR, False)


def test_another_nations_word_for_the_cve_stands_beside_it(
    holdings: Holdings, open_terms: ImportTerms, at: datetime
) -> None:
    body = json.dumps(
        {"type": "vulnerability", "spec_version": "2.1", "id": vulnerability_id(CVE), "name": CVE,
         "created": "2026-01-01T00:00:00.000Z", "modified": "2026-01-01T00:00:00.000Z"}
    ).encode()  # fmt: skip
    word = Provenance("partner", NationId("XB"), "agreement--1", 1, "release--1", None, Tlp.GREEN, None, {}, at)
    with holdings.db.write(at) as tx:
        holdings.store(tx, [NewObject(body, stix.parse(body), ACTUAL, word)])
    imported(holdings, advisory(), open_terms, at)
    assert {each.provenance[0].nation: each.stands for each in held(holdings, vulnerability_id(CVE))} == {
        "XA": True, "XB": True,
    }  # fmt: skip


def test_what_this_nation_withdrew_stays_withdrawn(holdings: Holdings, open_terms: ImportTerms, at: datetime) -> None:
    imported(holdings, advisory(), open_terms, at)
    with holdings.db.write(at) as tx:
        holdings.withdraw(tx, vulnerability_id(CVE), ACTUAL, open_terms.nation, "wrong")
    report = imported(holdings, advisory("2", day=3, title="other"), open_terms, at + timedelta(hours=1))
    assert (codes(report), report.stored) == (["withdrawn-here"], 1)


def test_a_release_can_be_asked_for_later(holdings: Holdings, open_terms: ImportTerms, at: datetime) -> None:
    imported(holdings, advisory(), open_terms, at)
    asked = ReleaseInstruction("agreement--1", None, "defence")
    imported(holdings, advisory(), replace(open_terms, instruction=asked), at + timedelta(hours=1))
    assert held(holdings, vulnerability_id(CVE))[0].instructions == (asked,)


def test_a_vulnerability_without_any_name_is_refused_and_the_rest_goes_on(
    holdings: Holdings, open_terms: ImportTerms, at: datetime
) -> None:
    report = imported(holdings, encoded([{"notes": []}, {"cve": CVE}]), open_terms, at)
    assert (codes(report), report.stored) == (["csaf-vulnerability-nameless"], 2)


def test_a_text_that_names_every_product_again_and_again_is_cut(
    holdings: Holdings, open_terms: ImportTerms, at: datetime
) -> None:
    names = [{"product_id": str(n), "name": "n" * 400} for n in range(150)]
    status = {"known_affected": [str(n) for n in range(150)]}
    many = [{"cve": f"CVE-2026-{1000 + n}", "product_status": status} for n in range(300)]
    body = json.loads(encoded(many)) | {"product_tree": {"full_product_names": names}}
    imported(holdings, json.dumps(body).encode(), open_terms, at)
    (report,) = held(holdings, report_id(open_terms.nation, read_advisory(json.dumps(body).encode())))
    assert 19_000 < len(report.stix.description) <= 20_001
