"""Hits stand in groups: one object in one source on one value. What hits too often is stopped."""

import hashlib
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

_NAMES = ("lane", "indicator_id", "source", "seen_type", "seen_value")
_SAID = (
    "object_row", "field", "matched_type", "matched_value", "origin_source", "origin_nation", "agreement_id",
    "agreement_version", "state", "dismissed_as",
)  # fmt: skip
_HITS = sa.table(
    "hits",
    *(sa.column(name) for name in (*_NAMES, *_SAID, "event_at", "matched_at", "group_row", "row")),
    sa.column("retro", sa.Boolean()),
)


def upgrade() -> None:
    """Make the tables, and group the hits that are there."""
    op.add_column("hits", sa.Column("warned", sa.Text(), nullable=False, server_default="[]"))
    op.add_column("hits", sa.Column("group_row", sa.BigInteger(), nullable=False, server_default="0"))
    groups = _groups()
    _rates()
    connection = op.get_bind()
    grouped = list(_grouped(connection))
    for start in range(0, len(grouped), 1000):
        connection.execute(groups.insert(), grouped[start : start + 1000])
    same = [getattr(_HITS.c, name) == getattr(groups.c, name) for name in _NAMES]
    of_hit = sa.select(groups.c.row).where(*same).limit(1).scalar_subquery()
    connection.execute(_HITS.update().values(group_row=of_hit))
    op.create_index("hits_by_group", "hits", ["group_row", "row"])


def _groups() -> sa.Table:
    names = (*_NAMES, "key", "field", "matched_type", "matched_value", "origin_source", "origin_nation", "state")
    counts = ("count", "new", "confirmed", "dismissed", "retro", "first_at", "last_at", "touched_at", "object_row")
    made = op.create_table(
        "hit_groups",
        sa.Column("row", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in names),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in counts),
        sa.Column("rule", sa.Text(), nullable=True),
        sa.Column("agreement_id", sa.Text(), nullable=True),
        sa.Column("agreement_version", sa.Integer(), nullable=True),
        sa.Column("dismissed_as", sa.Text(), nullable=False, server_default=""),
        sa.Column("warned", sa.Text(), nullable=False, server_default="[]"),
        sa.PrimaryKeyConstraint("row", name="pk_hit_groups"),
        sa.UniqueConstraint("key", name="uq_hit_groups_key"),
    )
    op.create_index("hit_groups_by_state", "hit_groups", ["lane", "state", "touched_at", "row"])
    op.create_index("hit_groups_by_time", "hit_groups", ["lane", "touched_at", "row"])
    op.create_index("hit_groups_by_indicator", "hit_groups", ["indicator_id"])
    return made


def _rates() -> None:
    op.create_table(
        "hit_rates",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("lane", "indicator_id", "source")),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("window_at", "written", "held_back")),
        *(sa.Column(name, sa.BigInteger(), nullable=True) for name in ("stopped_at", "last_at")),
        sa.Column("standing", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("lane", "indicator_id", "source", name="pk_hit_rates"),
    )
    op.create_index("hit_rates_by_standing", "hit_rates", ["standing"])


def _grouped(connection: sa.Connection) -> Iterator[dict[str, Any]]:
    """Yield the groups of the hits that are there, each as its newest hit says."""
    names = [getattr(_HITS.c, name) for name in _NAMES]
    states = [
        sa.func.sum(sa.case((_HITS.c.state == state, 1), else_=0)).label(state)
        for state in ("new", "confirmed", "dismissed")
    ]
    query = sa.select(
        *names,
        *states,
        sa.func.count().label("count"),
        sa.func.sum(sa.case((_HITS.c.retro, 1), else_=0)).label("retro"),
        sa.func.min(_HITS.c.event_at).label("first_at"),
        sa.func.max(_HITS.c.event_at).label("last_at"),
        sa.func.max(_HITS.c.matched_at).label("touched_at"),
        sa.func.max(_HITS.c.row).label("newest"),
    ).group_by(*names)
    for found in connection.execute(query).mappings().all():
        counted = dict(found)
        said = sa.select(*(getattr(_HITS.c, name) for name in _SAID)).where(_HITS.c.row == counted.pop("newest"))
        group = dict(connection.execute(said).mappings().one()) | counted
        key = hashlib.sha256("\0".join(group[name] for name in _NAMES).encode()).hexdigest()
        yield group | {"key": key, "state": "new" if group["new"] else group["state"]}
