"""How this nation's logs stand, for people: their size, who has cosigned them, which proofs are owed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from mithaq.exchange.log import store


@dataclass(frozen=True, slots=True)
class Cosigned:
    """The newest checkpoint that one partner has cosigned."""

    nation: str
    size: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Owed:
    """A proof that a partner still owes this nation for a release that came before it.

    `refused` is the code of the error for which the last one that it gave was not taken; empty where it gave none.
    """

    nation: str
    release_id: str
    due_at: datetime
    refused: str


@dataclass(frozen=True, slots=True)
class LogState:
    """The newest log of this nation. `size` counts leaves; `checkpoint_at` is None where nothing was signed yet."""

    origin: str
    size: int
    checkpoint_at: datetime | None
    cosigned: Sequence[Cosigned]
    owed: Sequence[Owed]


def log_state(connection: Connection) -> LogState:
    """Return how the log stands; a node that never logged anything has an empty origin."""
    newest = store.newest_log(connection)
    return LogState(
        newest.origin if newest else "",
        newest.edge.size if newest else 0,
        checkpoint_at(connection, newest.log) if newest else None,
        cosigned(connection, newest.log) if newest else (),
        _owed(connection),
    )


def checkpoint_at(connection: Connection, log: int) -> datetime | None:
    """Return when the newest checkpoint of a log that anybody cosigned was signed."""
    table = store.checkpoints
    return connection.scalar(select(table.c.at).where(table.c.log == log).order_by(table.c.size.desc()).limit(1))


def cosigned(connection: Connection, log: int) -> list[Cosigned]:
    """Return up to which size, and when last, each partner has cosigned a log."""
    table = store.cosignatures
    query = (
        select(table.c.witness, func.max(table.c.size).label("size"), func.max(table.c.at).label("at"))
        .where(table.c.log == log)
        .group_by(table.c.witness)
        .order_by(table.c.witness)
    )
    return [Cosigned(row.witness, row.size, row.at) for row in connection.execute(query)]


def _owed(connection: Connection) -> list[Owed]:
    table = store.proofs
    query = select(table).where(table.c.proof.is_(None)).order_by(table.c.due_at).limit(50)
    return [Owed(row.sender, row.release_id, row.due_at, row.refused) for row in connection.execute(query)]
