"""The rows of one part that have a token, by their places after its first row, as they are stored.

A list while they are few, else a bit for each row of the part. As a number, bit n stands for place n.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

PART_ROWS: Final = 1024
_DENSE_BYTES: Final = PART_ROWS // 8
_SPARSE_ROWS: Final = _DENSE_BYTES // 2 - 1
_LIST_BYTES: Final = frozenset(range(2, 2 * _SPARSE_ROWS + 1, 2))
_ONE: Final = tuple(struct.pack("<H", place) for place in range(PART_ROWS))
_LISTS: Final = tuple(struct.Struct(f"<{count}H") for count in range(_SPARSE_ROWS + 1))
_BITS: Final = tuple(1 << place for place in range(PART_ROWS))


def encode(places: Sequence[int]) -> bytes:
    """Return places in a part, ascending, as they are stored."""
    count = len(places)
    if count == 1:
        return _ONE[places[0]]
    if count <= _SPARSE_ROWS:
        return _LISTS[count].pack(*places)
    return sum(map(_BITS.__getitem__, places)).to_bytes(_DENSE_BYTES, "little")


def encode_bits(bits: int) -> bytes:
    """Return places in a part, given as bits, as they are stored."""
    return bits.to_bytes(_DENSE_BYTES, "little") if bits.bit_count() > _SPARSE_ROWS else encode(places_of(bits))


def decode(stored: bytes) -> int:
    """Return what `encode` stored, as bits."""
    if len(stored) == _DENSE_BYTES:
        return int.from_bytes(stored, "little")
    if len(stored) == 2:
        return 1 << (stored[0] | stored[1] << 8)
    bits = 0
    for place in struct.unpack(f"<{len(stored) // 2}H", stored):
        bits |= 1 << place
    return bits


def are_places(stored: Sequence[bytes], count: int) -> bool:
    """Tell whether all of it is what `encode` returns of places below a count, but for their order."""
    lists = [each for each in stored if len(each) != _DENSE_BYTES]
    listed = b"".join(lists)
    return (
        all(map(_LIST_BYTES.__contains__, map(len, lists)))
        and max(memoryview(listed).cast("H"), default=0) < count
        and all(int.from_bytes(each, "little") >> count == 0 for each in stored if len(each) == _DENSE_BYTES)
    )


def places_of(bits: int) -> list[int]:
    """Return the places of all bits that are set, ascending.

    >>> places_of(0b101)
    [0, 2]
    """
    found = []
    while bits:
        lowest = bits & -bits
        found.append(lowest.bit_length() - 1)
        bits ^= lowest
    return found
