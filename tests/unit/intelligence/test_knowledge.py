"""ATT&CK under its publisher's word: superseded release by release, found by id and name, and nobody's news."""

from __future__ import annotations

import gzip
import io
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mithaq.intelligence.knowledge import KNOWLEDGE, LOADED, Bundle, load, loaded, named, published
from mithaq.intelligence.model import ImportReport, NewObject, Provenance
from mithaq.intelligence.service import Holdings
from mithaq.kernel import journal
from mithaq.kernel.database import Database
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from mithaq.standards.errors import BadBundle
from mithaq.standards.stix import parse
from mithaq.standards.tlp import Tlp

XA = NationId("XA")


@pytest.fixture
def holdings(db: Database) -> Holdings:
    return Holdings(db)


def stix_id(kind: str, number: int) -> str:
    return f"{kind}--5b8f0b1e-1234-4abc-8def-{number:012x}"


def technique(number: int, name: str, attack_id: str, **fields: Any) -> dict[str, Any]:
    return {
        "type": "attack-pattern",
        "id": stix_id("attack-pattern", number),
        "name": name,
        "modified": "2025-01-01T00:00:00Z",
        "x_mitre_domains": ["enterprise-attack"],
        "external_references": [{"source_name": "mitre-attack", "external_id": attack_id}],
        **fields,
    }


def collection(version: str, modified: str) -> dict[str, Any]:
    return {
        "type": "x-mitre-collection",
        "id": stix_id("x-mitre-collection", 1),
        "name": "Enterprise ATT&CK",
        "modified": modified,
        "x_mitre_version": version,
    }


def take(
    holdings: Holdings, at: datetime, *objects: dict[str, Any], indent: int | None = None
) -> tuple[Bundle, ImportReport]:
    text = json.dumps({"type": "bundle", "id": stix_id("bundle", 1), "objects": list(objects)}, indent=indent)
    return load(holdings, io.BytesIO(text.encode()), publisher="MITRE", version="", at=at)


def found(holdings: Holdings, query: str, at: datetime) -> list[str]:
    with holdings.db.read() as connection:
        return [each.stix.id for each in holdings.search(connection, query, ACTUAL, None, 100, at=at).objects]


V17 = (
    collection("17.1", "2025-05-01T00:00:00Z"),
    technique(1, "PowerShell", "T1059.001"),
    technique(2, "Scripting", "T1064"),
    technique(3, "Unchanged", "T1003"),
)
V18 = (
    collection("18.1", "2025-11-01T00:00:00Z"),
    technique(1, "PowerShell", "T1059.001", modified="2025-10-01T00:00:00Z", x_mitre_deprecated=False),
    technique(2, "Scripting", "T1064", modified="2025-10-01T00:00:00Z", revoked=True),
    technique(3, "Unchanged", "T1003"),
)


def test_a_newer_release_supersedes_and_what_it_revoked_is_still_found(holdings: Holdings, at: datetime) -> None:
    take(holdings, at, *V17)
    bundle, report = take(holdings, at + timedelta(days=1), *V18)
    assert (bundle.name, bundle.version, report.refused_count) == ("Enterprise ATT&CK", "18.1", 0)
    assert (report.stored, report.duplicates) == (3, 1)
    with holdings.db.read() as connection:
        (powershell,) = named(connection, "t1059.001")
        assert [each.stands for each in holdings.get(connection, powershell.stored.stix.id, ACTUAL)] == [True, False]
        (scripting,) = named(connection, "Scripting")
        assert (scripting.stored.stix.revoked, scripting.deprecated) == (True, False)
        assert [(each.name, each.version) for each in loaded(connection)] == [("Enterprise ATT&CK", "18.1")]


def test_a_release_that_writes_the_same_version_anew_supersedes_too(holdings: Holdings, at: datetime) -> None:
    take(holdings, at, *V17)
    _, report = take(holdings, at + timedelta(days=1), *V17, indent=2)
    assert (report.refused_count, report.stored) == (0, 4)
    with holdings.db.read() as connection:
        assert [each.stands for each in holdings.get(connection, stix_id("attack-pattern", 3), ACTUAL)] == [True, False]


