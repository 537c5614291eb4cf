"""Segments that earlier programs sealed are read as those of today are, alone and together with them."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from mithaq.kernel.durable import replace_whole
from mithaq.kernel.lane import ACTUAL
from mithaq.telemetry.lake.files import files_of
from mithaq.telemetry.lake.finding import Wanted
from mithaq.telemetry.lake.index import index_path
from mithaq.telemetry.lake.indexing import indexed_anew
from mithaq.telemetry.lake.kept_lines import decoded_lines, sealed_events
from mithaq.telemetry.lake.question import Question
from mithaq.telemetry.lake.reading import check, rows_for
from mithaq.telemetry.lake.sealing import seal
from tests.unit.telemetry.blocks import block
from tests.unit.telemetry.events import hunt, seen

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
FIRST = ["segment", "row", "event_id", "at", "source", "kind", "lane", "raw"]
LAYOUTS = {"first": FIRST, "with headers": [*FIRST, "header"], "present": None}
DNS: dict[str, Any] = {"_path": "dns", "ts": NOON.timestamp(), "id.orig_h": "10.0.0.2", "query": "a.evil.example"}
HEADER = (b"#separator \\x09", b"#path\tdns", b"#fields\tts\tuid\tid.orig_h\tquery")


def sealed(data: Path, number: int, columns: list[str] | None) -> str:
    """Seal a record of JSON and a row below a header, with these columns alone."""
    lines = [json.dumps({**DNS, "uid": f"J{number}"}).encode(), *HEADER, b"1763640000.0\tR\t10.0.0.3\tb.evil.example"]
    stem = f"lake/hour=2026-11-20T12/source=s/{number:012d}"
    assert seal(data, stem, number, [block(b"\n".join(lines), NOON).parsed()]) == 2
    file = files_of(data, stem)[0]
    pq.write_table(pq.read_table(file, columns=columns, partitioning=None), file)
    replace_whole(index_path(data, stem), indexed_anew(data, stem))
    return stem


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_segment_of_any_layout_is_whole_and_gives_its_lines(tmp_path: Path, layout: str) -> None:
    stem = sealed(tmp_path, 1, LAYOUTS[layout])
    check(tmp_path, stem)
    lines = [event.raw for events in sealed_events(tmp_path, stem) for event in events]
    assert [line[:1] for line in lines] == [b"{", b"1"]
    decoded = [said.record["query"] for _, said in decoded_lines(tmp_path, stem, lambda kind: kind == "zeek.dns")]
    assert decoded == ["a.evil.example", "b.evil.example"][: 1 if layout == "first" else 2]


def test_segments_of_all_layouts_answer_together(tmp_path: Path) -> None:
    stems = [sealed(tmp_path, number, columns) for number, columns in enumerate(LAYOUTS.values(), 1)]
    found = list(hunt(tmp_path, [Wanted(0, ACTUAL, seen("domain:evil.example"))], stems))
    assert [each.event.raw[:1] for each in found] == [b"{", b"1"] * 3
    assert [bool(each.event.header) for each in found if each.event.raw[:1] == b"1"] == [True, True, False]
    for order in (stems, stems[::-1]):
        rows = rows_for(
            tmp_path,
            Question(values=("evil.example",), sources=("s",)).checked(),
            order,
            asked_at=NOON,
            limit=10,
            seconds=60,
            memory_bytes=512 << 20,
        )
        assert sorted(row["raw"][:1] for row in rows) == [b"1"] * 3 + [b"{"] * 3
