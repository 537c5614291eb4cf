"""How a sealed segment lies on the disk: which files, which columns.

A segment is one source's, and lies in the folder of the hour in which it was closed: an old or wrong time in a line
costs no folder. It is two Parquet files and an index: its events in order, and its values, one row for everything in it
that an indicator could name, the parents of a name included, with the rows of the events that have it. Addresses also
stand as fixed-width hexadecimal text, which orders as the numbers do, so a network is a range on any engine.
"""

import ipaddress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pyarrow as pa

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


def files_of(data: Path, stem: str) -> tuple[Path, Path]:
    """Return the files of a sealed segment's events and values."""
    return data / f"{stem}.events.parquet", data / f"{stem}.values.parquet"


def hexadecimal(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """Write an address so that text order is numeric order, and the two families never mix."""
    return f"4:{int(address):08x}" if address.version == 4 else f"6:{int(address):032x}"
