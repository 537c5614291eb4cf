"""A list's good lines become indicators, its bad lines are named by number, and the same list again is nothing new."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mithaq.intelligence.errors import BadList, BadMapping, TooMuch
from mithaq.intelligence.imports.lists.entries import BadLine, Entry
from mithaq.intelligence.imports.lists.mapping import Columns, Mapping, read_mapping
from mithaq.intelligence.imports.lists.objects import import_list, indicator_id
from mithaq.intelligence.imports.lists.reading import read_list
from mithaq.intelligence.model import ImportReport, ImportTerms
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.settings import LIST_FILE
from mithaq.intelligence.warninglists import WarningLists
from mithaq.kernel.database import Database
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from mithaq.standards.observable import recognise
from mithaq.standards.tlp import Tlp
from tests.costs import grows_with_its_length

LIST = Mapping(origin="a list")
CSV = Mapping(origin="a table", form="csv")
HASH = "d41d8cd98f00b204e9800998ecf8427e"


def read(data: bytes | str, mapping: Mapping = LIST, **limits: int) -> list[Entry | BadLine]:
    body = data.encode() if isinstance(data, str) else data
    return list(read_list(io.BytesIO(body), mapping, replace(LIST_FILE, **limits)))


def values(data: bytes | str, mapping: Mapping = LIST) -> list[str]:
    found = read(data, mapping)
    assert not [each for each in found if isinstance(each, BadLine)], found
    return [str(each.observable) for each in found if isinstance(each, Entry)]


def refusals(data: bytes | str, mapping: Mapping = LIST, **limits: int) -> list[tuple[int, str]]:
    return [(each.line, each.reason.code) for each in read(data, mapping, **limits) if isinstance(each, BadLine)]


def test_a_plain_list_is_read_as_people_write_it() -> None:
    text = f"""\ufeff# a comment

