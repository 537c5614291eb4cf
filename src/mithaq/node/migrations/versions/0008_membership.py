"""Membership logs: which agreement a log is of, and which partner has seen another log under its name."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, empty for release logs, and the table."""
    op.add_column("exchange_logs", sa.Column("agreement", sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "exchange_log_refusals",
        sa.Column("log", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("witness", sa.Text(), nullable=False),
        sa.Column("refusal", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("log", "witness", name="pk_exchange_log_refusals"),
    )
