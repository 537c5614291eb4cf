"""What sensors read, asked of the sensors themselves where they are: each format, every kind of value, hostile text."""

import base64
import json
import re
import shutil
import sqlite3
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mithaq.kernel.ids import NationId
from mithaq.release.model import Recipient
from mithaq.response.model import BlockEntry, Blocklist
from mithaq.response.sensors.contents import ZONE, Writer, files
from mithaq.response.sensors.formats import alerts, osquery, zeek
from mithaq.response.sensors.model import LOOKED_FOR, Line, SensorKind
from mithaq.response.settings import BlocklistSettings
from mithaq.standards.observable import Observable
from tests.conftest import AT
from tests.unit.response.decided import released
from tests.unit.response.sensors import captured, zeek_reader
from tests.unit.response.sensors.sensing import (
    HOSTILE,
    LINES,
    OBJECT,
    SHA256,
    VALUES,
    hostile_lines,
    hostile_values,
    line,
)

WRITER = Writer(NationId("XA"), "cert.example:8470", BlocklistSettings(permit_documentation_ranges=True))
_OPTION = r"[a-z0-9_.]+(?::(?:\"(?:[^\"\\;\n])*\"|[^\";\n])+)?; ?"
_RULE = re.compile(rf"alert [a-z0-9-]+ \S+ any (?:->|<>) \S+ \S+ \((?:{_OPTION})+\)")
"""A rule as a whole: header, then options, of which none holds a quote, a backslash or a semicolon of a value."""


def built(lines: list[Line]) -> Blocklist:
    entries = tuple(BlockEntry(Observable(each.type, each.value), released(), AT + timedelta(days=1)) for each in lines)
    return Blocklist(str(Recipient("sensor", "s")), AT, entries, (), ())


def content(kind: SensorKind, lines: list[Line]) -> dict[str, bytes]:
    wanted = [each for each in lines if each.type in LOOKED_FOR[kind]]
    return files(WRITER, kind, wanted, built(wanted), [], serial=7)[0]


def laid_out(folder: Path, found: dict[str, bytes]) -> Path:
    for path, body in found.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(body)
    return folder


def needs(program: str) -> str:
    place = shutil.which(program)
    if place is None:
        pytest.skip(f"{program} is not installed")
    return place


def suricata(folder: Path, rules: str, *more: str) -> subprocess.CompletedProcess[str]:
    command = [needs("suricata"), "-S", str(folder / rules), "-l", str(folder), *more]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("rules", [alerts.RULES, alerts.DATASETS, alerts.FILES])
def test_suricata_takes_every_rule(tmp_path: Path, rules: str) -> None:
    folder = laid_out(tmp_path, content(SensorKind.SURICATA, LINES))
    tried = suricata(folder, rules, "-T", "--strict-rule-keywords=all")
    assert (tried.returncode, tried.stderr) == (0, ""), tried.stdout


def test_suricata_takes_a_bundle_with_nothing_in_it(tmp_path: Path) -> None:
    folder = laid_out(tmp_path, content(SensorKind.SURICATA, []))
    tried = suricata(folder, alerts.RULES, "-T")
    assert tried.returncode == 0, tried.stderr


@pytest.mark.parametrize(
    ("rules", "seen"),
    [
        (alerts.RULES, {"evil.example", "sub.evil.example"}),
        (alerts.DATASETS, {"evil.example"}),
    ],
)
def test_suricata_finds_the_names_in_traffic(tmp_path: Path, rules: str, seen: set[str]) -> None:
    folder = laid_out(tmp_path, content(SensorKind.SURICATA, LINES))
    asked = ["evil.example", "sub.evil.example", "notevil.example", "evil.example.org", "good.example"]
    (folder / "dns.pcap").write_bytes(captured.dns_queries(asked))
    ran = suricata(folder, rules, "-r", str(folder / "dns.pcap"), "-k", "none")
    assert ran.returncode == 0, ran.stderr
    told = [json.loads(each) for each in (folder / "eve.json").read_text().splitlines()]
    hits = [each for each in told if each["event_type"] == "alert"]
    assert {each["dns"]["query"][0]["rrname"] for each in hits} == seen
    if rules == alerts.RULES:
        assert {each["alert"]["metadata"]["mithaq_object"][0] for each in hits} == {OBJECT}
        assert {each["alert"]["action"] for each in hits} == {"allowed"}, "an alert, and nothing is dropped"


