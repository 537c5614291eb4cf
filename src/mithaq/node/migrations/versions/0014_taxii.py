"""Collections, the shelves of their audience, and what became of posts."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_Big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "taxii_collections",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("alias", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("action", sa.SmallInteger(), nullable=False),
        sa.Column("types", sa.Text(), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("can_read", sa.Boolean(), nullable=False),
        sa.Column("can_write", sa.Boolean(), nullable=False),
        sa.Column("floor", sa.SmallInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_taxii_collections"),
        sa.UniqueConstraint("alias", name="uq_taxii_collections_alias"),
        sa.UniqueConstraint("title", name="uq_taxii_collections_title"),
    )
    op.create_table(
        "taxii_shelves",
        sa.Column("id", _Big, autoincrement=True, nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("constituent", sa.Text(), nullable=False),
        sa.Column("last_added", sa.BigInteger(), nullable=False),
        sa.Column("filled_to", _Big, nullable=False),
        sa.Column("fill_to", _Big, nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["collection"], ["taxii_collections.id"], name="fk_taxii_shelves_collection"),
        sa.ForeignKeyConstraint(["constituent"], ["constituents.id"], name="fk_taxii_shelves_constituent"),
        sa.PrimaryKeyConstraint("id", name="pk_taxii_shelves"),
        sa.UniqueConstraint("collection", "constituent", name="uq_taxii_shelves_collection_constituent"),
    )
    op.create_index("ix_taxii_shelves_constituent", "taxii_shelves", ["constituent"])
    op.create_table(
        "taxii_shelved",
        sa.Column("shelf", _Big, autoincrement=False, nullable=False),
        sa.Column("date_added", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("object", _Big, nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("refers", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["shelf"], ["taxii_shelves.id"], name="fk_taxii_shelved_shelf"),
        sa.PrimaryKeyConstraint("shelf", "date_added", name="pk_taxii_shelved"),
    )
    op.create_index("taxii_shelved_object", "taxii_shelved", ["shelf", "object"], unique=True)
    op.create_index("taxii_shelved_row", "taxii_shelved", ["object"])
    op.create_index("taxii_shelved_type", "taxii_shelved", ["shelf", "type", "date_added"])
    op.create_table(
        "taxii_refs",
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("object", _Big, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("ref", "object", name="pk_taxii_refs"),
    )
    op.create_index("taxii_refs_object", "taxii_refs", ["object"])
    op.create_table(
        "taxii_posts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("shelf", _Big, nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["shelf"], ["taxii_shelves.id"], name="fk_taxii_posts_shelf"),
        sa.PrimaryKeyConstraint("id", name="pk_taxii_posts"),
    )
    op.create_index("ix_taxii_posts_at", "taxii_posts", ["at"])
