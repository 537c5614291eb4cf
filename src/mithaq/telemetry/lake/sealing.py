"""Turn a closed segment into Parquet, and many small ones into one, in the hunter's process: Arrow is heavy."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from mithaq.kernel.durable import UNFINISHED, publish
from mithaq.kernel.lane import Lane
from mithaq.standards.observable import names_above
from mithaq.telemetry.lake.columns import Cell, cells_of
from mithaq.telemetry.lake.files import files_of
from mithaq.telemetry.lake.index import IndexBuilder, index_path
from mithaq.telemetry.lake.layout import EVENTS, ORDERED, VALUES, in_order
from mithaq.telemetry.model import Event

_BATCH_EVENTS: Final = 20_000
_EVENTS_A_GROUP: Final = 2_000
"""A hunt reads the groups of rows that have what it found: small ones, so that it reads little besides."""
_VALUES_A_BATCH: Final = 50_000
_ADDRESSES: Final = frozenset({"ipv4", "ipv6"})
_EVENT_COLUMNS: Final = tuple((field.name, field.type) for field in EVENTS)
_Sight = tuple[str, str, str, str]
"""Lane, type, value and field."""


def seal(data: Path, stem: str, number: int, events: Iterable[Event]) -> int:
    """Write a segment's events, values and index durably; return how many events there are."""
    (data / stem).parent.mkdir(parents=True, exist_ok=True)
    events_file, _ = files_of(data, stem)
    values = _Values()
    count = 0
    with _writer(events_file) as writer:
        for batch in _batches(events, _BATCH_EVENTS):
            writer.write_table(event_table(batch, number, count), row_group_size=_EVENTS_A_GROUP)
            values.add(batch, count)
            count += len(batch)
    _finish(data, stem, number, values)
    return count


def merge(data: Path, stems: Sequence[str], number: int) -> str:
    """Write several sealed segments of one folder as one, in order, and return its path.

    The caller removes the old ones once that is known.
    """
    first, last = stems[0].partition("-to-")[0], stems[-1].rpartition("/")[2].rpartition("-")[2]
    stem = f"{first}-to-{last}"
    events_file, _ = files_of(data, stem)
    values = _Values()
    count = 0
    with _writer(events_file) as writer:
        for each in stems:
            old_events, old_values = files_of(data, each)
            values.add_sealed(old_values, count)
            for batch in pq.ParquetFile(old_events).iter_batches(_BATCH_EVENTS):
                table = _renumbered(pa.Table.from_batches([batch]), number, count)
                writer.write_table(table, row_group_size=_EVENTS_A_GROUP)
                count += table.num_rows
    _finish(data, stem, number, values)
    return stem


