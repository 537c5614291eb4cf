"""Tables of constituents and their accounts; secrets are kept as SHA-256 digests only."""

from typing import Any

from sqlalchemy import Boolean, Column, Connection, ForeignKey, LargeBinary, Table, Text, bindparam, select, update

from mithaq.kernel.database import Json, Timestamp, Transaction, metadata
from mithaq.nations.constituents.model import Account, Constituent
from mithaq.nations.people.store import digest

constituents = Table(
    "constituents",
    metadata,
    Column("id", Text, primary_key=True),
    Column("names", Json, nullable=False),
    Column("sectors", Json, nullable=False),
    Column("contact", Text, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Column("disabled_at", Timestamp),
)
accounts = Table(
    "constituent_accounts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("constituent", Text, ForeignKey(constituents.c.id), nullable=False, index=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("may_write", Boolean, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Column("expires_at", Timestamp, nullable=False),
    Column("revoked_at", Timestamp),
    Column("used_at", Timestamp),
    Column("refused_at", Timestamp),
    Column("door", Text),
    Column("collection", Text),
    # What the node says of itself where peers compare versions (MISP); none: the present one.
    Column("misp_version", Text),
)
_BY_SECRET = select(accounts).where(accounts.c.digest == bindparam("digest"))
_BY_ID = select(constituents).where(constituents.c.id == bindparam("id"))


def add(tx: Transaction, value: Constituent) -> None:
    """Insert a constituent."""
    tx.execute(
        constituents.insert().values(
            id=value.id,
            names=dict(value.names),
            sectors=sorted(value.sectors),
            contact=value.contact,
            created_at=value.created_at,
        )
    )


def find(connection: Connection, constituent_id: str) -> Constituent | None:
    """Return a constituent by its id."""
    row = connection.execute(_BY_ID, {"id": constituent_id}).first()
    return _constituent(row) if row else None


def all_of(connection: Connection) -> list[Constituent]:
    """Return every constituent, by id."""
    return [_constituent(row) for row in connection.execute(select(constituents).order_by(constituents.c.id))]


def add_account(tx: Transaction, value: Account, secret: str) -> None:
    """Insert an account; of its secret only the digest is kept."""
    tx.execute(
        accounts.insert().values(
            id=value.id,
            constituent=value.constituent,
            digest=digest(secret),
            name=value.name,
            may_write=value.may_write,
            created_at=value.created_at,
            expires_at=value.expires_at,
            door=value.door,
            collection=value.collection,
            misp_version=value.misp_version,
        )
    )


def account_of(connection: Connection, secret: str) -> Account | None:
    """Return the account of a secret."""
    row = connection.execute(_BY_SECRET, {"digest": digest(secret)}).first()
    return _account(row) if row else None


def accounts_of(connection: Connection, constituent_id: str) -> list[Account]:
    """Return the accounts of a constituent, newest first."""
    query = select(accounts).where(accounts.c.constituent == constituent_id)
    return [_account(row) for row in connection.execute(query.order_by(accounts.c.created_at.desc(), accounts.c.id))]


def change_account(tx: Transaction, account_id: str, **fields: Any) -> None:
    """Write fields of an account."""
    tx.execute(update(accounts).where(accounts.c.id == account_id).values(**fields))


def _constituent(row: Any) -> Constituent:
    return Constituent(row.id, row.names, frozenset(row.sectors), row.contact, row.created_at, row.disabled_at)


def _account(row: Any) -> Account:
    return Account(
        row.id,
        row.constituent,
        row.name,
        bool(row.may_write),
        row.created_at,
        row.expires_at,
        row.revoked_at,
        row.used_at,
        row.refused_at,
        row.door,
        row.collection,
        row.misp_version,
    )
