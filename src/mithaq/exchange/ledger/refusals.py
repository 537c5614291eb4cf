"""What did not leave, what was not let in, and the vetoes, with all reasons."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from mithaq.exchange import store
from mithaq.kernel.ids import NationId
from mithaq.kernel.reason import Reason


@dataclass(frozen=True, slots=True)
class Refusal:
    """One object that did not leave, or was not let in, with all reasons."""

    row: int
    nation: NationId
    object_id: str
    lane: str
    agreement_id: str
    purpose: str
    at: datetime
    reasons: tuple[Reason, ...]
    version: str = ""


def withheld(
    connection: Connection,
    *,
    before: int | None = None,
    limit: int = 100,
    recipient: NationId | None = None,
    object_id: str | None = None,
) -> list[Refusal]:
    """Return what was withheld from partners and why, newest first."""
    table = store.withheld
    query = select(table).order_by(table.c.row.desc()).limit(limit)
    if before is not None:
        query = query.where(table.c.row < before)
    if recipient is not None:
        query = query.where(table.c.recipient == recipient)
    if object_id is not None:
        query = query.where(table.c.object_id == object_id)
    return [
        Refusal(
            row.row,
            NationId(row.recipient),
            row.object_id,
            row.lane,
            row.agreement_id,
            row.purpose,
            row.at,
            tuple(Reason.of_json(each) for each in row.reasons),
            row.version,
        )
        for row in connection.execute(query)
    ]


def quarantined(connection: Connection, *, before: int | None = None, limit: int = 100) -> list[Refusal]:
    """Return what partners sent and this node did not admit, newest first."""
    table = store.quarantine
    query = select(table).order_by(table.c.row.desc()).limit(limit)
    if before is not None:
        query = query.where(table.c.row < before)
    return [
        Refusal(
            row.row,
            NationId(row.sender),
            row.object_id,
            "",
            "",
            "",
            row.at,
            tuple(Reason.of_json(each) for each in row.reasons),
        )
        for row in connection.execute(query)
    ]


def vetoes(connection: Connection, object_id: str) -> frozenset[str]:
    """Return the nations from which an object is kept by veto; `*` stands for everybody."""
    query = select(store.vetoes.c.recipient).where(store.vetoes.c.object_id == object_id)
    return frozenset(connection.scalars(query))
