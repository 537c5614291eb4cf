"""What people see of the duties, and what they do about them by hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, case, select

from mithaq.agreements.model import Agreement
from mithaq.agreements.vocabulary import RequestKind, Sector, SeverityName, Urgency
from mithaq.exchange.context import Context
from mithaq.exchange.duties import record, retention, store, timekeeping
from mithaq.exchange.duties.errors import BadDuty, NothingOwed, UnknownDuty
from mithaq.exchange.duties.record import DUTY
from mithaq.exchange.duties.rules import Doubt
from mithaq.exchange.duties.settings import MAX_BECAUSE_CHARS
from mithaq.exchange.duties.sweep import expiries
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.ids import NationId, new_id
from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.release.obligations import (
    INCIDENT_STAGES,
    Occasion,
    Owed,
    incident_duties,
    node_incident_duties,
    response_duties,
)

NODE_INCIDENT = "node"
_BOTH = 2
BY_HAND = ("review", "contact-test", "acknowledge", "answer", "node-incident", *INCIDENT_STAGES)


@dataclass(frozen=True, slots=True)
class Duty:
    """One duty as people see it; `told` and `confirmed` count a recall's onward recipients, by path, unnamed.

    `because` is what a person who settled it by hand said.
    """

    row: int
    kind: str
    term: str
    agreement_id: str
    owed_by: NationId
    owed_to: NationId
    subject: str
    lane: str
    started_at: datetime
    due_at: datetime | None
    state: str
    settled_at: datetime | None
    settled_by: str
    breached_at: datetime | None
    told: int
    confirmed: int
    because: str

    @property
    def is_by_hand(self) -> bool:
        """Tell whether people settle it, being open still."""
        return self.state == record.OPEN and self.kind in BY_HAND

    def is_overdue(self, at: datetime) -> bool:
        """Tell whether it is open and its time is over."""
        return self.state == record.OPEN and self.due_at is not None and self.due_at <= at

    def as_json(self, at: datetime) -> dict[str, Any]:
        """Return the duty as JSON values, for `--json` and the API."""
        return {
            "duty": self.row,
            "kind": self.kind,
            "term": self.term,
            "agreement": self.agreement_id,
            "by": self.owed_by,
            "to": self.owed_to,
            "subject": self.subject,
            "lane": self.lane,
            "started": rfc3339(self.started_at),
            "due": rfc3339(self.due_at) if self.due_at else None,
            "state": "overdue" if self.is_overdue(at) else self.state,
            "overdue_since": rfc3339(self.due_at) if self.due_at and self.is_overdue(at) else None,
            "settled": rfc3339(self.settled_at) if self.settled_at else None,
            "settled_by": self.settled_by,
            "because": self.because,
            "breached": rfc3339(self.breached_at) if self.breached_at else None,
            "onward_told": self.told,
            "onward_confirmed": self.confirmed,
        }


@dataclass(frozen=True, slots=True)
class Ending:
    """Something that ends soon: an agreement or a card."""

    kind: str
    subject: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Health:
    """How the duties stand: what is late, this nation's own first, and whether the clock is believed."""

    overdue: tuple[Duty, ...]
    undeleted: int
    doubt: Doubt | None


