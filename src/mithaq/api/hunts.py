"""Questions to the lake over the API: asked once, saved, asked again, and their answers by pages."""

from datetime import datetime
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from pydantic import AwareDatetime, BaseModel

from mithaq.api.access import bearer
from mithaq.api.problems import words_of
from mithaq.detection.questions.model import Answer, Row, SavedHunt
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.lane import ACTUAL
from mithaq.nations.people.model import Actor, Verb
from mithaq.node.answers_in_words import remarks
from mithaq.node.composition import Node
from mithaq.node.language import Translator
from mithaq.telemetry.lake.question import Condition, Operator, Question

_MAX_ROWS: Final = 1_000
_MAX_ANSWERS: Final = 500


class ConditionAsked(BaseModel, extra="forbid"):
    """Something that must be true of a field, which has a name of the Elastic Common Schema or is `kind`."""

    field: str
    operator: Operator
    value: str = ""


class QuestionAsked(BaseModel, extra="forbid"):
    """Which events are sought: all conditions hold, and of the values one is somewhere in the event.

    `values` are addresses, networks, names, URLs, hashes or e-mail addresses, defanged too. `since` and `until` (which
    is excluded) are of the event's own time; `last_hours` counts back from when it is asked. No sources are all.
    """

    values: list[str] = []
    conditions: list[ConditionAsked] = []
    sources: list[str] = []
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    last_hours: int | None = None
    lane: str = str(ACTUAL)


class HuntAsked(QuestionAsked):
    """A question that is kept under a name; with `every_hours` the node asks it by itself, first of all now."""

    every_hours: int | None = None


class Awaited(BaseModel):
    """The answer that will come."""

    answer: str


class HuntTold(BaseModel):
    """A saved hunt: what it asks, how often the node asks it by itself, and when next."""

    name: str
    question: QuestionAsked
    every_hours: int | None
    due_at: str | None
    saved_by: str
    saved_at: str


class HuntsTold(BaseModel):
    """Every saved hunt, by name."""

    hunts: list[HuntTold]


class AnswerTold(BaseModel):
    """What is known of an answer: whether it is `waiting`, `running`, `done`, `cancelled` or `failed`, and how far.

    `remarks` say in the caller's language everything that the answer leaves out.
    """

    answer: str
    hunt: str | None
    asked_by: str
    asked_at: str
    state: str
    parts_done: int
    parts: int
    rows: int
    finished_at: str | None
    remarks: list[str]


class AnswersTold(BaseModel):
    """The newest answers, without their rows."""

    answers: list[AnswerTold]


class RowTold(BaseModel):
    """One event of an answer, with its line as it came; its time is as the event says, whatever that is."""

    event: str
    event_at: str
    source: str
    kind: str
    line: str


class AnswerPage(BaseModel):
    """An answer with a page of its events, the newest first; ask again with `after=next` while there is one."""

    answer: AnswerTold
    events: list[RowTold]
    next: int | None


def router(node: Node) -> APIRouter:
    """Return the routes of questions to the lake."""
    routes = APIRouter(tags=["detection"])
    reads = [Depends(bearer(node, Verb.DETECTION_READ))]
    asks = bearer(node, Verb.DETECTION_CONFIRM)

    @routes.post("/answers", status_code=202)
    def ask(asked: QuestionAsked, actor: Annotated[Actor, Depends(asks)]) -> Awaited:
        """Ask the lake something once."""
        return Awaited(answer=node.questions.ask(_question(asked), by=actor.id, at=node.clock.now()))

    @routes.get("/answers", dependencies=reads)
    def answers(
        request: Request, hunt: str | None = None, limit: Annotated[int, Query(ge=1, le=_MAX_ANSWERS)] = 50
    ) -> AnswersTold:
        """Return the newest answers, to all questions or to a saved hunt."""
        words = words_of(request)
        return AnswersTold(
            answers=[_answer(each, words) for each in node.questions.answers(limit=limit, saved_hunt=hunt)]
        )

    @routes.get("/answers/{answer}", dependencies=reads)
    def answer(
        request: Request,
        answer: str,
        after: Annotated[int, Query(ge=0, lt=2**31)] = 0,
        limit: Annotated[int, Query(ge=1, le=_MAX_ROWS)] = 100,
    ) -> AnswerPage:
        """Return an answer, as far as it is given, with a page of its events."""
        known, page = node.questions.answer(answer), node.questions.page(answer, after=after, limit=limit)
        return AnswerPage(answer=_answer(known, words_of(request)), events=list(map(_row, page.rows)), next=page.next)

    @routes.post("/answers/{answer}/cancel", status_code=204)
    def cancel(answer: str, actor: Annotated[Actor, Depends(asks)]) -> None:
        """Stop an answer; what was found of it stays."""
        node.questions.cancel(answer, by=actor.id, at=node.clock.now())

    @routes.get("/hunts", dependencies=reads)
    def hunts() -> HuntsTold:
        """Return the saved hunts."""
        return HuntsTold(hunts=list(map(_hunt, node.questions.saved())))

    @routes.put("/hunts/{hunt}")
    def save(hunt: str, asked: HuntAsked, actor: Annotated[Actor, Depends(asks)]) -> HuntTold:
        """Keep a question under a name, in place of what had it before."""
        at, every = node.clock.now(), asked.every_hours
        return _hunt(node.questions.save(hunt, _question(asked), by=actor.id, at=at, every_hours=every))

    @routes.delete("/hunts/{hunt}", status_code=204)
    def forget(hunt: str, actor: Annotated[Actor, Depends(asks)]) -> None:
        """Remove a saved hunt; its answers stay until their time is over."""
        node.questions.forget(hunt, by=actor.id, at=node.clock.now())

    @routes.post("/hunts/{hunt}/ask", status_code=202)
    def again(hunt: str, actor: Annotated[Actor, Depends(asks)]) -> Awaited:
        """Ask a saved question now."""
        return Awaited(answer=node.questions.run(hunt, by=actor.id, at=node.clock.now()))

    return routes


def _question(asked: QuestionAsked) -> Question:
    return Question(
        lane=asked.lane,
        sources=tuple(asked.sources),
        values=tuple(asked.values),
        conditions=tuple(Condition(each.field, each.operator, each.value) for each in asked.conditions),
        since=asked.since,
        until=asked.until,
        last_hours=asked.last_hours,
    )


def _hunt(saved: SavedHunt) -> HuntTold:
    return HuntTold(
        name=saved.name,
        question=QuestionAsked.model_validate(msgspec.to_builtins(saved.question)),
        every_hours=saved.every_hours,
        due_at=_instant(saved.due_at),
        saved_by=saved.saved_by,
        saved_at=rfc3339(saved.saved_at),
    )


def _answer(known: Answer, words: Translator) -> AnswerTold:
    return AnswerTold(
        answer=known.answer_id,
        hunt=known.saved_hunt or None,
        asked_by=known.asked_by,
        asked_at=rfc3339(known.asked_at),
        state=known.state.value,
        parts_done=known.parts_done,
        parts=known.parts,
        rows=known.rows,
        finished_at=_instant(known.finished_at),
        remarks=remarks(known, words),
    )


def _row(row: Row) -> RowTold:
    line = row.raw.decode("utf-8", "replace")
    return RowTold(event=row.event_id, event_at=row.event_at, source=row.source, kind=row.kind, line=line)


def _instant(at: datetime | None) -> str | None:
    return rfc3339(at) if at is not None else None
