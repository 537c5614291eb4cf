"""What the last push to each target came to."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("misp_push_targets", sa.Column("last", sa.Text(), nullable=True))
