"""The telemetry lake: sealed segments as Parquet, and the hunt over them as one Ibis expression.

Only the hunter process imports this module: DuckDB, Ibis and Arrow are heavy. A segment becomes two files: its
events, and its values, one row for everything an indicator could name, every parent domain included. Addresses also
stand as fixed-width hexadecimal text, which orders as the numbers do, so a network is a range on any engine.
"""

import ipaddress
import os
import warnings
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import ibis
import pyarrow as pa
import pyarrow.parquet as pq

from mithaq.kernel.lane import Lane
from mithaq.standards.observable import Observable
from mithaq.telemetry.index import GrowingIndex, index_path
from mithaq.telemetry.model import Event

_EVENTS: Final = pa.schema(
    [
        ("event_id", pa.string()),
        ("at", pa.timestamp("us", tz="UTC")),
        ("source", pa.string()),
        ("kind", pa.string()),
        ("lane", pa.string()),
        ("raw", pa.binary()),
    ]
)
_VALUES: Final = pa.schema(
    [
        ("lane", pa.string()),
        ("type", pa.string()),
        ("value", pa.string()),
        ("address", pa.string()),
        ("field", pa.string()),
        ("seen", pa.string()),
        ("event_id", pa.string()),
    ]
)
_PART: Final = ".part"
_BATCH_EVENTS: Final = 20_000
MAX_EVENTS_A_KEY: Final = 10_000
_MEMORY_LIMIT: Final = "512MB"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One observable to hunt for; `key` is the caller's own number for it."""

    key: int
    lane: Lane
    observable: Observable


@dataclass(frozen=True, slots=True)
class Found:
    """An event of the lake that has a wanted observable, and where."""

    key: int
    field: str
    seen: Observable
    event: Event


def seal(data: Path, number: int, day: date, events: Iterable[Event]) -> str:
    """Write a segment's events, values and index durably; return their common path below the data folder."""
    return _write(data, f"lake/day={day.isoformat()}/{number:012d}", events)


def merge(data: Path, stems: Sequence[str]) -> str:
    """Write several sealed segments of one day as one; the caller removes the old ones once that is known."""
    last = stems[-1].rpartition("/")[2].rpartition("-")[2]
    return _write(data, f"{stems[0].partition('-to-')[0]}-to-{last}", _read_back(data, stems))


def remove(data: Path, stem: str) -> None:
    """Delete the files of a segment."""
    for path in (*_files(data, stem), index_path(data, stem)):
        path.unlink(missing_ok=True)


def sweep(data: Path, known: Collection[str]) -> None:
    """Delete the files that no segment names: what a crash left of an unfinished sealing or merging."""
    for path in (data / "lake").glob("day=*/*"):
        stem = f"lake/{path.parent.name}/{path.name.partition('.')[0]}"
        if stem not in known or path.suffix == _PART:
            path.unlink(missing_ok=True)


def _write(data: Path, stem: str, events: Iterable[Event]) -> str:
    (data / stem).parent.mkdir(parents=True, exist_ok=True)
    files = _files(data, stem)
    index = GrowingIndex()
    with (
        pq.ParquetWriter(_part(files[0]), _EVENTS, compression="zstd") as event_writer,
        pq.ParquetWriter(_part(files[1]), _VALUES, compression="zstd") as value_writer,
    ):
        for batch in _batches(events):
            index.add(batch)
            event_writer.write_table(_event_table(batch))
            value_writer.write_table(_value_table(batch))
    for file in files:
        _publish(file)
    index.write(index_path(data, stem))
    return stem


def _read_back(data: Path, stems: Sequence[str]) -> Iterator[Event]:
    """Yield the events of sealed segments again, with their observables."""
    for stem in stems:
        events_file, values_file = _files(data, stem)
        seen: dict[str, dict[tuple[str, Observable], None]] = {}
        columns = ["event_id", "field", "type", "value", "seen"]
        for row in pq.read_table(values_file, columns=columns).to_pylist():
            if row["value"] == row["seen"]:
                sight = (row["field"], Observable(row["type"], row["seen"]))
                seen.setdefault(row["event_id"], {})[sight] = None
        for row in pq.read_table(events_file).to_pylist():
            yield _event(row, tuple(seen.get(row["event_id"], ())))


def hunt(data: Path, wanted: Sequence[Wanted], stems: Sequence[str]) -> Iterator[Found]:
    """Yield the events of these sealed segments that have a wanted observable, each (event, key) once.

    Of each key the newest `MAX_EVENTS_A_KEY` events come: a value that is in every second event is no indicator.
    """
    if not wanted or not stems:
        return
    connection = ibis.duckdb.connect(threads=1, memory_limit=_MEMORY_LIMIT)
    try:
        with warnings.catch_warnings():  # Ibis 12 asks DuckDB 2 for Arrow tables by their older name
            warnings.simplefilter("ignore", DeprecationWarning)
            found = _hunt(connection, wanted, [_files(data, stem) for stem in stems]).to_pyarrow()
        for batch in found.to_batches(max_chunksize=_BATCH_EVENTS):
            yield from (_found(row) for row in batch.to_pylist())
    finally:
        connection.disconnect()


