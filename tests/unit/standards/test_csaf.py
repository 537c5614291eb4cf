"""Real CSAF documents are read, and what is none is refused with the place that is wrong."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from mithaq.kernel.canonical import BadJson
from mithaq.standards.csaf import BadAdvisory, check_digest, is_advisory, read_advisory, version_order
from mithaq.standards.tlp import Tlp
from tests.costs import grows_with_its_length


def document(**changes: Any) -> dict[str, Any]:
    tracking = {
        "id": "X-1", "status": "final", "version": "1",
        "current_release_date": "2026-01-02T00:00:00Z", "initial_release_date": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    return {
        "category": "csaf_security_advisory",
        "csaf_version": "2.0",
        "title": "t",
        "publisher": {"category": "vendor", "name": "V", "namespace": "https://v.example"},
        "tracking": tracking | changes.pop("tracking", {}),
    } | changes


def encoded(vulnerabilities: Any = (), **changes: Any) -> bytes:
    return json.dumps({"document": document(**changes), "vulnerabilities": vulnerabilities}).encode()


def test_every_real_advisory_is_read(data_dir: Path) -> None:
    files = sorted((data_dir / "csaf").glob("*.json"))
    assert len(files) >= 39
    for file in files:
        body = file.read_bytes()
        advisory, raw = read_advisory(body), json.loads(body)
        assert advisory.tlp is Tlp.CLEAR
        assert [each.cve for each in advisory.vulnerabilities] == [each["cve"] for each in raw["vulnerabilities"]]
        names = advisory.products()
        for each in advisory.vulnerabilities:
            assert each.scores[0].cvss_v3 is not None
            assert all(names[product] for products in each.product_status.values() for product in products)


def test_a_missing_label_is_none_and_an_unknown_one_the_strictest() -> None:
    assert read_advisory(encoded()).tlp is None
    assert read_advisory(encoded(distribution={"tlp": {"label": "PINK"}})).tlp is Tlp.RED
    assert read_advisory(encoded(distribution={"tlp": {"label": "AMBER"}})).tlp is Tlp.AMBER


def test_products_of_lists_and_relationships_have_their_names() -> None:
    tree = {
        "full_product_names": [{"product_id": "A", "name": "a"}, 7],
        "relationships": [{"full_product_name": {"product_id": "B", "name": "a on b"}}],
        "branches": [{"branches": [{"product": {"product_id": "C", "name": "c"}}]}, None],
    }
    body = json.dumps({"document": document(), "product_tree": tree}).encode()
    assert read_advisory(body).products() == {"A": "a", "B": "a on b", "C": "c"}


@pytest.mark.parametrize(
    ("older", "newer"), [("1", "2"), ("9", "10"), ("1.0.0-1", "1.0.0"), ("1.0.0-1", "1.0.0-a"), ("1.9.0", "1.10.0")]
)
def test_versions_are_in_order(older: str, newer: str) -> None:
    assert version_order(older) < version_order(newer)


@pytest.mark.parametrize(
    "body",
    [
        b'{"document": {}}',
        b"[]",
        encoded(csaf_version="2.1"),
        encoded(csaf_version=2.0),
        encoded(tracking={"status": "perhaps"}),
        encoded(tracking={"version": "v1"}),
        encoded(tracking={"version": "9" * 5000}),
        encoded(tracking={"id": ""}),
        encoded(tracking={"current_release_date": "yesterday"}),
        encoded(tracking={"current_release_date": "2026-01-01T00:00:00"}),
        encoded(tracking={"initial_release_date": "0001-01-01T00:00:00+14:00"}),
        encoded(publisher={"name": "V"}),
        encoded([{"cve": "CVE-1"}]),
        encoded([{"cve": "CVE-2026-1\n"}]),
        encoded([{}] * 10_001),
        encoded(title="a\x00b"),
        encoded(title="\ud800"),
        encoded([{"cve": "CVE-2026-1234", "x": {"\ud800": 1}}]),
        encoded([{"scores": [{"products": [], "cvss_v3": {"baseScore": "high"}}]}]),
    ],
)
def test_what_is_no_csaf_is_refused(body: bytes) -> None:
    with pytest.raises(BadAdvisory) as caught:
        read_advisory(body)
    assert str(caught.value)


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"[" * 100_000, b'{"document":1,"document":2}', b" " * (16 * 1024 * 1024 + 1)]
)
def test_what_is_no_strict_json_is_refused(body: bytes) -> None:
    with pytest.raises(BadJson):
        read_advisory(body)


def test_a_digest_beside_the_document_must_be_its_own() -> None:
    body = encoded()
    check_digest(body, f"{hashlib.sha256(body).hexdigest()}  x-1.json\n".encode(), "sha256")
    check_digest(body, hashlib.sha512(body).hexdigest().upper().encode(), "sha512")
    for sidecar in (b"", b"x  x-1.json", hashlib.sha256(body + b" ").hexdigest().encode(), b"\xff" * 64):
        with pytest.raises(BadAdvisory):
            check_digest(body, sidecar, "sha256")


def test_no_advisory_costs_more_than_its_length() -> None:
    def of_length(length: int) -> bytes:
        count = length // 200
        tree = {"full_product_names": [{"product_id": str(n), "name": "n" * 100} for n in range(count)]}
        status = {"known_affected": [str(n) for n in range(count)]}
        found = [{"cve": "CVE-2026-1234", "product_status": status}]
        return json.dumps({"document": document(), "product_tree": tree, "vulnerabilities": found}).encode()

    assert grows_with_its_length(lambda body: read_advisory(body).products(), of_length, 2_000_000)


def test_only_csaf_says_that_it_is_csaf() -> None:
    assert is_advisory({"document": {"csaf_version": "9"}})
    assert not any(is_advisory(each) for each in (None, [], {}, {"document": []}, {"Event": {}}))