def test_it_is_nobodys_news(holdings: Holdings, db: Database, at: datetime) -> None:
    take(holdings, at, *V17)
    with db.read() as connection:
        entries = journal.entries(connection, 0)
        assert {entry.kind for entry in entries} == {KNOWLEDGE, LOADED}
        (stored,) = holdings.get(connection, stix_id("attack-pattern", 1), ACTUAL)
    (word,) = stored.provenance
    assert (word.source, word.nation, word.tlp, word.agreement_id) == ("publisher", "MITRE", Tlp.CLEAR, None)


def test_what_somebody_saw_and_what_is_not_public_is_refused_by_its_id(holdings: Holdings, at: datetime) -> None:
    indicator = {
        "type": "indicator",
        "id": stix_id("indicator", 1),
        "pattern": "[file:name = 'x']",
        "pattern_type": "stix",
    }
    secret = technique(9, "Secret", "T9999", object_marking_refs=[Tlp.AMBER.marking_id])
    address = {"type": "domain-name", "id": stix_id("domain-name", 1), "value": "evil.example"}
    _, report = take(holdings, at, indicator, secret, address, {"type": "x"}, technique(1, "PowerShell", "T1059.001"))
    assert (report.stored, report.refused_count) == (1, 4)
    assert {name: reason.code for name, reason in report.refused if "--" in name} == {
        indicator["id"]: "not-knowledge",
        secret["id"]: "not-public",
        address["id"]: "not-knowledge",
    }


def test_what_refers_to_a_technique_is_found_from_it_by_id_and_by_name(holdings: Holdings, at: datetime) -> None:
    take(holdings, at, *V18)
    word = Provenance("own", XA, None, None, None, None, Tlp.GREEN, None, {}, at)
    uses = {"type": "relationship", "id": stix_id("relationship", 1), "relationship_type": "uses",
            "source_ref": stix_id("malware", 1), "target_ref": stix_id("attack-pattern", 1)}  # fmt: skip
    label = 'misp-galaxy:mitre-attack-pattern="PowerShell - T1059.001"'
    tagged = {"type": "indicator", "id": stix_id("indicator", 1), "pattern": "[file:name = 'x']", "labels": [label]}
    malware = {"type": "malware", "id": stix_id("malware", 1), "name": "Emotet"}
    other = {"type": "report", "id": stix_id("report", 1), "name": "PowerShell", "object_refs": [stix_id("malware", 1)]}
    raws = [json.dumps(each).encode() for each in (uses, tagged, malware, other)]
    with holdings.db.write(at) as tx:
        holdings.store(tx, [NewObject(raw, parse(raw), ACTUAL, word) for raw in raws])
    expected = [tagged["id"], uses["id"], stix_id("attack-pattern", 1)]
    assert found(holdings, "attack:T1059.001", at) == expected
    assert found(holdings, 'attack:"powershell"', at) == expected
    assert found(holdings, "attack:t1059.001 type:relationship", at) == [uses["id"]]
    assert found(holdings, "attack:T1059.001 -type:attack-pattern -type:indicator", at) == [uses["id"]]
    assert found(holdings, f"refers:{stix_id('malware', 1)}", at) == [other["id"], uses["id"]]
    assert found(holdings, "attack:T0000", at) == []
    with holdings.db.read() as connection:
        (entry,) = named(connection, "T1059.001")
        assert [(each.relation, each.other_name) for each in entry.related.referring] == [("uses", "Emotet")]
        assert published(connection, [stix_id("attack-pattern", 1), stix_id("malware", 1)]) == {
            stix_id("attack-pattern", 1)
        }


def test_what_is_no_bundle_is_refused_whole(holdings: Holdings, at: datetime) -> None:
    with pytest.raises(BadBundle):
        load(holdings, io.BytesIO(b"<html>"), publisher="MITRE", version="", at=at)


@pytest.mark.parametrize(("name", "version", "least"), [("ics", "18.1", 1800), ("mobile", "17.1", 2100)])
def test_the_real_bundles_are_taken_whole(
    sqlite_holdings: Holdings, data_dir: Path, at: datetime, name: str, version: str, least: int
) -> None:
    with gzip.open(data_dir / "attack" / f"{name}.json.gz") as source:
        bundle, report = load(sqlite_holdings, source, publisher="MITRE", version="", at=at)
    assert (bundle.version, report.refused_count) == (version, 0)
    assert report.stored >= least
    with sqlite_holdings.db.read() as connection:
        wanted = "T0803" if name == "ics" else "T1603"
        (entry,) = named(connection, wanted)
        assert entry.tactics
        assert entry.related.referring