hxxp://evil[.]example/gate#top # a note
198.51.100.7:8080\t; not a comment sign
198.51.100.8:443
[2001:db8::1]:443
198.51.100.0/24
evil[.]example
evil.example/gate.php
{HASH.upper()}
someone[@]evil.example
مثال.إختبار
"""
    found = read(text)
    assert [(each.line, each.reason.code) for each in found if isinstance(each, BadLine)] == [(4, "line-without-value")]
    entries = [each for each in found if isinstance(each, Entry)]
    assert [str(each.observable) for each in entries] == [
        "url:http://evil.example/gate#top",
        "ipv4:198.51.100.8",
        "ipv6:2001:db8::1",
        "cidr:198.51.100.0/24",
        "domain:evil.example",
        "url:http://evil.example/gate.php",
        f"md5:{HASH}",
        "email:someone@evil.example",
        "domain:xn--mgbh0fb.xn--kgbechtv",
    ]
    assert entries[0].description == "a note"


def test_a_hosts_file_is_its_names() -> None:
    own = "127.0.0.1 localhost\n::1 ip6-localhost ip6-loopback\nfe80::1%lo0 localhost\n"
    text = f"{own}0.0.0.0 bad.example worse.example # ads\n"
    assert values(text) == ["domain:bad.example", "domain:worse.example"]
    assert refusals("198.51.100.7 mail.example\n") == [(1, "line-without-value")]


def test_a_list_with_its_own_comment_sign() -> None:
    assert values("; Spamhaus\n192.0.2.0/24 ; SBL1\n", Mapping(origin="drop", comments=(";",))) == ["cidr:192.0.2.0/24"]


@pytest.mark.parametrize("value", ["0.0.0.0/0", "198.51.100.0/33", "localhost", "27/11/2026", "=1+1", "evil", "a b"])
def test_what_is_no_value_is_refused_not_guessed(value: str) -> None:
    assert refusals(f"{value}\nok.example\n") == [(1, "line-without-value")]


def test_columns_are_found_by_title_or_place() -> None:
    table = 'Seen,"Indicator",Kind,Tags,Conf,Note\n2026-01-02 03:04:05,evil.example,Hostname,"c2; apt29",High,"a, b"\n'
    by_title = Mapping(
        origin="t", form="csv", header=True, types={"hostname": "domain"}, confidences={"high": 85},
        columns=Columns(value="indicator", type="kind", labels=("tags",), confidence="conf", first_seen="SEEN",
                        description="note"),
    )  # fmt: skip
    by_place = msgspec.structs.replace(
        by_title, columns=Columns(value=1, type=2, labels=(3,), confidence=4, first_seen=0, description=5)
    )
    (entry,) = read(table, by_title)
    assert [entry] == read(table, by_place)
    assert isinstance(entry, Entry)
    assert (entry.labels, entry.confidence, entry.description) == (("c2", "apt29"), 85, "a, b")
    assert entry.first_seen == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "time_format", "at"),
    [
        ("2026-01-02", None, datetime(2026, 1, 2, tzinfo=UTC)),
        ("2026-01-02T03:04:05.678999+03:00", None, datetime(2026, 1, 2, 0, 4, 5, 678000, tzinfo=UTC)),
        ("2026-01-02 03:04:05 UTC", None, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("1767323045", None, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("1767323045000", None, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("02/01/2026", "%d/%m/%Y", datetime(2026, 1, 2, tzinfo=UTC)),
    ],
)
def test_times_are_read_in_the_forms_lists_use(text: str, time_format: str | None, at: datetime) -> None:
    mapping = Mapping(origin="t", form="csv", columns=Columns(last_seen=1), time_format=time_format)
    (entry,) = read(f"evil.example,{text}\n", mapping)
    assert isinstance(entry, Entry)
    assert entry.last_seen == at


@pytest.mark.parametrize(
    ("columns", "line", "code"),
    [
        (Columns(first_seen=1), "a.example,01/02/2026", "line-with-bad-time"),
        (Columns(first_seen=1), "a.example,99999999999999999999", "line-with-bad-time"),
        (Columns(confidence=1), "a.example,101", "line-with-bad-confidence"),
        (Columns(confidence=1), "a.example,٥٠", "line-with-bad-confidence"),
        (Columns(type=1), "a.example,mutex", "line-of-unknown-type"),
        (Columns(type=1), "a.example,md5", "line-without-value"),
        (Columns(description=7), "a.example,x", "line-too-short"),
        (Columns(), '"a.example', "line-not-csv"),
        (Columns(), '"a"b,c', "line-not-csv"),
        (Columns(), "a.example" + "," * 300, "line-not-csv"),
        (Columns(), "=HYPERLINK(A1),x", "line-without-value"),
    ],
)  # fmt: skip
def test_a_bad_line_is_refused_by_its_number_and_the_rest_goes_on(columns: Columns, line: str, code: str) -> None:
    good = "ok.example" + ",2026-01-01" * 7 if columns.first_seen else "ok.example" + ",50" * 7
    good = good.replace(",50", ",domain", 1) if columns.type else good
    found = read(f"{good}\n{line}\n{good}\n", msgspec.structs.replace(CSV, columns=columns))
    assert [isinstance(each, Entry) for each in found] == [True, False, True]
    assert isinstance(found[1], BadLine)
    assert (found[1].line, found[1].reason.code) == (2, code)
    assert found[1].reason.sentence()


def test_a_formula_in_a_text_is_a_text(sqlite_holdings: Holdings, terms: ImportTerms, at: datetime) -> None:
    mapping = msgspec.structs.replace(CSV, columns=Columns(description=1))
    imported(sqlite_holdings, "a.example,=cmd|'/c calc'!A0\x1b[31m\n", mapping, terms, at)
    (fields,) = held(sqlite_holdings, at)
    assert fields["description"] == "=cmd|'/c calc'!A0 [31m"


def test_a_field_goes_on_over_lines_only_where_the_mapping_says_so() -> None:
    table = 'a.example,"one\ntwo"\nb.example,x\n'
    many = msgspec.structs.replace(CSV, multiline=True, columns=Columns(description=1))
    first, second = read(table, many)
    assert isinstance(first, Entry)
    assert isinstance(second, Entry)
    assert (first.line, first.description, second.line) == (1, "one two", 3)
    assert refusals(table, CSV) == [(1, "line-not-csv"), (2, "line-without-value")]
    endless = 'a.example,"' + "x\n" * 200 + "b.example,x\n"
    assert refusals(endless, many)[0] == (1, "line-not-csv")
    assert [each.observable.value for each in read(endless, many) if isinstance(each, Entry)] == ["b.example"]


@pytest.mark.parametrize("encoding", ["windows-1256", "utf-8"])
def test_arabic_is_read_in_the_encoding_that_the_mapping_names(encoding: Any) -> None:
    mapping = msgspec.structs.replace(CSV, encoding=encoding, columns=Columns(description=1))
    (entry,) = read("a.example,خادم تحكم\n".encode(encoding), mapping)
    assert isinstance(entry, Entry)
    assert entry.description == "خادم تحكم"


def test_french_of_windows_is_refused_as_utf8_and_read_as_itself() -> None:
    data = "a.example,dégât\nb.example,x\n".encode("windows-1252")
    assert refusals(data, CSV) == [(1, "line-not-in-encoding")]
    assert not refusals(data, msgspec.structs.replace(CSV, encoding="windows-1252"))


def test_utf16_is_named_for_what_it_is() -> None:
    with pytest.raises(BadList):
        read("a.example\n".encode("utf-16"))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_counts_once(end: str) -> None:
    assert [each.line for each in read(f"a.example{end}{end}b.example{end}c.example")] == [1, 3, 4]


class Blocks:
    """A file that hands out its bytes a few at a time."""

    def __init__(self, data: bytes, size: int) -> None:
        self._data, self._size, self._at = data, size, 0

    def read(self, size: int, /) -> bytes:
        block = self._data[self._at : self._at + self._size]
        self._at += len(block)
        return block


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_where_blocks_end_changes_nothing(size: int) -> None:
    data = b"\xef\xbb\xbfa.example\r\n\r\nb.example\rx\x00\n" + b"y" * 40 + b"\r\nc.example\n" + b"z" * 40
    whole = read(data, max_object_bytes=30)
    door = replace(LIST_FILE, max_object_bytes=30)
    assert list(read_list(Blocks(data, size), LIST, door)) == whole
    assert [each.line for each in whole] == [1, 3, 4, 5, 6, 7]
    assert [each.reason.code for each in whole if isinstance(each, BadLine)] == [
        "line-with-nul", "line-too-long", "line-too-long",
    ]  # fmt: skip


class Endless:
    """One line of a hundred megabytes, made as it is read."""

    def __init__(self) -> None:
        self.left, self.largest = 100 * 1024 * 1024, 0

    def read(self, size: int, /) -> bytes:
        self.largest = max(self.largest, size)
        piece, self.left = min(size, self.left), self.left - min(size, self.left)
        return b"x" * piece


def test_a_line_of_a_hundred_megabytes_is_one_refusal_and_never_held() -> None:
    source = Endless()
    (only,) = read_list(source, LIST)
    assert isinstance(only, BadLine)
    assert (only.line, only.reason.code) == (1, "line-too-long")
    assert source.largest < 1024 * 1024


def test_a_list_ends_at_the_doors_limits() -> None:
    assert (LIST_FILE.max_objects, LIST_FILE.max_object_bytes) == (10_000_000, 64 * 1024)
    with pytest.raises(TooMuch):
        read("a.example\n" * 4, max_objects=3)
    with pytest.raises(TooMuch):
        read("a.example\n" * 4, max_bytes=39)


@pytest.mark.parametrize("unit", ["a.example,", '"', "#", " #", "[.]", "0.0.0.0 ", "x\r", ":", "%", "أ"])
@pytest.mark.parametrize("mapping", [LIST, msgspec.structs.replace(CSV, multiline=True)])
def test_no_list_costs_more_than_its_length(unit: str, mapping: Mapping) -> None:
    def cost(data: bytes) -> int:
        return len(read(data, mapping, max_object_bytes=10**9))

    assert grows_with_its_length(cost, lambda length: (unit * length).encode(), 100_000)


def test_a_mapping_is_a_json_document_that_reads_back() -> None:
    mapping = Mapping(
        origin="t", form="csv", header=True, delimiter=";", encoding="windows-1256", types={"ip": "ipv4"},
        columns=Columns(value="v", labels=("a", 3)),
    )  # fmt: skip
    assert read_mapping(mapping.as_json()) == mapping
    assert read_mapping(b'\xef\xbb\xbf{"origin":"t"}') == Mapping(origin="t")


@pytest.mark.parametrize(
    "changes",
    [
        {"origin": ""},
        {"origin": "x" * 201},
        {"form": "xml"},
        {"delimiter": ""},
        {"delimiter": ";;"},
        {"quote": ","},
        {"columns": {"value": "title"}},
        {"columns": {"value": -1}},
        {"columns": {"valu": 1}},
        {"encoding": "utf-7"},
        {"confidence": 101},
        {"valid_days": 0},
        {"type": "mutex"},
        {"types": {"IP": "ipv4"}},
        {"time_format": "%d"},
        {"comments": [""]},
    ],
)
def test_a_mapping_that_cannot_be_followed_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(BadMapping):
        read_mapping(json.dumps({"origin": "t", **changes}).encode())
    for broken in (b"", b"[]", b"{", b'{"origin":"t","x":1}', b"[" * 60_000, b"\xff"):
        with pytest.raises(BadMapping):
            read_mapping(broken)


def test_a_column_that_the_header_does_not_have_ends_the_reading() -> None:
    with pytest.raises(BadMapping, match="no column"):
        read("a,b\n", Mapping(origin="t", form="csv", header=True, columns=Columns(value="c")))


def imported(
    holdings: Holdings, data: str, mapping: Mapping, terms: ImportTerms, at: datetime, **more: Any
) -> ImportReport:
    source = io.BytesIO(data.encode())
    return import_list(holdings, source, mapping=mapping, terms=terms, warning_lists=None, at=at, **more)


def held(holdings: Holdings, at: datetime) -> list[dict[str, Any]]:
    with holdings.db.read() as connection:
        return [json.loads(each.body) for each in holdings.active_indicators(connection, at, 0, 1000)]


@pytest.fixture
def holdings(db: Database) -> Iterator[Holdings]:
    yield Holdings(db)


def test_a_real_events_values_come_in_as_a_csv(
    data_dir: Path, holdings: Holdings, terms: ImportTerms, at: datetime, warning_lists: WarningLists
) -> None:
    event = json.loads((data_dir / "misp-events" / "windigo_ebury.misp.json").read_bytes())["response"][0]["Event"]
    every = [*event.get("Attribute", []), *(a for o in event.get("Object", []) for a in o["Attribute"])]
    file = io.StringIO()
    table = csv.writer(file)
    table.writerow(["uuid", "type", "value", "comment", "timestamp"])
    for each in every:
        table.writerow([each["uuid"], each["type"], each["value"], each.get("comment"), each["timestamp"]])
    mapping = Mapping(
        origin="windigo", form="csv", header=True, multiline=True,
        columns=Columns(value="value", description="comment", first_seen="timestamp"), labels=("windigo",),
    )  # fmt: skip
    wanted = {found for each in every if (found := recognise(each["value"])) is not None}
    source = io.BytesIO(file.getvalue().encode())
    report = import_list(holdings, source, mapping=mapping, terms=terms, warning_lists=warning_lists, at=at)
    assert report.stored == len(wanted) > 50
    assert report.stored + report.duplicates + report.refused_count == len(every)
    ids = {indicator_id(terms.nation, "windigo", each) for each in wanted}
    assert {each["id"] for each in held(holdings, at)} == ids


def test_the_same_list_again_stores_nothing_new(holdings: Holdings, terms: ImportTerms, at: datetime) -> None:
    text = "a.example\nb.example # note\nhxxp://c[.]example/\nA.EXAMPLE\n"
    first = imported(holdings, text, LIST, terms, at)
    again = imported(holdings, text, LIST, terms, at + timedelta(days=1))
    assert (first.stored, first.duplicates) == (3, 1)
    assert (again.stored, again.duplicates, again.refused_count) == (0, 4, 0)


def test_a_line_that_says_something_else_is_a_new_version(holdings: Holdings, terms: ImportTerms, at: datetime) -> None:
    imported(holdings, "a.example # one\n", LIST, terms, at)
    report = imported(holdings, "a.example # two\n", LIST, terms, at + timedelta(hours=1))
    assert report.stored == 1
    with holdings.db.read() as connection:
        name = indicator_id(terms.nation, LIST.origin, recognise("a.example") or pytest.fail())
        newer, older = holdings.get(connection, name, ACTUAL)
    assert (newer.stands, older.stands) == (True, False)
    assert newer.stix.created == older.stix.created == at


def test_a_value_that_stays_listed_is_renewed_after_half_its_validity(
    holdings: Holdings, terms: ImportTerms, at: datetime
) -> None:
    imported(holdings, "a.example\n", LIST, terms, at)
    assert imported(holdings, "a.example\n", LIST, terms, at + timedelta(days=44)).stored == 0
    assert imported(holdings, "a.example\n", LIST, terms, at + timedelta(days=46)).stored == 1
    (fields,) = held(holdings, at + timedelta(days=100))
    assert fields["valid_until"].startswith("2027-04-08")


def test_a_list_does_not_bring_back_what_this_nation_withdrew(
    holdings: Holdings, terms: ImportTerms, at: datetime
) -> None:
    imported(holdings, "a.example\n", LIST, terms, at)
    name = indicator_id(terms.nation, LIST.origin, recognise("a.example") or pytest.fail())
    with holdings.db.write(at) as tx:
        holdings.withdraw(tx, name, ACTUAL, terms.nation, "benign")
    report = imported(holdings, "a.example # other\nb.example\n", LIST, terms, at + timedelta(days=1))
    assert [(line, reason.code) for line, reason in report.refused] == [("line 1", "withdrawn-here")]
    assert report.stored == 1


def test_two_lists_are_two_words_and_two_nations_two_indicators() -> None:
    seen = recognise("a.example")
    assert seen is not None
    ids = {indicator_id(NationId(n), origin, seen) for n in ("XA", "XB") for origin in ("one", "two")}
    assert len(ids) == 4


def test_a_lines_own_label_narrows_and_never_widens(
    sqlite_holdings: Holdings, terms: ImportTerms, at: datetime
) -> None:
    mapping = msgspec.structs.replace(CSV, columns=Columns(labels=(1,)))
    imported(sqlite_holdings, "a.example,tlp:red\nb.example,TLP:CLEAR\nc.example,tlp:pink\n", mapping, terms, at)
    with sqlite_holdings.db.read() as connection:
        stored = sqlite_holdings.rows(connection, [1, 2, 3])
    assert [each.tlp for each in stored] == [Tlp.RED, Tlp.GREEN, Tlp.RED]


def test_what_has_expired_is_not_taken_up(sqlite_holdings: Holdings, terms: ImportTerms, at: datetime) -> None:
    mapping = msgspec.structs.replace(CSV, columns=Columns(last_seen=1, valid_until=2))
    text = "a.example,2020-01-01,\nb.example,,2026-01-01\nc.example,,2027-01-01\n"
    report = imported(sqlite_holdings, text, mapping, terms, at)
    assert [(line, reason.code) for line, reason in report.refused] == [
        ("line 1", "line-expired"), ("line 2", "line-expired"),
    ]  # fmt: skip
    assert imported(sqlite_holdings, text.replace("2027", "2028"), mapping, terms, at + timedelta(days=1)).stored == 1


def test_what_came_before_a_limit_is_kept(sqlite_holdings: Holdings, terms: ImportTerms, at: datetime) -> None:
    door = replace(LIST_FILE, max_objects=2)
    report = imported(sqlite_holdings, "a.example\nb.example\nc.example\n", LIST, terms, at, door=door)
    assert (report.stored, report.broken and report.broken.code) == (2, "door-limit")
