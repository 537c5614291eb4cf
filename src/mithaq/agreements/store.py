"""Where agreements are kept: each version as its signed bytes."""

from typing import Any

from sqlalchemy import Boolean, Column, Connection, Integer, LargeBinary, Table, Text, bindparam, insert, select, update

from mithaq.kernel.database import Timestamp, Transaction, metadata

agreements = Table(
    "agreements",
    metadata,
    Column("id", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("envelope", LargeBinary, nullable=False),
    Column("suspended", Boolean, nullable=False),
    Column("added_at", Timestamp, nullable=False),
    Column("changed_at", Timestamp, nullable=False),
)

statements = Table(
    "agreement_statements",
    metadata,
    Column("agreement_id", Text, primary_key=True),
    Column("nation", Text, primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("envelope", LargeBinary, nullable=False),
    Column("heard_at", Timestamp, nullable=False),
)
"""What parties have said of agreements, each as its signed bytes; verified when it came."""

_OF = select(agreements).where(agreements.c.id == bindparam("agreement_id"))
_NEWEST = _OF.order_by(agreements.c.version.desc()).limit(1)
_VERSION = _OF.where(agreements.c.version == bindparam("version"))
_ALL = select(agreements).order_by(agreements.c.id, agreements.c.version.desc())
_SAID = select(statements).order_by(statements.c.agreement_id, statements.c.nation, statements.c.sequence)
_SAID_OF = _SAID.where(statements.c.agreement_id == bindparam("agreement_id"))


def find(connection: Connection, agreement_id: str, version: int | None = None) -> Any | None:
    """Return the row of one version, or of the newest."""
    named: dict[str, Any] = {"agreement_id": agreement_id}
    if version is None:
        return connection.execute(_NEWEST, named).one_or_none()
    return connection.execute(_VERSION, named | {"version": version}).one_or_none()


def all_rows(connection: Connection) -> list[Any]:
    """Return every version of every agreement, newest version first."""
    return list(connection.execute(_ALL))


def save(tx: Transaction, agreement_id: str, version: int, envelope: bytes, *, is_new: bool) -> None:
    """Insert a version, or replace its collected signatures."""
    if is_new:
        tx.execute(
            insert(agreements).values(
                id=agreement_id, version=version, envelope=envelope, suspended=False, added_at=tx.at, changed_at=tx.at
            )
        )
    else:
        tx.execute(
            update(agreements)
            .where(agreements.c.id == agreement_id, agreements.c.version == version)
            .values(envelope=envelope, changed_at=tx.at)
        )


def set_suspended(tx: Transaction, agreement_id: str, suspended: bool) -> None:
    """Suspend or resume every version of an agreement."""
    tx.execute(update(agreements).where(agreements.c.id == agreement_id).values(suspended=suspended, changed_at=tx.at))


def lock(tx: Transaction, agreement_id: str) -> None:
    """Let nobody else add statements about an agreement until this transaction has ended (SQLite: nobody can)."""
    tx.execute(select(agreements.c.version).where(agreements.c.id == agreement_id).with_for_update())


def statement_rows(connection: Connection, agreement_id: str | None = None) -> list[Any]:
    """Return the statements about one agreement or about all, for each nation in the order of their numbers."""
    if agreement_id is None:
        return list(connection.execute(_SAID))
    return list(connection.execute(_SAID_OF, {"agreement_id": agreement_id}))


def add_statement(tx: Transaction, agreement_id: str, nation: str, sequence: int, envelope: bytes) -> None:
    """Insert a statement."""
    row = {"agreement_id": agreement_id, "nation": nation, "sequence": sequence, "envelope": envelope}
    tx.execute(insert(statements).values(**row, heard_at=tx.at))
