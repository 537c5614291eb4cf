"""Each segment of the lake is one source's. What was written before names none: it stays, and is not read."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Say of each segment whose it is."""
    op.add_column("lake_segments", sa.Column("source", sa.Text(), nullable=False, server_default=""))
