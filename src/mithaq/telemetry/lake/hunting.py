"""The hunt over sealed segments, as one Ibis expression: DuckDB answers it here, another engine where one machine
is outgrown (`docs/outgrown.md`).

Only the hunter process imports this module: DuckDB, Ibis and Arrow are heavy.
"""

import ipaddress
import warnings
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import duckdb
import ibis
import pyarrow as pa
import pyarrow.parquet as pq

from mithaq.kernel.lane import Lane
from mithaq.standards.observable import Observable
from mithaq.telemetry.errors import LakeBroken
from mithaq.telemetry.lake.damage import told_of
from mithaq.telemetry.lake.files import files_of
from mithaq.telemetry.lake.kept_lines import columns_in, event_of
from mithaq.telemetry.lake.layout import hexadecimal
from mithaq.telemetry.model import Event

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


def hunt(data: Path, wanted: Sequence[Wanted], stems: Sequence[str]) -> Iterator[Found]:
    """Yield the events of these sealed segments that have a wanted observable, each (event, key) once, newest first.

    Of each key the last `MAX_EVENTS_A_KEY` events come: a value that is in every second event is no indicator.

    Raises:
        LakeBroken: a segment cannot be read; what was yielded before is true.
    """
    if not wanted or not stems:
        return
    found = _last_sights([files_of(data, stem)[1] for stem in stems], wanted)
    stem_of = {_number(stem): stem for stem in stems}
    for number, rows in groupby(found.to_pylist(), key=itemgetter("segment")):
        stem = stem_of[number]
        with told_of(stem):
            yield from _with_events(files_of(data, stem)[0], list(rows))


def expression(events: Any, values: Any, wanted: Sequence[Wanted]) -> Any:
    """Build the whole hunt, events and all, on tables of whatever engine reads the lake's files.

    `hunt` asks for the sights alone and reads the few parts of the events' files that have them: DuckDB would read all.
    """
    return last_of_each(sights(values, wanted)).inner_join(events, ["segment", "row"])


def sights(values: Any, wanted: Sequence[Wanted]) -> Any:
    """Build the question where the wanted are: key, field, type, seen, segment, row; `values` is an Ibis table."""
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
    found = [part.select(["key", "field", "type", "seen", "segment", "rows"]) for part in parts]
    every = ibis.union(*found) if len(found) > 1 else found[0]
    return every.mutate(row=every.rows.unnest()).drop("rows")


def last_of_each(found: Any) -> Any:
    """Narrow sights to each (event, key) once, and of each key to the last `MAX_EVENTS_A_KEY` events."""
    once = found.distinct(on=["key", "segment", "row"], keep="first")
    newest = ibis.window(group_by="key", order_by=[ibis.desc("segment"), ibis.desc("row")])
    return once.mutate(place=ibis.row_number().over(newest)).filter(ibis._.place < MAX_EVENTS_A_KEY).drop("place")


def _last_sights(files: Sequence[Path], wanted: Sequence[Wanted]) -> pa.Table:
    """Return the sights in these files of values, the newest segment first and its rows in order."""
    connection = ibis.duckdb.connect(threads=1, memory_limit=_MEMORY_LIMIT)
    try:
        with warnings.catch_warnings():  # Ibis 12 asks DuckDB 2 for Arrow tables by their older name
            warnings.simplefilter("ignore", DeprecationWarning)
            values = connection.read_parquet([str(file) for file in files])
            return last_of_each(sights(values, wanted)).order_by(ibis.desc("segment"), "row").to_pyarrow()
    except (duckdb.OutOfMemoryException, duckdb.InterruptException):
        raise
    except duckdb.Error as error:
        raise LakeBroken("a segment cannot be read", private=str(error)[:500]) from error
    finally:
        connection.disconnect()


def _with_events(file: Path, found: Sequence[dict[str, Any]]) -> Iterator[Found]:
    """Read the events of these sights, which stand in order of their rows, from the groups of rows that have them."""
    with pq.ParquetFile(file) as parquet:
        counts = (parquet.metadata.row_group(number).num_rows for number in range(parquet.metadata.num_row_groups))
        ends, columns = list(accumulate(counts)), columns_in(parquet)
        for group, sought in groupby(found, key=lambda sight: bisect_right(ends, sight["row"])):
            first = ends[group - 1] if group else 0
            here = list(sought)
            rows = parquet.read_row_group(group, columns, use_threads=False)
            events = rows.take([sight["row"] - first for sight in here]).to_pylist()
            yield from (_found(sight, event) for sight, event in zip(here, events, strict=True))


def _number(stem: str) -> int:
    """Return the number of a sealed segment; one of several that were merged has that of the last."""
    return int(stem.rpartition("/")[2].rpartition("-")[2])


def _found(sight: dict[str, Any], row: dict[str, Any]) -> Found:
    return Found(sight["key"], sight["field"], Observable(sight["type"], sight["seen"]), event_of(row))


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
