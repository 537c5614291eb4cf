"""The tables of the exchange."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    select,
    update,
)

from mithaq.kernel.database import Json, Timestamp, Transaction, metadata, row_id
from mithaq.kernel.ids import NationId

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


class Vetoes:
    """The vetoes that stand in one view of the database."""

    def __init__(self, connection: Connection) -> None:
        self._of: dict[str, set[str]] = {}
        for object_id, recipient in connection.execute(select(vetoes.c.object_id, vetoes.c.recipient)):
            self._of.setdefault(object_id, set()).add(recipient)

    def against(self, recipient: str) -> frozenset[str]:
        """Return the ids of all objects that stay from a recipient."""
        return frozenset(each for each in self._of if self.holds(each, recipient))

    def holds(self, object_id: str, recipient: str) -> bool:
        """Tell whether an object stays from a recipient: a nation's code, or `kind:name` of one inside the nation."""
        against = self._of.get(object_id)
        return against is not None and not against.isdisjoint({"*", recipient})


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

consents = Table(
    "exchange_consents",
    metadata,
    row_id(),
    Column("object_id", Text, nullable=False),
    Column("lane", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("originator", Text, nullable=False),
    Column("holder", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("agreement_id", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("at", Timestamp, nullable=False),
    Column("until", Timestamp, nullable=True),
    Column("envelope", LargeBinary, nullable=True),
    UniqueConstraint(
        "object_id", "lane", "digest", "originator", "holder", "recipient", "agreement_id",
        name="exchange_consents_once",
    ),
)  # fmt: skip
"""What originators were asked to let pass on, by this nation or of it, with the signed answers."""

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
    Column("label", Text, nullable=False, server_default=""),
    Column("envelope", LargeBinary, nullable=True),
    Column("log", BigInteger, nullable=True),
    Column("leaf", BigInteger, nullable=True),
    Column("emergency_log", BigInteger, nullable=True),
    Column("emergency_leaf", BigInteger, nullable=True),
    Index("exchange_sent_release", "release_id"),
)
"""What was released, with its sealed bytes for a retry, its leaf in the log and the recipient's receipt.

The frame is empty while the release waits for witnesses. The signed envelope stays for a dispute; it is deleted with
the record of its leaf.
"""

WAITS_FOR_WITNESSES = (
    sent.c.action == "release",
    sent.c.frame == b"",
    sent.c.receipt.is_(None),
    sent.c.leaf.is_not(None),
    sent.c.emergency_leaf.is_(None),
)
"""What is true of a release that may not leave before enough witnesses have answered."""

overtaken = Table(
    "exchange_overtaken",
    metadata,
    Column("recipient", Text, primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("digest", Text, primary_key=True),
    Column("action", Text, nullable=False),
    Column("frame", LargeBinary, nullable=False),
    Column("sent_at", Timestamp, nullable=False),
    Column("label", Text, nullable=False),
    Column("envelope", LargeBinary, nullable=True),
    Column("log", BigInteger, nullable=True),
    Column("leaf", BigInteger, nullable=True),
    Column("emergency_log", BigInteger, nullable=True),
    Column("emergency_leaf", BigInteger, nullable=True),
    Column("objects", Json, nullable=False),
)
"""What a void number said before, until its recipient has confirmed one or the other."""

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

protection_secrets = Table(
    "exchange_protection_secrets",
    metadata,
    Column("agreement_id", Text, primary_key=True),
    Column("secret", LargeBinary, nullable=False),
    Column("made_at", Timestamp, nullable=False),
)
"""What the pseudonyms of one agreement are made with; never leaves the node but in a sealed backup."""

protected = Table(
    "exchange_protected",
    metadata,
    Column("object_id", Text, primary_key=True),
    Column("agreement_id", Text, primary_key=True),
    Column("lane", Text, primary_key=True),
    Column("protected_id", Text, primary_key=True),
    Column("made_at", Timestamp, nullable=False),
    Index("exchange_protected_version", "protected_id"),
)
"""Which protected version was made of which own object; nothing of it is ever sent."""

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
    Column("witness_trouble", Json, nullable=True),
    Column("witness_trouble_at", Timestamp, nullable=True),
)
"""How far each partner's releases were taken, what stands in the way, and what keeps it from witnessing this log."""


def set_channel(tx: Transaction, partner: NationId, **values: Any) -> None:
    """Change what is known of a partner's channel, which begins at number 0."""
    changed = tx.execute(update(channels).where(channels.c.partner == partner).values(**values))
    if not changed.rowcount:
        tx.execute(channels.insert().values(**({"partner": partner, "received_sequence": 0} | values)))


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
