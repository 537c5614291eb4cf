"""Read postings: for each segment, which rows have a token, or one of a range of tokens, as bits.

A search of a million objects asks for thousands of postings: they are fetched as the driver gives them, by statements
that are put together once for each number of values, not once a search.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, TypeVar

from sqlalchemy import Connection

from mithaq.intelligence.places import PART_ROWS, decode
from mithaq.intelligence.postings import SEGMENT_BITS, WHOLE, bits_in_segment, decode_whole, decode_wholes

Bits = dict[int, int]
"""For each segment, the rows that have something, as bits from the segment's first row."""

_IN_PARTS: Final = f"(part BETWEEN {{0}} AND {{0}} OR part = {WHOLE})"
_POSTGRES_TOKENS: Final = (
    "SELECT segment, token, part, rows FROM object_postings "  # noqa: S608 - nothing but names of our own
    f"WHERE segment = ANY(%s::integer[]) AND token = ANY(%s) AND {_IN_PARTS.format('%s')}"
)
_POSTGRES_RANGE: Final = (
    "SELECT segment, part, rows FROM object_postings "  # noqa: S608 - nothing but names of our own
    f"WHERE segment = ANY(%s::integer[]) AND token BETWEEN %s AND %s AND {_IN_PARTS.format('%s')}"
)
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Window:
    """What one step looks at: rows from `low` up to below `high` in these segments, newest first."""

    segments: list[int]
    low: int
    high: int

    @property
    def parts(self) -> tuple[int, int]:
        """Return the first and the last part in which such rows can be."""
        return max(0, self.low - PART_ROWS + 1), self.high


def bits_of(connection: Connection, wanted: Iterable[str], window: Window) -> dict[str, Bits]:
    """Return the rows of each segment that have a token, for each token; more rows than the window's may be there."""
    found: dict[bytes, Bits] = {token.encode(): {} for token in wanted}
    if found and window.segments:
        wholes: list[tuple[int, bytes, bytes]] = []
        for segment, token, part, stored in _of_tokens(connection, list(found), window):
            if part == WHOLE:
                wholes.append((segment, token, stored))
            else:
                bits = found[token]
                bits[segment] = bits.get(segment, 0) | bits_in_segment(segment, part, stored)
        for (segment, token, _), rows in zip(wholes, decode_wholes([each[2] for each in wholes]), strict=True):
            bits = found[token]
            bits[segment] = bits.get(segment, 0) | rows
    return {token.decode(): bits for token, bits in found.items()}


def add_range(connection: Connection, bits: Bits, low: str, high: str, window: Window) -> None:
    """Add the rows of each segment that have a token between two, both included."""
    together: dict[tuple[int, int], int] = {}
    wholes: dict[int, list[bytes]] = {}
    for segment, part, stored in _of_range(connection, low.encode(), high.encode(), window):
        if part == WHOLE:
            wholes.setdefault(segment, []).append(stored)
        else:
            together[segment, part] = together.get((segment, part), 0) | decode(stored)
    for (segment, part), rows in together.items():
        bits[segment] = bits.get(segment, 0) | rows << (part - (segment << SEGMENT_BITS))
    for segment, postings in wholes.items():
        bits[segment] = bits.get(segment, 0) | decode_whole(postings)


def _of_tokens(connection: Connection, tokens: list[bytes], window: Window) -> Sequence[Any]:
    if connection.dialect.name == "postgresql":
        return connection.exec_driver_sql(_POSTGRES_TOKENS, (_array(window.segments), tokens, *window.parts)).all()
    segments, tokens = _padded(window.segments), _padded(tokens)
    statement = _sqlite_tokens(len(segments), len(tokens))
    return connection.exec_driver_sql(statement, (*segments, *tokens, *window.parts)).all()


def _of_range(connection: Connection, low: bytes, high: bytes, window: Window) -> Sequence[Any]:
    if connection.dialect.name == "postgresql":
        return connection.exec_driver_sql(_POSTGRES_RANGE, (_array(window.segments), low, high, *window.parts)).all()
    segments = _padded(window.segments)
    return connection.exec_driver_sql(_sqlite_range(len(segments)), (*segments, low, high, *window.parts)).all()


def _array(numbers: list[int]) -> str:
    """Return numbers as PostgreSQL reads an array; the driver would write each by itself."""
    return f"{{{','.join(map(str, numbers))}}}"


def _padded(values: list[_Value]) -> list[_Value]:
    """Repeat the last value up to a power of two, so that few statements do for any number."""
    return values + values[-1:] * ((1 << (len(values) - 1).bit_length()) - len(values))


@cache
def _sqlite_tokens(segments: int, tokens: int) -> str:
    return (
        "SELECT segment, token, part, rows FROM object_postings "  # noqa: S608 - nothing but marks for values
        f"WHERE segment IN ({_marks(segments)}) AND token IN ({_marks(tokens)}) AND {_IN_PARTS.format('?')}"
    )


@cache
def _sqlite_range(segments: int) -> str:
    return (
        "SELECT segment, part, rows FROM object_postings "  # noqa: S608 - nothing but marks for values
        f"WHERE segment IN ({_marks(segments)}) AND token BETWEEN ? AND ? AND {_IN_PARTS.format('?')}"
    )


def _marks(count: int) -> str:
    return ", ".join("?" * count)
