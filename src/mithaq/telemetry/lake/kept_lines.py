"""Read the lines of a sealed segment as they lie there, for what no index knows: all, or those of some kinds, decoded.

Only the hunter process imports this module: Arrow is heavy. A part of a file that has no line of these kinds costs the
reading of its column of kinds.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC
from functools import partial
from itertools import accumulate, groupby
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mithaq.kernel.lane import Lane
from mithaq.telemetry.errors import BadLine
from mithaq.telemetry.lake.damage import told_of
from mithaq.telemetry.lake.files import files_of
from mithaq.telemetry.model import Event, Format, Source
from mithaq.telemetry.parsers.line import Decoded, LineParser

_COLUMNS: Final = ("event_id", "at", "source", "kind", "lane", "raw", "header")
_BATCH_EVENTS: Final = 5_000


def sealed_events(data: Path, stem: str) -> Iterator[list[Event]]:
    """Yield the events of a segment in parts, in order, without what was found in them.

    Raises:
        LakeBroken: the segment is damaged; what comes before the damage was yielded.
    """
    with told_of(stem), pq.ParquetFile(files_of(data, stem)[0]) as file:
        for batch in file.iter_batches(_BATCH_EVENTS, columns=columns_in(file)):
            yield [event_of(row) for row in batch.to_pylist()]


def rows_of(data: Path, stem: str, rows: Sequence[int]) -> Iterator[Event]:
    """Yield the events of these rows, which stand in order, from the groups of rows that have them.

    Raises:
        LakeBroken: the segment is damaged; what comes before the damage was yielded.
    """
    with told_of(stem), pq.ParquetFile(files_of(data, stem)[0]) as file:
        counts = (file.metadata.row_group(number).num_rows for number in range(file.num_row_groups))
        ends = list(accumulate(counts))
        for group, here in groupby(rows, key=partial(bisect_right, ends)):
            first = ends[group - 1] if group else 0
            found = file.read_row_group(group, columns_in(file), use_threads=False)
            yield from map(event_of, found.take([row - first for row in here]).to_pylist())


def columns_in(file: pq.ParquetFile) -> list[str]:
    """Return the columns that make an event, as far as a segment has them: none had headers at first."""
    present = set(file.schema_arrow.names)
    return [name for name in _COLUMNS if name in present]


def event_of(row: dict[str, Any]) -> Event:
    """Return the event of a row; its header is empty in what was sealed before headers were kept."""
    header = row.get("header") or b""
    at = row["at"].astimezone(UTC)
    return Event(row["event_id"], at, row["source"], row["kind"], Lane(row["lane"]), (), row["raw"], header)


def decoded_lines(data: Path, stem: str, is_wanted: Callable[[str], bool]) -> Iterator[tuple[Event, Decoded]]:
    """Yield the events of these kinds in their order, each with what its line says.

    A row below a header that was sealed without it cannot be read again and is left out.

    Raises:
        LakeBroken: the segment is damaged; what comes before the damage was yielded.
    """
    with told_of(stem), pq.ParquetFile(files_of(data, stem)[0]) as file:
        columns = columns_in(file)
        for group in range(file.num_row_groups):
            kinds = pc.unique(file.read_row_group(group, ["kind"])["kind"]).to_pylist()
            wanted = [kind for kind in kinds if is_wanted(kind)]
            if wanted:
                for batch in file.iter_batches(_BATCH_EVENTS, row_groups=[group], columns=columns):
                    yield from _decoded(batch.filter(pc.is_in(batch["kind"], pa.array(wanted))))


def _decoded(batch: pa.RecordBatch) -> Iterator[tuple[Event, Decoded]]:
    parsers: dict[bytes, LineParser] = {}
    for row in batch.to_pylist():
        event = event_of(row)
        if event.header not in parsers:
            parsers[event.header] = LineParser(Source(event.source, "", Format.AUTO, event.lane), state=event.header)
        try:
            decoded = parsers[event.header].decode(event.raw, event.at)
        except BadLine:
            continue
        if decoded is not None:
            yield event, Decoded(event.kind, event.at, decoded.record)
