"""Positions in folders and numbered streams, from where a source gets its lines, and how it does."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and tables; files that were followed before keep their positions."""
    op.add_column("telemetry_positions", sa.Column("path", sa.Text(), nullable=False, server_default=""))
    op.add_column("telemetry_positions", sa.Column("size", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("telemetry_positions", sa.Column("modified_ns", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("telemetry_positions", sa.Column("base", sa.BigInteger(), nullable=True))
    op.add_column("telemetry_sources", sa.Column("feed", sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "telemetry_minutes",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("minute", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", "minute", name="pk_telemetry_minutes"),
    )
    op.create_table(
        "telemetry_looks",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("read_at", sa.BigInteger(), nullable=False),
        sa.Column("event_at", sa.BigInteger(), nullable=True),
        sa.Column("looked", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("source", name="pk_telemetry_looks"),
    )