def test_an_address_alerts_once_an_hour_however_much_is_sent(tmp_path: Path) -> None:
    folder = laid_out(tmp_path, content(SensorKind.SURICATA, LINES))
    (folder / "dns.pcap").write_bytes(captured.dns_queries(["good.example"] * 20, server="192.0.2.7"))
    for rules in (alerts.RULES, alerts.DATASETS):
        (folder / "eve.json").unlink(missing_ok=True)
        suricata(folder, rules, "-r", str(folder / "dns.pcap"), "-k", "none")
        told = [json.loads(each) for each in (folder / "eve.json").read_text().splitlines()]
        assert sum(each["event_type"] == "alert" for each in told) == 1


def test_lists_are_written_as_suricata_wants_them() -> None:
    found = alerts.lists(LINES)
    names = [base64.b64decode(each).decode() for each in found["suricata/datasets/domain.lst"].split()]
    assert names == ["evil.example", "xn--bcher-kva.example"]
    assert found["suricata/datasets/ip.lst"].split() == [b"192.0.2.7", b"2001:db8::1"]
    assert found["suricata/datasets/sha256.lst"] == f"{SHA256}\n".encode()
    assert alerts.lists([line("sha256", "no hash"), line("md5", "B" * 32)]) == {}


@given(st.lists(st.one_of(hostile_lines(), hostile_values()), max_size=6))
def test_no_value_breaks_out_of_a_rule(lines: list[Line]) -> None:
    found = content(SensorKind.SURICATA, lines)
    for path in (alerts.RULES, alerts.DATASETS, alerts.FILES):
        for rule in found[path].decode("ascii").splitlines():
            assert _RULE.fullmatch(rule), rule
            assert len(re.findall(r"\bsid:\d+;", rule)) == 1
    numbers = re.findall(r" sid:(\d+);", found[alerts.RULES].decode())
    assert len(set(numbers)) == len(numbers)


def test_suricata_takes_rules_of_hostile_values(tmp_path: Path) -> None:
    needs("suricata")
    drawn: list[Line] = []

    @settings(max_examples=150, database=None)
    @given(st.one_of(hostile_lines(), hostile_values()))
    def draw(each: Line) -> None:
        if each.type in ("domain", "url") and each.value:
            drawn.append(each)

    draw()
    folder = laid_out(tmp_path, content(SensorKind.SURICATA, list(dict.fromkeys(drawn))))
    for rules in (alerts.RULES, alerts.DATASETS):
        tried = suricata(folder, rules, "-T")
        assert (tried.returncode, tried.stderr) == (0, "")


def test_zeek_reads_every_kind_of_value() -> None:
    found = zeek_reader.read(content(SensorKind.ZEEK, LINES)[zeek.FILE])
    assert [(each["indicator_type"].removeprefix("Intel::"), each["indicator"]) for each in found] == [
        ("DOMAIN", "evil.example"),
        ("DOMAIN", "xn--bcher-kva.example"),
        ("ADDR", "192.0.2.7"),
        ("ADDR", "2001:db8::1"),
        ("SUBNET", "198.51.100.0/28"),
        ("SUBNET", "2001:db8:1::/48"),
        ("URL", "evil.example:8080/a;b?c=%22d%22|e$f'g(h)"),
        ("URL", "[2001:db8::2]/x"),
        ("URL", "evil.example/secret"),
        ("EMAIL", "o'hara@evil.example"),
        ("FILE_HASH", "b" * 32),
        ("FILE_HASH", "c" * 40),
        ("FILE_HASH", SHA256),
    ]
    assert {each["meta.source"] for each in found} == {"mithaq-XA"}
    assert found[0]["meta.desc"] == f"{OBJECT} from XB"
    assert found[0]["meta.url"] == f"https://cert.example:8470/intelligence/{OBJECT}"