def _hunt(connection: Any, wanted: Sequence[Wanted], files: Sequence[tuple[Path, Path]]) -> Any:
    """Build the hunt as one expression, for whatever engine stands behind the connection."""
    events = connection.read_parquet([str(events_file) for events_file, _ in files])
    values = connection.read_parquet([str(values_file) for _, values_file in files])
    exact, ranges = _wanted_tables(wanted)
    parts = []
    if exact.num_rows:
        named = ibis.memtable(exact)
        parts.append(values.inner_join(named, ["lane", "type", "value"]))
    if ranges.num_rows:
        networks = ibis.memtable(ranges)
        inside = (
            values.lane == networks.lane,
            values.address >= networks.low,
            values.address <= networks.high,
        )
        parts.append(values.filter(values.address.notnull()).inner_join(networks, inside))
    columns = ["key", "field", "type", "seen", "event_id"]
    sights = [part.select(columns) for part in parts]
    every = ibis.union(*sights) if len(sights) > 1 else sights[0]
    once = every.distinct(on=["key", "event_id"], keep="first")
    found = once.inner_join(events, "event_id")
    newest = ibis.window(group_by="key", order_by=[ibis.desc("at"), "event_id"])
    return found.mutate(place=ibis.row_number().over(newest)).filter(ibis._.place < MAX_EVENTS_A_KEY).drop("place")


def _found(row: dict[str, Any]) -> Found:
    return Found(row["key"], row["field"], Observable(row["type"], row["seen"]), _event(row, ()))


def _event(row: dict[str, Any], observables: tuple[tuple[str, Observable], ...]) -> Event:
    at: datetime = row["at"].astimezone(UTC)
    return Event(row["event_id"], at, row["source"], row["kind"], Lane(row["lane"]), observables, row["raw"])


def _wanted_tables(wanted: Sequence[Wanted]) -> tuple[pa.Table, pa.Table]:
    exact: dict[str, list[object]] = {"key": [], "lane": [], "type": [], "value": []}
    ranges: dict[str, list[object]] = {"key": [], "lane": [], "low": [], "high": []}
    for each in wanted:
        if each.observable.type == "cidr":
            network = ipaddress.ip_network(each.observable.value)
            _add(ranges, each.key, str(each.lane), _hex(network[0]), _hex(network[-1]))
        else:
            _add(exact, each.key, str(each.lane), each.observable.type, each.observable.value)
    texts = ("lane", "type", "value", "low", "high")
    tables = []
    for columns in (exact, ranges):
        kinds = [(name, pa.string() if name in texts else pa.int64()) for name in columns]
        tables.append(pa.table(columns, schema=pa.schema(kinds)))
    return tables[0], tables[1]


def _add(columns: dict[str, list[object]], *values: object) -> None:
    for column, value in zip(columns.values(), values, strict=True):
        column.append(value)


def _batches(events: Iterable[Event]) -> Iterator[list[Event]]:
    batch: list[Event] = []
    for event in events:
        batch.append(event)
        if len(batch) == _BATCH_EVENTS:
            yield batch
            batch = []
    if batch:
        yield batch


def _event_table(events: Sequence[Event]) -> pa.Table:
    rows = {
        "event_id": [event.event_id for event in events],
        "at": [event.at for event in events],
        "source": [event.source for event in events],
        "kind": [event.kind for event in events],
        "lane": [str(event.lane) for event in events],
        "raw": [event.raw for event in events],
    }
    return pa.table(rows, schema=_EVENTS)


def _value_table(events: Sequence[Event]) -> pa.Table:
    """Build the value rows, sorted so that the engine can skip what cannot hold a wanted value."""
    columns: dict[str, list[object]] = {name: [] for name in _VALUES.names}
    for event in events:
        for field, seen in event.observables:
            address = _hex(ipaddress.ip_address(seen.value)) if seen.type in {"ipv4", "ipv6"} else None
            for value in _with_parents(seen):
                _add(columns, str(event.lane), seen.type, value, address, field, seen.value, event.event_id)
    return pa.table(columns, schema=_VALUES).sort_by([("type", "ascending"), ("value", "ascending")])


def _with_parents(seen: Observable) -> Iterator[str]:
    yield seen.value
    if seen.type == "domain":
        labels = seen.value.split(".")
        yield from (".".join(labels[first:]) for first in range(1, len(labels)))


def _hex(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """Write an address so that text order is numeric order, and the two families never mix."""
    return f"4:{int(address):08x}" if address.version == 4 else f"6:{int(address):032x}"


def _files(data: Path, stem: str) -> tuple[Path, Path]:
    return data / f"{stem}.events.parquet", data / f"{stem}.values.parquet"


def _part(file: Path) -> Path:
    return file.with_name(file.name + _PART)


def _publish(file: Path) -> None:
    """Give a finished file its name, after its bytes are on the disk."""
    _sync(_part(file))
    _part(file).replace(file)
    _sync(file.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def day_of(at: datetime) -> date:
    """Return the day's folder that a segment closed at this instant belongs to."""
    return at.astimezone(UTC).date()
