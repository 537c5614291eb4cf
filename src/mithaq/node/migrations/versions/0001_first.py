"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create every table of the first schema."""
    _kernel()
    _nations()
    _agreements()
    _intelligence()
    _orders()
    _exchange()
    _telemetry()
    _detection()
    _response()


def _kernel() -> None:
    """The journal and how far each reader came."""
    op.create_table(
        "journal",
        _row("seq"),
        _timestamp("at"),
        _text("kind"),
        _text("subject"),
        _text("lane"),
        _text("actor"),
        _text("detail"),
        sa.PrimaryKeyConstraint("seq", name="pk_journal"),
    )
    op.create_table(
        "journal_cursors",
        _text("reader"),
        _big("seq"),
        sa.PrimaryKeyConstraint("reader", name="pk_journal_cursors"),
    )


def _nations() -> None:
    """Partners' cards; this node's people, their sessions and tokens."""
    op.create_table(
        "partners",
        _text("nation"),
        _bytes("card"),
        _timestamp("issued_at"),
        _text("standing"),
        _timestamp("added_at"),
        sa.PrimaryKeyConstraint("nation", name="pk_partners"),
    )
    op.create_table(
        "people_ceremony",
        _bytes("digest"),
        _bytes("challenge"),
        _text("person_id", nullable=True),
        _timestamp("expires_at"),
        sa.PrimaryKeyConstraint("digest", name="pk_people_ceremony"),
    )
    op.create_table(
        "people_person",
        _text("id"),
        _text("name"),
        _text("roles"),
        _timestamp("created_at"),
        _timestamp("disabled_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_people_person"),
        sa.UniqueConstraint("name", name="uq_people_person_name"),
    )
    op.create_table(
        "people_token",
        _text("id"),
        _bytes("digest"),
        _text("name"),
        _text("scopes"),
        _timestamp("created_at"),
        _timestamp("expires_at"),
        _timestamp("revoked_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_people_token"),
        sa.UniqueConstraint("digest", name="uq_people_token_digest"),
    )
    op.create_table(
        "people_link",
        _bytes("digest"),
        _text("person_id"),
        _timestamp("expires_at"),
        _timestamp("used_at", nullable=True),
        sa.PrimaryKeyConstraint("digest", name="pk_people_link"),
        sa.ForeignKeyConstraint(["person_id"], ["people_person.id"], name="fk_people_link_person_id"),
    )
    op.create_table(
        "people_passkey",
        _bytes("credential_id"),
        _text("person_id"),
        _bytes("public_key"),
        _big("sign_count"),
        _timestamp("created_at"),
        sa.PrimaryKeyConstraint("credential_id", name="pk_people_passkey"),
        sa.ForeignKeyConstraint(["person_id"], ["people_person.id"], name="fk_people_passkey_person_id"),
    )
    op.create_index("ix_people_passkey_person_id", "people_passkey", ["person_id"])
    op.create_table(
        "people_session",
        _bytes("digest"),
        _text("person_id"),
        _timestamp("created_at"),
        _timestamp("expires_at"),
        sa.PrimaryKeyConstraint("digest", name="pk_people_session"),
        sa.ForeignKeyConstraint(["person_id"], ["people_person.id"], name="fk_people_session_person_id"),
    )
    op.create_index("ix_people_session_person_id", "people_session", ["person_id"])


def _agreements() -> None:
    """Agreements, each version as its signed bytes."""
    op.create_table(
        "agreements",
        _text("id"),
        _integer("version"),
        _bytes("envelope"),
        _boolean("suspended"),
        _timestamp("added_at"),
        _timestamp("changed_at"),
        sa.PrimaryKeyConstraint("id", "version", name="pk_agreements"),
    )


