from pathlib import Path
from typing import Any

import msgspec
import pytest

from mithaq.agreements.terms import Transform
from mithaq.release.exposure import STRICTEST, Policy, exposed, policy_of
from mithaq.release.model import FIELD_CLASSES
from mithaq.release.values import values_in
from tests.costs import grows_with_its_length
from tests.country import indicator
from tests.world import DEFAULT_TERMS

UUID = "00000000-0000-4000-8000-000000000001"


def thing(kind: str, **members: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "spec_version": "2.1",
        "id": f"{kind}--{UUID}",
        "created": "2026-11-23T11:00:00.000Z",
        "modified": "2026-11-23T11:00:00.000Z",
        **members,
    }


def shown(kind: str, **members: Any) -> set[str]:
    return set(exposed(thing(kind, **members)))


def test_an_object_of_the_standards_own_words_shows_nothing() -> None:
    assert (
        shown("malware", is_family=False, malware_types=["ransomware"], labels=["PAP:GREEN", "sector:energy"]) == set()
    )
    assert shown("ipv4-addr", value="198.51.100.7") == set()
    assert shown("relationship", relationship_type="indicates", source_ref=f"indicator--{UUID}") == set()


@pytest.mark.parametrize(
    ("kind", "members", "classes"),
    [
        ("malware", {"created_by_ref": f"identity--{UUID}"}, {"source-identity"}),
        ("malware", {"external_references": [{"source_name": "misp.cert.example"}]}, {"source-identity"}),
        ("malware", {"external_references": [{"source_name": "cve", "external_id": "CVE-2026-1"}]}, set()),
        (
            "malware",
            {"external_references": [{"source_name": "cve", "url": "https://cert.example/1"}]},
            {"source-identity", "free-text"},
        ),
        ("malware", {"x_misp_org": "CERT"}, {"source-identity", "victim-identity", "free-text"}),
        ("malware", {"labels": ["originator:cert-1"]}, {"source-identity"}),
        ("malware", {"labels": ["victim:grid-operator"]}, {"victim-identity"}),
        ("malware", {"labels": ["seen at the ministry"]}, {"free-text"}),
        ("sighting", {"where_sighted_refs": [f"identity--{UUID}"]}, {"victim-identity"}),
        ("relationship", {"target_ref": f"identity--{UUID}"}, {"victim-identity"}),
        ("location", {"country": "XA", "city": "Newtown"}, {"victim-identity", "free-text"}),
        (
            "identity",
            {"name": "Grid Operator", "identity_class": "organization", "sectors": ["energy"]},
            {"source-identity", "victim-identity", "free-text"},
        ),
        (
            "identity",
            {"name": "J. Doe", "identity_class": "individual"},
            {"source-identity", "victim-identity", "personal-data", "free-text"},
        ),
        ("user-account", {"account_login": "jdoe"}, {"personal-data", "free-text"}),
        ("email-addr", {"value": "someone@evil.example"}, {"personal-data"}),
        ("ipv4-addr", {"value": "10.20.30.40"}, {"internal-address"}),
        ("domain-name", {"value": "dc01.grid.corp"}, {"internal-address"}),
        ("indicator", {"pattern": "[ipv4-addr:value = '192.168.7.7']"}, {"internal-address"}),
        ("indicator", {"pattern": "[email-addr:value = 'a@evil.example']"}, {"personal-data"}),
        ("note", {"content": "seen"}, {"free-text"}),
        ("opinion", {"explanation": "we doubt it"}, {"free-text"}),
        ("malware", {"malware_types": ["something written by hand"]}, {"free-text"}),
        ("artifact", {"payload_bin": "AAAA"}, set(FIELD_CLASSES)),
    ],
)
def test_each_rule_finds_its_class(kind: str, members: dict[str, Any], classes: set[str]) -> None:
    assert shown(kind, **members) == classes


@pytest.mark.parametrize(
    "text",
    [
        "write to jane.doe@grid.example now",
        "write to jane[at]grid[.]example",
        f"{'a' * 90}@grid.example",
        "call +966 11 234 5678",
        "call 00966-11-234-5678",
        "اتصل بالرقم +٩٦٦١١٢٣٤٥٦٧٨",
        r"C:\Users\jdoe\invoice.docm",
        "/".join(("", "home", "jdoe", ".ssh", "id_rsa")),
    ],
)
def test_personal_data_is_found_in_any_text(text: str) -> None:
    assert "personal-data" in shown("note", content=text)


@pytest.mark.parametrize(
    "text",
    [
        "from 10.1.2.3 outwards",
        "from 010.001.002.003",
        "from 10[.]1[.]2[.]3",
        "172.31.255.1/20",
        "100.64.0.9",
        "fd12:3456::7 and on",
        "::ffff:10.1.2.3",
        "fe80::1%eth0",
        "dc01.grid.corp answered",
        "printer.local.",
        r"copied to \\fileserver\share",
    ],
)
def test_internal_addresses_are_found_in_any_text(text: str) -> None:
    assert "internal-address" in shown("note", content=text)


@pytest.mark.parametrize(
    "text",
    [
        "198.51.100.7 and 2001:db8::1 at 11:00:00",
        "localization of corporate.example at home",
        "version 10.0.0.1.2",
        "2026-11-23T11:00:00.000Z",
        r"C:\Users\Public\x.exe",
        "d41d8cd98f00b204e9800998ecf8427e",
    ],
)
def test_public_values_are_no_protected_ones(text: str) -> None:
    assert values_in(text) == []


def test_names_that_are_known_here_are_found_in_any_text_and_any_case() -> None:
    policy = Policy(known={"victim-identity": frozenset({"Ministry of Energy", "XA"})})
    assert "victim-identity" in exposed(thing("note", content="against the MINISTRY OF ENERGY"), policy)
    assert "victim-identity" not in exposed(thing("note", content="against XA"), policy), "too short to look for"


def test_terms_say_what_is_done_the_strictest_of_each() -> None:
    terms = msgspec.structs.replace(
        DEFAULT_TERMS,
        transforms=[
            Transform("personal-data", "generalise"),
            Transform("personal-data", "pseudonymise"),
            Transform("victim-identity", "truncate"),
            Transform("free-text", "truncate"),
        ],
        attribution="must-not",
    )
    assert policy_of(terms).operations == {
        "personal-data": "pseudonymise",
        "victim-identity": "drop",
        "free-text": "truncate",
        "source-identity": "drop",
    }


def test_bytes_are_read_as_strictly_as_everywhere() -> None:
    assert exposed(indicator(1), STRICTEST) == {"free-text"}


@pytest.mark.parametrize("piece", ["a@", "a.", "::", "1.", "+1 ", "\\\\", "00"])
def test_hostile_texts_cost_no_more_than_their_length(piece: str) -> None:
    assert grows_with_its_length(values_in, lambda length: piece * length, 50_000)


def test_every_kind_of_real_object_is_looked_at(data_dir: Path) -> None:
    """MITRE's objects name MITRE as their source, all of them."""
    import gzip

    bundle = msgspec.json.decode(gzip.decompress((data_dir / "attack" / "ics.json.gz").read_bytes()))
    for each in bundle["objects"]:
        if each["type"] != "x-mitre-matrix" and "created_by_ref" in each:
            assert "source-identity" in exposed(each)
