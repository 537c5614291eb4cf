"""Turn a closed segment into Parquet, and many small ones into one, in the hunter's process: Arrow is heavy."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from mithaq.kernel.durable import UNFINISHED, publish
from mithaq.telemetry.blocks import Parsed
from mithaq.telemetry.lake.cells import Cells
from mithaq.telemetry.lake.files import files_of
from mithaq.telemetry.lake.indexing import write_index
from mithaq.telemetry.lake.layout import EVENTS
from mithaq.telemetry.lake.shredding import Holds, leaves
from mithaq.telemetry.lake.values import Values, crowded, without
from mithaq.telemetry.model import event_id
from mithaq.telemetry.parsers.fields import observables_of

_BATCH_EVENTS: Final = 10_000
_BATCH_BYTES: Final = 8 << 20
_PAGE_BYTES: Final = 16 << 10
_ROWS_A_PAGE: Final = 256
"""A hunt reads the pages of lines that have what it found: small ones, so that it reads little besides."""
_UNLIKE: Final = frozenset({"row", "event_id", "at", "raw"})
"""In these columns hardly a value comes twice."""

_MERGED_EVENTS: Final = 5_000


def seal(data: Path, stem: str, number: int, parts: Iterable[Parsed]) -> int:
    """Write a segment's events, values and index durably; return how many events there are."""
    (data / stem).parent.mkdir(parents=True, exist_ok=True)
    values = Values()
    count = 0
    with _writer(files_of(data, stem)[0]) as writer:
        for batch in _batches(parts):
            cells, pairs = _taken_apart(batch, count, values)
            values.add(pairs)
            writer.write_table(_table(batch, cells, number, count))
            count += len(batch)
    _finish(data, stem, number, values)
    return count


def merge(data: Path, stems: Sequence[str], number: int) -> str:
    """Write several sealed segments of one folder as one, in order, and return its path.

    The caller removes the old ones once that is known.
    """
    first, last = stems[0].partition("-to-")[0], stems[-1].rpartition("/")[2].rpartition("-")[2]
    stem = f"{first}-to-{last}"
    values = Values()
    count = 0
    with _writer(files_of(data, stem)[0]) as writer:
        for each in stems:
            old_events, old_values = files_of(data, each)
            values.add_sealed(old_values, count)
            for batch in pq.ParquetFile(old_events).iter_batches(_MERGED_EVENTS):
                table = _renumbered(pa.Table.from_batches([batch]), number, count)
                writer.write_table(table)
                count += table.num_rows
    _finish(data, stem, number, values)
    return stem


def _batches(parts: Iterable[Parsed]) -> Iterator[Parsed]:
    """Put what one source's lines say together, as much as is sealed at once."""
    batch: Parsed | None = None
    size = 0
    for part in parts:
        if batch is not None and (part.source != batch.source or len(batch) >= _BATCH_EVENTS or size >= _BATCH_BYTES):
            yield batch
            batch = None
        if batch is None:
            batch, size = Parsed(part.source), 0
        batch.extend(part)
        size += sum(map(len, part.raws))
    if batch:
        yield batch


def _taken_apart(batch: Parsed, first_row: int, values: Values) -> tuple[Cells, npt.NDArray[np.int64]]:
    """Return the columns of the vocabulary, and what the lines name with the rows that have it."""
    lane = batch.source.lane.value
    cells = Cells(len(batch))
    found = [np.empty(0, np.int64)]
    for sensor, rows in _by_sensor(batch.kinds).items():
        for holds, column in leaves(rows, [batch.records[row] for row in rows.tolist()]):
            cells.add(sensor, holds, column)
            if holds is Holds.TEXTS:
                found.append(values.texts(lane, column))
    pairs = np.concatenate(found)
    many = crowded(pairs)
    if many:
        single = [values.one(lane, row, observables_of(batch.records[row])) for row in many]
        pairs = np.concatenate([without(pairs, many), *single])
    return cells, pairs + first_row


def _by_sensor(kinds: Sequence[str]) -> dict[str, npt.NDArray[np.int32]]:
    rows: dict[str, list[int]] = {}
    for row, kind in enumerate(kinds):
        rows.setdefault(kind, []).append(row)
    of: dict[str, list[int]] = {}
    for kind, here in rows.items():
        of.setdefault(kind.partition(".")[0], []).extend(here)
    return {sensor: np.array(here, np.int32) for sensor, here in of.items()}


def _table(batch: Parsed, cells: Cells, number: int, first_row: int) -> pa.Table:
    """Return lines that stand one after the other as rows of a segment."""
    count, source = len(batch), batch.source.name
    arrays: dict[str, pa.Array] = {
        "segment": pa.repeat(pa.scalar(number, pa.int64()), count),
        "row": pa.array(np.arange(first_row, first_row + count, dtype=np.int32)),
        "event_id": pa.array(map(event_id, [source] * count, batch.places, batch.raws), pa.string()),
        "at": pa.array(batch.ats, EVENTS.field("at").type),
        "source": pa.repeat(source, count),
        "kind": pa.array(batch.kinds, pa.string()),
        "lane": pa.repeat(batch.source.lane.value, count),
        "raw": pa.array(batch.raws, pa.binary()),
        "header": pa.array([header or None for header in batch.headers], pa.binary()),
        **cells.arrays(),
    }
    columns = [arrays[field.name] if field.name in arrays else pa.nulls(count, field.type) for field in EVENTS]
    return pa.Table.from_arrays(columns, schema=EVENTS)


def _writer(events_file: Path) -> pq.ParquetWriter:
    return pq.ParquetWriter(
        _part(events_file),
        EVENTS,
        compression="zstd",
        write_page_checksum=True,
        data_page_size=_PAGE_BYTES,
        write_batch_size=_ROWS_A_PAGE,
        use_dictionary=[name for name in EVENTS.names if name not in _UNLIKE],
        write_statistics=[name for name in EVENTS.names if name not in _UNLIKE or name in {"row", "at"}],
    )


def _finish(data: Path, stem: str, number: int, values: Values) -> None:
    events_file, values_file = files_of(data, stem)
    catalogue = values.catalogue()
    catalogue.write(_part(values_file), number)
    for file in (events_file, values_file):
        publish(_part(file), file)
    write_index(data, stem, catalogue)


def _renumbered(table: pa.Table, number: int, first_row: int) -> pa.Table:
    rows = pa.array(range(first_row, first_row + table.num_rows), pa.int32())
    segment = pa.array([number] * table.num_rows, pa.int64())
    return table.set_column(0, "segment", segment).set_column(1, "row", rows)


def _part(file: Path) -> Path:
    return file.with_name(file.name + UNFINISHED)
