"""Where the pages of a column lie in a Parquet file: what stands before each page, as Thrift's compact protocol has it.

Source: https://github.com/apache/parquet-format (`PageHeader` in `parquet.thrift`) and Thrift's
`thrift-compact-protocol.md`. Of a header, only numbers are taken: those of the fields 1 to 4 and, as 5, the number of
values that stands first in the structure of a data page.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_DATA_PAGE: Final = 0
_TYPE, _UNPACKED, _PACKED, _CHECKSUM, _DATA = 1, 2, 3, 4, 5
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _STRUCT = 1, 2, 3, 7, 8, 12
_INTEGERS: Final = frozenset({4, 5, 6})


@dataclass(frozen=True, slots=True)
class PlacedPage:
    """A data page of the first version: where its packed bytes are in the column, and how many values they become."""

    start: int
    packed_bytes: int
    unpacked_bytes: int
    checksum: int
    values: int


class UnknownPage(Exception):
    """What lies there is no data page with a checksum, of the first version."""


def placed_pages(body: bytes) -> Iterator[PlacedPage]:
    """Yield the data pages of a column, which lie one after the other.

    Raises:
        UnknownPage: something else lies there.
    """
    start = 0
    while start < len(body):
        header = _Header(body, start)
        try:
            told = header.fields()
            page = PlacedPage(header.place, told[_PACKED], told[_UNPACKED], told[_CHECKSUM] & 0xFFFFFFFF, told[_DATA])
        except (IndexError, KeyError, RecursionError) as error:
            raise UnknownPage from error
        if told[_TYPE] != _DATA_PAGE:
            raise UnknownPage
        yield page
        start = page.start + page.packed_bytes


class _Header:
    """A structure of Thrift's, read from a place on."""

    def __init__(self, body: bytes, place: int) -> None:
        self._body = body
        self.place = place

    def fields(self) -> dict[int, int]:
        """Return the structure's integers by field, and of a structure in it the integer of its first field."""
        found: dict[int, int] = {}
        field = 0
        while head := self._byte():
            kind = head & 15
            field = field + (head >> 4) if head >> 4 else self._zigzag()
            if kind in _INTEGERS:
                found[field] = self._zigzag()
            elif kind == _STRUCT:
                inside = self.fields()
                if 1 in inside:
                    found[field] = inside[1]
            else:
                self._skip(kind)
        return found

    def _skip(self, kind: int) -> None:
        if kind in _INTEGERS:
            self._zigzag()
        elif kind == _BYTE:
            self.place += 1
        elif kind == _DOUBLE:
            self.place += 8
        elif kind == _BINARY:
            length = self._varint()
            self.place += length
        elif kind == _STRUCT:
            self.fields()
        elif kind not in {_TRUE, _FALSE}:  # lists, sets and maps stand in no header of a page
            raise UnknownPage

    def _byte(self) -> int:
        self.place += 1
        return self._body[self.place - 1]

    def _zigzag(self) -> int:
        number = self._varint()
        return number >> 1 ^ -(number & 1)

    def _varint(self) -> int:
        number = shift = 0
        while (byte := self._byte()) & 128:
            number |= (byte & 127) << shift
            shift += 7
        return number | byte << shift
