"""The inverted index: for each token, which rows have it, in parts of at most 1024 rows.

Rows are numbered in commit order, so the newest part answers first and a search need not sort. Parts lie together by
segments of 16384 rows: what is written together lies together, and a rare token is looked for once a segment. A set of
rows is a number whose bit n stands for the row n places after the first of its part (or segment).

Of a segment that a newer one has followed, `gathering` puts the parts of each token into one posting for the whole
segment, a token at a time; the token of every object comes last. Whoever reads takes what there is of both kinds
together; whoever writes finds in `change` which of them a row's bit is in.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final

from sqlalchemy import Connection, Select, bindparam, delete, func, select, update

from mithaq.intelligence.concordance import Listed, listed, whole_of
from mithaq.intelligence.places import PART_ROWS, decode, encode_bits, places_of
from mithaq.intelligence.tables import postings
from mithaq.intelligence.tokens import EVERY
from mithaq.kernel.bulk import Bulk
from mithaq.kernel.database import Transaction

SEGMENT_BITS: Final = 14
WHOLE: Final = -1
"""Stands in the place of a part: these are rows of the whole segment."""

SEGMENT_REACH: Final = (1 << SEGMENT_BITS) + PART_ROWS
"""How far a segment's rows lie from its first: its last part may reach into the next."""

_WHOLE_BYTES: Final = SEGMENT_REACH // 8
_LISTED_ROWS: Final = 256
"""A whole segment's rows are listed up to so many: a list is read row by row, a bit for each row at once."""

_TOKENS_ASKED: Final = 1000

Tokens = Iterable[str]
Home = tuple[int, int]
"""Where a row's bits are: a segment and a part of it, or `WHOLE` once all its tokens are gathered."""

_INSERT: Final = Bulk(postings, "segment", "token", "part", "rows")
_KEY: Final = (postings.c.segment == bindparam("of_segment"), postings.c.token == bindparam("of_token"))
_PART: Final = postings.c.part == bindparam("of_part")
_UPDATE: Final = update(postings).where(*_KEY, _PART).values(rows=bindparam("rows"))
_DELETE: Final = delete(postings).where(*_KEY, _PART)
_LAST_PART: Final = select(func.max(postings.c.part)).where(*_KEY)
_PARTS: Final = select(postings.c.part, postings.c.rows).where(*_KEY)
_IN_SEGMENT: Final = select(postings.c.token, postings.c.part, postings.c.rows).where(
    postings.c.segment == bindparam("of_segment"),
    postings.c.token.in_(bindparam("tokens", expanding=True)),
)
_IN_PART: Final = _IN_SEGMENT.where(_PART)
_IN_PART_OR_WHOLE: Final = _IN_SEGMENT.where(postings.c.part.in_((WHOLE, bindparam("of_part"))))


def segment_of(row: int) -> int:
    """Return the segment of a part by its first row."""
    return row >> SEGMENT_BITS


def encode_whole(bits: int) -> bytes:
    """Return rows of a whole segment as they are stored in one posting."""
    if bits.bit_count() > _LISTED_ROWS:
        return bits.to_bytes(_WHOLE_BYTES, "little")
    places = places_of(bits)
    return struct.pack(f"<{len(places)}H", *places)


def bits_in_segment(segment: int, part: int, stored: bytes) -> int:
    """Return a posting's rows as bits from the segment's first row."""
    return decode_whole((stored,)) if part == WHOLE else decode(stored) << (part - (segment << SEGMENT_BITS))


def decode_whole(postings_: Iterable[bytes]) -> int:
    """Return the rows of one whole segment that any of some postings has, as bits."""
    dense, lists = 0, []
    for stored in postings_:
        if len(stored) == _WHOLE_BYTES:
            dense |= int.from_bytes(stored, "little")
        else:
            lists.append(stored)
    if not lists:
        return dense
    listed, bits = b"".join(lists), bytearray(_WHOLE_BYTES)
    for place in struct.unpack(f"<{len(listed) // 2}H", listed):
        bits[place >> 3] |= 1 << (place & 7)
    return dense | int.from_bytes(bits, "little")


