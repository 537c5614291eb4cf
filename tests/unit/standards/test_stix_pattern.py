"""A pattern gives observables only where one of them alone makes it true; otherwise it says why not."""

from __future__ import annotations

import pytest

from mithaq.kernel.reason import Reason
from mithaq.standards.stix import matchable, read_pattern
from tests.costs import grows_with_its_length

MD5 = "d41d8cd98f00b204e9800998ecf8427e"
SHA1 = "a" * 40
SHA256 = "b" * 64
SHA512 = "c" * 128


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("[ipv4-addr:value = '198.51.100.7']", ["ipv4:198.51.100.7"]),
        ("[ipv4-addr:value = '198.51.100.0/24']", ["cidr:198.51.100.0/24"]),
        ("[ipv4-addr:value ISSUBSET '198.51.100.0/24']", ["cidr:198.51.100.0/24"]),
        ("[ipv6-addr:value='2001:DB8::1']", ["ipv6:2001:db8::1"]),
        ("[domain-name:value = 'Evil.Example']", ["domain:evil.example"]),
        ("[url:value = 'http://evil.example/it\\'s']", ["url:http://evil.example/it's"]),
        ("[email-addr:value = 'a@evil.example']", ["email:a@evil.example"]),
        ("[email-message:from_ref.value = 'a@evil.example']", ["email:a@evil.example"]),
        ("[email-message:to_refs[*].value = 'a@evil.example']", ["email:a@evil.example"]),
        (f"[file:hashes.MD5 = '{MD5}']", [f"md5:{MD5}"]),
        (f"[file:hashes.'SHA-1' = '{SHA1}']", [f"sha1:{SHA1}"]),
        (f"[file:hashes.\"SHA-256\" = '{SHA256}']".replace('"', "'"), [f"sha256:{SHA256}"]),
        (f"[file:hashes.SHA256 = '{SHA256}']", [f"sha256:{SHA256}"]),
        (f"[file:hashes.'SHA-512' = '{SHA512}']", [f"sha512:{SHA512}"]),
        (f"[artifact:hashes.MD5 = '{MD5}']", [f"md5:{MD5}"]),
        (f"[x509-certificate:hashes.'SHA-1' = '{SHA1}']", [f"sha1:{SHA1}"]),
        (f"[network-traffic:extensions.'tls-ext'.ja3 = '{MD5}']", [f"ja3:{MD5}"]),
        (f"[x-tls:'ja3-fingerprint-md5' = '{MD5}']", [f"ja3:{MD5}"]),
        (
            "[network-traffic:extensions.'tls-ext'.ja4 = 't13d1516h2_8daaf6152771_e5627efa2ab1']",
            ["ja4:t13d1516h2_8daaf6152771_e5627efa2ab1"],
        ),
        ("[network-traffic:dst_ref.value = '203.0.113.4']", ["ipv4:203.0.113.4"]),
        (
            "[network-traffic:dst_ref.type = 'ipv4-addr' AND network-traffic:dst_ref.value = '203.0.113.4']",
            ["ipv4:203.0.113.4"],
        ),
        ("[ipv4-addr:value IN ('198.51.100.7','198.51.100.8')]", ["ipv4:198.51.100.7", "ipv4:198.51.100.8"]),
        (
            "[domain-name:value = 'a.example' OR url:value = 'http://b.example/']",
            ["domain:a.example", "url:http://b.example/"],
        ),
        (
            "[domain-name:value = 'a.example'] OR ([domain-name:value = 'b.example'])",
            ["domain:a.example", "domain:b.example"],
        ),
        (
            f"[file:hashes.MD5 = '{MD5}' AND file:hashes.'SHA-1' = '{SHA1}' AND file:hashes.'SHA-256' = '{SHA256}']",
            [f"md5:{MD5}", f"sha1:{SHA1}", f"sha256:{SHA256}"],
        ),
    ],
)
def test_a_pattern_that_one_observable_fulfils_gives_that_observable(pattern: str, expected: list[str]) -> None:
    found = matchable(pattern)
    assert not isinstance(found, Reason)
    assert [str(item) for item in found] == expected


