"""Write duties down, settle them, and say in the journal when one was not kept in time."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, case, func, select, update

from mithaq.exchange import store as exchange
from mithaq.exchange.duties import copies, store
from mithaq.kernel.database import Transaction, insert_ignore
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane
from mithaq.release.obligations import Owed

OPEN, FULFILLED, VOID = "open", "fulfilled", "void"
DUTY = "exchange.duty"
_ANSWERED_BY_ANY = ("feedback", "false-positive", "node-incident")
"""What any release about its subject answers, at whatever stage."""


def owe(tx: Transaction, owed: Iterable[Owed]) -> None:
    """Start the clocks of these duties; one that is known already goes on as it is."""
    insert_ignore(tx, store.duties, [_row(each) for each in owed])


def _row(owed: Owed) -> dict[str, Any]:
    return {
        "kind": owed.kind,
        "term": owed.term,
        "agreement_id": owed.agreement_id,
        "agreement_version": owed.agreement_version,
        "owed_by": owed.owed_by,
        "owed_to": owed.owed_to,
        "subject": owed.subject,
        "reference": owed.reference,
        "lane": str(owed.lane),
        "started_at": owed.started_at,
        "due_at": owed.due_at,
        "state": OPEN,
        "settled_at": None,
        "settled_by": "",
        "breached_at": None,
        "onward_told": 0,
        "onward_confirmed": 0,
    }


def settle(tx: Transaction, rows: Sequence[int], by: str, *, state: str = FULFILLED, because: str = "") -> int:
    """Settle open duties, for a reason in a person's words where one did it; return how many were open."""
    table = store.duties
    open_ = (table.c.row.in_(rows), table.c.state == OPEN)
    settled = {"state": state, "settled_at": tx.at, "settled_by": by, "settled_because": because}
    return int(tx.execute(update(table).where(*open_).values(**settled)).rowcount)


def breach(tx: Transaction, limit: int) -> int:
    """Record the duties whose time is over at the transaction's instant, each once; return how many there were."""
    table = store.duties
    late = (table.c.state == OPEN, table.c.due_at <= tx.at, table.c.breached_at.is_(None))
    rows = tx.execute(select(table).where(*late).order_by(table.c.due_at, table.c.row).limit(limit)).all()
    for row in rows:
        if row.kind in ("retention", "review") and not _was_given(tx.connection, row):
            settle(tx, [row.row], "node", state=VOID)
            copies.close(tx, NationId(row.owed_by), row.subject, tx.at)
            continue
        tx.execute(update(table).where(table.c.row == row.row).values(breached_at=tx.at))
        detail = {
            "event": "breached",
            "duty": row.row,
            "kind": row.kind,
            "agreement": row.agreement_id,
            "by": row.owed_by,
            "to": row.owed_to,
        }
        tx.append(DUTY, subject=row.subject, lane=Lane(row.lane), actor="node", detail=detail)
    return len(rows)


def _was_given(connection: Connection, row: Any) -> bool:
    """Tell whether the release that a duty is about really reached its recipient; a void one binds nobody."""
    sent, received = exchange.sent, exchange.received
    out = select(sent.c.sequence).where(
        sent.c.release_id == row.subject, sent.c.recipient == row.owed_by, sent.c.action == "release"
    )
    came = select(received.c.sequence).where(received.c.release_id == row.subject, received.c.sender == row.owed_to)
    return any(connection.execute(query.limit(1)).first() is not None for query in (out, came))


def next_breach(connection: Connection) -> datetime | None:
    """Return the instant at which the next open duty is late."""
    table = store.duties
    query = select(func.min(table.c.due_at)).where(table.c.state == OPEN, table.c.breached_at.is_(None))
    found: datetime | None = connection.scalar(query)
    return found


def open_duties(
    connection: Connection, *, until: datetime | None = None, lane: Lane | None = None, limit: int = 500
) -> list[Any]:
    """Return the rows of open duties, the earliest first; `until`: only those due by then."""
    table = store.duties
    query = select(table).where(table.c.state == OPEN).order_by(table.c.due_at.is_(None), table.c.due_at, table.c.row)
    if until is not None:
        query = query.where(table.c.due_at <= until)
    if lane is not None:
        query = query.where(table.c.lane == str(lane))
    return list(connection.execute(query.limit(limit)))


def fulfil_by_release(
    tx: Transaction, recipient: NationId, lane: Lane, objects: Iterable[tuple[str, str | None]]
) -> None:
    """Settle what was owed to a recipient and is in a release to it: (object or what it reports on, stage or None)."""
    answered = {
        (subject, kind) for subject, stage in objects for kind in (_ANSWERED_BY_ANY if stage is None else (stage,))
    }
    table = store.duties
    open_ = (table.c.owed_to == recipient, table.c.lane == str(lane), table.c.state == OPEN)
    kinds = sorted({kind for _, kind in answered})
    rows = tx.execute(select(table.c.row, table.c.subject, table.c.kind).where(*open_, table.c.kind.in_(kinds)))
    if found := [row.row for row in rows if (row.subject, row.kind) in answered]:
        settle(tx, found, "node")


def overdue(connection: Connection, at: datetime, own: NationId) -> list[Any]:
    """Return the rows of open duties whose time is over, this nation's own first; exercises are left out."""
    table = store.duties
    query = select(table).where(table.c.state == OPEN, table.c.due_at <= at, table.c.lane == "actual")
    order = (case((table.c.owed_by == own, 0), else_=1), table.c.due_at, table.c.row)
    return list(connection.execute(query.order_by(*order).limit(200)))
