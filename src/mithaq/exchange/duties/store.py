"""The tables of the duties: what is owed, what is kept until when, what was attested."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, Table, Text, UniqueConstraint

from mithaq.kernel.database import Json, Timestamp, metadata, row_id

duties = Table(
    "duties",
    metadata,
    row_id(),
    Column("kind", Text, nullable=False),
    Column("term", Text, nullable=False),
    Column("agreement_id", Text, nullable=False),
    Column("agreement_version", Integer, nullable=False),
    Column("owed_by", Text, nullable=False),
    Column("owed_to", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("lane", Text, nullable=False),
    Column("started_at", Timestamp, nullable=False),
    Column("due_at", Timestamp, nullable=True),
    Column("state", Text, nullable=False),
    Column("settled_at", Timestamp, nullable=True),
    Column("settled_by", Text, nullable=False),
    Column("breached_at", Timestamp, nullable=True),
    Column("onward_told", Integer, nullable=False),
    Column("onward_confirmed", Integer, nullable=False),
    Column("settled_because", Text, nullable=False, server_default=""),
    UniqueConstraint("kind", "agreement_id", "owed_by", "owed_to", "subject", "reference", "lane", name="duties_once"),
    Index("duties_due", "state", "due_at"),
    Index("duties_subject", "subject"),
)
"""What one nation owes another, with its clock."""

retained = Table(
    "duty_retained",
    metadata,
    row_id(),
    Column("object_row", BigInteger, nullable=False),
    Column("object_id", Text, nullable=False),
    Column("order_at", Timestamp, nullable=False),
    Column("nation", Text, nullable=False),
    Column("originator", Text, nullable=False),
    Column("release_id", Text, nullable=False),
    Column("agreement_id", Text, nullable=False),
    Column("lane", Text, nullable=False),
    Column("delete_after", Timestamp, nullable=False),
    Column("due_at", Timestamp, nullable=False),
    Column("term", Text, nullable=False),
    UniqueConstraint("release_id", "nation", "object_id", "object_row", name="duty_retained_once"),
    Index("duty_retained_due", "due_at"),
    Index("duty_retained_object", "object_id", "lane"),
)
"""Every copy that partners gave, and what constituents wrote (which came in no release), until when it may be kept.

Row 0 stands for a copy in quarantine.
"""

kept_copies = Table(
    "duty_kept_copies",
    metadata,
    Column("recipient", Text, primary_key=True),
    Column("release_id", Text, primary_key=True),
    Column("due_at", Timestamp, nullable=False),
    Index("duty_kept_copies_due", "due_at"),
)
"""Releases from here for which nothing is owed any more: until when the signed copy kept of them is evidence."""

erased_releases = Table(
    "duty_erased_releases",
    metadata,
    Column("sender", Text, primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("release_id", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("head", Json, nullable=False),
    Column("erased_at", Timestamp, nullable=False),
)
"""What stays of a received release whose bytes were erased: its head, and the digest that log and receipt name."""

attestations = Table(
    "duty_attestations",
    metadata,
    row_id(),
    Column("attestation_id", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("to", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("release_id", Text, nullable=False),
    Column("at", Timestamp, nullable=False),
    Column("statement", LargeBinary, nullable=False),
    Column("envelope", LargeBinary, nullable=True),
    Column("delivered", Boolean, nullable=False),
    UniqueConstraint("by", "attestation_id", name="duty_attestations_once"),
    Index("duty_attestations_due", "delivered", "to"),
    Index("duty_attestations_release", "release_id"),
)
"""Signed words about deletions and recalls, own ones and partners'; an own one waits unsigned until it is true."""

recalls = Table(
    "duty_recalls",
    metadata,
    Column("nation", Text, primary_key=True),
    Column("release_id", Text, primary_key=True),
    Column("object_id", Text, primary_key=True),
    Column("lane", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("at", Timestamp, nullable=False),
    Column("after_seq", BigInteger, nullable=False),
    Column("upto_seq", BigInteger, nullable=False),
    Column("told", Integer, nullable=False),
    Column("confirmed", Integer, nullable=False),
    Index("duty_recalls_object", "object_id", "lane"),
)
"""Recalls that partners sent, and what this node last told them of its own onward recipients.

A recall accounts for the clocks that the journal started after `after_seq` and up to `upto_seq`, and for no others.
"""

clock = Table(
    "duty_clock",
    metadata,
    Column("row", Integer, primary_key=True, autoincrement=False),
    Column("believed_at", Timestamp, nullable=False),
    Column("partner_at", Timestamp, nullable=True),
    Column("refused_at", Timestamp, nullable=True),
)
"""The instant that was last believed, and the newest that a partner signed; one row."""

reminders = Table(
    "duty_reminders",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("days", Integer, primary_key=True),
    Column("until", Timestamp, primary_key=True),
    Column("at", Timestamp, nullable=False),
)
"""Which reminders before an expiry were given."""
