"""Tables of questions to the lake: those that are saved, the answers, and the rows of these."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Column, Connection, Integer, LargeBinary, Table, Text, bindparam, func, select

from mithaq.detection.questions.model import Answer, Row, SavedHunt, State
from mithaq.kernel.database import Timestamp, Transaction, insert_ignore, metadata, upsert
from mithaq.telemetry.lake.question import Question

saved_hunts = Table(
    "lake_saved_hunts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("question", Text, nullable=False),
    Column("saved_by", Text, nullable=False),
    Column("saved_at", Timestamp, nullable=False),
    Column("every_hours", Integer),
    Column("due_at", Timestamp),
)
answers = Table(
    "lake_answers",
    metadata,
    Column("answer_id", Text, primary_key=True),
    Column("saved_hunt", Text, nullable=False),
    Column("question", Text, nullable=False),
    Column("lane", Text, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("asked_at", Timestamp, nullable=False),
    Column("state", Text, nullable=False, index=True),
    Column("parts_done", Integer, nullable=False),
    Column("parts", Integer, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("unread", Integer, nullable=False),
    Column("older", Integer, nullable=False),
    Column("stopped", Text, nullable=False),
    Column("finished_at", Timestamp),
)
answer_rows = Table(
    "lake_answer_rows",
    metadata,
    Column("answer_id", Text, primary_key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("event_id", Text, nullable=False),
    Column("event_at", Text, nullable=False),
    Column("source", Text, nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("raw", LargeBinary, nullable=False),
)
_UNFINISHED = (State.WAITING.value, State.RUNNING.value)
_BY_ID = select(answers).where(answers.c.answer_id == bindparam("answer_id"))
_ROWS = (
    select(answer_rows)
    .where(answer_rows.c.answer_id == bindparam("answer_id"), answer_rows.c.place > bindparam("after"))
    .order_by(answer_rows.c.place)
    .limit(bindparam("count"))
)


def save(tx: Transaction, hunt: SavedHunt) -> None:
    """Keep a named question, or replace the one of that name."""
    row = {**asdict(hunt), "question": _text(hunt.question)}
    upsert(tx, saved_hunts, [row], keys=("name",), changed=[name for name in row if name != "name"])


def forget(tx: Transaction, name: str) -> bool:
    """Remove a named question; its answers stay until their time is over."""
    return tx.execute(saved_hunts.delete().where(saved_hunts.c.name == name)).rowcount == 1


def list_saved(connection: Connection) -> list[SavedHunt]:
    """Return every saved question, by name."""
    return [_saved(row) for row in connection.execute(select(saved_hunts).order_by(saved_hunts.c.name))]


def get_saved(connection: Connection, name: str) -> SavedHunt | None:
    """Return the question of a name."""
    row = connection.execute(select(saved_hunts).where(saved_hunts.c.name == name)).one_or_none()
    return None if row is None else _saved(row)


def due(connection: Connection, at: datetime) -> list[SavedHunt]:
    """Return the saved questions whose time has come."""
    query = select(saved_hunts).where(saved_hunts.c.due_at <= at).order_by(saved_hunts.c.due_at)
    return [_saved(row) for row in connection.execute(query)]


def postpone(tx: Transaction, hunt: SavedHunt) -> None:
    """Set when a saved question is asked next: a whole number of its hours after it was due, and not before now."""
    if hunt.every_hours is None or hunt.due_at is None:
        return
    step = timedelta(hours=hunt.every_hours)
    next_at = hunt.due_at + step * ((tx.at - hunt.due_at) // step + 1)
    tx.execute(saved_hunts.update().where(saved_hunts.c.name == hunt.name).values(due_at=next_at))


def add_answer(tx: Transaction, answer: Answer) -> None:
    """Keep a question that waits for its answer."""
    row = {**asdict(answer), "question": _text(answer.question), "lane": answer.question.lane}
    insert_ignore(tx, answers, [{**row, "state": answer.state.value}])


def change_answer(tx: Transaction, answer_id: str, *states: State, **changed: Any) -> bool:
    """Change what is known of an answer; tell whether it was in one of these states."""
    in_states = answers.c.state.in_([state.value for state in states])
    query = answers.update().where(answers.c.answer_id == answer_id, in_states)
    return tx.execute(query.values(**changed)).rowcount == 1


def get_answer(connection: Connection, answer_id: str) -> Answer | None:
    """Return what is known of an answer."""
    row = connection.execute(_BY_ID, {"answer_id": answer_id}).one_or_none()
    return None if row is None else _answer(row)


def list_answers(connection: Connection, *, limit: int, saved_hunt: str | None = None) -> list[Answer]:
    """Return the newest answers."""
    query = select(answers).order_by(answers.c.asked_at.desc(), answers.c.answer_id).limit(limit)
    if saved_hunt is not None:
        query = query.where(answers.c.saved_hunt == saved_hunt)
    return [_answer(row) for row in connection.execute(query)]


def unfinished(connection: Connection) -> list[Answer]:
    """Return what waits for an answer or was left in the middle of it, the oldest first."""
    query = select(answers).where(answers.c.state.in_(_UNFINISHED)).order_by(answers.c.asked_at, answers.c.answer_id)
    return [_answer(row) for row in connection.execute(query)]


def add_rows(tx: Transaction, answer_id: str, rows: Sequence[Row]) -> None:
    """Keep rows of an answer."""
    insert_ignore(tx, answer_rows, [{**asdict(row), "answer_id": answer_id} for row in rows])


def rows_of(connection: Connection, answer_id: str, *, after: int, limit: int) -> list[Row]:
    """Return rows of an answer in order, those behind a place."""
    found = connection.execute(_ROWS, {"answer_id": answer_id, "after": after, "count": limit})
    return [Row(row.place, row.event_id, row.event_at, row.source, row.kind, row.raw) for row in found]


def clear_rows(tx: Transaction, answer_id: str) -> None:
    """Forget the rows of an answer, so that it can be given anew."""
    tx.execute(answer_rows.delete().where(answer_rows.c.answer_id == answer_id))


def erase_source(tx: Transaction, source: str) -> None:
    """Delete every row that quotes a source."""
    tx.execute(answer_rows.delete().where(answer_rows.c.source == source))


def forget_answers(tx: Transaction, *, before: datetime, keep: int) -> None:
    """Delete the answers that were given long ago, and all but the newest."""
    newest = select(answers.c.answer_id).order_by(answers.c.asked_at.desc()).limit(keep)
    kept = list(tx.connection.scalars(newest))
    over = answers.c.state.not_in(_UNFINISHED)
    old = select(answers.c.answer_id).where(over, (answers.c.asked_at < before) | answers.c.answer_id.not_in(kept))
    for answer_id in list(tx.connection.scalars(old)):
        clear_rows(tx, answer_id)
        tx.execute(answers.delete().where(answers.c.answer_id == answer_id))


def count_waiting(connection: Connection) -> int:
    """Return how many questions have no answer yet."""
    query = select(func.count()).select_from(answers).where(answers.c.state.in_(_UNFINISHED))
    return connection.scalar(query) or 0


def _text(question: Question) -> str:
    return msgspec.json.encode(question).decode()


def _saved(row: Any) -> SavedHunt:
    question = msgspec.json.decode(row.question, type=Question)
    return SavedHunt(row.name, question, row.saved_by, row.saved_at, row.every_hours, row.due_at)


def _answer(row: Any) -> Answer:
    return Answer(
        row.answer_id,
        row.saved_hunt,
        msgspec.json.decode(row.question, type=Question),
        row.asked_by,
        row.asked_at,
        State(row.state),
        row.parts_done,
        row.parts,
        row.rows,
        row.unread,
        row.older,
        row.stopped,
        row.finished_at,
    )
