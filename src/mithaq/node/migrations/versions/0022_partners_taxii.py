"""What partners read over TAXII: shelves, what is to be judged, and accounts; until when constituents' words stay."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_YEAR_US = 365 * 24 * 3600 * 1_000_000
_WRITTEN = f"""
    INSERT INTO duty_retained (object_row, object_id, order_at, nation, originator, release_id, agreement_id, lane,
                               delete_after, due_at, term)
    SELECT objects.row, objects.stix_id, coalesce(objects.modified, 0), word.nation, word.nation, '', '', objects.lane,
           word.received_at + {_YEAR_US}, word.received_at + {_YEAR_US}, 'retention_days'
    FROM objects JOIN (
        SELECT object, nation, max(received_at) AS received_at FROM object_provenance
        WHERE source = 'constituent' AND release_id IS NULL GROUP BY object, nation
    ) AS word ON word.object = objects.row
"""  # noqa: S608 - a number


def upgrade() -> None:
    """Make the tables, and write down when what constituents wrote falls due: a year after it came."""
    _make_shelves()
    op.execute(_WRITTEN)
    op.create_table(
        "taxii_partner_accounts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("shelf", _BIG, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_for", sa.Text(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.Column("refused_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["shelf"], ["taxii_partner_shelves.id"], name="fk_taxii_partner_accounts_shelf"),
        sa.PrimaryKeyConstraint("id", name="pk_taxii_partner_accounts"),
        sa.UniqueConstraint("digest", name="uq_taxii_partner_accounts_digest"),
    )
    op.create_index("ix_taxii_partner_accounts_shelf", "taxii_partner_accounts", ["shelf"])


def _make_shelves() -> None:
    op.create_table(
        "taxii_partner_shelves",
        sa.Column("id", _BIG, autoincrement=True, nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("nation", sa.Text(), nullable=False),
        sa.Column("agreement_id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_added", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_taxii_partner_shelves"),
        sa.UniqueConstraint("collection", name="uq_taxii_partner_shelves_collection"),
        sa.UniqueConstraint("nation", "agreement_id", name="uq_taxii_partner_shelves_nation_agreement_id"),
    )
    op.create_table(
        "taxii_partner_shelved",
        sa.Column("shelf", _BIG, autoincrement=False, nullable=False),
        sa.Column("date_added", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("object", _BIG, nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["shelf"], ["taxii_partner_shelves.id"], name="fk_taxii_partner_shelved_shelf"),
        sa.PrimaryKeyConstraint("shelf", "date_added", name="pk_taxii_partner_shelved"),
    )
    op.create_index("ix_taxii_partner_shelved_until", "taxii_partner_shelved", ["until"])
    op.create_index("taxii_partner_shelved_object", "taxii_partner_shelved", ["shelf", "object"], unique=True)
    op.create_index("taxii_partner_shelved_row", "taxii_partner_shelved", ["object"])
    op.create_index("taxii_partner_shelved_type", "taxii_partner_shelved", ["shelf", "type", "date_added"])
    op.create_table(
        "taxii_partner_due",
        sa.Column("shelf", _BIG, autoincrement=False, nullable=False),
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("mark", _BIG, nullable=False),
        sa.ForeignKeyConstraint(["shelf"], ["taxii_partner_shelves.id"], name="fk_taxii_partner_due_shelf"),
        sa.PrimaryKeyConstraint("shelf", "sequence", name="pk_taxii_partner_due"),
    )
