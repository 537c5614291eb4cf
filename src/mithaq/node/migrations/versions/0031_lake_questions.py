"""The layout of each segment and what is wrong with it, how long a source is kept, erasures, questions and answers."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and tables; what was sealed before lies in the first layout."""
    op.add_column("lake_segments", sa.Column("format", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("lake_segments", sa.Column("trouble", sa.Text(), nullable=False, server_default=""))
    op.add_column("telemetry_sources", sa.Column("retain_days", sa.Integer(), nullable=True))
    op.add_column("telemetry_sources", sa.Column("constituent", sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "lake_erasures",
        _text("source"),
        _instant("asked_at"),
        _text("asked_by"),
        _instant("done_at", nullable=True),
        sa.Column("events", sa.BigInteger(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("source", "asked_at", name="pk_lake_erasures"),
    )
    op.create_table(
        "lake_saved_hunts",
        _text("name"),
        _text("question"),
        _text("saved_by"),
        _instant("saved_at"),
        sa.Column("every_hours", sa.Integer(), nullable=True),
        _instant("due_at", nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_lake_saved_hunts"),
    )
    op.create_table(
        "lake_answers",
        _text("answer_id"),
        _text("saved_hunt"),
        _text("question"),
        _text("lane"),
        _text("asked_by"),
        _instant("asked_at"),
        _text("state"),
        sa.Column("parts_done", sa.Integer(), nullable=False),
        sa.Column("parts", sa.Integer(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("unread", sa.Integer(), nullable=False),
        sa.Column("older", sa.Integer(), nullable=False),
        _text("stopped"),
        _instant("finished_at", nullable=True),
        sa.PrimaryKeyConstraint("answer_id", name="pk_lake_answers"),
    )
    op.create_index("ix_lake_answers_state", "lake_answers", ["state"])
    op.create_table(
        "lake_answer_rows",
        _text("answer_id"),
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        _text("event_id"),
        _text("event_at"),
        _text("source"),
        _text("kind"),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("answer_id", "place", name="pk_lake_answer_rows"),
    )
    op.create_index("ix_lake_answer_rows_source", "lake_answer_rows", ["source"])


def _text(name: str) -> "sa.Column[str]":
    return sa.Column(name, sa.Text(), nullable=False)


def _instant(name: str, *, nullable: bool = False) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger(), nullable=nullable)