def decode_wholes(postings_: Sequence[bytes]) -> list[int]:
    """Return the rows of each of many postings of whole segments, as bits."""
    found = [int.from_bytes(each, "little") if len(each) == _WHOLE_BYTES else 0 for each in postings_]
    lists = [number for number, each in enumerate(postings_) if len(each) != _WHOLE_BYTES]
    if lists:
        for number, bits in zip(lists, _of_lists([postings_[each] for each in lists]), strict=True):
            found[number] = bits
    return found


def _of_lists(lists: Sequence[bytes]) -> Iterator[int]:
    """Yield the rows of each of some lists: all their places are made bits together."""
    import numpy as np  # the detector, which searches nothing, stays without it

    places = np.frombuffer(b"".join(lists), "<u2")
    first_bytes = np.arange(0, len(lists) * _WHOLE_BYTES, _WHOLE_BYTES)
    at = (places >> 3) + np.repeat(first_bytes, [len(each) // 2 for each in lists])
    begins = np.flatnonzero(np.diff(at, prepend=-1))  # places ascend: those in one byte follow one another
    bits = np.zeros(len(lists) * _WHOLE_BYTES, np.uint8)
    bits[at[begins]] = np.bitwise_or.reduceat(np.left_shift(1, places & 7).astype(np.uint8), begins)
    return (int.from_bytes(each.data, "little") for each in bits.reshape(-1, _WHOLE_BYTES))


def _stored(segment: int, part: int, bits: int) -> bytes:
    """Return what `bits_in_segment` reads."""
    return encode_whole(bits) if part == WHOLE else encode_bits(bits >> (part - (segment << SEGMENT_BITS)))


def append(tx: Transaction, rows: Sequence[int], fixed: Sequence[Tokens], changing: Sequence[Tokens]) -> None:
    """Add new rows, one after another, at most a part full, each with tokens of two kinds that have none in common.

    A few rows join the newest part while it has room; many begin a part of their own, which touches nothing older.
    """
    if not rows:
        return
    first, last = rows[0], rows[-1]
    part = _open_part(tx.connection, first)
    if part is not None and last - part < PART_ROWS:
        home = segment_of(part), part
        setting = _bits(home, zip(rows, map(chain, fixed, changing), strict=True))
        held = _held(tx.connection, _IN_PART, home, sorted(setting))  # what is gathered already lies beside
        olds = {token: held[token].get(part, 0) for token in setting}
        _write(tx, {(home[0], token, part): (olds[token], olds[token] | bits) for token, bits in setting.items()})
        return
    whole = whole_of(fixed)
    ours = listed(enumerate(fixed)) if whole is None else whole.listed()
    _INSERT.insert(tx, _in_part(first, sorted(ours + listed(enumerate(changing)))))


def grouped(entries: Sequence[tuple[int, Tokens]]) -> list[tuple[int, bytes, int, bytes]]:
    """Return the postings (segment, token, part, rows) of rows that make a part of their own."""
    first = entries[0][0]
    return _in_part(first, listed((row - first, tokens) for row, tokens in entries))


def _in_part(first: int, found: Iterable[Listed]) -> list[tuple[int, bytes, int, bytes]]:
    segment = segment_of(first)
    return [(segment, token, first, stored) for token, stored in found]


def _bits(home: Home, entries: Iterable[tuple[int, Tokens]]) -> dict[str, int]:
    """Return the rows of each token, as bits from the segment's first row."""
    bits: dict[str, int] = defaultdict(int)
    base = home[0] << SEGMENT_BITS
    for row, tokens in entries:
        bit = 1 << (row - base)
        for token in tokens:
            bits[token] |= bit
    return bits


def _open_part(connection: Connection, row: int) -> int | None:
    """Return the newest part that begins before a row and could hold it; a gathered segment takes no more."""
    for segment in (segment_of(row), segment_of(row) - 1):
        part = connection.scalar(_LAST_PART, {"of_segment": segment, "of_token": EVERY.encode()})
        if part is not None:
            return None if part == WHOLE else int(part)
    return None


def reindex(tx: Transaction, before: Mapping[int, frozenset[str]], after: Mapping[int, frozenset[str]]) -> None:
    """Let the index follow rows whose tokens were `before` and are `after`; a row that is gone has none."""
    added: dict[Home, list[tuple[int, Tokens]]] = defaultdict(list)
    removed: dict[Home, list[tuple[int, Tokens]]] = defaultdict(list)
    nothing: frozenset[str] = frozenset()
    changed = [row for row in sorted({*before, *after}) if before.get(row, nothing) != after.get(row, nothing)]
    for row, home in _homes_of(tx.connection, changed).items():
        old, new = before.get(row, nothing), after.get(row, nothing)
        added[home].append((row, new - old))
        removed[home].append((row, old - new))
    change(
        tx,
        {home: _bits(home, entries) for home, entries in added.items()},
        {home: _bits(home, entries) for home, entries in removed.items()},
    )


def _homes_of(connection: Connection, rows: Sequence[int]) -> dict[int, Home]:
    """Return the home of each row: what every object has tells where it is."""
    wholes: dict[int, int] = {}
    parts: list[int] = []
    for segment in sorted({near for row in rows for near in segments_near(row)}):
        for part, stored in connection.execute(_PARTS, {"of_segment": segment, "of_token": EVERY.encode()}).all():
            if part == WHOLE:
                wholes[segment] = bits_in_segment(segment, part, stored)
            else:
                parts.append(part)
    parts.sort()
    return {row: _home_of(row, wholes, parts) for row in rows}


def _home_of(row: int, wholes: Mapping[int, int], parts: Sequence[int]) -> Home:
    for segment in segments_near(row):
        if wholes.get(segment, 0) >> (row - (segment << SEGMENT_BITS)) & 1:
            return segment, WHOLE
    part = parts[bisect_right(parts, row) - 1]
    return segment_of(part), part


def segments_near(row: int) -> tuple[int, ...]:
    """Return the segments in which a row can lie: the last part of one may reach into the next."""
    segment = segment_of(row)
    reached_into = segment > 0 and row - (segment << SEGMENT_BITS) < PART_ROWS
    return (segment, segment - 1) if reached_into else (segment,)


def change(tx: Transaction, added: Mapping[Home, Mapping[str, int]], removed: Mapping[Home, Mapping[str, int]]) -> None:
    """Set and clear bits of tokens, counted from a segment's first row; what no row has any more is deleted."""
    changed: dict[tuple[int, str, int], tuple[int, int]] = {}
    for home in sorted({*added, *removed}):
        setting, clearing = added.get(home, {}), removed.get(home, {})
        query = _IN_SEGMENT if home[1] == WHOLE else _IN_PART_OR_WHOLE
        for token, there in _held(tx.connection, query, home, sorted({*setting, *clearing})).items():
            gaining = WHOLE if WHOLE in there else home[1]  # rows of several parts change what is gathered
            for part in {*there, gaining}:
                old, now = changed.get((home[0], token, part), (there.get(part, 0),) * 2)
                now |= setting.get(token, 0) if part == gaining else 0
                changed[home[0], token, part] = old, now & ~clearing.get(token, 0)
    _write(tx, changed)


def _write(tx: Transaction, changed: Mapping[tuple[int, str, int], tuple[int, int]]) -> None:
    """Write what (segment, token, part) had before and has after, a statement for each way to change."""
    inserts: list[tuple[int, bytes, int, bytes]] = []
    updates: list[dict[str, object]] = []
    deletes: list[dict[str, object]] = []
    for (segment, token, part), (old, new) in sorted(changed.items()):
        key = {"of_segment": segment, "of_token": token.encode(), "of_part": part}
        if new and not old:
            inserts.append((segment, token.encode(), part, _stored(segment, part, new)))
        elif old and not new:
            deletes.append(key)
        elif new != old:
            updates.append({**key, "rows": _stored(segment, part, new)})
    _INSERT.insert(tx, inserts)
    if updates:
        tx.execute(_UPDATE, updates)
    if deletes:
        tx.execute(_DELETE, deletes)


def _held(connection: Connection, query: Select[Any], home: Home, tokens: Sequence[str]) -> dict[str, dict[int, int]]:
    """Return, for each token, the postings that a query finds, by their parts, as bits from the segment's first row."""
    segment, part = home
    found: dict[str, dict[int, int]] = {token: {} for token in tokens}
    for start in range(0, len(tokens), _TOKENS_ASKED):
        asked = {"of_segment": segment, "tokens": [token.encode() for token in tokens[start : start + _TOKENS_ASKED]]}
        for row in connection.execute(query, {**asked, "of_part": part} if query is not _IN_SEGMENT else asked):
            found[bytes(row.token).decode()][row.part] = bits_in_segment(segment, row.part, bytes(row.rows))
    return found
