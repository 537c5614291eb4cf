"""Protected versions of own objects."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the secrets of agreements, and which protected version is of which object."""
    op.create_table(
        "exchange_protected",
        sa.Column("object_id", sa.Text(), nullable=False),
        sa.Column("agreement_id", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("protected_id", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("object_id", "agreement_id", "lane", "protected_id", name="pk_exchange_protected"),
    )
    op.create_index("exchange_protected_version", "exchange_protected", ["protected_id"])
    op.create_table(
        "exchange_protection_secrets",
        sa.Column("agreement_id", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("agreement_id", name="pk_exchange_protection_secrets"),
    )
