import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mithaq.response.formats import plain, rpz, suricata
from mithaq.response.model import BlockEntry, NeverBlock
from mithaq.standards.observable import Observable, canonical_observable
from tests.conftest import AT
from tests.unit.response.decided import released
from tests.unit.telemetry.events import seen

VALUES = (
    "domain:evil.example",
    "domain:xn--bcher-kva.example",
    "ipv4:192.0.2.7",
    "ipv4:198.51.100.9",
    "cidr:192.0.2.0/28",
    "ipv6:2001:db8::1",
    "url:http://evil.example:8080/a;b?c=%22d%22|e",
    "url:https://evil.example/secret",
    "ja3:" + "a" * 32,
)


def entries(*values: str) -> list[BlockEntry]:
    return [BlockEntry(seen(value), released(), AT + timedelta(days=1)) for value in values]


def zone(*values: str, never: tuple[str, ...] = (), serial: int = 2026112300) -> str:
    kept = [NeverBlock(seen(value), "ours", "person--1", AT) for value in never]
    return rpz.render(entries(*values), kept, origin="rpz.mithaq.invalid", serial=serial, ttl_s=60).decode()


def rules(*values: str) -> list[str]:
    return suricata.render(entries(*values), action="drop", first_sid=500_000_000).decode().splitlines()


def test_a_plain_list_leaves_out_what_another_line_covers() -> None:
    assert plain.render(entries(*VALUES)).decode().splitlines() == [
        "192.0.2.0/28",
        "198.51.100.9",
        "2001:db8::1",
        "evil.example",
        "xn--bcher-kva.example",
        "http://evil.example:8080/a;b?c=%22d%22|e",
        "https://evil.example/secret",
    ]
    assert plain.render(entries(*VALUES), ["domain"]) == b"evil.example\nxn--bcher-kva.example\n"


def test_a_zone_has_a_head_and_blocks_names_with_everything_below_them() -> None:
    lines = zone("domain:evil.example").splitlines()
    assert lines[:4] == [
        "$TTL 60",
        "$ORIGIN rpz.mithaq.invalid.",
        "@ SOA localhost. hostmaster.localhost. 2026112300 300 60 604800 60",
        "@ NS localhost.",
    ]
    assert lines[4:] == ["*.evil.example CNAME .", "evil.example CNAME ."]


@pytest.mark.parametrize(
    ("value", "owner"),
    [
        ("ipv4:192.0.2.7", "32.7.2.0.192.rpz-ip"),
        ("cidr:198.51.100.0/24", "24.0.100.51.198.rpz-ip"),
        ("ipv6:2001:db8::1", "128.1.zz.db8.2001.rpz-ip"),
        ("cidr:2001:db8::/32", "32.zz.db8.2001.rpz-ip"),
        ("ipv6:2001:db8:1:2:3:4:5:6", "128.6.5.4.3.2.1.db8.2001.rpz-ip"),
    ],
)
def test_a_zone_blocks_answers_with_an_address(value: str, owner: str) -> None:
    assert zone(value).splitlines()[4:] == [f"{owner} CNAME ."]


def test_what_is_never_blocked_passes_before_anything_is_blocked() -> None:
    lines = zone("domain:aaa.example", never=("domain:zzz.example", "cidr:192.0.2.0/24")).splitlines()[4:]
    assert lines == [
        "*.zzz.example CNAME rpz-passthru.",
        "24.0.2.0.192.rpz-ip CNAME rpz-passthru.",
        "zzz.example CNAME rpz-passthru.",
        "*.aaa.example CNAME .",
        "aaa.example CNAME .",
    ]


def test_a_zone_leaves_out_what_dns_cannot_block_and_names_too_long_for_it() -> None:
    long = ".".join(["a" * 60] * 4) + ".example"
    assert zone("url:http://evil.example/a", "ja3:" + "a" * 32).count("CNAME") == 0
    observable = canonical_observable("domain", long)
    assert observable is not None
    assert not rpz.fits(observable, "rpz.mithaq.invalid")


def test_an_international_name_is_blocked_in_the_form_that_travels() -> None:
    assert "xn--mgbh0fb.example CNAME ." in zone("domain:مثال.example")


def test_a_domain_is_blocked_in_dns_tls_and_http() -> None:
    found = rules("domain:evil.example")
    assert [rule.split()[1] for rule in found] == ["dns", "tls", "http"]
    assert all('content:".evil.example";' in rule and "endswith;" in rule and "dotprefix;" in rule for rule in found)


def test_nothing_in_a_url_ends_the_string_or_the_rule() -> None:
    hostile = Observable("url", 'http://evil.example:8080/a;b?c="d"|e\\:)')
    entry = BlockEntry(hostile, released(), AT)
    rule = suricata.render([entry], action="drop", first_sid=1).decode()
    header, _, body = rule.partition("(")
    assert header == "drop http any any -> any 8080 "
    assert 'content:"/a|3B|b?c=|22|d|22||7C|e|5C||3A|)"; bsize:15;' in body
    assert re.fullmatch(r'(?:[a-z0-9_.]+(?::(?:"[^";\\]*"|[^";]*))?; ?)*\)\n', body)


def test_the_hidden_path_of_an_https_url_gives_no_rule() -> None:
    assert rules("url:https://evil.example/secret") == []
    assert not suricata.fits(entries("url:https://evil.example/secret")[0])


def test_sids_are_unique_and_stay_the_same_when_the_list_changes() -> None:
    def sids(lines: list[str]) -> list[str]:
        return re.findall(r"sid:(\d+);", "\n".join(lines))

    few, many = rules("domain:evil.example"), rules(*(f"domain:evil{n}.example" for n in range(2000)), *VALUES)
    assert len(set(sids(many))) == len(many)
    assert set(sids(few)) <= set(sids(many))
    assert all(500_000_000 <= int(sid) < 500_000_000 + (1 << 28) for sid in sids(many))


@given(st.permutations(VALUES))
def test_the_same_entries_in_any_order_give_the_same_bytes(values: list[str]) -> None:
    assert plain.render(entries(*values)) == plain.render(entries(*VALUES))
    assert zone(*values) == zone(*VALUES)
    assert rules(*values) == rules(*VALUES)
