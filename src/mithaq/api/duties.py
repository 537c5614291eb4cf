"""What is owed under agreements, in both directions."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from mithaq.api.access import bearer
from mithaq.kernel.lane import Lane
from mithaq.nations.people.model import Verb
from mithaq.node.composition import Node

_LIMIT = 500


class DutyTold(BaseModel):
    """One duty; `onward_told` and `onward_confirmed` count a recall's further recipients, who are not named."""

    duty: int
    kind: str
    term: str
    agreement: str
    by: str
    to: str
    subject: str
    lane: str
    started: str
    due: str | None
    state: str
    overdue_since: str | None
    settled: str | None
    settled_by: str
    breached: str | None
    onward_told: int
    onward_confirmed: int


def router(node: Node) -> APIRouter:
    """Return the routes of duties."""
    routes = APIRouter(tags=["duties"])

    @routes.get("/duties", dependencies=[Depends(bearer(node, Verb.AGREEMENT_READ))])
    def duties(
        due_within_hours: Annotated[int | None, Query(ge=1, le=24 * 3650)] = None,
        lane: str = "actual",
        limit: Annotated[int, Query(ge=1, le=_LIMIT)] = _LIMIT,
    ) -> list[DutyTold]:
        """Return open duties, overdue ones first, then the earliest due; one whose time is over is `overdue`."""
        at = node.clock.now()
        until = None if due_within_hours is None else at + timedelta(hours=due_within_hours)
        with node.db.read() as connection:
            found = node.duties.listed(connection, at, until=until, lane=Lane.parse(lane), limit=limit)
        return [DutyTold(**each.as_json(at)) for each in found]

    return routes
