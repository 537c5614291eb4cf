"""What a void number said before."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of answers that a void number has overtaken."""
    places = [
        sa.Column(name, sa.BigInteger(), nullable=True) for name in ("log", "leaf", "emergency_log", "emergency_leaf")
    ]
    op.create_table(
        "exchange_overtaken",
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("frame", sa.LargeBinary(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=True),
        *places,
        sa.Column("objects", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("recipient", "sequence", "digest", name="pk_exchange_overtaken"),
    )
