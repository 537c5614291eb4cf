"""Why an object may or may not go to a partner."""

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from mithaq.api.access import bearer
from mithaq.api.problems import ReasonTold, reason_told, words_of
from mithaq.intelligence.errors import NotHeld
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane
from mithaq.nations.people.model import Verb
from mithaq.node.composition import Node


class Answer(BaseModel):
    """The gate's answer under one agreement."""

    agreement: str | None
    allowed: bool
    reasons: list[ReasonTold]
    approved_by: list[str]


class WhyTold(BaseModel):
    """Whether a partner may have an object, under each agreement with it."""

    object: str
    partner: str
    purpose: str
    already_has_it: bool
    answers: list[Answer]


def router(node: Node) -> APIRouter:
    """Return the routes of release."""
    routes = APIRouter(tags=["release"])

    @routes.get("/why", dependencies=[Depends(bearer(node, Verb.RELEASE_READ))])
    def why(request: Request, object: str, partner: str, purpose: str = "defence", lane: str = "actual") -> WhyTold:  # noqa: A002 - the documented name
        """Say, for each agreement, whether the partner may have the object, with every failing clause."""
        words = words_of(request)
        with node.db.read() as connection:
            versions = node.holdings.get(connection, object, Lane.parse(lane))
            if not versions:
                raise NotHeld("this node holds no such object in this lane", subject=object[:120])
            nation = node.partners.get(connection, NationId(partner)).nation
            answers = node.exchange.why(connection, versions[0], nation, purpose, node.clock.now())
        return WhyTold(
            object=object,
            partner=partner,
            purpose=purpose,
            already_has_it=any(each.already_has_it for each in answers),
            answers=[
                Answer(
                    agreement=each.agreement_id or None,
                    allowed=each.verdict.allowed,
                    reasons=[reason_told(reason, words) for reason in each.verdict.reasons],
                    approved_by=sorted(each.approved_by),
                )
                for each in answers
            ],
        )

    return routes
