"""The tables of the exchange."""

from sqlalchemy import Boolean, Column, Index, Integer, LargeBinary, Table, Text, UniqueConstraint

from mithaq.kernel.database import Json, Timestamp, metadata, row_id

standing_orders = Table(
    "exchange_standing_orders",
    metadata,
    Column("agreement_id", Text, primary_key=True),
    Column("purpose", Text, nullable=False),
    Column("ordered_by", Text, nullable=False),
    Column("ordered_at", Timestamp, nullable=False),
)
"""A releaser's decision that new objects go to the parties of this agreement."""

vetoes = Table(
    "exchange_vetoes",
    metadata,
    Column("object_id", Text, primary_key=True),
    Column("recipient", Text, primary_key=True),
    Column("by", Text, nullable=False),
    Column("at", Timestamp, nullable=False),
)
"""A director's word that an object stays; recipient `*` means everybody."""

approvals = Table(
    "exchange_approvals",
    metadata,
    Column("object_id", Text, primary_key=True),
    Column("lane", Text, primary_key=True),
    Column("digest", Text, primary_key=True),
    Column("agreement_id", Text, primary_key=True),
    Column("person", Text, primary_key=True),
    Column("at", Timestamp, nullable=False),
)
"""Who approved the release of exactly this version of an object under an agreement."""

outbox = Table(
    "exchange_outbox",
    metadata,
    row_id(),
    Column("recipient", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("object_row", Integer, nullable=True),
    Column("object_id", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("lane", Text, nullable=False),
    Column("agreement_id", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("decided_at", Timestamp, nullable=False),
    Index("exchange_outbox_recipient", "recipient", "row"),
    UniqueConstraint("recipient", "action", "object_id", "version", "lane", name="exchange_outbox_once"),
)
"""Decisions that wait to be fetched."""

sent = Table(
    "exchange_sent",
    metadata,
    Column("recipient", Text, primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("release_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("lane", Text, nullable=False),
    Column("agreement_id", Text, nullable=False),
    Column("agreement_version", Integer, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("frame", LargeBinary, nullable=False),
    Column("sent_at", Timestamp, nullable=False),
    Column("outcome", Text, nullable=True),
    Column("receipt", LargeBinary, nullable=True),
    Column("receipted_at", Timestamp, nullable=True),
    Column("refused", Json, nullable=True),
)
"""What was released, with its sealed bytes for a retry and the recipient's receipt."""

sent_objects = Table(
    "exchange_sent_objects",
    metadata,
    Column("recipient", Text, primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("object_id", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("lane", Text, nullable=False),
    Column("object_row", Integer, nullable=True),
    Index("exchange_sent_objects_object", "object_id", "recipient"),
)
"""Who has which version of which object from this nation."""

letters = Table(
    "exchange_letters",
    metadata,
    row_id(),
    Column("recipient", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("about", Text, nullable=False),
    Column("envelope", LargeBinary, nullable=False),
    Column("queued_at", Timestamp, nullable=False),
    Column("next_at", Timestamp, nullable=False),
    Column("tried", Integer, nullable=False),
    Column("refusal", Text, nullable=False),
    Column("delivered_at", Timestamp, nullable=True),
    Index("exchange_letters_due", "recipient", "delivered_at"),
    UniqueConstraint("recipient", "digest", name="exchange_letters_once"),
)
"""Signed papers on their way to partners; they are no intelligence and carry no object."""

withheld = Table(
    "exchange_withheld",
    metadata,
    row_id(),
    Column("recipient", Text, nullable=False),
    Column("object_row", Integer, nullable=False),
    Column("object_id", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("lane", Text, nullable=False),
    Column("agreement_id", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("reasons", Json, nullable=False),
    Column("at", Timestamp, nullable=False),
    UniqueConstraint("recipient", "object_id", "version", "lane", "agreement_id", name="exchange_withheld_once"),
)
"""The private log of refusals; nothing of it is ever sent."""

channels = Table(
    "exchange_channels",
    metadata,
    Column("partner", Text, primary_key=True),
    Column("received_sequence", Integer, nullable=False),
    Column("fetched_at", Timestamp, nullable=True),
    Column("asked_at", Timestamp, nullable=True),
    Column("asked_after", Integer, nullable=True),
    Column("trouble", Json, nullable=True),
    Column("trouble_at", Timestamp, nullable=True),
)
"""How far each partner's releases were taken, and what stands in the way."""

received = Table(
    "exchange_received",
    metadata,
    Column("sender", Text, primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("release_id", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("envelope", LargeBinary, nullable=False),
    Column("action", Text, nullable=False),
    Column("lane", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("refused", Json, nullable=False),
    Column("received_at", Timestamp, nullable=False),
    Column("receipt_due", Boolean, nullable=False),
    Index("exchange_received_due", "receipt_due", "sender"),
)
"""The inner signed releases, opened; the seal's key dies, these stay."""

quarantine = Table(
    "exchange_quarantine",
    metadata,
    row_id(),
    Column("sender", Text, nullable=False),
    Column("release_id", Text, nullable=False),
    Column("object_id", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("reasons", Json, nullable=False),
    Column("at", Timestamp, nullable=False),
    UniqueConstraint("sender", "release_id", "object_id", name="exchange_quarantine_once"),
)
"""What partners sent and this node did not admit."""
