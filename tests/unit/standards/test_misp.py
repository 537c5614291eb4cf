"""MISP's words: STIX objects as attributes, labels as distributions, named parameters, and searches of texts."""

import json
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mithaq.standards.misp.foreign import missing_labels, outgoing
from mithaq.standards.misp.labels import distribution, pap_tag, tag_names, tlp_tag
from mithaq.standards.misp.mapping import said
from mithaq.standards.misp.named import read_place
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp

ID = "00000000-0000-4000-8000-000000000001"
AT = "2026-11-23T11:00:00.000Z"
TYPES = json.loads((files("pymisp") / "data" / "describeTypes.json").read_text())["result"]


def indicator(pattern: str, **changes: Any) -> dict[str, Any]:
    return {
        "type": "indicator", "spec_version": "2.1", "id": f"indicator--{ID}", "created": AT, "modified": AT,
        "valid_from": AT, "pattern": pattern, "pattern_type": "stix",
    } | changes  # fmt: skip


def found(pattern: str, **changes: Any) -> list[tuple[str, str, bool]]:
    return [(a["type"], a["value"], a["to_ids"]) for a in said(indicator(pattern, **changes)).attributes]


@pytest.mark.parametrize(
    ("pattern", "attributes"),
    [
        ("[ipv4-addr:value = '198.51.100.0/24']", [("ip-dst", "198.51.100.0/24", True)]),
        ("[domain-name:value = 'evil.example']", [("domain", "evil.example", True)]),
        ("[url:value = 'https://evil.example/a']", [("url", "https://evil.example/a", True)]),
        ("[email-addr:value = 'a@evil.example']", [("email", "a@evil.example", True)]),
        ("[file:name = 'evil.exe']", [("filename", "evil.exe", True)]),
        ("[file:hashes.'SHA-256' = 'ab']", [("sha256", "ab", True)]),
        ("[file:hashes.MD5 = 'ab' AND file:name = 'evil.exe']", [("filename|md5", "evil.exe|ab", True)]),
        (
            "[ipv4-addr:value = '1.2.3.4' OR domain-name:value = 'e.example']",
            [("ip-dst", "1.2.3.4", True), ("domain", "e.example", True)],
        ),
        (
            "[domain-name:value IN ('a.example', 'b.example')]",
            [("domain", "a.example", True), ("domain", "b.example", True)],
        ),
        ("[network-traffic:src_ref.value = '198.51.100.7']", [("ip-src", "198.51.100.7", True)]),
        ("[mutex:name = 'crane']", [("mutex", "crane", True)]),
        ("[windows-registry-key:key = 'HKLM\\\\\\\\Run']", [("regkey", "HKLM\\\\Run", True)]),
    ],
)
def test_a_pattern_of_single_things_is_an_attribute_for_each(
    pattern: str, attributes: list[tuple[str, str, bool]]
) -> None:
    assert found(pattern) == attributes
    assert said(indicator(pattern)).losses == []


@pytest.mark.parametrize(
    "pattern",
    [
        "[ipv4-addr:value = '1.2.3.4' AND domain-name:value = 'e.example']",
        "[ipv4-addr:value = '1.2.3.4'] AND [domain-name:value = 'e.example']",
        "[ipv4-addr:value = '1.2.3.4'] REPEATS 5 TIMES",
        "[domain-name:value LIKE '%.example']",
        "[ipv4-addr:value != '1.2.3.4']",
        "[process:pid = 5]",
        "nothing that can be read",
    ],
)
def test_a_pattern_that_needs_more_goes_out_whole_and_no_program_blocks_by_it(pattern: str) -> None:
    made = said(indicator(pattern))
    assert [(a["type"], a["value"], a["to_ids"]) for a in made.attributes] == [("stix2-pattern", pattern, False)]
    assert [loss.reason.code for loss in made.losses] == ["misp-pattern-whole"]


def test_rules_keep_their_language_and_what_misp_has_no_word_for_is_lost_with_a_reason() -> None:
    assert found("rule a {}", pattern_type="yara") == [("yara", "rule a {}", True)]
    made = said(indicator("x", pattern_type="spl"))
    assert (made.attributes, [loss.reason.code for loss in made.losses]) == ([], ["misp-pattern-language"])
    (loss,) = said(indicator("[mutex:name = 'a']", confidence=80, kill_chain_phases=[])).losses
    assert loss.reason.sentence() == "an attribute cannot say: confidence, kill_chain_phases"


def test_uuids_follow_from_the_object_and_the_first_is_its_own() -> None:
    pattern = "[domain-name:value IN ('a.example', 'b.example')]"
    first, second = said(indicator(pattern)).attributes
    assert first["uuid"] == ID != second["uuid"]
    assert said(indicator(pattern)).attributes[1]["uuid"] == second["uuid"]


def test_times_comments_and_labels_are_said_and_a_revoked_indicator_is_deleted() -> None:
    (made,) = said(
        indicator("[mutex:name = 'a']", name="n", description="d", valid_until="2026-12-23T11:00:00.000Z",
                  labels=["tlp:green", "PAP:RED", "crane"], revoked=True)
    ).attributes  # fmt: skip
    assert (made["first_seen"], made["last_seen"]) == (AT, "2026-12-23T11:00:00.000Z")
    assert (made["comment"], tag_names(made["Tag"])) == ("n\nd", ["crane"])
    assert (made["timestamp"], made["deleted"], made["to_ids"]) == ("1795431600", True, False)


