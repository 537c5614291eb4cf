"""The tables of this nation's logs, of this nation as a witness, and of the proofs it was given."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    select,
)

from mithaq.kernel.database import Json, Timestamp, Transaction, metadata, row_id, upsert
from mithaq.kernel.tlog.errors import BadProof
from mithaq.kernel.tlog.lines import HASH_BYTES
from mithaq.kernel.tlog.tiles import WIDTH, Tile, join_bundle
from mithaq.kernel.tlog.tree import Edge, leaf_hash, perfect_root

logs = Table(
    "exchange_logs",
    metadata,
    row_id("log"),
    Column("origin", Text, nullable=False),
    Column("year", Integer, nullable=False),
    Column("shard", Integer, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("peaks", LargeBinary, nullable=False),
    Column("agreement", Text, nullable=False, server_default=""),
    UniqueConstraint("origin"),
)
"""This nation's logs, each with the right edge of its tree: release logs, one a year, with no `agreement`; membership
logs, one an agreement, with the year 0."""

entries = Table(
    "exchange_log_entries",
    metadata,
    Column("log", BigInteger, primary_key=True, autoincrement=False),
    Column("leaf", BigInteger, primary_key=True, autoincrement=False),
    Column("entry", LargeBinary, nullable=False),
)
"""Of a release log the commitments, from which nothing can be learned; of a membership log the records themselves."""

tiles = Table(
    "exchange_log_tiles",
    metadata,
    Column("log", BigInteger, primary_key=True, autoincrement=False),
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("hashes", LargeBinary, nullable=False),
)
"""Full tiles of level 0; above it each tile as far as it has grown, so that any narrower one is its beginning."""

records = Table(
    "exchange_log_records",
    metadata,
    Column("log", BigInteger, primary_key=True, autoincrement=False),
    Column("leaf", BigInteger, primary_key=True, autoincrement=False),
    Column("salt", LargeBinary, nullable=False),
    Column("record", LargeBinary, nullable=False),
    Column("release_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Index("exchange_log_records_release", "release_id"),
)
"""What the commitments commit to. Deleting a row here erases the record; the tree stays whole."""

checkpoints = Table(
    "exchange_log_checkpoints",
    metadata,
    Column("log", BigInteger, primary_key=True, autoincrement=False),
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("note", LargeBinary, nullable=False),
    Column("at", Timestamp, nullable=False),
)
"""Checkpoints that some witness has cosigned, signed by the log."""

cosignatures = Table(
    "exchange_log_cosignatures",
    metadata,
    Column("log", BigInteger, primary_key=True, autoincrement=False),
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("witness", Text, primary_key=True),
    Column("lines", Text, nullable=False),
    Column("at", Timestamp, nullable=False),
)
"""Which partner has cosigned which checkpoint."""

refusals = Table(
    "exchange_log_refusals",
    metadata,
    Column("log", BigInteger, primary_key=True, autoincrement=False),
    Column("witness", Text, primary_key=True),
    Column("refusal", Json, nullable=False),
    Column("at", Timestamp, nullable=False),
)
"""Which partner has seen another log under this name, so that it is not shown this one again."""

witnessed = Table(
    "exchange_witnessed",
    metadata,
    Column("origin", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("note", LargeBinary, nullable=False),
    Column("at", Timestamp, nullable=False),
)
"""The latest checkpoint of each partner's log that this nation cosigned, or read to its last leaf."""

evidence = Table(
    "exchange_log_evidence",
    metadata,
    row_id(),
    Column("origin", Text, nullable=False),
    Column("ruling", Text, nullable=False),
    Column("seen", LargeBinary, nullable=False),
    Column("shown", LargeBinary, nullable=False),
    Column("at", Timestamp, nullable=False),
    UniqueConstraint("origin", "shown", name="exchange_log_evidence_once"),
)
"""Two signed words that do not go together: of one log, or of two nations' membership logs about one thing."""

_OF_KIND = select(logs).where(logs.c.agreement == bindparam("agreement"))
_NEWEST = _OF_KIND.order_by(logs.c.year.desc(), logs.c.shard.desc()).limit(1)
_NEWEST_LOCKED = _NEWEST.with_for_update()
_BY_ORIGIN = select(logs).where(logs.c.origin == bindparam("origin"))

