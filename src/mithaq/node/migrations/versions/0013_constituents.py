"""Constituents of this nation, and the accounts of their programs."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "constituents",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("names", sa.Text(), nullable=False),
        sa.Column("sectors", sa.Text(), nullable=False),
        sa.Column("contact", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("disabled_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_constituents"),
    )
    op.create_table(
        "constituent_accounts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("constituent", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("may_write", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.Column("refused_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["constituent"], ["constituents.id"], name="fk_constituent_accounts_constituent"),
        sa.PrimaryKeyConstraint("id", name="pk_constituent_accounts"),
        sa.UniqueConstraint("digest", name="uq_constituent_accounts_digest"),
    )
    op.create_index("ix_constituent_accounts_constituent", "constituent_accounts", ["constituent"])