class Duties:
    """The duties of both directions: list them, start and settle those that people keep by hand."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def listed(
        self,
        connection: Connection,
        at: datetime,
        *,
        until: datetime | None = None,
        state: str = record.OPEN,
        lane: Lane | None = ACTUAL,
        limit: int = 500,
    ) -> list[Duty]:
        """Return duties, overdue ones before all others, then the earliest due; `until`: only those due by then."""
        table = store.duties
        late = and_(table.c.state == record.OPEN, table.c.due_at <= at)
        order = (case((late, 0), else_=1), table.c.due_at.is_(None), table.c.due_at, table.c.row)
        query = select(table).order_by(*order).limit(limit)
        if state != "any":
            query = query.where(table.c.state == state)
        if until is not None:
            query = query.where(table.c.due_at <= until)
        if lane is not None:
            query = query.where(table.c.lane == str(lane))
        return [duty_of(row) for row in connection.execute(query)]

    def get(self, connection: Connection, row: int) -> Duty:
        """Return one duty.

        Raises:
            UnknownDuty: there is none of that number.
        """
        found = connection.execute(select(store.duties).where(store.duties.c.row == row)).one_or_none()
        if found is None:
            raise UnknownDuty("there is no duty %(duty)s", duty=row)
        return duty_of(found)

    def endings(self, connection: Connection, at: datetime, until: datetime) -> Sequence[Ending]:
        """Return the agreements and cards that end by then, the earliest first."""
        found = [
            Ending(each.kind, each.subject, each.until)
            for each in expiries(self._context, connection, at)
            if each.until <= until
        ]
        return sorted(found, key=lambda each: each.until)

    def health(self, connection: Connection, at: datetime) -> Health:
        """Return what is late on either side, how many copies here should be gone, and a doubt about the clock."""
        return Health(
            tuple(duty_of(row) for row in record.overdue(connection, at, self._context.own)),
            retention.overdue(connection, at),
            timekeeping.doubted(connection, at),
        )

    def declare_incident(
        self,
        incident_id: str,
        severity: SeverityName,
        sectors: frozenset[Sector],
        lane: Lane,
        *,
        at: datetime,
        actor: str,
    ) -> int:
        """Start the clocks of an own incident: three notices for each agreement and party; return how many.

        Raises:
            NothingOwed: no agreement in force asks for notices of such an incident.
        """

        def owed(agreement: Agreement) -> list[Owed]:
            occasion = Occasion(agreement, incident_id, lane, at)
            return list(incident_duties(occasion, self._context.own, severity, sectors))

        return self._start(owed, incident_id, lane, at, actor)

    def declare_node_incident(self, *, at: datetime, actor: str) -> int:
        """Start the clocks of an incident of this node itself; return how many notices are owed.

        Raises:
            NothingOwed: no agreement in force asks for such a notice.
        """
        subject = new_id("node-incident")

        def owed(agreement: Agreement) -> list[Owed]:
            return list(node_incident_duties(Occasion(agreement, subject, ACTUAL, at), self._context.own))

        return self._start(owed, subject, ACTUAL, at, actor)

    def start_request(
        self,
        agreement_id: str,
        asked: NationId,
        asker: NationId,
        request: RequestKind,
        urgency: Urgency,
        *,
        at: datetime,
        actor: str,
    ) -> str:
        """Start the clocks of a request that people track by hand; return the subject under which both stand.

        Raises:
            UnknownAgreement: there is no such agreement here.
            BadDuty: they are not two parties of it, of which this nation is one.
            NothingOwed: it sets no time for requests of this kind and urgency.
        """
        subject = new_id("request")
        with self._context.db.read() as connection:
            agreement = self._context.agreements.get(connection, agreement_id)
        if len({asked, asker} & agreement.parties) != _BOTH or self._context.own not in (asked, asker):
            raise BadDuty("a request goes from one party of the agreement to another, and this nation is one of them")
        occasion = Occasion(agreement, subject, ACTUAL, at)
        duties = list(response_duties(occasion, asked, asker, request, urgency))
        self._keep(duties, subject, ACTUAL, at, actor)
        return subject

    def done(self, row: int, *, at: datetime, actor: str, because: str = "") -> None:
        """Settle a duty that people keep by hand; `because` says in a person's words how it was done.

        Raises:
            BadDuty: too many words.
            UnknownDuty: there is none of that number, it is settled, or the node itself settles it.
        """
        if len(because) > MAX_BECAUSE_CHARS:
            raise BadDuty("a reason has at most %(limit)s characters", limit=MAX_BECAUSE_CHARS)
        with self._context.db.write(at) as tx:
            found = tx.execute(select(store.duties).where(store.duties.c.row == row)).one_or_none()
            if found is None or found.kind not in BY_HAND or not record.settle(tx, [row], actor, because=because):
                raise UnknownDuty("there is no open duty %(duty)s that people settle", duty=row)
            detail = {"event": "fulfilled", "duty": row, "kind": found.kind}
            tx.append(DUTY, subject=found.subject, lane=Lane(found.lane), actor=actor, detail=detail)

    def believe_clock(self, *, at: datetime, actor: str) -> None:
        """Take a person's word that this node's clock is right."""
        with self._context.db.write(at) as tx:
            timekeeping.believe(tx, at, actor=actor, told=True)

    def _start(self, owed: Any, subject: str, lane: Lane, at: datetime, actor: str) -> int:
        with self._context.db.read() as connection:
            current = self._context.agreements.current(connection, at)
        duties = [each for agreement in current if self._context.own in agreement.parties for each in owed(agreement)]
        return self._keep(duties, subject, lane, at, actor)

    def _keep(self, duties: Sequence[Owed], subject: str, lane: Lane, at: datetime, actor: str) -> int:
        if not duties:
            raise NothingOwed("no agreement in force sets a time for this", subject=subject)
        with self._context.db.write(at) as tx:
            record.owe(tx, duties)
            detail = {"event": "started", "kinds": sorted({each.kind for each in duties}), "count": len(duties)}
            tx.append(DUTY, subject=subject, lane=lane, actor=actor, detail=detail)
        return len(duties)


def duty_of(row: Any) -> Duty:
    """Return a duty from its row."""
    return Duty(
        row.row,
        row.kind,
        row.term,
        row.agreement_id,
        NationId(row.owed_by),
        NationId(row.owed_to),
        row.subject,
        row.lane,
        row.started_at,
        row.due_at,
        row.state,
        row.settled_at,
        row.settled_by,
        row.breached_at,
        row.onward_told,
        row.onward_confirmed,
        row.settled_because,
    )
