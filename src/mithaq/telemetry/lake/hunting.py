"""The hunt over sealed segments as one Ibis expression, for another engine where one machine is outgrown
(`docs/outgrown.md`), and for questions that name values. `finding` is the node's own way.

Only the hunter process imports this module: Ibis and Arrow are heavy.
"""

import ipaddress
from collections.abc import Sequence
from typing import Any

import ibis
import pyarrow as pa

from mithaq.telemetry.lake.finding import MAX_EVENTS_A_KEY, Wanted
from mithaq.telemetry.lake.layout import hexadecimal


def expression(events: Any, values: Any, wanted: Sequence[Wanted]) -> Any:
    """Build the whole hunt, events and all, on tables of whatever engine reads the lake's files."""
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
