"""One object is read strictly, and what is wrong with it is said by its id."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from mithaq.standards.stix import BadObject, parse

UUID = "5b8f0b1e-1234-4abc-8def-000000000001"
INDICATOR: dict[str, Any] = {
    "type": "indicator",
    "spec_version": "2.1",
    "id": f"indicator--{UUID}",
    "created": "2026-01-02T03:04:05.678Z",
    "modified": "2026-01-02T03:04:05.678Z",
    "pattern": "[domain-name:value = 'evil.example']",
    "pattern_type": "stix",
    "valid_from": "2026-01-02T03:04:05Z",
}


def body(**changes: Any) -> bytes:
    fields = INDICATOR | changes
    return json.dumps({key: value for key, value in fields.items() if value is not None}).encode()


def test_an_indicator_is_read() -> None:
    found = parse(body(name="n", confidence=80, labels=["a"], revoked=True, x_unknown={"deep": [1]}))
    assert found.id == f"indicator--{UUID}"
    assert found.modified == datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
    assert [str(item) for item in found.observables] == ["domain:evil.example"]
    assert (found.name, found.confidence, found.labels, found.revoked) == ("n", 80, ("a",), True)


def test_an_object_of_an_unknown_type_is_read() -> None:
    fields = {"type": "x-acme-thing", "id": f"x-acme-thing--{UUID}", "x_ref": f"malware--{UUID}"}
    found = parse(json.dumps(fields).encode())
    assert (found.type, found.modified, found.refs) == ("x-acme-thing", None, (f"malware--{UUID}",))


def test_a_rule_in_another_language_is_held_but_not_matched() -> None:
    found = parse(body(pattern="rule x { condition: true }", pattern_type="yara"))
    assert found.observables == ()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"type": "ipv4-addr", "value": "198.51.100.7"}, {"ipv4:198.51.100.7"}),
        ({"type": "domain-name", "value": "Evil.Example"}, {"domain:evil.example"}),
        (
            {"type": "file", "hashes": {"MD5": "A" * 32, "SHA-256": "b" * 64, "SSDEEP": "3:x"}},
            {f"md5:{'a' * 32}", f"sha256:{'b' * 64}"},
        ),
        (
            {"type": "x-misp-attribute", "x_misp_type": "ja3-fingerprint-md5", "x_misp_value": "a" * 32},
            {f"ja3:{'a' * 32}"},
        ),
        ({"type": "file", "hashes": "nonsense"}, set()),
        ({"type": "url", "value": 7}, set()),
    ],
)
def test_a_cyber_observable_object_names_itself(fields: dict[str, Any], expected: set[str]) -> None:
    found = parse(json.dumps(fields | {"id": f"{fields['type']}--{UUID}"}).encode())
    assert {str(item) for item in found.observables} == expected


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (body(id=None), "without an id"),
        (body(type=None), "without a type"),
        (body(id="indicator--1"), "<uuid>"),
        (body(id=f"malware--{UUID}"), "<uuid>"),
        (body(type="In Dicator"), "not a STIX type name"),
        (body(pattern=None), "without a pattern"),
        (body(name=7), "name must be text"),
        (body(labels="a"), "labels must be a list"),
        (body(labels=["a", 1]), "labels must be a list"),
        (body(revoked="yes"), "true or false"),
        (body(confidence=101), "0 to 100"),
        (body(confidence=True), "0 to 100"),
        (body(modified="yesterday"), "not a timestamp"),
        (body(modified="2026-01-02T03:04:05"), "not a timestamp"),
        (body(modified="0001-01-01T00:00:00+23:00"), "not a timestamp"),
        (body(valid_until="2025-01-01T00:00:00Z"), "not after valid_from"),
        (b"{", "broken JSON"),
        (b"", "broken JSON"),
        (b"\xff\xfe{}", "broken JSON"),
        (b"[1]", "is a JSON object"),
        (b"null", "is a JSON object"),
        (b'{"type":"x","id":"x--1","id":"x--2"}', "twice"),
        (b'{"a":NaN}', "NaN"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "deeper"),
        (b'{"a":"' + b"x" * (9 * 1024 * 1024) + b'"}', "larger"),
    ],
)
def test_a_bad_object_is_refused_with_the_reason(data: bytes, part: str) -> None:
    with pytest.raises(BadObject) as caught:
        parse(data)
    assert part in str(caught.value)


def test_a_refusal_names_the_object() -> None:
    with pytest.raises(BadObject) as caught:
        parse(body(revoked="yes"))
    assert caught.value.subject == f"indicator--{UUID}"


def test_brackets_inside_texts_are_not_nesting() -> None:
    assert parse(body(description="[" * 1000 + '\\"{{' * 100)).description.startswith("[[[")


def test_characters_no_database_can_hold_are_replaced_in_the_reading_alone() -> None:
    assert parse(body(name="a\u0000b\ud800c")).name == "a\ufffdb\ufffdc"
