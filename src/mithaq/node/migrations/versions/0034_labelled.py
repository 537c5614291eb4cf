"""What the labels of a word are worth beside those of other words."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; of the words so far, each counts as stated."""
    op.add_column("object_provenance", sa.Column("labelled", sa.Text(), nullable=False, server_default="stated"))