@pytest.mark.parametrize(
    ("pattern", "code"),
    [
        ("[domain-name:value = 'a.example' AND ipv4-addr:value = '198.51.100.7']", "pattern-and"),
        ("[domain-name:value = 'a.example'] AND [ipv4-addr:value = '198.51.100.7']", "pattern-several-observations"),
        (
            "[domain-name:value = 'a.example'] FOLLOWEDBY [ipv4-addr:value = '198.51.100.7']",
            "pattern-several-observations",
        ),
        ("[domain-name:value = 'a.example'] REPEATS 5 TIMES WITHIN 60 SECONDS", "pattern-qualifier"),
        (
            "[ipv4-addr:value = '198.51.100.7'] START t'2026-01-01T00:00:00Z' STOP t'2026-01-02T00:00:00Z'",
            "pattern-qualifier",
        ),
        ("[domain-name:value LIKE '%.evil.example']", "pattern-operator"),
        ("[domain-name:value MATCHES '^(a+)+$']", "pattern-operator"),
        ("[ipv4-addr:value ISSUPERSET '198.51.100.0/24']", "pattern-operator"),
        ("[domain-name:value != 'a.example']", "pattern-negation"),
        ("[domain-name:value NOT = 'a.example']", "pattern-negation"),
        ("[ipv4-addr:value NOT IN ('198.51.100.7')]", "pattern-negation"),
        (
            "[network-traffic:dst_ref.value = '203.0.113.4' AND network-traffic:dst_port = 80]",
            "pattern-and",
        ),
        (f"[file:hashes.MD5 = '{MD5}' AND file:hashes.MD5 = '{'0' * 32}']", "pattern-and"),
        (f"[file:hashes.MD5 = '{MD5}' AND artifact:hashes.'SHA-1' = '{SHA1}']", "pattern-and"),
        ("[domain-name:value = 'a.example' AND (file:name = 'x' OR file:name = 'y')]", "pattern-and"),
        ("[EXISTS file:name]", "pattern-operator"),
        ("[file:name = 'x.exe']", "pattern-no-observable"),
        ("[domain-name:value = 'localhost']", "pattern-no-observable"),
        ("[ipv4-addr:value ISSUBSET '0.0.0.0/0']", "pattern-no-observable"),
        (f"[x-thing:hashes.MD5 = '{MD5}']", "pattern-no-observable"),
        ("", "pattern-unreadable"),
        ("[", "pattern-unreadable"),
        ("[domain-name:value = 'a.example'", "pattern-unreadable"),
        ("[domain-name:value = 'a.example]", "pattern-unreadable"),
        ("[domain-name:value ~ 'a.example']", "pattern-unreadable"),
        ("[domain-name:value = 'a.example'] extra", "pattern-unreadable"),
        ("rule yara { condition: true }", "pattern-unreadable"),
        ("[a:b[=].c = 'd']", "pattern-unreadable"),
        ("[a:h'00' = 'd']", "pattern-unreadable"),
        ("(" * 100 + "[a:b = 'c']" + ")" * 100, "pattern-unreadable"),
        ("[" + "a:b='c' OR " * 20_000 + "a:b='c']", "pattern-too-long"),
    ],
)
def test_a_pattern_that_needs_more_than_one_observable_says_why(pattern: str, code: str) -> None:
    found = matchable(pattern)
    assert isinstance(found, Reason)
    assert found.code == code
    assert found.sentence()


def test_of_a_mixed_pattern_the_alternatives_that_suffice_are_used() -> None:
    read = read_pattern("[domain-name:value = 'a.example' OR file:name = 'x']")
    assert [str(item) for item in read.sufficient] == ["domain:a.example"]
    assert read.reason is not None


def test_everything_a_pattern_names_can_be_searched_for_but_not_what_it_excludes() -> None:
    read = read_pattern(
        "[domain-name:value = 'a.example' AND ipv4-addr:value = '198.51.100.7' AND url:value != 'http://c.example/']"
    )
    assert {str(item) for item in read.mentioned} == {"domain:a.example", "ipv4:198.51.100.7"}
    assert read.sufficient == ()


@pytest.mark.parametrize(
    ("head", "piece", "times", "tail"),
    [
        ("[", "a:b='c' AND ", 8_000, "a:b='c']"),
        ("'", "\\", 99_000, ""),
        ("[a:b = '", "x", 99_000, ""),
        ("", " ", 99_000, ""),
        ("", "(", 99_000, ""),
    ],
)
def test_a_hostile_pattern_costs_no_more_than_its_length(head: str, piece: str, times: int, tail: str) -> None:
    assert grows_with_its_length(matchable, lambda length: head + piece * length + tail, times)