@pytest.mark.parametrize(
    ("kind", "name", "number", "tags"),
    [
        ("attack-pattern", "Phishing", "T1566", ['misp-galaxy:mitre-attack-pattern="Phishing - T1566"']),
        ("intrusion-set", 'Quiet "Crane"', "", ['misp-galaxy:threat-actor="Quiet Crane"']),
        ("malware", "Crane", "S0001", ['misp-galaxy:mitre-malware="Crane - S0001"']),
        ("malware", "Crane", "", []),
    ],
)
def test_knowledge_is_a_tag_of_a_galaxy(kind: str, name: str, number: str, tags: list[str]) -> None:
    references = [{"source_name": "mitre-attack", "external_id": number}] if number else []
    made = said({"type": kind, "id": f"{kind}--{ID}", "name": name, "external_references": references})
    assert tag_names(made.tags) == tags
    assert bool(made.losses) is not bool(tags)


@pytest.mark.parametrize(
    "fields",
    [
        indicator("[mutex:name = 'a']"),
        indicator("[windows-registry-key:key = 'a']"),
        indicator("[autonomous-system:number = '5']"),
        indicator("[email-message:subject = 'a']"),
        indicator("[x509-certificate:hashes.'SHA-1' = 'a']"),
        indicator("[mac-addr:value = 'a']"),
        indicator("[network-traffic:extensions.'tls-ext'.ja3 = 'a']"),
        indicator("[process:pid = 5]"),
        indicator("a", pattern_type="sigma"),
        indicator("a", pattern_type="suricata"),
        {"type": "vulnerability", "id": f"vulnerability--{ID}", "name": "CVE-2026-1", "modified": AT},
        {"type": "file", "id": f"file--{ID}", "name": "a", "hashes": {"MD5": "b", "TLSH": "c", "SHA-512": "d"}},
        {"type": "domain-name", "id": f"domain-name--{ID}", "value": "a.example"},
    ],
)
def test_every_attribute_is_of_a_type_in_a_category_that_misp_knows(fields: dict[str, Any]) -> None:
    made = said(fields).attributes
    assert made
    for attribute in made:
        assert attribute["type"] in TYPES["types"]
        assert attribute["type"] in TYPES["category_type_mappings"][attribute["category"]]


@given(st.sampled_from(Tlp), st.integers(-5, 9))
def test_a_distribution_is_never_wider_than_the_label_or_what_was_stated(tlp: Tlp, stated: int) -> None:
    """After the step down of a pull, both ways end at the same place."""
    after = {0: 0, 1: 0, 2: 1, 3: 3}
    ends = distribution(tlp, "feed", stated)
    assert after[distribution(tlp, "sync", stated)] == ends
    assert ends <= after.get(stated, 0)
    assert ends <= {Tlp.CLEAR: 3, Tlp.GREEN: 1}.get(tlp, 0)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["Tag", "Attribute", "Object", "EventReport", "x", "distribution"]), _JSON))
def test_whatever_a_foreign_event_holds_only_labels_and_distributions_change(event: dict[str, Any]) -> None:
    made = outgoing(event, Tlp.GREEN, Pap.GREEN, "feed")
    assert {
        k: v for k, v in made.items() if k not in ("Tag", "Attribute", "Object", "EventReport", "distribution")
    } == {k: v for k, v in event.items() if k not in ("Tag", "Attribute", "Object", "EventReport", "distribution")}
    assert int(made["distribution"]) in (0, 1)
    assert missing_labels(tag_names(made["Tag"]), Tlp.GREEN, Pap.GREEN) == []


def test_labels_are_written_as_the_taxonomies_write_them() -> None:
    assert [tlp_tag(tlp)["name"] for tlp in Tlp] == [
        "tlp:clear",
        "tlp:green",
        "tlp:amber",
        "tlp:amber+strict",
        "tlp:red",
    ]
    assert [pap_tag(pap)["name"] for pap in Pap] == ["PAP:CLEAR", "PAP:GREEN", "PAP:AMBER", "PAP:RED"]


@pytest.mark.parametrize(
    ("path", "parts", "named"),
    [
        ("/events/view/5/deleted[]:0/deleted[]:1.json", ("events", "view", "5"), {"deleted": ("0", "1")}),
        ("/events/index/org:a+b/tag:x%3Ay", ("events", "index"), {"org": ("a b",), "tag": ("x:y",)}),
        ("users/view/me.json", ("users", "view", "me"), {}),
        ("/", (), {}),
        ("/events//view/../a:b:c", ("events", "view", ".."), {"a": ("b:c",)}),
    ],
)
def test_addresses_are_read_as_cakephp_writes_them(path: str, parts: tuple[str, ...], named: dict[str, Any]) -> None:
    place = read_place(path)
    assert (place.parts, place.named) == (parts, named)
