"""How fresh what is known of a partner's keys is, and what stops once it is not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from mithaq.exchange.context import Context
from mithaq.kernel.ids import NationId


@dataclass(frozen=True, slots=True)
class StatusClock:
    """When one agreement stops TLP:AMBER and stricter for a partner; None where no statement is known."""

    agreement_id: str
    max_age_days: int
    stale_at: datetime | None


def status_clocks(context: Context, connection: Connection, partner: NationId, at: datetime) -> Sequence[StatusClock]:
    """Return for each agreement in force with a partner when its status becomes stale, the earliest first."""
    status_at = context.partners.get(connection, partner).status_at
    clocks = []
    for agreement in context.agreements.current(connection, at):
        if partner not in agreement.parties or context.own not in agreement.parties:
            continue
        days = agreement.document.terms.status_max_age_days
        stale_at = status_at + timedelta(days=days) if status_at else None
        clocks.append(StatusClock(agreement.document.id, days, stale_at))
    return sorted(clocks, key=lambda clock: clock.stale_at or at)
