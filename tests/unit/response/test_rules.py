import ipaddress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mithaq.kernel.lane import ACTUAL, TEST
from mithaq.kernel.reason import Reason
from mithaq.response.model import Candidate, NeverBlock
from mithaq.response.places import url_parts
from mithaq.response.rules import Safeguards, reasons_against, sort_out
from mithaq.response.settings import BlocklistSettings
from tests.conftest import AT
from tests.unit.response.decided import released, withheld
from tests.unit.telemetry.events import seen
from tests.world import changed

PUBLIC = BlocklistSettings(national_domains=("gov.xa",))
REHEARSAL = BlocklistSettings(permit_documentation_ranges=True)
SOON = AT + timedelta(days=1)


def candidate(value: str = "domain:evil.com", object_id: str = "indicator--1") -> Candidate:
    return Candidate(
        object_id=object_id,
        kind="indicator",
        observable=seen(value),
        lane=ACTUAL,
        stands=True,
        revoked=False,
        valid_from=AT,
        valid_until=SOON,
        decision=released(object_id),
    )


def codes(each: Candidate, *never: str, settings: BlocklistSettings = PUBLIC) -> set[str]:
    kept = [NeverBlock(seen(value), "ours", "person--1", AT) for value in never]
    return {reason.code for reason in reasons_against(each, Safeguards(kept, settings), AT)}


@pytest.mark.parametrize(
    "value",
    [
        "domain:evil.com",
        "ipv4:8.8.4.5",
        "ipv6:2a00:1450::1",
        "cidr:8.8.4.0/24",
        "url:http://evil.com/a",
        "ja3:" + "a" * 32,
        "ja4:t13d1516h2_8daaf6152771_e5627efa2ab1",
    ],
)
def test_an_indicator_against_which_nothing_speaks_is_blocked(value: str) -> None:
    assert codes(candidate(value)) == set()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"valid_until": None}, "no-expiry"),
        ({"valid_until": AT}, "expired"),
        ({"valid_from": SOON}, "not-yet-valid"),
        ({"revoked": True}, "revoked"),
        ({"stands": False}, "withdrawn"),
        ({"lane": TEST}, "lane-operational"),
        ({"kind": "domain-name"}, "not-an-indicator"),
        ({"observable": seen("md5:" + "a" * 32)}, "not-blockable"),
        ({"observable": seen("email:a@evil.com")}, "not-blockable"),
        ({"warned": ("Top sites",)}, "warning-list"),
        ({"is_public_suffix": True}, "public-suffix"),
        ({"decision": withheld(Reason("pap-action", "no"))}, "pap-action"),
    ],
)
def test_each_rule_refuses_by_itself(change: dict[str, object], code: str) -> None:
    assert codes(changed(candidate(), **change)) == {code}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("ipv4:192.168.0.4", "special-address"),
        ("ipv4:10.0.0.1", "special-address"),
        ("ipv4:127.0.0.1", "special-address"),
        ("ipv4:100.64.1.1", "special-address"),
        ("ipv4:224.0.0.251", "special-address"),
        ("ipv4:255.255.255.255", "special-address"),
        ("ipv6:::1", "special-address"),
        ("ipv6:fe80::1", "special-address"),
        ("ipv6:fd00::1", "special-address"),
        ("cidr:172.16.0.0/24", "special-address"),
        ("url:http://192.168.0.4/webdav", "special-address"),
        ("url:http://[fe80::1]:8080/a", "special-address"),
        ("domain:printer.local", "special-name"),
        ("domain:4.0.168.192.in-addr.arpa", "special-name"),
        ("ipv4:192.0.2.7", "documentation"),
        ("ipv6:2001:db8::7", "documentation"),
        ("domain:evil.example", "documentation"),
        ("url:https://evil.example/a", "documentation"),
        ("domain:www.gov.xa", "national-domain"),
        ("url:http://www.gov.xa/", "national-domain"),
        ("cidr:8.8.0.0/16", "too-wide"),
        ("cidr:2a00::/32", "too-wide"),
    ],
)
def test_what_would_harm_the_nation_or_nobody_is_never_blocked(value: str, code: str) -> None:
    assert codes(candidate(value)) == {code}


