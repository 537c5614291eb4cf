"""Groups of hits: what a person expects for a while, and the level of a rule."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

_LEVELS = ("informational", "low", "medium", "high", "critical")
_GROUPS = sa.table("hit_groups", sa.column("row"), sa.column("rule"), sa.column("level"))


def upgrade() -> None:
    """Add the columns: further hits of the groups that are there are expected by nobody; their rules' levels count."""
    op.add_column("hit_groups", sa.Column("expected_by", sa.Text(), nullable=False, server_default=""))
    op.add_column("hit_groups", sa.Column("expected_until", sa.BigInteger(), nullable=True))
    op.add_column("hit_groups", sa.Column("level", sa.Integer(), nullable=False, server_default=str(len(_LEVELS))))
    connection = op.get_bind()
    for row, rule in connection.execute(sa.select(_GROUPS.c.row, _GROUPS.c.rule).where(_GROUPS.c.rule.is_not(None))):
        level = json.loads(rule)["level"]
        if level in _LEVELS:
            connection.execute(_GROUPS.update().where(_GROUPS.c.row == row).values(level=_LEVELS.index(level)))