class _Values:
    """Everything that the events of a segment hold, each once, with the rows that have it."""

    def __init__(self) -> None:
        self._rows: dict[_Sight, list[int]] = {}

    def add(self, events: Sequence[Event], first_row: int) -> None:
        """Take in events that stand one after the other."""
        rows = self._rows
        for row, event in enumerate(events, first_row):
            lane = event.lane.value
            for field, seen in event.observables:
                sight = (lane, seen.type, seen.value, field)
                known = rows.get(sight)
                if known is None:
                    rows[sight] = [row]
                else:
                    known.append(row)

    def add_sealed(self, file: Path, first_row: int) -> None:
        """Take in the values of a sealed segment whose first event becomes this row."""
        columns = ["lane", "type", "value", "field", "seen", "rows"]
        for batch in pq.ParquetFile(file).iter_batches(_VALUES_A_BATCH, columns=columns):
            for row in batch.to_pylist():
                if row["value"] == row["seen"]:
                    sight = (row["lane"], row["type"], row["value"], row["field"])
                    self._rows.setdefault(sight, []).extend(first_row + each for each in row["rows"])

    def write(self, path: Path, number: int) -> IndexBuilder:
        """Write the values, sorted so that an engine can skip what cannot hold a wanted one; return their index."""
        index = IndexBuilder()
        named = sorted(self._named())
        # A value's rows grow, so their differences are small; text repeats, so it goes through a dictionary.
        with pq.ParquetWriter(
            path,
            VALUES,
            compression="zstd",
            write_page_checksum=True,
            use_dictionary=["lane", "type", "field", "seen"],
            column_encoding={"rows.list.element": "DELTA_BINARY_PACKED"},
        ) as writer:
            for start in range(0, len(named), _VALUES_A_BATCH):
                part = named[start : start + _VALUES_A_BATCH]
                writer.write_table(self._table(part, number))
                for kind, value, lane, _, _ in part:
                    index.add(Lane(lane), kind, value)
        return index

    def _named(self) -> Iterator[tuple[str, str, str, str, str]]:
        """Yield type, value, lane, field and what was seen, for every value and the parents of a name."""
        for lane, kind, seen, field in self._rows:
            yield kind, seen, lane, field, seen
            if kind == "domain":
                for value in names_above(seen):
                    yield kind, value, lane, field, seen

    def _table(self, named: Sequence[tuple[str, str, str, str, str]], number: int) -> pa.Table:
        kinds, values, lanes, fields, sights = map(list, zip(*named, strict=True))
        addresses = [in_order(value) if kind in _ADDRESSES else None for kind, value in zip(kinds, values, strict=True)]
        rows = [self._rows[lane, kind, seen, field] for kind, _, lane, field, seen in named]
        columns = {
            "segment": [number] * len(named),
            "lane": lanes,
            "type": kinds,
            "value": values,
            "address": addresses,
            "field": fields,
            "seen": sights,
            "rows": rows,
        }
        return pa.table(columns, schema=VALUES)


def _writer(events_file: Path) -> pq.ParquetWriter:
    return pq.ParquetWriter(_part(events_file), EVENTS, compression="zstd", write_page_checksum=True)


def _finish(data: Path, stem: str, number: int, values: _Values) -> None:
    events_file, values_file = files_of(data, stem)
    index = values.write(_part(values_file), number)
    for file in (events_file, values_file):
        publish(_part(file), file)
    index.write(index_path(data, stem))


def _batches(events: Iterable[Event], size: int) -> Iterator[list[Event]]:
    batch: list[Event] = []
    for event in events:
        batch.append(event)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def event_table(events: Sequence[Event], number: int, first_row: int) -> pa.Table:
    """Return events that stand one after the other as rows of a segment."""
    rows: dict[str, object] = {
        "segment": [number] * len(events),
        "row": list(range(first_row, first_row + len(events))),
        "event_id": [event.event_id for event in events],
        "at": [event.at for event in events],
        "source": [event.source for event in events],
        "kind": [event.kind for event in events],
        "lane": [event.lane.value for event in events],
        "raw": [event.raw for event in events],
        "header": [event.header or None for event in events],
        **_cells(events),
    }
    missing = pa.nulls(len(events))
    arrays = [pa.array(rows[name], kind) if name in rows else missing.cast(kind) for name, kind in _EVENT_COLUMNS]
    return pa.Table.from_arrays(arrays, schema=EVENTS)


def _cells(events: Sequence[Event]) -> dict[str, list[Cell | None]]:
    """Return the columns of the vocabulary that any of these events fills."""
    columns: dict[str, list[Cell | None]] = {}
    for row, event in enumerate(events):
        for name, cell in cells_of(event.kind, event.record).items():
            column = columns.get(name)
            if column is None:
                column = columns[name] = [None] * len(events)
            column[row] = cell
    for name, ordered in ORDERED.items():
        if name in columns:
            columns[ordered] = [None if cell is None else in_order(str(cell)) for cell in columns[name]]
    return columns


def _renumbered(table: pa.Table, number: int, first_row: int) -> pa.Table:
    rows = pa.array(range(first_row, first_row + table.num_rows), pa.int32())
    segment = pa.array([number] * table.num_rows, pa.int64())
    return table.set_column(0, "segment", segment).set_column(1, "row", rows)


def _part(file: Path) -> Path:
    return file.with_name(file.name + UNFINISHED)
