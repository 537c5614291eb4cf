"""The inverted index: for each token, which rows have it, in parts of at most 1024 rows.

Rows are numbered in commit order, so the newest part answers first and a search need not sort. Parts lie together by
segments of 16384 rows: what is written together lies together, and a rare token is looked for once a segment. A set of
rows is a number whose bit n stands for the row n places after the first of its part (or segment).
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from sqlalchemy import Connection, bindparam, delete, func, select, update

from mithaq.intelligence.tables import postings
from mithaq.intelligence.tokens import EVERY
from mithaq.kernel.bulk import Bulk
from mithaq.kernel.database import Transaction

SEGMENT_BITS: Final = 14
PART_ROWS: Final = 1024
_DENSE_BYTES: Final = PART_ROWS // 8
_SPARSE_ROWS: Final = _DENSE_BYTES // 2 - 1
_TOKENS_ASKED: Final = 1000
_ONE: Final = tuple(struct.pack("<H", place) for place in range(PART_ROWS))

Tokens = Iterable[str]

_INSERT: Final = Bulk(postings, "segment", "token", "part", "rows")
_KEY: Final = (postings.c.segment == bindparam("of_segment"), postings.c.token == bindparam("of_token"))
_PART: Final = postings.c.part == bindparam("of_part")
_UPDATE: Final = update(postings).where(*_KEY, _PART).values(rows=bindparam("rows"))
_DELETE: Final = delete(postings).where(*_KEY, _PART)
_LAST_PART: Final = select(func.max(postings.c.part)).where(*_KEY)
_PARTS: Final = select(postings.c.part).where(*_KEY)
_HELD: Final = select(postings.c.token, postings.c.rows).where(
    postings.c.segment == bindparam("of_segment"),
    postings.c.token.in_(bindparam("tokens", expanding=True)),
    _PART,
)


def segment_of(row: int) -> int:
    """Return the segment of a part by its first row."""
    return row >> SEGMENT_BITS


def encode(places: Sequence[int]) -> bytes:
    """Return places in a part, ascending, as they are stored: a list while they are few, else a bit for each row."""
    if len(places) == 1:
        return _ONE[places[0]]
    if len(places) <= _SPARSE_ROWS:
        return struct.pack(f"<{len(places)}H", *places)
    return sum(1 << place for place in places).to_bytes(_DENSE_BYTES, "little")


def _encode_bits(bits: int) -> bytes:
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


def append(tx: Transaction, entries: Sequence[tuple[int, Tokens]]) -> None:
    """Add new rows, ascending, at most a part full, each with its tokens.

    A few rows join the newest part while it has room; many begin a part of their own, which touches nothing older.
    """
    if not entries:
        return
    first, last = entries[0][0], entries[-1][0]
    part = _open_part(tx.connection, first)
    if part is not None and last - part < PART_ROWS:
        change(tx, {part: _bits(part, entries)}, {})
        return
    _INSERT.insert(tx, grouped(entries))


def grouped(entries: Sequence[tuple[int, Tokens]]) -> list[tuple[int, bytes, int, bytes]]:
    """Return the postings (segment, token, part, rows) of rows that make a part of their own."""
    first = entries[0][0]
    segment = segment_of(first)
    places: dict[str, list[int]] = defaultdict(list)
    for row, tokens in entries:
        place = row - first
        for token in tokens:  # the innermost loop of every import
            places[token].append(place)
    return [(segment, token.encode(), first, encode(places[token])) for token in sorted(places)]


def _bits(part: int, entries: Iterable[tuple[int, Tokens]]) -> dict[str, int]:
    bits: dict[str, int] = defaultdict(int)
    for row, tokens in entries:
        bit = 1 << (row - part)
        for token in tokens:
            bits[token] |= bit
    return bits


def _open_part(connection: Connection, row: int) -> int | None:
    """Return the newest part that begins before a row and could hold it."""
    for segment in (segment_of(row), segment_of(row) - 1):
        part = connection.scalar(_LAST_PART, {"of_segment": segment, "of_token": EVERY.encode()})
        if part is not None:
            return int(part)
    return None


def reindex(tx: Transaction, before: Mapping[int, frozenset[str]], after: Mapping[int, frozenset[str]]) -> None:
    """Let the index follow rows whose tokens were `before` and are `after`; a row that is gone has none."""
    added: dict[int, list[tuple[int, Tokens]]] = defaultdict(list)
    removed: dict[int, list[tuple[int, Tokens]]] = defaultdict(list)
    nothing: frozenset[str] = frozenset()
    changed = [row for row in sorted({*before, *after}) if before.get(row, nothing) != after.get(row, nothing)]
    for row, part in _parts_of(tx.connection, changed).items():
        old, new = before.get(row, nothing), after.get(row, nothing)
        added[part].append((row, new - old))
        removed[part].append((row, old - new))
    change(
        tx,
        {part: _bits(part, entries) for part, entries in added.items()},
        {part: _bits(part, entries) for part, entries in removed.items()},
    )


def _parts_of(connection: Connection, rows: Sequence[int]) -> dict[int, int]:
    """Return the part of each row."""
    segments = sorted({near for row in rows for near in (segment_of(row) - 1, segment_of(row))})
    parts = [
        part
        for segment in segments
        for part in connection.scalars(_PARTS, {"of_segment": segment, "of_token": EVERY.encode()})
    ]
    parts.sort()
    return {row: parts[bisect_right(parts, row) - 1] for row in rows}


def change(tx: Transaction, added: Mapping[int, Mapping[str, int]], removed: Mapping[int, Mapping[str, int]]) -> None:
    """Set and clear bits of tokens in parts; a token that no row of a part has any more is deleted there."""
    inserts: list[tuple[int, bytes, int, bytes]] = []
    updates: list[dict[str, object]] = []
    deletes: list[dict[str, object]] = []
    for part in sorted({*added, *removed}):
        setting, clearing = added.get(part, {}), removed.get(part, {})
        tokens = sorted({*setting, *clearing})
        held = _held(tx.connection, part, tokens)
        for token in tokens:
            old = held.get(token)
            new = ((old or 0) | setting.get(token, 0)) & ~clearing.get(token, 0)
            key = {"of_segment": segment_of(part), "of_token": token.encode(), "of_part": part}
            if old is None:
                if new:
                    inserts.append((segment_of(part), token.encode(), part, _encode_bits(new)))
            elif not new:
                deletes.append(key)
            elif new != old:
                updates.append({**key, "rows": _encode_bits(new)})
    _INSERT.insert(tx, inserts)
    if updates:
        tx.execute(_UPDATE, updates)
    if deletes:
        tx.execute(_DELETE, deletes)


def _held(connection: Connection, part: int, tokens: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for start in range(0, len(tokens), _TOKENS_ASKED):
        asked = {
            "of_segment": segment_of(part),
            "of_part": part,
            "tokens": [token.encode() for token in tokens[start : start + _TOKENS_ASKED]],
        }
        found.update((bytes(row.token).decode(), decode(bytes(row.rows))) for row in connection.execute(_HELD, asked))
    return found