proofs = Table(
    "exchange_proofs",
    metadata,
    Column("sender", Text, primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("release_id", Text, nullable=False),
    Column("emergency", Text, nullable=False),
    Column("proof", LargeBinary, nullable=True),
    Column("due_at", Timestamp, nullable=False),
    Column("refused", Text, nullable=False),
    Index("exchange_proofs_owed", "sender", "due_at"),
)
"""The proof of each release that this nation took; none yet where the sender still owes it."""


@dataclass(frozen=True, slots=True)
class LogRow:
    """One log and its edge; `agreement` is empty for a release log."""

    log: int
    origin: str
    year: int
    shard: int
    edge: Edge
    agreement: str = ""


def log_row(row: Any) -> LogRow:
    """Return a row of `exchange_logs` as a value."""
    peaks = bytes(row.peaks)
    parts = tuple(peaks[place : place + HASH_BYTES] for place in range(0, len(peaks), HASH_BYTES))
    return LogRow(row.log, row.origin, row.year, row.shard, Edge(row.size, parts), row.agreement)


def newest_log(connection: Connection, *, agreement: str = "", lock: bool = False) -> LogRow | None:
    """Return the newest release log, or the newest membership log of an agreement.

    It is locked against other writers where asked.
    """
    row = connection.execute(_NEWEST_LOCKED if lock else _NEWEST, {"agreement": agreement}).one_or_none()
    return log_row(row) if row else None


def find_log(connection: Connection, origin: str) -> LogRow | None:
    """Return the log with an origin."""
    row = connection.execute(_BY_ORIGIN, {"origin": origin}).one_or_none()
    return log_row(row) if row else None


def membership_logs(connection: Connection) -> list[LogRow]:
    """Return the newest membership log of each agreement."""
    query = select(logs).where(logs.c.agreement != "").order_by(logs.c.agreement, logs.c.shard)
    return list({row.agreement: log_row(row) for row in connection.execute(query)}.values())


def log_of(connection: Connection, log: int) -> LogRow:
    """Return one log by its number."""
    return log_row(connection.execute(select(logs).where(logs.c.log == log)).one())


def read_entries(connection: Connection, log: int, start: int, end: int) -> list[bytes]:
    """Return the entries from a leaf up to another, which is not among them."""
    table = entries
    query = select(table.c.entry).where(table.c.log == log, table.c.leaf >= start, table.c.leaf < end)
    return [bytes(entry) for entry in connection.scalars(query.order_by(table.c.leaf))]


def read_tile(connection: Connection, log: int, tile: Tile) -> bytes:
    """Return a tile or a bundle, of exactly the width asked for.

    Raises:
        BadProof: the log has not grown so far.
    """
    if tile.level is None or (tile.level == 0 and tile.width < WIDTH):
        start = tile.number * WIDTH
        found = read_entries(connection, log, start, start + tile.width)
        if len(found) == tile.width:
            return join_bundle(found) if tile.level is None else b"".join(map(leaf_hash, found))
    else:
        here = (tiles.c.log == log, tiles.c.level == tile.level, tiles.c.number == tile.number)
        hashes = bytes(connection.scalar(select(tiles.c.hashes).where(*here)) or b"")
        if len(hashes) >= tile.width * HASH_BYTES:
            return hashes[: tile.width * HASH_BYTES]
    raise BadProof("the log has no such tile yet")


def grow(tx: Transaction, row: LogRow, fresh: Sequence[bytes]) -> LogRow:
    """Append entries to a log that is locked: entries, tiles that became full, and the edge.

    Cost: two hashes a leaf; no earlier tile is read but the one that fills.
    """
    size = row.edge.size
    hashes = [leaf_hash(entry) for entry in fresh]
    tx.execute(
        entries.insert(),
        [{"log": row.log, "leaf": leaf, "entry": entry} for leaf, entry in enumerate(fresh, size)],
    )
    edge = row.edge.extended(hashes)
    first = size // WIDTH
    if edge.size // WIDTH > first:
        partly = [leaf_hash(each) for each in read_entries(tx.connection, row.log, first * WIDTH, size)]
        _fill(tx, row.log, 0, first, partly + hashes)
    peaks = b"".join(edge.peaks)
    tx.execute(logs.update().where(logs.c.log == row.log).values(size=edge.size, peaks=peaks))
    return replace(row, edge=edge)


def _fill(tx: Transaction, log: int, level: int, number: int, hashes: Sequence[bytes]) -> None:
    """Keep the hashes of one level from the beginning of a tile on, and the roots of full tiles above them."""
    rows, roots = [], []
    for place in range(0, len(hashes), WIDTH):
        part = hashes[place : place + WIDTH]
        if len(part) == WIDTH:
            roots.append(perfect_root(part))
        elif level == 0:
            break
        rows.append({"log": log, "level": level, "number": number + place // WIDTH, "hashes": b"".join(part)})
    upsert(tx, tiles, rows, keys=("log", "level", "number"), changed=("hashes",))
    if roots:
        above = number // WIDTH
        here = (tiles.c.log == log, tiles.c.level == level + 1, tiles.c.number == above)
        known = bytes(tx.connection.scalar(select(tiles.c.hashes).where(*here)) or b"")
        partly = [known[place : place + HASH_BYTES] for place in range(0, len(known), HASH_BYTES)]
        _fill(tx, log, level + 1, above, partly + roots)
