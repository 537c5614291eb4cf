"""Read single events of a sealed segment: of each only the pages that have it, where the index says that they lie.

A page is part of the Parquet file like any other; here it is found without the file's own tables, which say where
columns begin but not, to those who read with Arrow, where a row lies. What the pages hold is plain: texts behind their
lengths, or numbers, behind a run that says that none is absent.

Source: https://github.com/apache/parquet-format, "Data Pages" and "Plain encoding".
"""

import os
import struct
import zlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
import zstandard

from mithaq.kernel.database import EPOCH
from mithaq.kernel.lane import Lane
from mithaq.telemetry.errors import LakeBroken
from mithaq.telemetry.lake.files import files_of
from mithaq.telemetry.lake.index import SealedIndex
from mithaq.telemetry.model import Event

PAGED: Final = ("event_id", "at", "raw")
"""The columns whose pages are read one by one; of the others there are few different values, the `Forms`."""

PAGE: Final = struct.Struct("<QIIII")
"""Of a page: where its bytes begin, how many they are, their checksum, its first row, how many bytes they become."""

_LENGTH: Final = struct.Struct("<I")
_TIME: Final = struct.Struct("<q")


class Forms(msgspec.Struct, frozen=True, array_like=True):
    """Source, kind, lane and header of events, each combination once, and which of them each row has."""

    forms: list[tuple[str, str, str, bytes]]
    width: int
    rows: bytes

    def of(self, row: int) -> tuple[str, str, str, bytes]:
        """Return those of a row."""
        place = row * self.width
        return self.forms[int.from_bytes(self.rows[place : place + self.width], "little")]


class SingleEvents:
    """The events of a segment whose index knows their pages."""

    def __init__(self, file: BinaryIO, index: SealedIndex) -> None:
        self._forms = msgspec.msgpack.decode(index.frame("forms", 0), type=Forms)
        self._ids, self._times, self._lines = (_Pages(file, index.part(name)) for name in PAGED)

    def event(self, row: int) -> Event:
        """Return the event of a row; the fewest pages are read where rows come in order."""
        source, kind, lane, header = self._forms.of(row)
        identifier, line = _identifier(*self._ids.page(row)), _text(*self._lines.page(row))
        values, place = self._times.page(row)
        (at,) = _TIME.unpack_from(values, place * _TIME.size)
        return Event(identifier, EPOCH + timedelta(microseconds=at), source, kind, Lane(lane), (), line, header)


def events_at(data: Path, stem: str, index: SealedIndex, rows: Iterable[int]) -> Iterator[Event]:
    """Yield the events of these rows, which stand in order, without what was found in them.

    Raises:
        LakeBroken: the segment is damaged; what comes before the damage was yielded.
    """
    path = files_of(data, stem)[0]
    with _told_of(stem), path.open("rb") as file:
        if path.stat().st_size == index.contents.events_bytes:
            yield from map(SingleEvents(file, index).event, rows)
            return
    from mithaq.telemetry.lake.kept_lines import rows_of

    yield from rows_of(data, stem, list(rows))


class _Pages:
    """The pages of one column; the one that was read last is at hand."""

    def __init__(self, file: BinaryIO, table: memoryview) -> None:
        self._file = file
        self._table = table
        self._zstd = zstandard.ZstdDecompressor()
        self._rows = range(0)
        self._values = b""

    def page(self, row: int) -> tuple[bytes, int]:
        """Return the values of the page that has a row, and the row's place among them."""
        if row not in self._rows:
            self._read(row)
        return self._values, row - self._rows.start

    def _read(self, row: int) -> None:
        number = bisect_right(range(len(self._table) // PAGE.size), row, key=self._first_row) - 1
        if number < 0:
            raise ValueError("no page has the row")
        start, size, checksum, first, unpacked = PAGE.unpack_from(self._table, number * PAGE.size)
        packed = os.pread(self._file.fileno(), size, start)
        if zlib.crc32(packed) != checksum:
            raise ValueError("a page is not what was written")
        page = self._zstd.decompress(packed, max_output_size=unpacked)
        levels = _LENGTH.size + _LENGTH.unpack_from(page)[0]
        self._values = page[levels:]
        self._rows = range(first, self._first_row(number + 1))

    def _first_row(self, number: int) -> int:
        """Return the first row of a page, or one that no segment has behind the last page."""
        if number * PAGE.size == len(self._table):
            return 1 << 32
        return int(PAGE.unpack_from(self._table, number * PAGE.size)[3])


def _text(values: bytes, place: int) -> bytes:
    """Return one of the texts of a page, which stand one after the other behind their lengths."""
    start = 0
    for _ in range(place):
        start += _LENGTH.size + _LENGTH.unpack_from(values, start)[0]
    (length,) = _LENGTH.unpack_from(values, start)
    begins = start + _LENGTH.size
    return values[begins : begins + length]


def _identifier(values: bytes, place: int) -> str:
    """Return one of the identifiers of a page, which are all of one length."""
    (length,) = _LENGTH.unpack_from(values)
    begins = place * (_LENGTH.size + length) + _LENGTH.size
    return values[begins : begins + length].decode()


@contextmanager
def _told_of(stem: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise LakeBroken("a file of the segment is not there", subject=stem, private=str(error)) from error
    except (OSError, ValueError, IndexError, struct.error, zstandard.ZstdError, msgspec.DecodeError) as error:
        raise LakeBroken("a file of the segment is damaged or cut", subject=stem, private=str(error)[:500]) from error
