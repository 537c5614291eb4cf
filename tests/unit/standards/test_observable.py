"""Two spellings of one thing are the same observable, and what is not of a type is refused."""

from __future__ import annotations

import pytest

from mithaq.standards.observable import MAX_VALUE_CHARS, Observable, canonical_observable, recognise

MD5 = "d41d8cd98f00b204e9800998ecf8427e"


@pytest.mark.parametrize(
    ("kind", "raw", "type", "value"),
    [
        ("ipv4", " 192.0.2.1 ", "ipv4", "192.0.2.1"),
        ("ipv4", "192.0.2.0/24", "cidr", "192.0.2.0/24"),
        ("ipv4", "192.0.2.7/32", "ipv4", "192.0.2.7"),
        ("ipv6", "2001:DB8:0:0::1", "ipv6", "2001:db8::1"),
        ("ipv6", "[2001:db8::1]", "ipv6", "2001:db8::1"),
        ("ipv6", "fe80::1%eth0", "ipv6", "fe80::1"),
        ("ipv6", "::ffff:192.0.2.1", "ipv4", "192.0.2.1"),
        ("cidr", "10.1.2.3/8", "cidr", "10.0.0.0/8"),
        ("cidr", "::ffff:192.0.2.0/120", "cidr", "192.0.2.0/24"),
        ("cidr", "2001:db8::1/32", "cidr", "2001:db8::/32"),
        ("domain", "Evil.EXAMPLE.", "domain", "evil.example"),
        ("domain", "_sip._tcp.evil.example", "domain", "_sip._tcp.evil.example"),
        ("domain", "côté.evil.example", "domain", "xn--ct-cja6b.evil.example"),
        ("domain", "evil。example", "domain", "evil.example"),
        ("domain", "موقع.وزارة.السعودية", "domain", "xn--4gbrim.xn--mgbexc3i.xn--mgberp4a5d4ar"),
        ("url", "HTTP://Evil.Example:80", "url", "http://evil.example/"),
        ("url", "https://evil.example:8443?a=B", "url", "https://evil.example:8443/?a=B"),
        ("url", "http://[2001:DB8::1]/x", "url", "http://[2001:db8::1]/x"),
        ("url", "http://évil.example/é", "url", "http://xn--vil-9la.example/%C3%A9"),
        ("url", "http://evil.example/a#frag", "url", "http://evil.example/a#frag"),
        ("url", "https://u:p@Evil.example:443/", "url", "https://u:p@evil.example/"),
        ("md5", MD5.upper(), "md5", MD5),
        ("ja3", MD5.upper(), "ja3", MD5),
        ("sha512", "AB" * 64, "sha512", "ab" * 64),
        ("email", "Actor@Evil.Example", "email", "actor@evil.example"),
        ("ja4", "T13D1516H2_8daaf6152771_e5627efa2ab1", "ja4", "t13d1516h2_8daaf6152771_e5627efa2ab1"),
    ],
)
def test_every_spelling_becomes_the_canonical_one(kind: str, raw: str, type: str, value: str) -> None:  # noqa: A002
    found = canonical_observable(kind, raw)
    assert found is not None
    assert (found.type, found.value) == (type, value)


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("ipv4", "01.2.3.4"),
        ("ipv4", "256.1.1.1"),
        ("ipv4", "1.2.3"),
        ("ipv4", "١.٢.٣.٤"),
        ("ipv6", "2001:db8::g"),
        ("cidr", "0.0.0.0/0"),
        ("cidr", "::/0"),
        ("cidr", "192.0.2.0/33"),
        ("domain", "example"),
        ("domain", "192.0.2.1"),
        ("domain", "a..example"),
        ("domain", "*.evil.example"),
        ("domain", "a" * 64 + ".example"),
        ("domain", "a." * 127 + "example"),
        ("domain", "evil.example/path"),
        ("url", "evil.example/path"),
        ("url", "http:///path"),
        ("url", "http://evil.example:70000/"),
        ("url", "http://evil.example:99999999999999999999/"),
        ("url", "http://evil.example/<script>"),
        ("url", "javascript:alert(1)"),
        ("md5", MD5[:-1]),
        ("sha1", MD5),
        ("sha256", "g" * 64),
        ("email", "@evil.example"),
        ("email", "a@b@evil.example"),
        ("email", "a@localhost"),
        ("ja4", "t13d1516h2_8daaf6152771"),
        ("mutex", "Global\\abc"),
        ("url", "http://evil.example/" + "a" * MAX_VALUE_CHARS),
    ],
)
def test_what_is_not_of_the_type_is_no_observable(kind: str, raw: str) -> None:
    assert canonical_observable(kind, raw) is None


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("198.51.100.7", Observable("ipv4", "198.51.100.7")),
        ("198.51.100.0/24", Observable("cidr", "198.51.100.0/24")),
        ("2001:db8::1", Observable("ipv6", "2001:db8::1")),
        ("evil.example", Observable("domain", "evil.example")),
        ("http://evil.example/a", Observable("url", "http://evil.example/a")),
        ("a@evil.example", Observable("email", "a@evil.example")),
        (MD5, Observable("md5", MD5)),
        ("ab" * 20, Observable("sha1", "ab" * 20)),
        ("ab" * 32, Observable("sha256", "ab" * 32)),
        ("t13d1516h2_8daaf6152771_e5627efa2ab1", Observable("ja4", "t13d1516h2_8daaf6152771_e5627efa2ab1")),
        ("plain", None),
        ("", None),
    ],
)
def test_a_bare_value_is_recognised_as_what_it_most_plainly_is(raw: str, expected: Observable | None) -> None:
    assert recognise(raw) == expected
