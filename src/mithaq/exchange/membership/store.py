"""What came of the newest comparison with each party's membership log of an agreement."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, LargeBinary, Table, Text, bindparam, select

from mithaq.kernel.database import Json, Timestamp, Transaction, metadata, upsert

compared = Table(
    "exchange_membership_compared",
    metadata,
    Column("agreement", Text, primary_key=True),
    Column("nation", Text, primary_key=True),
    Column("tried_at", Timestamp, nullable=False),
    Column("read_at", Timestamp, nullable=True),
    Column("own_log", BigInteger, nullable=False),
    Column("own_size", BigInteger, nullable=False),
    Column("origin", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("note", LargeBinary, nullable=False),
    Column("findings", Json, nullable=False),
    Column("differences", Json, nullable=False),
    Column("differs_since", Timestamp, nullable=True),
    Column("trouble", Json, nullable=True),
)
"""One row a party. `note` is the checkpoint as the party showed it, with its cosignatures; `own_log` and `own_size` say
how this nation's log stood then. Where `trouble` says why the log could not be read the last time, the rest is of the
time before, `read_at`."""

_OF_AGREEMENT = select(compared).where(compared.c.agreement == bindparam("agreement")).order_by(compared.c.nation)
_ALL = select(compared).order_by(compared.c.agreement, compared.c.nation)
_ONE = _OF_AGREEMENT.where(compared.c.nation == bindparam("nation"))
_KEYS = ("agreement", "nation")
_CHANGED = tuple(column.name for column in compared.c if column.name not in _KEYS)


def rows(connection: Connection, agreement_id: str = "") -> list[Any]:
    """Return the rows of one agreement, or of all, in the order of the nations' codes."""
    query = connection.execute(_OF_AGREEMENT, {"agreement": agreement_id}) if agreement_id else connection.execute(_ALL)
    return list(query)


def row_of(connection: Connection, agreement_id: str, nation: str) -> Any | None:
    """Return the row of one party, nothing where it was never compared with."""
    return connection.execute(_ONE, {"agreement": agreement_id, "nation": nation}).one_or_none()


def blank(agreement_id: str, nation: str, at: datetime) -> dict[str, Any]:
    """Return the row of a party whose log has not been read yet."""
    return {
        "agreement": agreement_id,
        "nation": nation,
        "tried_at": at,
        "read_at": None,
        "own_log": 0,
        "own_size": 0,
        "origin": "",
        "size": 0,
        "note": b"",
        "findings": [],
        "differences": [],
        "differs_since": None,
        "trouble": None,
    }


def save(tx: Transaction, row: Mapping[str, Any]) -> None:
    """Keep a row in the place of the one before."""
    upsert(tx, compared, [row], keys=_KEYS, changed=_CHANGED)
