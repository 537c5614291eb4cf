"""By what lines are found that may satisfy a whole pattern; what was seen of patterns that need several events."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa
from alembic import op

from mithaq.intelligence.tokens import index_key
from mithaq.standards.stix.pattern import ONE_EQUALITY
from mithaq.standards.stix.plan import Plan, plan_of

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

_Big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_SEEN = ("field", "seen_type", "seen_value", "matched_type", "matched_value")
_READ = 2_000
_INDICATORS = sa.text(
    "SELECT row, body FROM objects WHERE type = 'indicator' AND row > :after ORDER BY row LIMIT :count"
)
_ANCHORS = sa.table("object_anchors", sa.column("type"), sa.column("key"), sa.column("object"))


class _Body(msgspec.Struct):
    pattern: str = ""
    pattern_type: str = "stix"


_DECODER = msgspec.json.Decoder(_Body)


def upgrade() -> None:
    """Make the tables, and find the anchors of what is held."""
    op.create_table(
        "object_anchors",
        sa.Column("type", sa.Text(), primary_key=True),
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("object", _Big, sa.ForeignKey("objects.row"), primary_key=True),
    )
    op.create_index("ix_object_anchors_object", "object_anchors", ["object"])
    _create_sights()
    _fill()


def _create_sights() -> None:
    op.create_table(
        "pattern_sights",
        sa.Column("row", _Big, primary_key=True, autoincrement=True),
        sa.Column("object_row", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("lane", "source", "event_id")),
        sa.Column("event_at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("numbers", *_SEEN)),
        sa.Column("found_at", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("object_row", "lane", "source", "event_id"),
    )
    op.create_index("pattern_sights_found", "pattern_sights", ["found_at"])
    op.create_table(
        "hit_companions",
        sa.Column("hit_id", sa.Text(), primary_key=True),
        sa.Column("place", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("event_at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in _SEEN),
    )


def _fill() -> None:
    connection, after = op.get_bind(), 0
    while rows := connection.execute(_INDICATORS, {"after": after, "count": _READ}).all():
        after = rows[-1].row
        found = [anchor for row in rows for anchor in _anchors(row)]
        if found:
            connection.execute(_ANCHORS.insert(), found)


def _anchors(row: Any) -> list[dict[str, Any]]:
    try:
        body = _DECODER.decode(bytes(row.body))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []
    if body.pattern_type not in {"", "stix"} or ONE_EQUALITY.fullmatch(body.pattern):
        return []
    plan = plan_of(body.pattern)
    anchors = plan.anchors if isinstance(plan, Plan) else ()
    return [{"type": each.type, "key": index_key(each), "object": row.row} for each in anchors]
