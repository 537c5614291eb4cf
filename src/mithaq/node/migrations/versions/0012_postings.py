"""The index of words and facts that searches are answered from, in place of the folded text of each object."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from alembic import op

from mithaq.intelligence.places import PART_ROWS
from mithaq.intelligence.postings import grouped
from mithaq.intelligence.tokens import EVERY, changing_tokens, fixed_tokens, lane_token
from mithaq.kernel.database import EPOCH
from mithaq.kernel.lane import Lane
from mithaq.standards.stix import BadObject, parse
from mithaq.standards.tlp import Tlp

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_HELD = sa.text(
    "SELECT row, lane, tlp, stands, stored_at, body FROM objects WHERE row > :after ORDER BY row LIMIT :count"
)
_WORDS = sa.text("SELECT object, nation, received_at FROM object_provenance WHERE object >= :first AND object <= :last")
_POSTINGS = sa.table("object_postings", *(sa.column(name) for name in ("segment", "token", "part", "rows")))


def upgrade() -> None:
    """Create the index, fill it from what is held, and drop the text it replaces."""
    op.create_table(
        "object_postings",
        sa.Column("segment", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("part", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, autoincrement=False),
        sa.Column("rows", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("segment", "token", "part", name="pk_object_postings"),
        sqlite_with_rowid=False,
    )
    connection = op.get_bind()
    after = 0
    while rows := connection.execute(_HELD, {"after": after, "count": PART_ROWS}).all():
        for entries in _parts(_entries(connection, rows)):
            found = [
                {"segment": segment, "token": token, "part": part, "rows": stored}
                for segment, token, part, stored in grouped(entries)
            ]
            connection.execute(sa.insert(_POSTINGS), found)
        after = rows[-1].row
    op.execute("ALTER TABLE objects DROP COLUMN words")


def _parts(entries: list[tuple[int, frozenset[str]]]) -> Iterator[list[tuple[int, frozenset[str]]]]:
    """Yield rows by parts; numbers that were erased leave gaps, and a part has no more numbers than rows."""
    part: list[tuple[int, frozenset[str]]] = []
    for row, tokens in entries:
        if part and row - part[0][0] >= PART_ROWS:
            yield part
            part = []
        part.append((row, tokens))
    yield part


def _entries(connection: sa.Connection, rows: Any) -> list[tuple[int, frozenset[str]]]:
    nations: dict[int, set[str]] = {row.row: set() for row in rows}
    seen = {row.row: row.stored_at for row in rows}
    for word in connection.execute(_WORDS, {"first": rows[0].row, "last": rows[-1].row}):
        nations[word.object].add(word.nation)
        seen[word.object] = max(seen[word.object], word.received_at)
    return [
        (
            row.row,
            _fixed(row) | changing_tokens(bool(row.stands), Tlp(row.tlp), nations[row.row], _instant(seen[row.row])),
        )
        for row in rows
    ]


def _fixed(row: Any) -> frozenset[str]:
    """Return what follows from the bytes; what this program cannot read is still found by what is said of it."""
    lane = Lane(row.lane)
    try:
        return fixed_tokens(parse(bytes(row.body)), lane)
    except BadObject:
        return frozenset((EVERY, lane_token(lane)))


def _instant(microseconds: int) -> datetime:
    return EPOCH + timedelta(microseconds=microseconds)
