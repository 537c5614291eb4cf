"""Groups of hits over the API: what waits, and the decisions of whoever may decide."""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from mithaq.api.access import bearer
from mithaq.detection.model import Dismissal, Group, HitState, Sight
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.lane import Lane
from mithaq.nations.people.audit import audited
from mithaq.nations.people.model import Actor, Verb
from mithaq.node.composition import Node

_MAX_GROUPS: Final = 200
Level = Literal["informational", "low", "medium", "high", "critical"]


class GroupTold(BaseModel):
    """Hits of one object in one source on one value or rule; `waiting` of them nobody has decided about.

    Further ones are dismissed as they come until `expected_until`, because a person expects them.

    `field` and `value` are what was seen, or `rule` is the rule that was true. `warned` are the warning lists on which
    the value stands.
    """

    number: int
    indicator: str
    source: str
    field: str | None
    value: str | None
    rule: str | None
    level: str | None
    nation: str
    agreement: str | None
    lane: str
    state: str
    dismissed_as: str | None
    count: int
    waiting: int
    confirmed: int
    dismissed: int
    expected_until: str | None
    first_at: str
    last_at: str
    warned: list[str]


class GroupsTold(BaseModel):
    """A page of groups, the newest match first; ask again with `after=next`.

    A decision covers the hits up to `up_to`, which is the newest there was when this was read.
    """

    groups: list[GroupTold]
    next: str | None
    up_to: int


class Confirmation(BaseModel):
    """Confirm the hits of a group up to a row."""

    up_to: int | None = None


class Dismissed(Confirmation):
    """Dismiss them: as a false positive, which needs a reason that names no value, or as benign.

    What is benign may be expected for so many `days`: further hits of the group are dismissed as they come.
    """

    why: Dismissal
    reason: str = ""
    days: int = 0


class Decided(BaseModel):
    """The sighting or the opinion that a decision became; none for what is benign."""

    object: str | None


def router(node: Node) -> APIRouter:
    """Return the routes of triage."""
    routes = APIRouter(tags=["detection"])
    decides = bearer(node, Verb.DETECTION_CONFIRM)

    @routes.get("/groups", dependencies=[Depends(bearer(node, Verb.DETECTION_READ))])
    def groups(
        state: HitState | None = None,
        level: Level | None = None,
        lane: str = "actual",
        after: str = "",
        limit: Annotated[int, Query(ge=1, le=_MAX_GROUPS)] = 50,
    ) -> GroupsTold:
        """Return groups of hits: all of them, or those in one state; `level` leaves out rules of a lower one."""
        with node.db.read() as connection:
            page = node.triage.page(connection, Lane.parse(lane), state=state, level=level, after=after, limit=limit)
            up_to = node.triage.newest_row(connection)
        return GroupsTold(groups=[_told(each) for each in page.groups], next=page.next, up_to=up_to)

    @routes.post("/groups/{number}/confirm")
    def confirm(number: int, asked: Confirmation, actor: Annotated[Actor, Depends(decides)]) -> Decided:
        """Confirm a group: one sighting with its count goes back to whoever gave the indicator."""
        at = node.clock.now()
        with audited(node.db, at, actor=actor.id, action="detection.confirm", subject=str(number)):
            return Decided(object=node.triage.confirm(number, actor.id, at, asked.up_to))

    @routes.post("/groups/{number}/dismiss")
    def dismiss(number: int, asked: Dismissed, actor: Annotated[Actor, Depends(decides)]) -> Decided:
        """Dismiss a group; a false positive lowers the indicator wherever it went."""
        at = node.clock.now()
        with audited(node.db, at, actor=actor.id, action="detection.dismiss", subject=str(number)):
            opinion = node.triage.dismiss(
                number, actor.id, at, why=asked.why, reason=asked.reason, up_to=asked.up_to, days=asked.days
            )
        return Decided(object=opinion or None)

    return routes


def _told(group: Group) -> GroupTold:
    sight = group.sight
    return GroupTold(
        number=group.row,
        indicator=group.indicator_id,
        source=group.source,
        field=sight.field if isinstance(sight, Sight) else None,
        value=sight.seen.value if isinstance(sight, Sight) else None,
        rule=None if isinstance(sight, Sight) else sight.title,
        level=sight.level or None,
        nation=group.origin.nation,
        agreement=group.origin.agreement_id,
        lane=str(group.lane),
        state=group.state.value,
        dismissed_as=group.dismissed_as.value if group.dismissed_as else None,
        count=group.count,
        waiting=group.new,
        confirmed=group.confirmed,
        dismissed=group.dismissed,
        expected_until=rfc3339(group.expected.until) if group.expected is not None else None,
        first_at=rfc3339(group.first_at),
        last_at=rfc3339(group.last_at),
        warned=list(group.warned),
    )