@given(st.lists(st.one_of(hostile_lines(), hostile_values()), max_size=6))
def test_no_value_breaks_out_of_a_field(lines: list[Line]) -> None:
    found = zeek_reader.read(zeek.render(lines, "XA", ""))
    wanted = [each for each in lines if each.type in LOOKED_FOR[SensorKind.ZEEK]]
    assert len(found) == len(wanted)
    for item, each in zip(found, wanted, strict=True):
        assert item["meta.source"] == "mithaq-XA"
        if each.type in ("domain", "email") and each.value:
            assert item["indicator"] == each.value, "Zeek reads back what was meant"


def test_osquery_is_given_statements_that_a_database_takes() -> None:
    pack = json.loads(content(SensorKind.OSQUERY, LINES)[osquery.FILE])
    with sqlite3.connect(":memory:") as tables:
        _make_tables(tables)
        tables.execute("INSERT INTO dns_cache VALUES ('EVIL.example', 'A'), ('good.example', 'A')")
        tables.execute("INSERT INTO processes VALUES (1, 'x', '/tmp/x', '/tmp/x -v'), (2, 'y', '', 'y')")
        tables.execute("INSERT INTO hash VALUES ('/tmp/x', '', '', ?)", (SHA256,))
        tables.execute("INSERT INTO process_open_sockets VALUES (1, '2001:db8::1', 443), (2, '192.0.2.8', 80)")
        found = {name: tables.execute(each["query"]).fetchall() for name, each in pack["queries"].items()}
    assert found["mithaq_domain_1"] == [("EVIL.example", "A")]
    assert found["mithaq_sha256_1"] == [(1, "x", "/tmp/x", "/tmp/x -v", SHA256)]
    assert found["mithaq_address_1"] == [(1, "x", "/tmp/x", "2001:db8::1", 443)]
    assert found["mithaq_md5_1"] == []
    assert pack["queries"]["mithaq_domain_1"]["platform"] == "windows", "no other system has the table"


@given(st.lists(HOSTILE, min_size=1, max_size=5))
def test_no_value_breaks_out_of_a_statement(values: list[str]) -> None:
    pack = json.loads(osquery.render([line("domain", value) for value in values]))
    plain = {value for value in values if "\0" not in value}
    with sqlite3.connect(":memory:") as tables:
        _make_tables(tables)
        tables.executemany("INSERT INTO dns_cache VALUES (?, 'A')", [(value,) for value in plain])
        for each in pack["queries"].values():
            tables.execute(each["query"])  # one statement, or sqlite3 refuses it
            literals = tables.execute("SELECT " + each["query"].partition("IN (")[2].removesuffix(");")).fetchone()
            assert set(literals) == plain
    assert bool(pack["queries"]) == bool(plain)


def test_many_values_are_parted_into_queries() -> None:
    pack = json.loads(osquery.render([line("domain", f"a{each}.example") for each in range(1_001)]))
    assert sorted(pack["queries"]) == ["mithaq_domain_1", "mithaq_domain_2", "mithaq_domain_3"]


def test_bind_takes_the_zone(tmp_path: Path) -> None:
    folder = laid_out(tmp_path, content(SensorKind.RESOLVER, LINES))
    command = [needs("named-checkzone"), "-k", "fail", "rpz.mithaq.invalid", str(folder / ZONE)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "loaded serial 7" in ran.stdout


@pytest.mark.parametrize("kind", SensorKind)
def test_the_same_lines_give_the_same_bytes_and_each_kind_holds_only_what_it_sees(kind: SensorKind) -> None:
    assert content(kind, LINES) == content(kind, list(LINES))
    listed = [json.loads(each) for each in content(kind, LINES)["indicators.ndjson"].splitlines()]
    wanted = [each for each in VALUES if each[0] in LOOKED_FOR[kind]]
    assert [(each["type"], each["value"]) for each in listed] == wanted


def _make_tables(tables: sqlite3.Connection) -> None:
    """Make what osquery has of these tables."""
    tables.execute("CREATE TABLE dns_cache (name TEXT, type TEXT)")
    tables.execute("CREATE TABLE processes (pid INTEGER, name TEXT, path TEXT, cmdline TEXT)")
    tables.execute("CREATE TABLE hash (path TEXT, md5 TEXT, sha1 TEXT, sha256 TEXT)")
    tables.execute("CREATE TABLE process_open_sockets (pid INTEGER, remote_address TEXT, remote_port INTEGER)")
