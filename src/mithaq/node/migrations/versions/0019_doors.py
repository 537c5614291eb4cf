"""An account may open one door only, and one collection only."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; accounts that are there keep every door of their constituent."""
    op.add_column("constituent_accounts", sa.Column("door", sa.Text(), nullable=True))
    op.add_column("constituent_accounts", sa.Column("collection", sa.Text(), nullable=True))