def _intelligence() -> None:
    """The holdings: objects as their bytes, who said them, what they name."""
    op.create_table(
        "objects",
        _row("row"),
        _text("stix_id"),
        _text("type"),
        _text("lane"),
        _timestamp("modified", nullable=True),
        _boolean("revoked"),
        _timestamp("valid_until", nullable=True),
        _boolean("matchable"),
        _text("name"),
        _text("words"),
        _small("tlp"),
        _small("pap", nullable=True),
        _boolean("stands"),
        _timestamp("stored_at"),
        _bytes("digest"),
        _bytes("body"),
        sa.PrimaryKeyConstraint("row", name="pk_objects"),
    )
    op.create_index("objects_type", "objects", ["lane", "type", "row"])
    op.create_index("objects_version", "objects", ["stix_id", "lane", "digest"], unique=True)
    op.create_table(
        "originals",
        _text("digest"),
        _text("media_type"),
        _bytes("body"),
        _timestamp("stored_at"),
        sa.PrimaryKeyConstraint("digest", name="pk_originals"),
    )
    op.create_table(
        "object_instructions",
        _row("row", autoincrement=True),
        _row("object"),
        _text("agreement_id"),
        _text("recipients", nullable=True),
        _text("purpose"),
        _timestamp("at"),
        sa.PrimaryKeyConstraint("row", name="pk_object_instructions"),
        sa.ForeignKeyConstraint(["object"], ["objects.row"], name="fk_object_instructions_object"),
    )
    op.create_index("ix_object_instructions_object", "object_instructions", ["object"])
    op.create_table(
        "object_observables",
        _text("type"),
        _text("key"),
        _row("object"),
        _boolean("sufficient"),
        sa.PrimaryKeyConstraint("type", "key", "object", name="pk_object_observables"),
        sa.ForeignKeyConstraint(["object"], ["objects.row"], name="fk_object_observables_object"),
    )
    op.create_index("ix_object_observables_object", "object_observables", ["object"])
    op.create_table(
        "object_provenance",
        _row("row", autoincrement=True),
        _row("object"),
        _text("source"),
        _text("nation"),
        _text("agreement_id", nullable=True),
        _integer("agreement_version", nullable=True),
        _text("release_id", nullable=True),
        _text("purpose", nullable=True),
        _small("tlp"),
        _small("pap", nullable=True),
        _text("carried"),
        _timestamp("received_at"),
        _text("original", nullable=True),
        _text("standing"),
        _text("standing_reason"),
        sa.PrimaryKeyConstraint("row", name="pk_object_provenance"),
        sa.ForeignKeyConstraint(["object"], ["objects.row"], name="fk_object_provenance_object"),
    )
    op.create_index("ix_object_provenance_object", "object_provenance", ["object"])
    op.create_index("ix_object_provenance_release_id", "object_provenance", ["release_id"])


def _orders() -> None:
    """What people decided about releases, and what became of it."""
    op.create_table(
        "exchange_outbox",
        _row("row", autoincrement=True),
        _text("recipient"),
        _text("action"),
        _integer("object_row", nullable=True),
        _text("object_id"),
        _text("version"),
        _text("lane"),
        _text("agreement_id"),
        _text("purpose"),
        _timestamp("decided_at"),
        sa.PrimaryKeyConstraint("row", name="pk_exchange_outbox"),
        sa.UniqueConstraint("recipient", "action", "object_id", "version", "lane", name="exchange_outbox_once"),
    )
    op.create_index("exchange_outbox_recipient", "exchange_outbox", ["recipient", "row"])
    op.create_table(
        "exchange_standing_orders",
        _text("agreement_id"),
        _text("purpose"),
        _text("ordered_by"),
        _timestamp("ordered_at"),
        sa.PrimaryKeyConstraint("agreement_id", name="pk_exchange_standing_orders"),
    )
    op.create_table(
        "exchange_vetoes",
        _text("object_id"),
        _text("recipient"),
        _text("by"),
        _timestamp("at"),
        sa.PrimaryKeyConstraint("object_id", "recipient", name="pk_exchange_vetoes"),
    )
    op.create_table(
        "exchange_withheld",
        _row("row", autoincrement=True),
        _text("recipient"),
        _integer("object_row"),
        _text("object_id"),
        _text("version"),
        _text("lane"),
        _text("agreement_id"),
        _text("purpose"),
        _text("reasons"),
        _timestamp("at"),
        sa.PrimaryKeyConstraint("row", name="pk_exchange_withheld"),
        sa.UniqueConstraint("recipient", "object_id", "version", "lane", "agreement_id", name="exchange_withheld_once"),
    )


