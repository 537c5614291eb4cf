"""Which objects stand on a shelf in several versions, noted there."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, and note it of what stands on the shelves."""
    for table in ("taxii_shelved", "taxii_partner_shelved"):
        op.add_column(table, sa.Column("has_siblings", sa.Boolean(), nullable=False, server_default=sa.false()))
        op.execute(
            f"UPDATE {table} SET has_siblings = true WHERE EXISTS ("  # noqa: S608 - names of our own tables
            "SELECT 1 FROM objects AS mine JOIN objects AS other "
            "ON other.stix_id = mine.stix_id AND other.lane = mine.lane AND other.row != mine.row "
            f"JOIN {table} AS beside ON beside.object = other.row "
            f"WHERE mine.row = {table}.object AND beside.shelf = {table}.shelf)"
        )
