"""How this nation rates a word; the index of references, of ATT&CK, of patterns that mean the same, and of notes."""

from __future__ import annotations

import json
import re
import struct
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from mithaq.intelligence.tokens import fixed_tokens
from mithaq.kernel.lane import Lane
from mithaq.standards.stix import BadObject, parse

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_ADDED = ("ref:", "attack:", "means:")
_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,249}--[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_PART_BYTES = 128
_SPARSE_ROWS = 63
_ASKED = 500
_SEGMENTS = sa.text("SELECT MAX(segment) FROM object_postings")
_PARTS = sa.text("SELECT part, rows FROM object_postings WHERE segment = :segment AND token = :every ORDER BY part")
_BODIES = sa.text("SELECT row, lane, body FROM objects WHERE row >= :first AND row < :last ORDER BY row")
_NOTES = sa.text("SELECT row, body FROM objects WHERE type = 'note' AND row > :after ORDER BY row LIMIT :count")
_COMMENTS = sa.table("object_comments", sa.column("about"), sa.column("object"))
_POSTINGS = sa.table("object_postings", *(sa.column(name) for name in ("segment", "token", "part", "rows")))


def upgrade() -> None:
    """Add the column, and to each part of the index the tokens that are new."""
    op.add_column("object_provenance", sa.Column("admiralty", sa.Text(), nullable=True))
    connection = op.get_bind()
    _index_notes(connection)
    newest = connection.scalar(_SEGMENTS)
    for segment in range(0 if newest is None else newest + 1):
        for part in connection.execute(_PARTS, {"segment": segment, "every": b""}).all():
            _index(connection, segment, part.part, _decode(bytes(part.rows)))


def _index_notes(connection: sa.Connection) -> None:
    """Let notes be found from what they speak of, as opinions and sightings are."""
    after = 0
    while rows := connection.execute(_NOTES, {"after": after, "count": _ASKED}).all():
        after = rows[-1].row
        found = [{"about": about, "object": row.row} for row in rows for about in _spoken_of(bytes(row.body))]
        if found:
            connection.execute(_COMMENTS.insert(), found)


def _spoken_of(body: bytes) -> list[str]:
    refs = json.loads(body).get("object_refs")
    named = refs[:200] if isinstance(refs, list) else []
    return list(dict.fromkeys(each for each in named if isinstance(each, str) and _ID.fullmatch(each)))


def _index(connection: sa.Connection, segment: int, part: int, rows: int) -> None:
    found: dict[bytes, int] = defaultdict(int)
    for row in connection.execute(_BODIES, {"first": part, "last": part + 8 * _PART_BYTES}):
        bit = 1 << (row.row - part)
        for token in _tokens(row) if rows & bit else ():
            found[token] |= bit
    tokens = sorted(found)
    for start in range(0, len(tokens), _ASKED):
        _merge(connection, segment, part, {token: found[token] for token in tokens[start : start + _ASKED]})


def _tokens(row: Any) -> Iterator[bytes]:
    try:
        stix = parse(bytes(row.body))
    except BadObject:
        return
    for token in fixed_tokens(stix, Lane(row.lane)):
        if token.startswith(_ADDED):
            yield token.encode()


def _merge(connection: sa.Connection, segment: int, part: int, found: dict[bytes, int]) -> None:
    """Set the bits of tokens in one part; some may be there already."""
    here = (_POSTINGS.c.segment == segment, _POSTINGS.c.part == part)
    query = sa.select(_POSTINGS.c.token, _POSTINGS.c.rows).where(*here, _POSTINGS.c.token.in_(list(found)))
    held = {bytes(row.token): _decode(bytes(row.rows)) for row in connection.execute(query)}
    fresh = [
        {"segment": segment, "token": token, "part": part, "rows": _encode(bits)}
        for token, bits in found.items()
        if token not in held
    ]
    if fresh:
        connection.execute(sa.insert(_POSTINGS), fresh)
    for token, bits in held.items():
        merged = _encode(bits | found[token])
        connection.execute(sa.update(_POSTINGS).where(*here, _POSTINGS.c.token == token).values(rows=merged))


def _decode(stored: bytes) -> int:
    """Return the rows of a part as bits: a list of places while they are few, else a bit for each row."""
    if len(stored) == _PART_BYTES:
        return int.from_bytes(stored, "little")
    return sum(1 << place for place in struct.unpack(f"<{len(stored) // 2}H", stored))


def _encode(bits: int) -> bytes:
    if bits.bit_count() > _SPARSE_ROWS:
        return bits.to_bytes(_PART_BYTES, "little")
    places = [place for place in range(bits.bit_length()) if bits >> place & 1]
    return struct.pack(f"<{len(places)}H", *places)