def _exchange() -> None:
    """What was released and received, with receipts."""
    op.create_table(
        "exchange_channels",
        _text("partner"),
        _integer("received_sequence"),
        _timestamp("fetched_at", nullable=True),
        _timestamp("asked_at", nullable=True),
        _integer("asked_after", nullable=True),
        _text("trouble", nullable=True),
        _timestamp("trouble_at", nullable=True),
        sa.PrimaryKeyConstraint("partner", name="pk_exchange_channels"),
    )
    op.create_table(
        "exchange_quarantine",
        _row("row", autoincrement=True),
        _text("sender"),
        _text("release_id"),
        _text("object_id"),
        _bytes("body"),
        _text("reasons"),
        _timestamp("at"),
        sa.PrimaryKeyConstraint("row", name="pk_exchange_quarantine"),
        sa.UniqueConstraint("sender", "release_id", "object_id", name="exchange_quarantine_once"),
    )
    op.create_table(
        "exchange_received",
        _text("sender"),
        _integer("sequence"),
        _text("release_id"),
        _text("digest"),
        _bytes("envelope"),
        _text("action"),
        _text("lane"),
        _text("outcome"),
        _text("refused"),
        _timestamp("received_at"),
        _boolean("receipt_due"),
        sa.PrimaryKeyConstraint("sender", "sequence", name="pk_exchange_received"),
    )
    op.create_index("exchange_received_due", "exchange_received", ["receipt_due", "sender"])
    op.create_table(
        "exchange_sent",
        _text("recipient"),
        _integer("sequence"),
        _text("release_id"),
        _text("action"),
        _text("lane"),
        _text("agreement_id"),
        _integer("agreement_version"),
        _text("purpose"),
        _text("digest"),
        _bytes("frame"),
        _timestamp("sent_at"),
        _text("outcome", nullable=True),
        _bytes("receipt", nullable=True),
        _timestamp("receipted_at", nullable=True),
        _text("refused", nullable=True),
        sa.PrimaryKeyConstraint("recipient", "sequence", name="pk_exchange_sent"),
    )
    op.create_table(
        "exchange_sent_objects",
        _text("recipient"),
        _integer("sequence"),
        _text("object_id"),
        _text("version"),
        _text("lane"),
        _integer("object_row", nullable=True),
        sa.PrimaryKeyConstraint("recipient", "sequence", "object_id", "version", name="pk_exchange_sent_objects"),
    )
    op.create_index("exchange_sent_objects_object", "exchange_sent_objects", ["object_id", "recipient"])


