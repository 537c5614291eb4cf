"""Keep what is known of the time, so that a wrong clock deletes nothing and breaches nothing."""

from datetime import datetime

from sqlalchemy import Connection, select, update

from mithaq.exchange.duties import store
from mithaq.exchange.duties.record import DUTY
from mithaq.exchange.duties.rules import Doubt, Known, doubt
from mithaq.kernel import journal
from mithaq.kernel.database import Transaction, insert_ignore
from mithaq.kernel.lane import ACTUAL

_ROW = 1


def known(connection: Connection) -> Known | None:
    """Return what is known of the time; before the first sweep, the newest entry of the journal."""
    row = connection.execute(select(store.clock)).one_or_none()
    if row is not None:
        return Known(row.believed_at, row.partner_at)
    newest = journal.newest(connection, before=None, limit=1)
    return Known(newest[0].at) if newest else None


def doubted(connection: Connection, at: datetime) -> Doubt | None:
    """Tell why the duties do not believe an instant, None where they do."""
    return doubt(at, known(connection))


def believe(tx: Transaction, at: datetime, *, actor: str = "node", told: bool = False) -> None:
    """Take an instant as true; `told`: a person said so, which the journal keeps."""
    _begin(tx, at)
    tx.execute(update(store.clock).values(believed_at=at, refused_at=None))
    if told:
        tx.append(DUTY, subject="clock", lane=ACTUAL, actor=actor, detail={"event": "clock-believed"})


def refuse(tx: Transaction, at: datetime, why: Doubt) -> None:
    """Keep that an instant was not believed; the journal is told once."""
    row = tx.execute(select(store.clock)).one_or_none()
    if row is None:
        newest = known(tx.connection)
        _begin(tx, newest.believed_at if newest else at)
    if row is None or row.refused_at is None:
        tx.append(DUTY, subject="clock", lane=ACTUAL, actor="node", detail={"event": "clock-refused", "why": why})
    tx.execute(update(store.clock).values(refused_at=at))


def heard(tx: Transaction, dated: datetime) -> None:
    """Keep the newest instant that a partner signed."""
    row = tx.execute(select(store.clock)).one_or_none()
    if row is None:
        found = known(tx.connection)
        _begin(tx, found.believed_at if found else tx.at)
    if row is None or row.partner_at is None or row.partner_at < dated:
        tx.execute(update(store.clock).values(partner_at=dated))


def _begin(tx: Transaction, at: datetime) -> None:
    row = {"row": _ROW, "believed_at": at, "partner_at": None, "refused_at": None}
    insert_ignore(tx, store.clock, [row])
