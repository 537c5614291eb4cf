"""Positions in folders and numbered streams, and from where a source gets its lines."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; files that were followed before keep their positions."""
    op.add_column("telemetry_positions", sa.Column("path", sa.Text(), nullable=False, server_default=""))
    op.add_column("telemetry_positions", sa.Column("size", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("telemetry_positions", sa.Column("modified_ns", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("telemetry_positions", sa.Column("base", sa.BigInteger(), nullable=True))
    op.add_column("telemetry_sources", sa.Column("feed", sa.Text(), nullable=False, server_default=""))
