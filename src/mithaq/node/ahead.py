"""What a decision about hits would let others learn: judged by the gate now, and nothing is kept."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from mithaq.detection.hits.triage import GroupStory
from mithaq.exchange.planning import Foreseen, Planning
from mithaq.intelligence.model import NewObject, as_if_stored
from mithaq.node.composition import Node

_SOME_WORDS = "…"


@dataclass(frozen=True, slots=True)
class Ahead:
    """To whom the sighting of a confirmation and the opinion of a false positive would go, and to whom not, and why."""

    sighting: tuple[Foreseen, ...] = ()
    opinion: tuple[Foreseen, ...] = ()


def ahead(node: Node, connection: Connection, story: GroupStory, at: datetime) -> Ahead:
    """Judge what either decision about what waits of a group would let others learn."""
    if story.waiting is None or story.seen is None:
        return Ahead()
    planning = Planning(node.channel)

    def foreseen(new: list[NewObject]) -> tuple[Foreseen, ...]:
        return tuple(planning.foresee(connection, as_if_stored(new, at), at)) if new else ()

    opinion = node.triage.opinion(connection, story, _SOME_WORDS, at)
    return Ahead(foreseen(node.triage.sighting(story, at)), foreseen(opinion))


def as_json(each: Foreseen, reasons: Any) -> dict[str, Any]:
    """Return what is foreseen as JSON values; `reasons` in the reader's words."""
    return {
        "nation": each.recipient,
        "agreement": each.agreement_id,
        "purpose": each.purpose,
        "goes": each.verdict.allowed,
        "protected_version": each.protected,
        "reasons": reasons,
    }
