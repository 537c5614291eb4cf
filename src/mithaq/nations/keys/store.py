"""Where statements are kept, and the signing keys that follow from them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Index, Integer, LargeBinary, Table, Text, bindparam, delete, insert, select

from mithaq.kernel.database import Timestamp, Transaction, metadata
from mithaq.kernel.ids import NationId
from mithaq.kernel.signing import VerifyKey, read_envelope
from mithaq.nations.keys.model import Accepted, KnownKey, Signed
from mithaq.nations.keys.rules import known_keys, read_statement, signers

_ED25519_BYTES = 32

statements = Table(
    "key_statements",
    metadata,
    Column("nation", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("hash", Text, nullable=False),
    Column("envelope", LargeBinary, nullable=False),
    Column("issued_at", Timestamp, nullable=False),
    Column("expires_at", Timestamp, nullable=False),
    Column("accepted_at", Timestamp, nullable=False),
)
"""Every accepted statement of this nation and of its partners, as it was signed."""

signing_keys = Table(
    "nation_signing_keys",
    metadata,
    Column("nation", Text, primary_key=True),
    Column("key_id", Text, primary_key=True),
    Column("public", LargeBinary, nullable=False),
    Column("authorised_at", Timestamp, nullable=False),
    Column("retired_at", Timestamp),
    Column("compromised_at", Timestamp),
    Index("nation_signing_keys_id", "key_id"),
)
"""A projection of the statements: each signing key a nation ever authorised."""


_HISTORY = select(statements).where(statements.c.nation == bindparam("nation")).order_by(statements.c.version.desc())
_BY_ID = select(signing_keys).where(signing_keys.c.key_id.in_(bindparam("key_ids", expanding=True)))
_IN_USE_SINCE = select(statements.c.accepted_at).where(
    statements.c.nation == bindparam("nation"),
    statements.c.version > 1,
    statements.c.issued_at
    == select(signing_keys.c.authorised_at)
    .where(signing_keys.c.nation == bindparam("nation"), signing_keys.c.retired_at.is_(None))
    .scalar_subquery(),
)


def row_of(connection: Connection, nation: NationId, after: int = 0) -> list[Signed]:
    """Return a nation's accepted statements after a version, oldest first."""
    query = select(statements).where(statements.c.nation == nation, statements.c.version > after)
    return [_signed(row) for row in connection.execute(query.order_by(statements.c.version))]


def history_of(connection: Connection, nation: NationId) -> list[Accepted]:
    """Return a nation's statements with when each was accepted here and who has signed it, newest first."""
    return [_accepted(row) for row in connection.execute(_HISTORY, {"nation": nation})]


def _accepted(row: Any) -> Accepted:
    envelope = read_envelope(bytes(row.envelope))
    statement = read_statement(envelope)
    names = tuple(root.name for root in signers(envelope, statement.roots))
    return Accepted(statement, row.hash, names, row.accepted_at)


def newest(connection: Connection, nation: NationId) -> Signed | None:
    """Return a nation's newest accepted statement."""
    query = select(statements).where(statements.c.nation == nation)
    row = connection.execute(query.order_by(statements.c.version.desc()).limit(1)).one_or_none()
    return _signed(row) if row else None


def append(tx: Transaction, nation: NationId, new: Sequence[Signed]) -> None:
    """Keep statements that were verified, and work out anew which keys follow."""
    tx.execute(insert(statements), [_values(each, tx) for each in new])
    keys = known_keys([each.statement for each in row_of(tx.connection, nation)])
    tx.execute(delete(signing_keys).where(signing_keys.c.nation == nation))
    tx.execute(
        insert(signing_keys),
        [
            {
                "nation": nation,
                "key_id": each.key.key_id,
                "public": each.key.ed25519 + each.key.mldsa65,
                "authorised_at": each.authorised_at,
                "retired_at": each.retired_at,
                "compromised_at": each.compromised_at,
            }
            for each in keys
        ],
    )


def forget(tx: Transaction, nation: NationId) -> None:
    """Forget a nation's statements and keys."""
    tx.execute(delete(statements).where(statements.c.nation == nation))
    tx.execute(delete(signing_keys).where(signing_keys.c.nation == nation))


def keys_of(connection: Connection, nation: NationId) -> list[KnownKey]:
    """Return every signing key a nation ever authorised, oldest first."""
    query = select(signing_keys).where(signing_keys.c.nation == nation)
    return [_key(row) for row in connection.execute(query.order_by(signing_keys.c.authorised_at))]


def in_use_since(connection: Connection, nation: NationId) -> datetime | None:
    """Return when the statement was accepted here that brought the present signing key; nothing for the first key."""
    return connection.execute(_IN_USE_SINCE, {"nation": nation}).scalar_one_or_none()


def keys_by_id(connection: Connection, key_ids: Iterable[str]) -> list[KnownKey]:
    """Return the known keys with these ids, of whatever nation."""
    return [_key(row) for row in connection.execute(_BY_ID, {"key_ids": list(key_ids)})]


def _values(each: Signed, tx: Transaction) -> dict[str, Any]:
    return {
        "nation": each.statement.nation,
        "version": each.statement.version,
        "hash": each.hash,
        "envelope": each.envelope,
        "issued_at": each.statement.issued_at,
        "expires_at": each.statement.expires_at,
        "accepted_at": tx.at,
    }


def _signed(row: Any) -> Signed:
    envelope = bytes(row.envelope)
    return Signed(read_statement(read_envelope(envelope)), row.hash, envelope)


def _key(row: Any) -> KnownKey:
    public = bytes(row.public)
    key = VerifyKey(public[:_ED25519_BYTES], public[_ED25519_BYTES:])
    return KnownKey(NationId(row.nation), key, row.authorised_at, row.retired_at, row.compromised_at)
