"""The hunt over sealed segments, as one Ibis expression: DuckDB answers it here, another engine where there is one.

Only the hunter process imports this module: DuckDB, Ibis and Arrow are heavy.
"""

import ipaddress
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import ibis
import pyarrow as pa

from mithaq.kernel.lane import Lane
from mithaq.standards.observable import Observable
from mithaq.telemetry.lake.layout import files_of, hexadecimal
from mithaq.telemetry.model import Event

MAX_EVENTS_A_KEY: Final = 10_000
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
            found = expression(connection, wanted, [files_of(data, stem) for stem in stems]).to_pyarrow()
        for batch in found.to_batches(max_chunksize=_BATCH_EVENTS):
            yield from (_found(row) for row in batch.to_pylist())
    finally:
        connection.disconnect()


def expression(connection: Any, wanted: Sequence[Wanted], files: Sequence[tuple[Path, Path]]) -> Any:
    """Build the hunt as one expression, for whatever engine stands behind the Ibis connection."""
    events = connection.read_parquet([str(events_file) for events_file, _ in files], union_by_name=True)
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
    columns = ["key", "field", "type", "seen", "segment", "rows"]
    sights = [part.select(columns) for part in parts]
    every = ibis.union(*sights) if len(sights) > 1 else sights[0]
    each = every.mutate(row=every.rows.unnest()).drop("rows")
    once = each.distinct(on=["key", "segment", "row"], keep="first")
    found = once.inner_join(events, ["segment", "row"])
    newest = ibis.window(group_by="key", order_by=[ibis.desc("at"), "event_id"])
    return found.mutate(place=ibis.row_number().over(newest)).filter(ibis._.place < MAX_EVENTS_A_KEY).drop("place")


def _found(row: dict[str, Any]) -> Found:
    at: datetime = row["at"].astimezone(UTC)
    header = row.get("header") or b""  # absent in what was sealed before headers were kept
    event = Event(row["event_id"], at, row["source"], row["kind"], Lane(row["lane"]), (), row["raw"], header)
    return Found(row["key"], row["field"], Observable(row["type"], row["seen"]), event)


def _wanted_tables(wanted: Sequence[Wanted]) -> tuple[pa.Table, pa.Table]:
    exact: dict[str, list[object]] = {"key": [], "lane": [], "type": [], "value": []}
    ranges: dict[str, list[object]] = {"key": [], "lane": [], "low": [], "high": []}
    for each in wanted:
        if each.observable.type == "cidr":
            network = ipaddress.ip_network(each.observable.value)
            _add(ranges, each.key, str(each.lane), hexadecimal(network[0]), hexadecimal(network[-1]))
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
