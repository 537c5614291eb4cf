"""Until when the signed copies of own releases are kept."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table, and let go what was attested before it was there."""
    op.create_table(
        "duty_kept_copies",
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("release_id", sa.Text(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("recipient", "release_id", name="pk_duty_kept_copies"),
    )
    op.create_index("duty_kept_copies_due", "duty_kept_copies", ["due_at"])
    op.create_index("exchange_sent_release", "exchange_sent", ["release_id"])
    op.execute(
        "INSERT INTO duty_kept_copies (recipient, release_id, due_at) "
        "SELECT sent.recipient, sent.release_id, MAX(duties.due_at) + 2592000000000 "  # thirty days, the usual notice
        "FROM exchange_sent AS sent JOIN duties ON duties.subject = sent.release_id "
        "AND duties.owed_by = sent.recipient "
        "WHERE duties.kind = 'retention' AND duties.state <> 'open' AND duties.due_at IS NOT NULL "
        "GROUP BY sent.recipient, sent.release_id"
    )
