"""Each kind of thing that patterns name: which lines of which sensors have it, and which only look as if they did."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest

from mithaq.detection.matcher import Matcher
from mithaq.detection.model import Indicator
from mithaq.detection.patterns.phrases import Phrases
from mithaq.detection.prefilter.choice import prefilter
from mithaq.kernel.lane import ACTUAL
from mithaq.standards.stix import Plan, plan_of, read_pattern
from mithaq.telemetry.blocks import Block
from mithaq.telemetry.model import BrokenLine
from tests.unit.telemetry.blocks import block

MD5, SHA1, SHA256 = "d41d8cd98f00b204e9800998ecf8427e", "ab" * 20, "cd" * 32
ZEEK = {"ts": 1588205199.5, "uid": "C1", "id.orig_h": "10.0.0.1", "id.resp_p": 80}
EVE = {"timestamp": "2026-11-28T01:39:47Z", "src_ip": "10.0.0.1", "dest_port": 443}
SYSMON = {"EventID": 1, "Channel": "Microsoft-Windows-Sysmon/Operational", "UtcTime": "2026-11-28 01:39:47"}
AGENT = "network-traffic:extensions.'http-request-ext'.request_header.'User-Agent'"


def zeek(path: str, **fields: Any) -> bytes:
    return json.dumps(
        {**ZEEK, "_path": path, **{key.replace("__", "."): value for key, value in fields.items()}}
    ).encode()


def eve(event_type: str, **fields: Any) -> bytes:
    return json.dumps({**EVE, "event_type": event_type, **fields}).encode()


def sysmon(**fields: Any) -> bytes:
    return json.dumps({**SYSMON, **fields}).encode()


def tsv(path: str, **cells: str) -> bytes:
    names = {key.replace("__", "."): value for key, value in cells.items()}
    head = f"#separator \\x09\n#path\t{path}\n#fields\tts\tuid\t" + "\t".join(names)
    return f"{head}\n1588205199.5\tC1\t".encode() + "\t".join(names.values()).encode()


@dataclass(frozen=True)
class Kind:
    """A pattern; lines that satisfy it, and others that do not. A text of several lines has its header in it."""

    pattern: str
    yes: list[bytes]
    no: list[bytes] = field(default_factory=list)


KINDS = {
    "ipv4": Kind(
        "[ipv4-addr:value = '198.51.100.7']",
        [
            zeek("conn", id__resp_h="198.51.100.7"),
            zeek("conn", id__resp_h="::ffff:198.51.100.7"),
            zeek("conn", id__resp_h="::FFFF:C633:6407"),
            eve("flow", dest_ip="198.51.100.7"),
            sysmon(DestinationIp="198.51.100.7"),
            tsv("conn", id__resp_h="198.51.100.7"),
            b"1764293987.512 180 10.0.0.9 TCP_MISS/200 43 GET http://good.example/ - HIER_DIRECT/198.51.100.7 -",
        ],
        [zeek("conn", id__resp_h="198.51.100.70"), zeek("conn", id__resp_h="1198.51.100.7")],
    ),
    "ipv6": Kind(
        "[ipv6-addr:value = '2001:db8::1']",
        [
            zeek("conn", id__resp_h="2001:0DB8:0000:0000:0000:0000:0000:0001"),
            zeek("conn", id__resp_h="2001:db8:0::0:1%eth0"),
            eve("flow", dest_ip="2001:0db8:0000:0000:0000:0000:0000:0001"),
            tsv("conn", id__resp_h="2001:db8::1"),
        ],
        [zeek("conn", id__resp_h="2001:db8::11"), zeek("conn", id__resp_h="2001:db8::1:0")],
    ),
    "network": Kind(
        "[ipv4-addr:value ISSUBSET '198.51.100.0/25']",
        [zeek("conn", id__resp_h="198.51.100.127"), tsv("conn", id__resp_h="198.51.100.0")],
        [zeek("conn", id__resp_h="198.51.100.128")],
    ),
    "network of IPv6": Kind(
        "[ipv6-addr:value = '2001:db8::/33']",
        [zeek("conn", id__resp_h="2001:db8:7fff::1")],
        [zeek("conn", id__resp_h="2001:db8:8000::1")],
    ),
    "domain": Kind(
        "[domain-name:value = 'higan.example']",
        [
            zeek("dns", query="higan.example"),
            zeek("dns", query="A.B.Higan.Example."),
            zeek("ssl", server_name="www.higan.example"),
            eve("tls", tls={"sni": "higan.example"}),
            sysmon(QueryName="higan.example"),
            tsv("dns", query="x.higan.example"),
        ],
        [
            zeek("dns", query="michigan.example"),
            zeek("dns", query="higan.example.org"),
            zeek("files", filename="higan.example"),
        ],
    ),
    "url": Kind(
        "[url:value = 'http://evil.example/gate.php?id=1']",
        [
            zeek("http", host="evil.example", uri="/gate.php?id=1"),
            zeek("http", host="EVIL.example", uri="/gate.php?id=1"),
            eve("http", http={"hostname": "evil.example", "url": "/gate.php?id=1"}),
            tsv("http", host="evil.example", uri="/gate.php?id=1"),
            sysmon(CommandLine="curl -s http://evil.example/gate.php?id=1"),
        ],
        [
            zeek("http", host="evil.example", uri="/gate.php?id=11"),
            zeek("http", host="notevil.example", uri="/gate.php?id=1"),
            zeek("http", host="good.example", uri="/gate.php?id=1", referrer="http://evil.example/"),
        ],
    ),
    "hash of a file": Kind(
        f"[file:hashes.'SHA-256' = '{SHA256.upper()}']",
        [
            zeek("files", sha256=SHA256),
            eve("fileinfo", fileinfo={"sha256": SHA256}),
            sysmon(Hashes=f"MD5={MD5},SHA256={SHA256.upper()}"),
        ],
        [zeek("files", sha256=SHA256[:-1] + "0"), zeek("files", note=SHA256)],
    ),
    "md5": Kind(f"[file:hashes.MD5 = '{MD5}']", [zeek("files", md5=MD5)], [zeek("ssl", ja3=MD5)]),
    "ja3": Kind(
        f"[network-traffic:extensions.'tls-ext'.ja3 = '{MD5}']",
        [zeek("ssl", ja3=MD5), eve("tls", tls={"ja3": {"hash": MD5}})],
        [zeek("files", md5=MD5), zeek("ssl", ja3s=MD5)],
    ),
    "ja4": Kind(
        "[network-traffic:extensions.'tls-ext'.ja4 = 't13d1516h2_8daaf6152771_e5627efa2ab1']",
        [zeek("ssl", ja4="t13d1516h2_8daaf6152771_e5627efa2ab1")],
        [zeek("ssl", ja4="t13d1516h2_8daaf6152771_e5627efa2ab2")],
    ),
    "certificate": Kind(
        f"[x509-certificate:hashes.'SHA-1' = '{SHA1}']",
        [
            eve("tls", tls={"fingerprint": ":".join(["ab"] * 20)}),
            zeek("x509", fingerprint=SHA1),
            tsv("files", sha1=SHA1),
        ],
        [eve("tls", tls={"fingerprint": ":".join(["ab"] * 19 + ["ac"])})],
    ),
    "serial number": Kind(
        "[x509-certificate:serial_number = '00:8f:ab:01:77']",
        [
            zeek("x509", certificate__serial="8FAB0177"),
            eve("tls", tls={"serial": "8F:AB:01:77"}),
            eve("tls", tls={"serial": "00:8F:AB:01:77"}),
        ],
        [zeek("x509", certificate__serial="8FAB017700"), zeek("conn", history="8FAB0177")],
    ),
    "subject": Kind(
        "[x509-certificate:subject LIKE '%CN=evil corp%']",
        [zeek("x509", certificate__subject="O=x,CN=evil corp,C=XX"), zeek("ssl", subject="CN=evil corp")],
        [zeek("x509", certificate__subject="CN=evil  corp"), zeek("smtp", subject="CN=evil corp")],
    ),
    "e-mail address": Kind(
        "[email-message:from_ref.value = 'Bad@evil.example']",
        [zeek("smtp", mailfrom="bad@evil.example"), zeek("smtp", **{"from": "X <BAD@evil.example>"})],
        [zeek("smtp", mailfrom="notbad@evil.example"), zeek("smtp", mailfrom="bad@evil.example.org")],
    ),
    "subject of a mail": Kind(
        "[email-message:subject = 'فاتورة رقم 7' AND email-message:from_ref.value = 'bad@evil.example']",
        [
            zeek("smtp", subject="فاتورة رقم 7", mailfrom="bad@evil.example"),
            zeek("smtp", subject="فاتورة رقم 7", **{"from": "bad@evil.example"}),
        ],
        [
            zeek("smtp", subject="فاتورة رقم 77", mailfrom="bad@evil.example"),
            zeek("smtp", subject="فاتورة رقم 7", rcptto=["bad@evil.example"]),
        ],
    ),
    "user agent": Kind(
        f"[{AGENT} = 'Mozilla/4.0 (compatible; Evil \"7\")']",
        [
            zeek("http", user_agent='Mozilla/4.0 (compatible; Evil "7")'),
            zeek("http", user_agent='Mozilla/4.0 (compatible; Evil "7")').replace(b"/4", b"\\/4"),
            zeek("http", user_agent='Mozilla/4.0 (compatible; Evil "7")').replace(b"Evil", b"\\u0045vil"),
            eve("http", http={"http_user_agent": 'Mozilla/4.0 (compatible; Evil "7")'}),
            tsv("http", user_agent='Mozilla/4.0 (compatible; Evil "7")'),
            tsv("http", user_agent="Mozilla/4.0 (compatible; \\x45vil \\x227\\x22)"),
            b'10.0.0.9 - - [28/Nov/2026:03:39:47 +0200] "GET /" 200 1 "-" "Mozilla/4.0 (compatible; Evil \\"7\\")"',
        ],
        [
            zeek("http", user_agent='Mozilla/4.0 (compatible; Evil "7") x'),
            zeek("http", user_agent='mozilla/4.0 (compatible; evil "7")'),
            zeek("http", referrer='Mozilla/4.0 (compatible; Evil "7")'),
        ],
    ),
    "user agent like": Kind(
        f"[{AGENT} LIKE 'Evil%bot_']",
        [zeek("http", user_agent="Evil big bots")],
        [zeek("http", user_agent="Evil big bot"), zeek("http", user_agent="An Evil big bots")],
    ),
    "file name": Kind(
        "[file:name = 'evil.exe']",
        [sysmon(Image="C:\\Temp\\evil.exe"), zeek("files", filename="evil.exe")],
        [sysmon(Image="C:\\Temp\\notevil.exe"), sysmon(CommandLine="evil.exe")],
    ),
    "command line": Kind(
        "[process:command_line MATCHES 'cmd(\\\\.exe)? +/c .*whoami' AND process:name = 'cmd.exe']",
        [sysmon(Image="C:\\Windows\\cmd.exe", CommandLine='cmd.exe  /c "net & whoami"')],
        [
            sysmon(Image="C:\\Windows\\cmd.exe", CommandLine="cmd.exe /k whoami"),
            sysmon(Image="C:\\Windows\\powershell.exe", CommandLine="cmd /c whoami"),
        ],
    ),
    "registry key": Kind(
        "[windows-registry-key:key = 'HKEY_LOCAL_MACHINE\\\\Software\\\\Evil\\\\Run']",
        [
            sysmon(EventID=13, TargetObject="HKLM\\SOFTWARE\\Evil\\Run\\x"),
            sysmon(TargetObject="HKLM\\software\\evil\\run"),
        ],
        [
            sysmon(EventID=13, TargetObject="HKCU\\SOFTWARE\\Evil\\Run\\x"),
            sysmon(TargetObject="HKLM\\Software\\Evil\\Run2"),
        ],
    ),
    "connection": Kind(
        "[network-traffic:src_ref.value = '10.0.0.1' AND network-traffic:dst_ref.value = '203.0.113.4' AND "
        "(network-traffic:dst_port IN (4444, 4445) OR network-traffic:protocols[*] = 'ssl')]",
        [
            zeek("conn", id__resp_h="203.0.113.4", id__resp_p=4445),
            zeek("ssl", id__resp_h="203.0.113.4"),
            eve("tls", dest_ip="203.0.113.4").replace(b"tls", b"ssl"),
        ],
        [
            zeek("conn", id__resp_h="203.0.113.4", id__resp_p=444),
            zeek("conn", id__orig_h="203.0.113.4", id__resp_h="10.0.0.1", id__resp_p=4444),
        ],
    ),
    "names like": Kind(
        "[domain-name:value LIKE '%.evil.example' AND domain-name:value != 'good.evil.example']",
        [zeek("dns", query="a.evil.example")],
        [zeek("dns", query="evil.example"), zeek("dns", query="good.evil.example")],
    ),
    "address of a name": Kind(
        "[domain-name:value = 'evil.example' AND domain-name:resolves_to_refs[*].value = '203.0.113.4']",
        [zeek("dns", query="evil.example", answers=["198.51.100.1", "203.0.113.4"])],
        [zeek("dns", query="evil.example", answers=["198.51.100.1"])],
    ),
}


def wanted(pattern: str, at: datetime) -> Indicator:
    plan = plan_of(pattern)
    assert plan is None or isinstance(plan, Plan), plan
    return Indicator(1, "indicator--1", at, ACTUAL, read_pattern(pattern).sufficient, plan=plan)


def found_by_all(lines: Block, indicator: Indicator, form: str, at: datetime) -> bool:
    """Tell whether the prefilter and then the matcher find the pattern; a plain reading of every line must agree."""
    matcher = Matcher([indicator])
    plain = any(matcher.match(event, at) for event in lines.events() if not isinstance(event, BrokenLine))
    observables = prefilter(form)  # type: ignore[arg-type]
    observables.add(each for each in indicator.anchors if each.type != "text")
    phrases = Phrases()
    phrases.add(each.value for each in indicator.anchors if each.type == "text")
    spans = sorted({*observables.candidates(lines.text), *phrases.candidates(lines.text)})
    fast = any(matcher.match(event, at) for event in lines.events_at(spans))
    assert fast == plain
    return fast


@pytest.mark.parametrize("form", ["best", "portable"])
@pytest.mark.parametrize("name", KINDS)
def test_a_kind_is_found_where_it_is_and_nowhere_else(name: str, form: str, at: datetime) -> None:
    kind = KINDS[name]
    indicator = wanted(kind.pattern, at)
    missed = [line for line in kind.yes if not found_by_all(block(line, at), indicator, form, at)]
    extra = [line for line in kind.no if found_by_all(block(line, at), indicator, form, at)]
    assert (missed, extra) == ([], [])


@pytest.mark.parametrize("form", ["best", "portable"])
def test_ten_thousand_names_that_look_alike_give_no_hit(form: str, at: datetime) -> None:
    indicator = wanted("[domain-name:value = 'higan.org']", at)
    lines = b"\n".join(zeek("dns", query=f"{number}mic{name}") for number in range(5_000)
                       for name in ("higan.org", "higan.org.example"))  # fmt: skip
    assert not found_by_all(block(lines, at), indicator, form, at)


@pytest.mark.parametrize(
    ("pattern", "code"),
    [
        ("[domain-name:value = 'com']", "pattern-not-observable"),
        ("[ipv4-addr:value ISSUBSET '0.0.0.0/0']", "pattern-not-observable"),
        ("[network-traffic:dst_port = 443]", "pattern-unanchored"),
        ("[file:name = 'a']", "pattern-unanchored"),
        ("[domain-name:value != 'a.example']", "pattern-unanchored"),
        ("[domain-name:value = 'a.example' AND file:size = 3]", "pattern-not-shown"),
        ("[process:command_line MATCHES '(a+)+\\\\1 evil']", "pattern-regex"),
        ("[domain-name:value = 'a.example'] REPEATS 101 TIMES", "pattern-repeats"),
        ("[domain-name:value = 'a.example'] AND [file:size = 3]", "pattern-not-shown"),
    ],
)
def test_what_cannot_be_looked_for_says_why(pattern: str, code: str) -> None:
    reason = plan_of(pattern)
    assert reason is not None
    assert not isinstance(reason, Plan)
    assert reason.code == code
    assert reason.sentence()
