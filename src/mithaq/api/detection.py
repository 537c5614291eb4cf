"""Hits over the API, told the instant they happen."""

from contextlib import aclosing
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from mithaq.api.access import bearer
from mithaq.detection.errors import UnknownHit
from mithaq.detection.hits.record import EXPECTED, HIT
from mithaq.detection.model import RuleSight, Sight
from mithaq.detection.service import Explanation
from mithaq.kernel import journal
from mithaq.kernel.clock import rfc3339
from mithaq.nations.people.model import Verb
from mithaq.node.composition import Node
from mithaq.node.feed import Feed

MAX_WAIT_S = 60
_LIMIT = 500
_MAX_SEQ = 2**63 - 1


class Answer(BaseModel):
    """A field of the event that answered a rule's question, and its value; no field is the whole line."""

    field: str | None
    value: str


class RuleTold(BaseModel):
    """The rule that an event made true, and with what; of a correlation, how many events did."""

    id: str
    title: str
    level: str | None
    answers: list[Answer]
    events: int


class HitTold(BaseModel):
    """One hit: what was seen where, which indicator says so, and under which agreement it is known.

    A hit on a rule has no one field and value, and says which rule it is instead. `techniques` are those of ATT&CK.
    The `state` of one that a person expected is `dismissed` from the beginning.
    """

    seq: int
    id: str
    event_id: str
    event_at: str
    matched_at: str
    source: str
    field: str | None
    value: str | None
    rule: RuleTold | None
    indicator: str
    techniques: list[str]
    nation: str
    agreement: str | None
    lane: str
    retro: bool
    state: str


class HitsTold(BaseModel):
    """Hits in the order in which they were written down; ask again with `after=next`."""

    hits: list[HitTold]
    next: int


def router(node: Node, feed: Feed) -> APIRouter:
    """Return the routes of detection."""
    routes = APIRouter(tags=["detection"])

    @routes.get("/hits", dependencies=[Depends(bearer(node, Verb.DETECTION_READ))])
    async def hits(
        after: Annotated[int, Query(ge=0, le=_MAX_SEQ)] = 0, wait: Annotated[float, Query(ge=0, le=MAX_WAIT_S)] = 0
    ) -> HitsTold:
        """Return hits after a sequence number; with none there, answer when one comes or the wait is over."""
        found = await anyio.to_thread.run_sync(_after, node, after)
        if found.hits or not wait:
            return found
        with anyio.move_on_after(wait):
            async with aclosing(feed.follow(found.next)) as news:
                async for _ in news:
                    found = await anyio.to_thread.run_sync(_after, node, after)
                    if found.hits:
                        break
        return found

    return routes


def _after(node: Node, after: int) -> HitsTold:
    with node.db.read() as connection:
        entries = journal.entries(connection, after, limit=_LIMIT, kinds=frozenset({HIT, EXPECTED}))
        end = entries[-1].seq if len(entries) == _LIMIT else max(after, journal.last_seq(connection))
        told = []
        for entry in entries:
            try:
                told.append(_told(entry.seq, node.detection.explain(connection, entry.subject)))
            except UnknownHit:
                continue  # erased since, under an agreement's retention
    return HitsTold(hits=told, next=end)


def _told(seq: int, explained: Explanation) -> HitTold:
    hit = explained.hit
    sight = hit.sight
    return HitTold(
        seq=seq,
        id=hit.hit_id,
        event_id=hit.event_id,
        event_at=rfc3339(hit.event_at),
        matched_at=rfc3339(hit.matched_at),
        source=hit.source,
        field=sight.field if isinstance(sight, Sight) else None,
        value=sight.seen.value if isinstance(sight, Sight) else None,
        rule=_rule(sight) if isinstance(sight, RuleSight) else None,
        indicator=hit.indicator_id,
        techniques=list(explained.techniques),
        nation=hit.origin.nation,
        agreement=hit.origin.agreement_id,
        lane=str(hit.lane),
        retro=hit.retro,
        state=hit.state.value,
    )


def _rule(sight: RuleSight) -> RuleTold:
    return RuleTold(
        id=sight.rule_id,
        title=sight.title,
        level=sight.level or None,
        answers=[Answer(field=name or None, value=value) for name, value in sight.answers],
        events=sight.events,
    )
