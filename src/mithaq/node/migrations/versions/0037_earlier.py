"""What is superseded on constituents' shelves stays readable for who asks for it; what was superseded before is not."""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0034"
branch_labels = None
depends_on = None

_Big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "taxii_earlier",
        sa.Column("shelf", _Big, autoincrement=False, nullable=False),
        sa.Column("date_added", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("object", _Big, nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("refers", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["shelf"], ["taxii_shelves.id"], name="fk_taxii_earlier_shelf"),
        sa.PrimaryKeyConstraint("shelf", "date_added", name="pk_taxii_earlier"),
    )
    op.create_index("taxii_earlier_object", "taxii_earlier", ["shelf", "object"], unique=True)
    op.create_index("taxii_earlier_row", "taxii_earlier", ["object"])
    op.create_index("taxii_earlier_type", "taxii_earlier", ["shelf", "type", "date_added"])
