"""How a sealed segment lies on the disk: which files, which columns.

A segment is one source's, and lies in the folder of the hour in which it was closed: an old or wrong time in a line
costs no folder. It is two Parquet files and an index: its events in order, and its values, one row for everything in it
that an indicator could name, the parents of a name included, with the rows of the events that have it. Addresses also
stand as fixed-width hexadecimal text, which orders as the numbers do, so a network is a range on any engine.

The events' columns after the line are the fields of the Elastic Common Schema under its names (`columns`). A segment's
row in the database says in which version of this layout it lies: `FORMAT` is the present one; the first had no such
columns,
and the oldest of its segments no `header` either.
"""

import ipaddress
from datetime import UTC, datetime
from typing import Final

import pyarrow as pa

from mithaq.telemetry.lake.columns import COLUMNS, Holds

FORMAT: Final = 2
"""The version of what is written now."""

ORDERED: Final = {"source.ip": "source.ip_hex", "destination.ip": "destination.ip_hex"}
"""The addresses that also stand in an order, and in which column."""

_TYPES: Final = {Holds.NUMBER: pa.int32(), Holds.ADDRESSES: pa.list_(pa.string()), Holds.NAMES: pa.list_(pa.string())}
EVENTS: Final = pa.schema(
    [
        ("segment", pa.int64()),
        ("row", pa.int32()),
        ("event_id", pa.string()),
        ("at", pa.timestamp("us", tz="UTC")),
        ("source", pa.string()),
        ("kind", pa.string()),
        ("lane", pa.string()),
        ("raw", pa.binary()),
        ("header", pa.binary()),
        *((name, _TYPES.get(holds, pa.string())) for name, holds in COLUMNS.items()),
        *((name, pa.string()) for name in ORDERED.values()),
    ]
)
VALUES: Final = pa.schema(
    [
        ("segment", pa.int64()),
        ("lane", pa.string()),
        ("type", pa.string()),
        ("value", pa.string()),
        ("address", pa.string()),
        ("field", pa.string()),
        ("seen", pa.string()),
        ("rows", pa.list_(pa.int32())),
    ]
)


def sealed_stem(source: str, number: int, closed_at: datetime) -> str:
    """Return the path of a segment's files below the data folder, without their endings."""
    return f"lake/hour={closed_at.astimezone(UTC):%Y-%m-%dT%H}/source={source}/{number:012d}"


def hexadecimal(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """Write an address so that text order is numeric order, and the two families never mix."""
    return f"4:{int(address):08x}" if address.version == 4 else f"6:{int(address):032x}"


def in_order(address: str) -> str:
    """Write a canonical address as `hexadecimal` does.

    >>> in_order("192.0.2.1"), in_order("2001:db8::1")
    ('4:c0000201', '6:20010db8000000000000000000000001')
    """
    if ":" in address:
        return hexadecimal(ipaddress.IPv6Address(address))
    return f"4:{bytes(map(int, address.split('.'))).hex()}"
