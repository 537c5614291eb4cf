"""What this nation owes and is owed, laid out for people: overdue first, then what runs, then what is to be deleted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, case, func, select

from mithaq.exchange.duties import store
from mithaq.exchange.duties.record import OPEN
from mithaq.exchange.duties.service import Duty, duty_of
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL, Lane

QUIET = ("retention", "review")
"""Duties that every release starts; they are counted and dated, and listed only once they are late."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose duties: those with one partner, under one agreement, in one lane; empty means all."""

    nation: str = ""
    agreement_id: str = ""
    lane: Lane = ACTUAL


ALL = Asked()


@dataclass(frozen=True, slots=True)
class Side:
    """One direction: what is late, and the clocks that run, each the earliest first."""

    overdue: Sequence[Duty]
    running: Sequence[Duty]


@dataclass(frozen=True, slots=True)
class Deletion:
    """Copies here of one release that are to be gone by an instant, and the term that says so."""

    nation: NationId
    release_id: str
    agreement_id: str
    lane: str
    term: str
    due_at: datetime
    copies: int


@dataclass(frozen=True, slots=True)
class Balance:
    """How many duties of one kind are open between this nation and a partner under one agreement."""

    partner: NationId
    agreement_id: str
    kind: str
    is_own: bool
    open: int
    overdue: int
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class Tally:
    """How many duties are overdue and how many clocks run, this nation's and others'."""

    own_overdue: int
    own_running: int
    others_overdue: int
    others_running: int


@dataclass(frozen=True, slots=True)
class Docket:
    """Everything owed between this nation and its partners, as far as it was asked for."""

    own: Side
    others: Side
    deletions: Sequence[Deletion]
    balances: Sequence[Balance]
    settled: Sequence[Duty]


def docket(connection: Connection, own: NationId, at: datetime, asked: Asked = ALL, *, limit: int = 100) -> Docket:
    """Return what is owed in both directions; each list holds at most `limit` entries."""
    return Docket(
        _side(connection, asked, store.duties.c.owed_by == own, at, limit),
        _side(connection, asked, store.duties.c.owed_to == own, at, limit),
        deletions(connection, asked, limit=limit),
        _balances(connection, own, at, asked),
        _settled(connection, asked, limit),
    )


def tally(connection: Connection, own: NationId, at: datetime) -> Tally:
    """Count for the overview; exercises are left out."""
    table = store.duties
    late, runs = _late(at), table.c.kind.not_in(QUIET)
    is_own = table.c.owed_by == own
    counted = select(
        *(
            func.coalesce(func.sum(case((side & what, 1), else_=0)), 0)
            for side in (is_own, ~is_own)
            for what in (late, runs)
        )
    ).where(table.c.state == OPEN, table.c.lane == str(ACTUAL))
    return Tally(*map(int, connection.execute(counted).one()))


def lanes(connection: Connection) -> list[str]:
    """Return the lanes in which something is owed."""
    return list(connection.scalars(select(store.duties.c.lane).distinct().order_by(store.duties.c.lane)))


def deletions(connection: Connection, asked: Asked = ALL, *, limit: int = 100) -> list[Deletion]:
    """Return which copies here are to be deleted, the next ones first, by release."""
    table = store.retained
    names = (table.c.nation, table.c.release_id, table.c.agreement_id, table.c.lane, table.c.term, table.c.due_at)
    query = select(*names, func.count().label("copies")).where(table.c.lane == str(asked.lane)).group_by(*names)
    if asked.nation:
        query = query.where(table.c.nation == asked.nation)
    if asked.agreement_id:
        query = query.where(table.c.agreement_id == asked.agreement_id)
    rows = connection.execute(query.order_by(table.c.due_at, table.c.release_id).limit(limit))
    return [
        Deletion(NationId(row.nation), row.release_id, row.agreement_id, row.lane, row.term, row.due_at, row.copies)
        for row in rows
    ]


def _late(at: datetime) -> Any:
    return store.duties.c.due_at.is_not(None) & (store.duties.c.due_at <= at)


def _narrowed(query: Select[Any], asked: Asked) -> Select[Any]:
    table = store.duties
    query = query.where(table.c.lane == str(asked.lane))
    if asked.nation:
        query = query.where((table.c.owed_by == asked.nation) | (table.c.owed_to == asked.nation))
    return query.where(table.c.agreement_id == asked.agreement_id) if asked.agreement_id else query


def _side(connection: Connection, asked: Asked, whose: Any, at: datetime, limit: int) -> Side:
    table = store.duties
    query = _narrowed(select(table).where(whose, table.c.state == OPEN), asked)
    query = query.order_by(table.c.due_at.is_(None), table.c.due_at, table.c.row).limit(limit)
    late = connection.execute(query.where(_late(at)))
    runs = connection.execute(query.where(~_late(at), table.c.kind.not_in(QUIET)))
    return Side([duty_of(row) for row in late], [duty_of(row) for row in runs])


def _settled(connection: Connection, asked: Asked, limit: int) -> list[Duty]:
    table = store.duties
    query = _narrowed(select(table).where(table.c.state != OPEN), asked)
    rows = connection.execute(query.order_by(table.c.settled_at.desc(), table.c.row.desc()).limit(limit))
    return [duty_of(row) for row in rows]


def _balances(connection: Connection, own: NationId, at: datetime, asked: Asked) -> list[Balance]:
    table = store.duties
    names = (table.c.owed_by, table.c.owed_to, table.c.agreement_id, table.c.kind)
    late = func.sum(case((_late(at), 1), else_=0))
    query = select(*names, func.count().label("open"), late.label("late"), func.min(table.c.due_at).label("next_at"))
    rows = connection.execute(_narrowed(query.where(table.c.state == OPEN), asked).group_by(*names))
    found = [
        Balance(
            NationId(row.owed_to if row.owed_by == own else row.owed_by),
            row.agreement_id,
            row.kind,
            row.owed_by == own,
            row.open,
            int(row.late or 0),
            row.next_at,
        )
        for row in rows
    ]
    return sorted(
        found, key=lambda each: (not each.overdue, each.partner, each.agreement_id, not each.is_own, each.kind)
    )
