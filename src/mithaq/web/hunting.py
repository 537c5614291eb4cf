"""Questions to the lake: built of fields and values, saved, asked again, their answers page by page and as a file.

The hunter answers in a process of its own; these pages only keep the question and show what came of it.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import Final

from starlette.responses import Response, StreamingResponse

from mithaq.detection.questions.model import Answer, Row
from mithaq.nations.people.audit import audit
from mithaq.nations.people.model import Verb
from mithaq.node.answers_in_words import remarks
from mithaq.telemetry.errors import BadQuestion
from mithaq.telemetry.lake.question import FIELDS, Condition, Operator, Question, instant
from mithaq.web.doors import Door, Visit

_CONDITIONS: Final = 3
_ROWS: Final = 50
_ANSWERS: Final = 20
_COLUMNS: Final = ("event_at", "source", "kind", "event", "line")


def hunts(visit: Visit) -> Response:
    """Show the form of a question, the saved hunts, and the newest answers."""
    node, begun = visit.site.node, visit.query("from")
    question = node.questions.answer(begun).question if begun else Question()
    readings = node.telemetry.readings(visit.at)
    empty = Condition("", Operator.IS)
    asked = [*question.conditions, *(empty for _ in range(_CONDITIONS))]
    return visit.page(
        "hunts.html",
        question=question,
        conditions=asked[: max(_CONDITIONS, len(question.conditions) + 1)],
        fields=sorted(FIELDS),
        operators=list(Operator),
        sources=sorted(each.status.source.name for each in readings),
        lanes=sorted({"actual", question.lane, *(str(each.status.source.lane) for each in readings)}),
        people=node.people.names(),
        saved=node.questions.saved(),
        answers=node.questions.answers(limit=_ANSWERS),
    )


def ask(visit: Visit) -> Response:
    """Take a question: ask it once, or save it under a name and ask it."""
    node, question, name = visit.site.node, _question(visit), visit.field("name").strip()
    if visit.field("do") != "save":
        return visit.go(f"/hunts/answers/{node.questions.ask(question, by=visit.person.id, at=visit.at)}")
    every = visit.field("every").strip()
    if every and not every.isdecimal():
        raise BadQuestion("not a number", subject=every[:20])
    hours = int(every[:6]) if every else None
    node.questions.save(name, question, by=visit.person.id, at=visit.at, every_hours=hours)
    return visit.go("/hunts")


def run(visit: Visit) -> Response:
    """Ask a saved hunt now."""
    answer_id = visit.site.node.questions.run(visit.field("name"), by=visit.person.id, at=visit.at)
    return visit.go(f"/hunts/answers/{answer_id}")


def forget(visit: Visit) -> Response:
    """Remove a saved hunt."""
    visit.site.node.questions.forget(visit.field("name"), by=visit.person.id, at=visit.at)
    return visit.go("/hunts")


def answer(visit: Visit) -> Response:
    """Show an answer, a page of its events at a time."""
    questions, found = visit.site.node.questions, _answer(visit)
    after = visit.query("after")
    page = questions.page(found.answer_id, after=int(after[:9]) if after.isdecimal() else 0, limit=_ROWS)
    return visit.page("answer.html", answer=found, page=page, remarks=remarks(found, visit.words))


def cancel(visit: Visit) -> Response:
    """Stop an answer; what was found of it stays."""
    found = _answer(visit)
    visit.site.node.questions.cancel(found.answer_id, by=visit.person.id, at=visit.at)
    return visit.go(f"/hunts/answers/{found.answer_id}")


def export(visit: Visit) -> Response:
    """Give every event of an answer as a file: one JSON object a line, or a table."""
    found, node = _answer(visit), visit.site.node
    kind = "csv" if visit.query("as") == "csv" else "ndjson"
    with node.db.write(visit.at) as tx:
        audit(tx, actor=visit.person.id, action="hunt.export", subject=found.answer_id)
    rows = node.questions.rows(found.answer_id)
    body, media = (_csv(rows), "text/csv") if kind == "csv" else (_ndjson(rows), "application/x-ndjson")
    headers = {"content-disposition": f'attachment; filename="{found.answer_id}.{kind}"'}
    return StreamingResponse(body, media_type=media, headers=headers)


def _answer(visit: Visit) -> Answer:
    return visit.site.node.questions.answer(str(visit.request.path_params["answer_id"]))


def _question(visit: Visit) -> Question:
    fields, operators, values = (visit.form.getlist(name) for name in ("field", "operator", "value"))
    conditions = tuple(
        Condition(str(field), _operator(str(operator)), str(value))
        for field, operator, value in zip(fields, operators, values, strict=False)
        if field
    )
    hours = visit.field("last_hours").strip()
    if hours and not hours.isdecimal():
        raise BadQuestion("not a number", subject=hours[:20])
    return Question(
        lane=visit.field("lane", "actual"),
        sources=tuple(str(each) for each in visit.form.getlist("source")),
        values=tuple(visit.field("values").split()),
        conditions=conditions,
        since=instant(visit.field("since")),
        until=instant(visit.field("until")),
        last_hours=int(hours[:6]) if hours else None,
    )


def _operator(text: str) -> Operator:
    try:
        return Operator(text)
    except ValueError as error:
        raise BadQuestion("this cannot be asked of the field", subject=text[:40]) from error


def _cells(row: Row) -> tuple[str, ...]:
    return row.event_at, row.source, row.kind, row.event_id, row.raw.decode("utf-8", "replace")


def _ndjson(rows: Iterable[Row]) -> Iterator[str]:
    for row in rows:
        yield json.dumps(dict(zip(_COLUMNS, _cells(row), strict=True)), ensure_ascii=False) + "\n"


def _csv(rows: Iterable[Row]) -> Iterator[str]:
    yield _written(_COLUMNS)
    for row in rows:
        yield _written(tuple(map(_no_formula, _cells(row))))


def _written(cells: Iterable[str]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue()


def _no_formula(cell: str) -> str:
    """Keep a spreadsheet from taking a foreign text for a formula."""
    return f"'{cell}" if cell[:1] in {"=", "+", "-", "@", "\t", "\r"} else cell


_ONE = "/hunts/answers/{answer_id}"
DOORS = (
    Door("/hunts", hunts, Verb.DETECTION_READ),
    Door("/hunts", ask, Verb.DETECTION_CONFIRM, "POST"),
    Door("/hunts/run", run, Verb.DETECTION_CONFIRM, "POST"),
    Door("/hunts/forget", forget, Verb.DETECTION_CONFIRM, "POST"),
    Door(_ONE, answer, Verb.DETECTION_READ),
    Door(f"{_ONE}/export", export, Verb.DETECTION_READ),
    Door(f"{_ONE}/cancel", cancel, Verb.DETECTION_CONFIRM, "POST"),
)
