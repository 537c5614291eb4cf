"""Each segment of the lake is one source's. What was sealed before is not read any more: its files stay."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Begin the lake anew."""
    op.drop_table("lake_segments")
    op.create_table(
        "lake_segments",
        sa.Column("segment", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("events", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.Column("path", sa.Text(), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("segment", name="pk_lake_segments"),
        sa.UniqueConstraint("segment", "state", name="uq_lake_segments_segment_state"),
    )
