"""Foreign events that are held as originals, and what MISP's programs are told of what is held."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_Big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "misp_events",
        sa.Column("id", _Big, autoincrement=True, nullable=False),
        sa.Column("uuid", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("nation", sa.Text(), nullable=False),
        sa.Column("original", sa.Text(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("timestamp", _Big, nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("outside", sa.Text(), nullable=False),
        sa.Column("head", sa.Text(), nullable=False),
        sa.Column("stored_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["original"], ["originals.digest"], name="fk_misp_events_original"),
        sa.PrimaryKeyConstraint("id", name="pk_misp_events"),
    )
    op.create_index("misp_events_version", "misp_events", ["uuid", "lane", "nation", "timestamp"])
    op.create_table(
        "misp_event_objects",
        sa.Column("event", _Big, autoincrement=False, nullable=False),
        sa.Column("stix_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["event"], ["misp_events.id"], name="fk_misp_event_objects_event"),
        sa.PrimaryKeyConstraint("event", "stix_id", name="pk_misp_event_objects"),
    )
    op.create_index("misp_event_objects_object", "misp_event_objects", ["stix_id"])
    op.create_table(
        "taxii_places",
        sa.Column("object", _Big, autoincrement=False, nullable=False),
        sa.Column("is_event", sa.Boolean(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("object", name="pk_taxii_places"),
    )
    op.create_table(
        "misp_stamps",
        sa.Column("constituent", sa.Text(), nullable=False),
        sa.Column("uuid", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("timestamp", _Big, nullable=False),
        sa.PrimaryKeyConstraint("constituent", "uuid", name="pk_misp_stamps"),
    )
    op.create_table(
        "taxii_gone",
        sa.Column("shelf", _Big, autoincrement=False, nullable=False),
        sa.Column("object", _Big, autoincrement=False, nullable=False),
        sa.Column("stix_id", sa.Text(), nullable=False),
        sa.Column("tlp", sa.SmallInteger(), nullable=False),
        sa.Column("pap", sa.SmallInteger(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["shelf"], ["taxii_shelves.id"], name="fk_taxii_gone_shelf"),
        sa.PrimaryKeyConstraint("shelf", "object", name="pk_taxii_gone"),
    )
    op.create_index("taxii_gone_object", "taxii_gone", ["object"])
    op.add_column("constituent_accounts", sa.Column("misp_version", sa.Text(), nullable=True))
    # What stands on shelves is looked at once more, so that MISP's events get what was there before.
    op.execute("UPDATE taxii_shelves SET filled_to = 0, fill_to = (SELECT coalesce(max(row), 0) FROM objects)")
