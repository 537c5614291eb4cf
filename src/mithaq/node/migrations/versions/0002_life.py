"""What parties say of their agreements after signing, and who approves a release."""

import sqlalchemy as sa
from alembic import op

revision = "0002_life"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of statements, letters, approvals and consents."""
    op.create_table(
        "agreement_statements",
        sa.Column("agreement_id", sa.Text(), nullable=False),
        sa.Column("nation", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("heard_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("agreement_id", "nation", "sequence", name="pk_agreement_statements"),
    )
