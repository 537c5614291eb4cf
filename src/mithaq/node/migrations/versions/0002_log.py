"""The release log: its leaves, tiles, records and checkpoints; this nation as a witness; proofs received."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the log's tables, and the columns that tie releases to it."""
    _log()
    _witness()
    op.add_column("exchange_sent", sa.Column("label", sa.Text(), nullable=False, server_default=""))
    op.add_column("exchange_sent", sa.Column("envelope", sa.LargeBinary(), nullable=True))
    for name in ("log", "leaf", "emergency_log", "emergency_leaf"):
        op.add_column("exchange_sent", sa.Column(name, sa.BigInteger(), nullable=True))
    op.add_column("exchange_channels", sa.Column("witness_trouble", sa.Text(), nullable=True))
    op.add_column("exchange_channels", sa.Column("witness_trouble_at", sa.BigInteger(), nullable=True))


def _log() -> None:
    op.create_table(
        "exchange_logs",
        _row("log"),
        _text("origin"),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        _big("size"),
        _bytes("peaks"),
        sa.PrimaryKeyConstraint("log", name="pk_exchange_logs"),
        sa.UniqueConstraint("origin", name="uq_exchange_logs_origin"),
    )
    op.create_table(
        "exchange_log_entries",
        _big("log"),
        _big("leaf"),
        _bytes("entry"),
        sa.PrimaryKeyConstraint("log", "leaf", name="pk_exchange_log_entries"),
    )
    op.create_table(
        "exchange_log_tiles",
        _big("log"),
        sa.Column("level", sa.Integer(), nullable=False, autoincrement=False),
        _big("number"),
        _bytes("hashes"),
        sa.PrimaryKeyConstraint("log", "level", "number", name="pk_exchange_log_tiles"),
    )
    op.create_table(
        "exchange_log_records",
        _big("log"),
        _big("leaf"),
        _bytes("salt"),
        _bytes("record"),
        _text("release_id"),
        _text("action"),
        sa.PrimaryKeyConstraint("log", "leaf", name="pk_exchange_log_records"),
    )
    op.create_index("exchange_log_records_release", "exchange_log_records", ["release_id"])
    op.create_table(
        "exchange_log_checkpoints",
        _big("log"),
        _big("size"),
        _bytes("note"),
        _big("at"),
        sa.PrimaryKeyConstraint("log", "size", name="pk_exchange_log_checkpoints"),
    )
    op.create_table(
        "exchange_log_cosignatures",
        _big("log"),
        _big("size"),
        _text("witness"),
        _text("lines"),
        _big("at"),
        sa.PrimaryKeyConstraint("log", "size", "witness", name="pk_exchange_log_cosignatures"),
    )


def _witness() -> None:
    op.create_table(
        "exchange_witnessed",
        _text("origin"),
        _big("size"),
        _bytes("root"),
        _bytes("note"),
        _big("at"),
        sa.PrimaryKeyConstraint("origin", name="pk_exchange_witnessed"),
    )
    op.create_table(
        "exchange_log_evidence",
        _row("row"),
        _text("origin"),
        _text("ruling"),
        _bytes("seen"),
        _bytes("shown"),
        _big("at"),
        sa.PrimaryKeyConstraint("row", name="pk_exchange_log_evidence"),
        sa.UniqueConstraint("origin", "shown", name="exchange_log_evidence_once"),
    )
    op.create_table(
        "exchange_proofs",
        _text("sender"),
        sa.Column("sequence", sa.Integer(), nullable=False),
        _text("release_id"),
        _text("emergency"),
        sa.Column("proof", sa.LargeBinary(), nullable=True),
        _big("due_at"),
        _text("refused"),
        sa.PrimaryKeyConstraint("sender", "sequence", name="pk_exchange_proofs"),
    )
    op.create_index("exchange_proofs_owed", "exchange_proofs", ["sender", "due_at"])


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _big(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False, autoincrement=False)


def _row(name: str) -> sa.Column[int]:
    kind = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column(name, kind, nullable=False, autoincrement=True)


def _bytes(name: str) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary(), nullable=False)