def test_documentation_ranges_are_blocked_only_where_a_rehearsal_permits_them() -> None:
    for value in ("ipv4:192.0.2.7", "domain:evil.example", "url:http://evil.example/a", "cidr:203.0.113.0/24"):
        listed = changed(candidate(value), warned=("RFC 5737",))
        assert codes(listed, settings=REHEARSAL) == set()
        assert codes(listed, value if "cidr" not in value else "ipv4:203.0.113.9", settings=REHEARSAL) == {
            "never-block"
        }
    assert codes(candidate("ipv4:192.168.0.4"), settings=REHEARSAL) == {"special-address"}


@pytest.mark.parametrize(
    ("value", "kept", "is_refused"),
    [
        ("domain:www.hospital.com", "domain:hospital.com", True),
        ("domain:hospital.com", "domain:www.hospital.com", True),
        ("domain:nothospital.com", "domain:hospital.com", False),
        ("url:http://hospital.com/a", "domain:hospital.com", True),
        ("url:http://hospital.com/a", "domain:www.hospital.com", False),
        ("cidr:8.8.4.0/24", "ipv4:8.8.4.9", True),
        ("ipv4:8.8.4.9", "cidr:8.8.4.0/24", True),
        ("url:http://8.8.4.9/a", "cidr:8.8.4.0/24", True),
        ("ipv4:8.8.5.9", "cidr:8.8.4.0/24", False),
        ("ipv6:2a00:1450::1", "cidr:8.8.4.0/24", False),
        ("ja3:" + "a" * 32, "domain:hospital.com", False),
    ],
)
def test_a_never_block_entry_keeps_free_itself_and_what_lies_in_it(value: str, kept: str, is_refused: bool) -> None:
    assert codes(candidate(value), kept) == ({"never-block"} if is_refused else set())


def test_all_reasons_are_told_at_once_and_each_only_once() -> None:
    gate = (
        Reason("pap-action", "no"),
        Reason("lane-operational", "objects of exercises and tests are never blocked"),
    )
    each = changed(
        candidate("ipv4:192.168.0.4"), valid_until=None, lane=TEST, decision=withheld(*gate), warned=("RFC 1918",)
    )
    reasons = reasons_against(each, Safeguards([], PUBLIC), AT)
    assert sorted(reason.code for reason in reasons) == sorted(
        ["pap-action", "lane-operational", "no-expiry", "special-address", "warning-list"]
    )
    assert all(reason.sentence() for reason in reasons)


def test_a_value_named_twice_is_blocked_once_until_the_last_expiry() -> None:
    first, second = candidate(object_id="indicator--1"), candidate(object_id="indicator--2")
    later = changed(second, valid_until=SOON + timedelta(days=1))
    refused = changed(candidate(object_id="indicator--3"), valid_until=None)
    entries, refusals = sort_out([later, refused, first], [], PUBLIC, AT)
    assert [(entry.object_id, entry.expires_at) for entry in entries] == [("indicator--2", later.valid_until)]
    assert [each.object_id for each in refusals] == ["indicator--3"]


@given(st.permutations([candidate(f"domain:evil{n}.com", f"indicator--{n % 3}") for n in range(6)]))
def test_the_order_of_what_comes_in_does_not_matter(candidates: list[Candidate]) -> None:
    assert sort_out(candidates, [], PUBLIC, AT) == sort_out(sorted(candidates, key=repr), [], PUBLIC, AT)


@given(st.integers(0, 2**32 - 1))
def test_every_address_that_python_calls_private_is_refused(number: int) -> None:
    address = ipaddress.IPv4Address(number)
    if not address.is_global or address.is_multicast:
        assert codes(candidate(f"ipv4:{address}")) & {"special-address", "documentation"}


def test_a_url_is_cut_into_its_parts() -> None:
    assert url_parts("http://u:p@evil.com:8080/a/b?c#d") == ("http", "evil.com", "8080", "/a/b?c#d")
    assert url_parts("https://[2001:db8::1]:8443/") == ("https", "2001:db8::1", "8443", "/")
