"""Which events rules are asked of, and under which names of fields."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from mithaq.detection.sigma.kinds import Concern, kinds_asked, kinds_of, sources_of
from mithaq.detection.sigma.reading import UnitReader
from mithaq.kernel.lane import ACTUAL
from mithaq.standards.sigma import LogSource
from mithaq.telemetry.blocks import Block
from mithaq.telemetry.model import Format, Source
from tests.unit.detection.sigma.rules import selection

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
SYSMON = b'{"Channel":"Microsoft-Windows-Sysmon/Operational","EventID":1,"Image":"a"}'
WINLOG = b'{"winlog":{"channel":"Security","event_id":4624},"@timestamp":"2026-11-23T12:00:00Z"}'
ZEEK_DNS = b'{"_path": "dns","ts":1.5,"id.orig_h":"192.0.2.1","query":"evil.example","qtype_name":"A"}'
ZEEK_CONN = b'{"_path":"conn","ts":1.5,"id.orig_h":"192.0.2.1"}'
BIND = (
    b"23-Nov-2026 12:00:00.000 client @0x7f 192.0.2.1#53 (evil.example): query: evil.example IN TXT +E(0)K (192.0.2.53)"
)
TSV = b"#separator \\x09\n#path\tdns\n#fields\tts\tid.orig_h\tquery\n1.5\t192.0.2.1\tevil.example\n"


def block(text: bytes, line_format: Format = Format.AUTO, file_name: str = "", header: bytes = b"") -> Block:
    source = Source("sensor", "", line_format, ACTUAL)
    return Block(source, file_name, header, 1, 0, 0, AT, text, checked=False)


def asked(kinds: set[str], lines: Block) -> list[str]:
    return [each.kind for each in Concern(kinds).events(lines)]


ALL = b"\n".join((ZEEK_CONN, SYSMON, BIND, ZEEK_DNS, WINLOG))


@pytest.mark.parametrize(
    ("kinds", "found"),
    [
        (set(), []),
        ({"windows."}, ["windows.sysmon", "windows.security"]),
        ({"windows.sysmon"}, ["windows.sysmon", "windows.security"]),
        ({"zeek.dns"}, ["zeek.dns"]),
        ({"zeek."}, ["zeek.conn", "zeek.dns"]),
        ({"dns.bind"}, ["dns.bind"]),
        ({"dns.bind", "zeek.dns"}, ["dns.bind", "zeek.dns"]),
        ({"suricata.dns", "proxy"}, []),
    ],
)
def test_only_lines_of_a_kind_that_is_asked_are_given_in_their_order(kinds: set[str], found: list[str]) -> None:
    assert asked(kinds, block(ALL)) == found


def test_rows_below_a_header_are_given_wherever_the_header_stands() -> None:
    header, row = TSV[: TSV.rindex(b"1.5")], TSV[TSV.rindex(b"1.5") :]
    for each in (block(TSV), block(row, header=header), block(SYSMON + b"\n" + TSV)):
        assert asked({"zeek.dns"}, each) == ["zeek.dns"]
        assert asked({"zeek.http"}, each) == []


def test_a_log_of_zeek_is_known_by_its_files_name_and_a_declared_format_by_its_declaration() -> None:
    unnamed = json.dumps({"ts": 1.5, "uid": "C1", "query": "evil.example"}).encode()
    assert asked({"zeek.dns"}, block(unnamed, file_name="dns.log")) == ["zeek.dns"]
    assert asked({"dns"}, block(b'{"name":"evil.example"}', Format.DNS)) == ["dns"]


@pytest.mark.parametrize(
    ("kind", "record", "names", "source"),
    [
        ("zeek.dns", json.loads(ZEEK_DNS), {"query": "evil.example", "record_type": "A"}, LogSource("", "dns")),
        ("zeek.dns", json.loads(ZEEK_DNS), {"id.orig_h": "192.0.2.1"}, LogSource("zeek", "", "dns")),
        (
            "web.combined",
            {"client": "192.0.2.1", "uri": "/a?b=c", "method": "GET", "user_agent": "x"},
            {"cs-uri-query": "b=c", "cs-uri-stem": "/a", "cs-method": "GET", "cs-user-agent": "x"},
            LogSource("", "webserver"),
        ),
        ("proxy.squid", {"url": "http://a/", "status": 200}, {"c-uri": "http://a/"}, LogSource("", "proxy")),
        ("syslog", {"app": "sshd", "message": "m"}, {"message": "m"}, LogSource("linux", "", "sshd")),
        ("windows.sysmon", json.loads(SYSMON), {"Image": "a"}, LogSource("windows", "process_creation", "sysmon")),
    ],
)
def test_an_event_has_the_names_and_the_log_sources_of_sigma(
    kind: str, record: dict[str, object], names: dict[str, object], source: LogSource
) -> None:
    fields, sources = sources_of(kind, record)
    assert {name: fields.get(name) for name in names} == names
    assert source in sources
    assert kind in kinds_asked([source]) or "windows." in kinds_asked([source])


def test_a_rule_for_windows_is_asked_of_the_channels_that_it_names() -> None:
    reader = UnitReader()
    created = selection("Image: a", product="windows", source="    category: process_creation\n")
    assert kinds_of(reader.read(created)) == {"windows.sysmon"}
    assert kinds_of(reader.read(selection("a: b", product="windows"))) == {"windows."}
    assert kinds_of(reader.read(selection("a: b", product="''"))) == frozenset()
