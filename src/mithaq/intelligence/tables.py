"""Tables of the holdings. The body is the record; every other column is a projection of it."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    text,
)

from mithaq.kernel.database import Json, Timestamp, metadata, row_id

_Big = BigInteger().with_variant(Integer, "sqlite")

objects = Table(
    "objects",
    metadata,
    # Given out by `next_row` under the store's lock, so that row numbers are in commit order on both databases.
    Column("row", _Big, primary_key=True, autoincrement=False),
    Column("stix_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("lane", Text, nullable=False),
    Column("modified", Timestamp),
    Column("revoked", Boolean, nullable=False),
    Column("valid_until", Timestamp),
    Column("matchable", Boolean, nullable=False),
    Column("name", Text, nullable=False),
    Column("tlp", SmallInteger, nullable=False),
    Column("pap", SmallInteger),
    Column("stands", Boolean, nullable=False),
    Column("stored_at", Timestamp, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    # Of an indicator that is a rule in another language than STIX patterns: which (STIX 2.1 §10.19).
    Column("pattern_type", Text, nullable=False, server_default=""),
    Index("objects_version", "stix_id", "lane", "digest", unique=True),
    Index("objects_type", "lane", "type", "row"),
)
# Indicators in other languages than STIX patterns: few among many.
_NAMED = text("pattern_type != ''")
Index("objects_rules", objects.c.pattern_type, sqlite_where=_NAMED, postgresql_where=_NAMED)
provenance = Table(
    "object_provenance",
    metadata,
    row_id(),
    Column("object", _Big, ForeignKey("objects.row"), nullable=False, index=True),
    Column("source", Text, nullable=False),
    Column("nation", Text, nullable=False),
    Column("agreement_id", Text),
    Column("agreement_version", Integer),
    Column("release_id", Text, index=True),
    Column("purpose", Text),
    Column("tlp", SmallInteger, nullable=False),
    Column("pap", SmallInteger),
    Column("carried", Json, nullable=False),
    Column("received_at", Timestamp, nullable=False),
    Column("original", Text),
    # How this nation rates it, such as B2; never leaves.
    Column("admiralty", Text),
    Column("standing", Text, nullable=False),
    Column("standing_reason", Text, nullable=False),
    # What its labels are worth beside those of other words: stated, named or unlabelled.
    Column("labelled", Text, nullable=False, server_default="stated"),
)
instructions = Table(
    "object_instructions",
    metadata,
    row_id(),
    Column("object", _Big, ForeignKey("objects.row"), nullable=False, index=True),
    Column("agreement_id", Text, nullable=False),
    Column("recipients", Json),
    Column("purpose", Text, nullable=False),
    Column("at", Timestamp, nullable=False),
    Column("given_by", Text),
)
observables = Table(
    "object_observables",
    metadata,
    Column("type", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("object", _Big, ForeignKey("objects.row"), primary_key=True, index=True),
    # True: seeing it makes the indicator's pattern true. False: the object only names it.
    Column("sufficient", Boolean, nullable=False),
)
anchors = Table(
    "object_anchors",
    metadata,
    # By what lines are found that may satisfy a pattern which no single observable satisfies.
    Column("type", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("object", _Big, ForeignKey("objects.row"), primary_key=True, index=True),
)
comments = Table(
    "object_comments",
    metadata,
    # Which opinions and sightings there are of an object: found from the object they speak of.
    Column("about", Text, primary_key=True),
    Column("object", _Big, ForeignKey("objects.row"), primary_key=True, index=True),
)
postings = Table(
    "object_postings",
    metadata,
    # For each token and part of the rows: which rows have it. What lies in one segment was written at one time.
    Column("segment", Integer, primary_key=True, autoincrement=False),
    Column("token", LargeBinary, primary_key=True),
    Column("part", _Big, primary_key=True, autoincrement=False),
    Column("rows", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
tombstones = Table(
    "object_tombstones",
    metadata,
    # The number of a row that was erased is never given out again: the journal still names it.
    Column("row", _Big, primary_key=True, autoincrement=False),
    Column("stix_id", Text, nullable=False),
    Column("lane", Text, nullable=False),
    Column("erased_at", Timestamp, nullable=False),
    Index("object_tombstones_object", "stix_id", "lane"),
)
originals = Table(
    "originals",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("media_type", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("stored_at", Timestamp, nullable=False),
)
inbox = Table(
    "intelligence_inbox",
    metadata,
    row_id(),
    # SHA-256 of the Message-ID and of the message: each message is taken once.
    Column("key", Text, nullable=False, unique=True),
    Column("lane", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("sender", Text, nullable=False),
    Column("original", Text),
    Column("state", Text, nullable=False, index=True),
    Column("outcome", Json, nullable=False),
    Column("taken_at", Timestamp, nullable=False),
)
misp_events = Table(
    "misp_events",
    metadata,
    row_id("id"),
    Column("uuid", Text, nullable=False),
    Column("lane", Text, nullable=False),
    # Who gave it: this nation where it was imported, else a constituent.
    Column("nation", Text, nullable=False),
    Column("original", Text, ForeignKey("originals.digest"), nullable=False),
    # Which of the file's events it is, from 0.
    Column("place", Integer, nullable=False),
    # Seconds since 1970, as the event says.
    Column("timestamp", _Big, nullable=False),
    # How many objects were converted from it, and what these refer to beside each other.
    Column("size", Integer, nullable=False),
    Column("outside", Json, nullable=False),
    # What an index says of it: info, date, Orgc, tags; what stands against passing it on; and into which
    # collection a constituent gave it.
    Column("head", Json, nullable=False),
    Column("stored_at", Timestamp, nullable=False),
    Index("misp_events_version", "uuid", "lane", "nation", "timestamp"),
)
misp_event_objects = Table(
    "misp_event_objects",
    metadata,
    Column("event", _Big, ForeignKey("misp_events.id"), primary_key=True, autoincrement=False),
    Column("stix_id", Text, primary_key=True),
    Index("misp_event_objects_object", "stix_id"),
)
