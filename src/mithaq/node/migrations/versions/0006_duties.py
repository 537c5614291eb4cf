"""What is owed, kept and attested; the numbers of rows that were erased."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of the duties."""
    _duties()
    _retention()
    _statements()
    op.create_table(
        "object_tombstones",
        _row("row"),
        _text("stix_id"),
        _text("lane"),
        _timestamp("erased_at"),
        sa.PrimaryKeyConstraint("row", name="pk_object_tombstones"),
    )
    op.create_index("object_tombstones_object", "object_tombstones", ["stix_id", "lane"])


def _duties() -> None:
    """Duties with their clocks, the instant that was believed, reminders that were given."""
    op.create_table(
        "duties",
        _row("row", autoincrement=True),
        _text("kind"),
        _text("term"),
        _text("agreement_id"),
        _integer("agreement_version"),
        _text("owed_by"),
        _text("owed_to"),
        _text("subject"),
        _text("reference"),
        _text("lane"),
        _timestamp("started_at"),
        _timestamp("due_at", nullable=True),
        _text("state"),
        _timestamp("settled_at", nullable=True),
        _text("settled_by"),
        _timestamp("breached_at", nullable=True),
        _integer("onward_told"),
        _integer("onward_confirmed"),
        sa.PrimaryKeyConstraint("row", name="pk_duties"),
        sa.UniqueConstraint(
            "kind", "agreement_id", "owed_by", "owed_to", "subject", "reference", "lane", name="duties_once"
        ),
    )
    op.create_index("duties_due", "duties", ["state", "due_at"])
    op.create_index("duties_subject", "duties", ["subject"])
    op.create_table(
        "duty_clock",
        _integer("row"),
        _timestamp("believed_at"),
        _timestamp("partner_at", nullable=True),
        _timestamp("refused_at", nullable=True),
        sa.PrimaryKeyConstraint("row", name="pk_duty_clock"),
    )
    op.create_table(
        "duty_reminders",
        _text("subject"),
        _integer("days"),
        _timestamp("until"),
        _timestamp("at"),
        sa.PrimaryKeyConstraint("subject", "days", "until", name="pk_duty_reminders"),
    )


def _retention() -> None:
    """Until when each copy may be kept, and what stays of a release whose bytes were erased."""
    op.create_table(
        "duty_retained",
        _row("row", autoincrement=True),
        sa.Column("object_row", sa.BigInteger(), nullable=False, autoincrement=False),
        _text("object_id"),
        _timestamp("order_at"),
        _text("nation"),
        _text("originator"),
        _text("release_id"),
        _text("agreement_id"),
        _text("lane"),
        _timestamp("delete_after"),
        _timestamp("due_at"),
        _text("term"),
        sa.PrimaryKeyConstraint("row", name="pk_duty_retained"),
        sa.UniqueConstraint("release_id", "nation", "object_id", "object_row", name="duty_retained_once"),
    )
    op.create_index("duty_retained_due", "duty_retained", ["due_at"])
    op.create_index("duty_retained_object", "duty_retained", ["object_id", "lane"])
    op.create_table(
        "duty_erased_releases",
        _text("sender"),
        _integer("sequence"),
        _text("release_id"),
        _text("digest"),
        _text("head"),
        _timestamp("erased_at"),
        sa.PrimaryKeyConstraint("sender", "sequence", name="pk_duty_erased_releases"),
    )


def _statements() -> None:
    """Attestations of both directions, and recalls that came."""
    op.create_table(
        "duty_attestations",
        _row("row", autoincrement=True),
        _text("attestation_id"),
        _text("by"),
        _text("to"),
        _text("what"),
        _text("release_id"),
        _timestamp("at"),
        sa.Column("statement", sa.LargeBinary(), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=True),
        sa.Column("delivered", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("row", name="pk_duty_attestations"),
        sa.UniqueConstraint("by", "attestation_id", name="duty_attestations_once"),
    )
    op.create_index("duty_attestations_due", "duty_attestations", ["delivered", "to"])
    op.create_index("duty_attestations_release", "duty_attestations", ["release_id"])
    op.create_table(
        "duty_recalls",
        _text("nation"),
        _text("release_id"),
        _text("object_id"),
        _text("lane"),
        _text("digest"),
        _timestamp("at"),
        sa.Column("after_seq", sa.BigInteger(), nullable=False),
        sa.Column("upto_seq", sa.BigInteger(), nullable=False),
        _integer("told"),
        _integer("confirmed"),
        sa.PrimaryKeyConstraint("nation", "release_id", "object_id", name="pk_duty_recalls"),
    )
    op.create_index("duty_recalls_object", "duty_recalls", ["object_id", "lane"])


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _integer(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False, autoincrement=False)


def _row(name: str, *, autoincrement: bool = False) -> sa.Column[int]:
    kind = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column(name, kind, nullable=False, autoincrement=autoincrement)


def _timestamp(name: str, *, nullable: bool = False) -> sa.Column[int]:
    """Whole microseconds since 1970."""
    return sa.Column(name, sa.BigInteger(), nullable=nullable)
