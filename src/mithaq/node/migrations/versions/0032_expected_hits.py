"""Hits that a person expects for a while."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add who expects further hits of a group, and until when: of those that are there, nobody."""
    op.add_column("hit_groups", sa.Column("expected_by", sa.Text(), nullable=False, server_default=""))
    op.add_column("hit_groups", sa.Column("expected_until", sa.BigInteger(), nullable=True))