def _telemetry() -> None:
    """Sources, how far each was read, and the segments of the lake."""
    op.create_table(
        "lake_segments",
        _big("segment"),
        _text("state"),
        _big("bytes"),
        _big("events"),
        _timestamp("opened_at"),
        _timestamp("closed_at", nullable=True),
        _text("path", server_default=""),
        sa.PrimaryKeyConstraint("segment", name="pk_lake_segments"),
        sa.UniqueConstraint("segment", "state", name="uq_lake_segments_segment_state"),
    )
    op.create_table(
        "telemetry_broken_lines",
        _row("row", autoincrement=True),
        _text("source"),
        _big("line"),
        _big("offset"),
        _text("reason"),
        _timestamp("at"),
        sa.PrimaryKeyConstraint("row", name="pk_telemetry_broken_lines"),
    )
    op.create_index("ix_telemetry_broken_lines_source", "telemetry_broken_lines", ["source"])
    op.create_table(
        "telemetry_positions",
        _text("source"),
        _big("generation"),
        _big("device"),
        _big("inode"),
        _big("offset"),
        _big("line"),
        _text("fingerprint"),
        _integer("fingerprint_bytes"),
        _bytes("header"),
        _boolean("skipping"),
        _boolean("closed"),
        sa.PrimaryKeyConstraint("source", "generation", name="pk_telemetry_positions"),
    )
    op.create_table(
        "telemetry_sources",
        _text("name"),
        _text("path"),
        _text("format"),
        _text("lane"),
        _timestamp("added_at"),
        _big("lines", server_default="0"),
        _big("events", server_default="0"),
        _big("broken", server_default="0"),
        _timestamp("last_read_at", nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_telemetry_sources"),
    )


def _detection() -> None:
    """Hits and hunts."""
    op.create_table(
        "hits",
        _row("row", autoincrement=True),
        _text("hit_id"),
        _text("event_id"),
        _timestamp("event_at"),
        _text("source"),
        _text("kind"),
        _bytes("raw"),
        _text("field"),
        _text("seen_type"),
        _text("seen_value"),
        _text("matched_type"),
        _text("matched_value"),
        _text("indicator_id"),
        _big("object_row"),
        _text("origin_source"),
        _text("origin_nation"),
        _text("agreement_id", nullable=True),
        _integer("agreement_version", nullable=True),
        _text("lane"),
        _boolean("retro"),
        _timestamp("matched_at"),
        _text("state"),
        _text("decided_by"),
        _timestamp("decided_at", nullable=True),
        _text("sighting_id"),
        sa.PrimaryKeyConstraint("row", name="pk_hits"),
        sa.UniqueConstraint("event_id", "indicator_id", "lane", name="uq_hits_event_id_indicator_id_lane"),
        sa.UniqueConstraint("hit_id", name="uq_hits_hit_id"),
    )
    op.create_index("hits_by_indicator", "hits", ["indicator_id"])
    op.create_index("hits_by_lane", "hits", ["lane", "row"])
    op.create_table(
        "hunts",
        _row("row", autoincrement=True),
        _big("object_row"),
        _timestamp("requested_at"),
        _timestamp("done_at", nullable=True),
        sa.PrimaryKeyConstraint("row", name="pk_hunts"),
    )
    op.create_index("ix_hunts_done_at", "hunts", ["done_at"])
    op.create_index("ix_hunts_object_row", "hunts", ["object_row"])


def _response() -> None:
    """What is never blocked, and which lists were published."""
    op.create_table(
        "blocklist_publications",
        _text("recipient"),
        _text("format"),
        _big("serial"),
        _text("digest"),
        _timestamp("published_at"),
        sa.PrimaryKeyConstraint("recipient", "format", name="pk_blocklist_publications"),
    )
    op.create_table(
        "never_block",
        _row("row", autoincrement=True),
        _text("type"),
        _text("value"),
        _text("note"),
        _text("added_by"),
        _timestamp("added_at"),
        sa.PrimaryKeyConstraint("row", name="pk_never_block"),
        sa.UniqueConstraint("type", "value", name="uq_never_block_type_value"),
    )


def _text(name: str, *, nullable: bool = False, server_default: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable, server_default=server_default)


def _integer(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=nullable)


def _small(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.SmallInteger(), nullable=nullable)


def _big(name: str, *, nullable: bool = False, server_default: str | None = None) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable, server_default=server_default, autoincrement=False)


def _row(name: str, *, nullable: bool = False, autoincrement: bool = False) -> sa.Column[int]:
    kind = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column(name, kind, nullable=nullable, autoincrement=autoincrement)


def _timestamp(name: str, *, nullable: bool = False) -> sa.Column[int]:
    """Whole microseconds since 1970."""
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def _boolean(name: str, *, nullable: bool = False, server_default: str | None = None) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), nullable=nullable, server_default=server_default)


def _bytes(name: str, *, nullable: bool = False) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary(), nullable=nullable)
