"""What parties say of their agreements after signing, and who approves a release."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of statements, letters, approvals and consents."""
    op.create_table(
        "agreement_statements",
        _text("agreement_id"),
        _text("nation"),
        _integer("sequence"),
        _bytes("envelope"),
        _timestamp("heard_at"),
        sa.PrimaryKeyConstraint("agreement_id", "nation", "sequence", name="pk_agreement_statements"),
    )
    op.create_table(
        "exchange_letters",
        _row("row"),
        _text("recipient"),
        _text("digest"),
        _text("about"),
        _bytes("envelope"),
        _timestamp("queued_at"),
        _timestamp("next_at"),
        _integer("tried"),
        _text("refusal"),
        _timestamp("delivered_at", nullable=True),
        sa.PrimaryKeyConstraint("row", name="pk_exchange_letters"),
        sa.UniqueConstraint("recipient", "digest", name="exchange_letters_once"),
    )
    op.create_table(
        "exchange_approvals",
        _text("object_id"),
        _text("lane"),
        _text("digest"),
        _text("agreement_id"),
        _text("person"),
        _timestamp("at"),
        sa.PrimaryKeyConstraint("object_id", "lane", "digest", "agreement_id", "person", name="pk_exchange_approvals"),
    )
    op.create_table(
        "exchange_consents",
        _row("row"),
        _text("object_id"),
        _text("lane"),
        _text("digest"),
        _text("originator"),
        _text("holder"),
        _text("recipient"),
        _text("agreement_id"),
        _text("answer"),
        _timestamp("at"),
        _timestamp("until", nullable=True),
        sa.Column("envelope", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("row", name="pk_exchange_consents"),
        sa.UniqueConstraint(
            "object_id", "lane", "digest", "originator", "holder", "recipient", "agreement_id",
            name="exchange_consents_once",
        ),
    )  # fmt: skip
    op.add_column("object_instructions", sa.Column("given_by", sa.Text(), nullable=True))
    op.create_index("exchange_letters_due", "exchange_letters", ["recipient", "delivered_at"])


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _integer(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False)


def _row(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, autoincrement=True)


def _timestamp(name: str, *, nullable: bool = False) -> sa.Column[int]:
    """Whole microseconds since 1970."""
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def _bytes(name: str) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary(), nullable=False)
