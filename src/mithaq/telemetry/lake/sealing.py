"""Turn a closed segment into Parquet, and many small ones into one, in the hunter's process: Arrow is heavy."""

import ipaddress
from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from mithaq.kernel.durable import UNFINISHED, publish
from mithaq.kernel.lane import Lane
from mithaq.standards.observable import names_above
from mithaq.telemetry.lake.index import IndexBuilder, index_path
from mithaq.telemetry.lake.layout import EVENTS, VALUES, files_of, hexadecimal
from mithaq.telemetry.model import Event

_BATCH_EVENTS: Final = 20_000
_EVENTS_A_GROUP: Final = 2_000
"""A hunt reads the groups of rows that have what it found: small ones, so that it reads little besides."""
_VALUES_A_BATCH: Final = 50_000
_Sight = tuple[str, str, str, str]
"""Lane, type, value and field."""


def seal(data: Path, stem: str, number: int, events: Iterable[Event]) -> int:
    """Write a segment's events, values and index durably; return how many events there are."""
    (data / stem).parent.mkdir(parents=True, exist_ok=True)
    events_file, _ = files_of(data, stem)
    values = _Values()
    count = 0
    with pq.ParquetWriter(_part(events_file), EVENTS, compression="zstd") as writer:
        for batch in _batches(events, _BATCH_EVENTS):
            writer.write_table(_event_table(batch, number, count), row_group_size=_EVENTS_A_GROUP)
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
    with pq.ParquetWriter(_part(events_file), EVENTS, compression="zstd") as writer:
        for each in stems:
            old_events, old_values = files_of(data, each)
            values.add_sealed(old_values, count)
            for batch in pq.ParquetFile(old_events).iter_batches(_BATCH_EVENTS):
                table = _renumbered(pa.Table.from_batches([batch]), number, count)
                writer.write_table(table, row_group_size=_EVENTS_A_GROUP)
                count += table.num_rows
    _finish(data, stem, number, values)
    return stem


def remove(data: Path, stem: str) -> None:
    """Delete the files of a segment."""
    for path in (*files_of(data, stem), index_path(data, stem)):
        path.unlink(missing_ok=True)


def sweep(data: Path, known: Collection[str]) -> None:
    """Delete the files that no segment names: what a crash left of an unfinished sealing or merging."""
    for path in (data / "lake").glob("hour=*/source=*/*"):
        stem = f"{path.parent.relative_to(data)}/{path.name.partition('.')[0]}"
        if stem not in known or path.suffix == UNFINISHED:
            path.unlink(missing_ok=True)


class _Values:
    """Everything that the events of a segment hold, each once, with the rows that have it."""

    def __init__(self) -> None:
        self._rows: dict[_Sight, array[int]] = {}

    def add(self, events: Sequence[Event], first_row: int) -> None:
        """Take in events that stand one after the other."""
        rows = self._rows
        for row, event in enumerate(events, first_row):
            lane = event.lane.value
            for field, seen in event.observables:
                sight = (lane, seen.type, seen.value, field)
                known = rows.get(sight)
                if known is None:
                    known = rows[sight] = array("i")
                known.append(row)

    def add_sealed(self, file: Path, first_row: int) -> None:
        """Take in the values of a sealed segment whose first event becomes this row."""
        columns = ["lane", "type", "value", "field", "seen", "rows"]
        for batch in pq.ParquetFile(file).iter_batches(_VALUES_A_BATCH, columns=columns):
            for row in batch.to_pylist():
                if row["value"] == row["seen"]:
                    sight = (row["lane"], row["type"], row["value"], row["field"])
                    self._rows.setdefault(sight, array("i")).extend(first_row + each for each in row["rows"])

    def write(self, path: Path, number: int) -> IndexBuilder:
        """Write the values, sorted so that an engine can skip what cannot hold a wanted one; return their index."""
        index = IndexBuilder()
        named = sorted(self._named())
        # A value's rows grow, so their differences are small; text repeats, so it goes through a dictionary.
        with pq.ParquetWriter(
            path,
            VALUES,
            compression="zstd",
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
        columns: dict[str, list[object]] = {name: [] for name in VALUES.names if name != "rows"}
        offsets, rows = array("i", [0]), array("i")
        for kind, value, lane, field, seen in named:
            address = hexadecimal(ipaddress.ip_address(value)) if kind in {"ipv4", "ipv6"} else None
            for name, item in zip(columns, (number, lane, kind, value, address, field, seen), strict=True):
                columns[name].append(item)
            rows.extend(self._rows[lane, kind, seen, field])
            offsets.append(len(rows))
        arrays = [pa.array(items, VALUES.field(name).type) for name, items in columns.items()]
        lists = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(rows, pa.int32()))
        return pa.Table.from_arrays([*arrays, lists], schema=VALUES)


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


def _event_table(events: Sequence[Event], number: int, first_row: int) -> pa.Table:
    rows = {
        "segment": [number] * len(events),
        "row": range(first_row, first_row + len(events)),
        "event_id": [event.event_id for event in events],
        "at": [event.at for event in events],
        "source": [event.source for event in events],
        "kind": [event.kind for event in events],
        "lane": [event.lane.value for event in events],
        "raw": [event.raw for event in events],
        "header": [event.header or None for event in events],
    }
    return pa.table(rows, schema=EVENTS)


def _renumbered(table: pa.Table, number: int, first_row: int) -> pa.Table:
    rows = pa.array(range(first_row, first_row + table.num_rows), pa.int32())
    segment = pa.array([number] * table.num_rows, pa.int64())
    if "header" not in table.column_names:  # written before headers were kept
        table = table.append_column("header", pa.nulls(table.num_rows, pa.binary()))
    return table.set_column(0, "segment", segment).set_column(1, "row", rows)


def _part(file: Path) -> Path:
    return file.with_name(file.name + UNFINISHED)
