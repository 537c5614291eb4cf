"""Values that make poor indicators are flagged, in microseconds, from the published lists."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest

from mithaq.intelligence.errors import WarningListsFailed
from mithaq.intelligence.warninglists import WarningLists
from mithaq.intelligence.warninglists.compile import compile_lists
from mithaq.intelligence.warninglists.compiled import compiled_in
from mithaq.intelligence.warninglists.index import Tables
from mithaq.standards.observable import Observable, canonical_observable


def observable(kind: str, value: str) -> Observable:
    found = canonical_observable(kind, value)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("kind", "value", "part"),
    [
        ("ipv4", "8.8.8.8", "public DNS"),
        ("ipv4", "192.168.0.4", "RFC 1918"),
        ("ipv4", "192.168.0.5", "RFC 5735"),
        ("ipv4", "198.51.100.7", "RFC 5735"),
        ("ipv4", "255.255.255.255", "RFC 5735"),
        ("ipv6", "2001:db8::1", "RFC 3849"),
        ("ipv6", "fe80::1", "link"),
        ("cidr", "8.8.0.0/16", "public DNS"),
        ("domain", "google.com", "google"),
        ("domain", "mail.google.com", "Tranco"),
        ("url", "https://github.com/a/b", "LOTS"),
        ("url", "http://8.8.8.8/x", "public DNS"),
        ("url", "http://[2001:db8::1]:8080/x", "RFC 3849"),
        ("email", "someone@0-mail.com", "disposable"),
        ("md5", "d41d8cd98f00b204e9800998ecf8427e", "empty"),
    ],
)
def test_a_benign_value_is_flagged(warning_lists: WarningLists, kind: str, value: str, part: str) -> None:
    assert any(part in name for name in warning_lists.warned(observable(kind, value)))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("domain", "evil.example"),
        ("domain", "notgoogle.com.evil.example"),
        ("url", "http://evil.example/google.com"),
        ("email", "someone@google.com"),
        ("sha256", "ab" * 32),
        ("ja3", "d41d8cd98f00b204e9800998ecf8427e"),
        ("ipv4", "100.128.0.1"),
    ],
)
def test_another_value_is_not(warning_lists: WarningLists, kind: str, value: str) -> None:
    assert warning_lists.warned(observable(kind, value)) == ()


def test_a_look_up_does_not_read_the_lists_through(warning_lists: WarningLists) -> None:
    wanted = [observable("domain", f"a.b.c{number}.example") for number in range(500)]
    warning_lists.warned(wanted[0])
    started = time.process_time()
    for item in wanted:
        warning_lists.warned(item)
    assert (time.process_time() - started) / len(wanted) < 5e-3


def test_lists_that_are_not_used_are_named(warning_lists: WarningLists) -> None:
    assert "Common contact e-mail addresses" in warning_lists.skipped()
    assert len(warning_lists.names()) > 100


def published(folder: Path, name: str, kind: str, entries: list[str], attributes: list[str]) -> Path:
    file = folder / f"{name}.json"
    value = {"name": name, "type": kind, "list": entries, "matching_attributes": attributes, "version": 1}
    file.write_bytes(msgspec.json.encode(value))
    return file


def test_each_kind_of_list_matches_as_it_says(tmp_path: Path) -> None:
    files = [
        published(tmp_path, "exact", "string", ["a.example", ".dotted.example", "not a name"], ["domain"]),
        published(tmp_path, "suffix", "hostname", ["B.example"], ["hostname", "url"]),
        published(tmp_path, "part", "substring", ["c.example", "lab_"], ["domain"]),
        published(tmp_path, "regex", "regex", ["/(a+)+/"], ["domain"]),
        published(tmp_path, "nets", "cidr", ["198.51.100.0/25", "198.51.100.64/26", "2001:db8::/33"], ["ip-dst"]),
        published(tmp_path, "phones", "string", ["+1"], ["phone-number"]),
    ]
    target = tmp_path / "out.bin"
    compile_lists(files, target)
    tables = Tables(target)

    def names(kind: str, value: str) -> tuple[str, ...]:
        return tables.warned(observable(kind, value))

    assert names("domain", "a.example") == ("exact",)
    assert names("domain", "x.a.example") == ()
    assert names("domain", "x.dotted.example") == ("exact",)
    assert names("domain", "x.b.example") == ("suffix",)
    assert names("url", "http://x.b.example/") == ("suffix",)
    assert names("url", "http://a.example/") == ()
    assert names("domain", "x.c.example") == ("part",)
    assert names("domain", "my-lab_1.evil.example") == ("part",)
    assert names("ipv4", "198.51.100.127") == ("nets",)
    assert names("ipv4", "198.51.100.128") == ()
    assert names("ipv4", "198.51.99.255") == ()
    assert names("cidr", "198.51.0.0/16") == ("nets",)
    assert names("ipv6", "2001:db8:7fff::1") == ("nets",)
    assert names("ipv6", "2001:db8:8000::1") == ()
    assert tables.header.skipped == ["regex", "phones"]


def test_a_cache_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(WarningListsFailed):
        WarningLists(blocked / "cache", installed=tmp_path).names()


def test_lists_compiled_beside_the_program_serve_every_node_of_the_machine(tmp_path: Path) -> None:
    beside, cache = tmp_path / "program", tmp_path / "cache"
    beside.mkdir()
    compile_lists([], compiled_in(beside))
    assert WarningLists(cache, installed=beside).names() == ()
    assert not cache.exists()
