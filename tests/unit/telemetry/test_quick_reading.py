"""What is planned once for all records of a shape and remembered by value reads as the plain way does."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mithaq.standards.observable import Observable
from mithaq.telemetry.lake import shredding
from mithaq.telemetry.lake.cells import Cells
from mithaq.telemetry.lake.columns import COLUMNS, Cell, cell_of
from mithaq.telemetry.lake.layout import ORDERED
from mithaq.telemetry.lake.shredding import Holds
from mithaq.telemetry.lake.values import Values
from mithaq.telemetry.parsers import fields
from mithaq.telemetry.parsers.fields import observables_of
from mithaq.telemetry.vocabulary import ecs_fields

NAMES = st.sampled_from(
    [
        *("id.orig_h", "src_ip", "query", "host", "uri", "url", "md5", "Hashes", "QueryResults", "CommandLine"),
        *("ja3", "ts", "uid", "version", "user_agent", "answers", "id.resp_p", "scheme", "", "a.b", "a", "http"),
    ]
)
TEXTS = st.sampled_from(
    [
        *("192.0.2.7", "192.0.2.07", "2001:DB8::1", "::ffff:192.0.2.1", "2020-05-01T12:00:00Z", "12:30:01", ":", "["),
        *("Evil.Example.", "a@evil.example", "http://evil.example/a", "/a?b", "evil.example:443", "*.evil.example"),
        *("[2001:db8::1]:80", "0" * 32, "SHA1=" + "a" * 40 + ",MD5=" + "b" * 32, "type:  5 cdn.evil.example;::1;"),
        *(
            "curl http://evil.example/x",
            "-",
            "",
            "10.0.0.0/8",
            "tcp",
            "x" * 300 + ".example",
            " 192.0.2.7 ",
            "é.example",
        ),
    ]
)
LEAVES = st.one_of(TEXTS, st.integers(-1, 70_000), st.booleans(), st.none())
RECORDS = st.dictionaries(
    NAMES,
    st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3)),
    max_size=8,
)


def plainly(record: dict[str, Any]) -> list[tuple[str, Observable]]:
    """Read every leaf for itself, remembering nothing and passing over nothing."""
    found: list[tuple[str, Observable]] = []
    for field, text in leaves("", record):
        holds, kind = fields._meaning(field)
        found += [(field, seen) for seen in fields._typed(holds, kind, text)]
    return list(dict.fromkeys(found))


def leaves(field: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield field, value
    elif isinstance(value, dict):
        prefix = f"{field}." if field else ""
        if not fields.URL_PATHS.isdisjoint(value):
            yield from fields.composed_urls(prefix, value)
        for name, inner in value.items():
            yield from leaves(prefix + name, inner)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(field, inner)


@settings(max_examples=400, deadline=None)
@given(RECORDS)
def test_the_quick_way_reads_what_the_plain_way_does(record: dict[str, Any]) -> None:
    assert list(observables_of(record)) == plainly(record)
    assert list(observables_of(record)) == plainly(record), "the second time, everything is remembered"


def test_a_line_of_endless_names_is_not_remembered() -> None:
    record = {f"{number:05}" * 10: "192.0.2.1" for number in range(200)}
    known = len(fields._PLANS)
    assert len(observables_of(record)) == 200
    assert len(fields._PLANS) <= known


def cells_of(kind: str, record: dict[str, Any]) -> dict[str, Cell]:
    """Look at every field of one record for itself."""
    found = {name: cell_of(name, text) for name, text in ecs_fields(kind, record).items()}
    return {name: cell for name, cell in found.items() if cell is not None}


@pytest.mark.parametrize(
    ("kind", "record", "cells"),
    [
        (
            "zeek.conn",
            {"id.orig_h": "2001:DB8:0::1", "id.orig_p": 443},
            {"source.ip": "2001:db8::1", "source.port": 443},
        ),
        (
            "zeek.dns",
            {"query": "A.Example.", "answers": ["192.0.2.1", "b.example"]},
            {"dns.question.name": "a.example", "dns.resolved_ip": ["192.0.2.1"]},
        ),
        ("suricata.dns", {"dns": {"rrname": "A.Example"}}, {"dns.question.name": "a.example"}),
        (
            "windows.sysmon",
            {"QueryResults": "type:  5 a.example;::ffff:192.0.2.1;"},
            {"dns.resolved_ip": ["192.0.2.1"]},
        ),
        (
            "windows.sysmon",
            {"ProcessId": "0x1f4", "Hashes": "MD5=" + "A" * 32},
            {"process.pid": 500, "file.hash.md5": "a" * 32},
        ),
        ("windows.security", {"IpAddress": "LOCAL", "IpPort": "-"}, {}),
        ("mail.postfix", {"to": ["A@b.example", "c@d.example"]}, {"email.to.address": ["a@b.example", "c@d.example"]}),
        ("web.combined", {"client": "192.0.2.1", "status": 10**12}, {"source.ip": "192.0.2.1"}),
        ("json", {"src_ip": "192.0.2.1"}, {}),
    ],
)
def test_a_column_has_one_form_whatever_the_sensor_wrote(kind: str, record: dict[str, Any], cells: Any) -> None:
    assert cells_of(kind, record) == cells


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["zeek.x", "suricata.x", "windows.x", "proxy", "dns.dnstap", "ecs.x", "nothing"]), RECORDS)
def test_every_cell_is_of_a_column_and_the_plan_changes_nothing(kind: str, record: dict[str, Any]) -> None:
    from mithaq.telemetry import vocabulary

    vocabulary._PLANS.clear()
    first = ecs_fields(kind, record)
    assert ecs_fields(kind, record) == first
    assert list(first) == sorted(first)
    assert set(cells_of(kind, record)) <= set(COLUMNS)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["zeek", "suricata", "windows", "proxy", "dns", "ecs", "json"]), st.lists(RECORDS, max_size=6))
def test_many_records_say_in_columns_what_they_say_one_by_one(sensor: str, records: list[dict[str, Any]]) -> None:
    cells, values, found = Cells(len(records)), Values(), set[tuple[int, str, Observable]]()
    for holds, column in shredding.leaves(np.arange(len(records), dtype=np.int32), records):
        cells.add(sensor, holds, column)
        if holds is Holds.TEXTS:
            found |= set(values.sights_of(values.texts("actual", column)))
    assert found == {(row, field, seen) for row, record in enumerate(records) for field, seen in plainly(record)}
    columns = {name: array.to_pylist() for name, array in cells.arrays().items() if name not in ORDERED.values()}
    rows = [
        {name: column[row] for name, column in columns.items() if column[row] is not None}
        for row in range(len(records))
    ]
    assert rows == [cells_of(sensor, record) for record in records]
