"""The telemetry lake: sealed segments as Parquet, and the hunt over them as one Ibis expression.

Only the hunter process imports this module: DuckDB, Ibis and Arrow are heavy. A segment becomes two files: its
events, and its values, one row for everything an indicator could name, every parent domain included. Addresses also
stand as fixed-width hexadecimal text, which orders as the numbers do, so a network is a range on any engine.
"""

import ipaddress
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import ibis
import pyarrow as pa
import pyarrow.parquet as pq

from mithaq.kernel.lane import Lane
from mithaq.standards.observable import Observable
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
_BATCH_EVENTS: Final = 20_000
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


def lake_folder(data: Path) -> Path:
    """Return the folder of the sealed segments."""
    return data / "lake"


def seal(data: Path, number: int, day: date, events: Iterable[Event]) -> Path:
    """Write a segment's events as Parquet, durably; return the path without `.events.parquet`."""
    folder = lake_folder(data) / f"day={day.isoformat()}"
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / f"{number:012d}"
    events_file, values_file = _files(stem)
    with (
        pq.ParquetWriter(_part(events_file), _EVENTS, compression="zstd") as event_writer,
        pq.ParquetWriter(_part(values_file), _VALUES, compression="zstd") as value_writer,
    ):
        for batch in _batches(events):
            event_writer.write_table(_event_table(batch))
            value_writer.write_table(_value_table(batch))
    for file in (values_file, events_file):
        _publish(file)
    return stem


def hunt(wanted: Sequence[Wanted], stems: Sequence[Path]) -> list[Found]:
    """Return every event of these sealed segments that has a wanted observable, each (event, key) once."""
    if not wanted or not stems:
        return []
    connection = ibis.duckdb.connect(threads=1, memory_limit=_MEMORY_LIMIT)
    try:
        return _hunt(connection, wanted, stems)
    finally:
        connection.disconnect()


def _hunt(connection: Any, wanted: Sequence[Wanted], stems: Sequence[Path]) -> list[Found]:
    values = connection.read_parquet([str(_files(stem)[1]) for stem in stems])
    events = connection.read_parquet([str(_files(stem)[0]) for stem in stems])
    exact, ranges = _wanted_tables(wanted)
    parts = []
    if exact.num_rows:
        named = ibis.memtable(exact)
        parts.append(values.inner_join(named, ["lane", "type", "value"]))
    if ranges.num_rows:
        networks = ibis.memtable(ranges)
        inside = [
            values.lane == networks.lane,
            values.address >= networks.low,
            values.address <= networks.high,
        ]
        parts.append(values.filter(values.address.notnull()).inner_join(networks, inside))
    columns = ["key", "field", "type", "seen", "event_id"]
    sights = (
        ibis.union(*(part.select(columns) for part in parts), distinct=True)
        if len(parts) > 1
        else (parts[0].select(columns).distinct())
    )
    found = sights.inner_join(events, "event_id").order_by(["at", "event_id", "key", "field"])
    return list(_first_sights(found.to_pyarrow().to_pylist()))


def _first_sights(rows: Iterable[dict[str, Any]]) -> Iterator[Found]:
    known: set[tuple[str, int]] = set()
    for row in rows:
        if (row["event_id"], row["key"]) in known:
            continue
        known.add((row["event_id"], row["key"]))
        event = Event(
            row["event_id"],
            row["at"].astimezone(UTC),
            row["source"],
            row["kind"],
            Lane(row["lane"]),
            (),
            row["raw"],
        )
        yield Found(row["key"], row["field"], Observable(row["type"], row["seen"]), event)


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


def _files(stem: Path) -> tuple[Path, Path]:
    return stem.with_name(stem.name + ".events.parquet"), stem.with_name(stem.name + ".values.parquet")


def _part(file: Path) -> Path:
    return file.with_name(file.name + ".part")


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
