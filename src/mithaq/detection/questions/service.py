"""The use cases of questions to the lake: ask, save, ask again, cancel, read the answer."""

import re
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from mithaq.detection.errors import BadSavedHunt, QuestionRefused, UnknownQuestion
from mithaq.detection.questions import store
from mithaq.detection.questions.model import ASKED, SAVED, Answer, Row, SavedHunt, State
from mithaq.kernel.database import Database, Transaction
from mithaq.kernel.lane import Lane
from mithaq.nations.people.audit import audit
from mithaq.telemetry.lake.question import Question

_NAME: Final = re.compile(r"[^\x00-\x1f\x7f/]{1,80}")
MAX_WAITING: Final = 20
"""How many questions may wait for their answer."""

MAX_EVERY_HOURS: Final = 24 * 31
_EXPORT_ROWS: Final = 500


@dataclass(frozen=True, slots=True)
class Page:
    """One page of an answer; `next` continues it, None at the end."""

    rows: tuple[Row, ...]
    next: int | None


class Questions:
    """What people ask of this nation's telemetry; the hunter answers."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def ask(self, question: Question, *, by: str, at: datetime) -> str:
        """Ask something once; return the identifier of the answer that will come.

        Raises:
            BadQuestion: it cannot be answered as it is put.
            QuestionRefused: too many questions wait already.
        """
        with self._db.write(at) as tx:
            return put(tx, question.checked(), by)

    def save(
        self, name: str, question: Question, *, by: str, at: datetime, every_hours: int | None = None
    ) -> SavedHunt:
        """Keep a question under a name; with a number of hours the node asks it by itself, first of all now.

        Raises:
            BadQuestion: it cannot be answered as it is put.
            BadSavedHunt: the name or the number of hours cannot be used.
        """
        name = name.strip()
        if not _NAME.fullmatch(name):
            raise BadSavedHunt("a saved hunt needs a name of 1 to 80 characters, without a slash", subject=name[:80])
        if every_hours is not None and not 1 <= every_hours <= MAX_EVERY_HOURS:
            raise BadSavedHunt("the hours between two runs are a number from 1 to %(limit)d", limit=MAX_EVERY_HOURS)
        due_at = at if every_hours is not None else None
        hunt = SavedHunt(name, question.checked(), by, at, every_hours, due_at)
        with self._db.write(at) as tx:
            store.save(tx, hunt)
            audit(tx, actor=by, action="hunt.save", subject=name)
            tx.append(SAVED, subject=name, lane=Lane.parse(question.lane), actor=by, detail={"every": every_hours})
        return hunt

    def forget(self, name: str, *, by: str, at: datetime) -> None:
        """Remove a saved hunt.

        Raises:
            UnknownQuestion: there is none of that name.
        """
        with self._db.write(at) as tx:
            if not store.forget(tx, name):
                raise UnknownQuestion("there is no saved hunt of that name", subject=name[:80])
            audit(tx, actor=by, action="hunt.forget", subject=name)

    def run(self, name: str, *, by: str, at: datetime) -> str:
        """Ask a saved question now; return the identifier of the answer that will come.

        Raises:
            UnknownQuestion: there is none of that name.
            QuestionRefused: too many questions wait already.
        """
        with self._db.write(at) as tx:
            hunt = store.get_saved(tx.connection, name)
            if hunt is None:
                raise UnknownQuestion("there is no saved hunt of that name", subject=name[:80])
            return put(tx, hunt.question, by, saved_hunt=name)

    def cancel(self, answer_id: str, *, by: str, at: datetime) -> None:
        """Stop an answer; what was found of it stays.

        Raises:
            UnknownQuestion: there is no such answer.
            QuestionRefused: it is over already.
        """
        with self._db.write(at) as tx:
            changed = {"state": State.CANCELLED.value, "finished_at": at}
            if store.change_answer(tx, answer_id, State.WAITING, State.RUNNING, **changed):
                audit(tx, actor=by, action="hunt.cancel", subject=answer_id)
                return
            if store.get_answer(tx.connection, answer_id) is None:
                raise UnknownQuestion("there is no such answer", subject=answer_id[:80])
        raise QuestionRefused("the answer is complete already", subject=answer_id)

    def saved(self) -> list[SavedHunt]:
        """Return every saved hunt, by name."""
        with self._db.read() as connection:
            return store.list_saved(connection)

    def answers(self, *, limit: int = 50, saved_hunt: str | None = None) -> list[Answer]:
        """Return the newest answers, without their rows."""
        with self._db.read() as connection:
            return store.list_answers(connection, limit=limit, saved_hunt=saved_hunt)

    def answer(self, answer_id: str) -> Answer:
        """Return what is known of an answer.

        Raises:
            UnknownQuestion: there is no such answer.
        """
        with self._db.read() as connection:
            found = store.get_answer(connection, answer_id)
        if found is None:
            raise UnknownQuestion("there is no such answer", subject=answer_id[:80])
        return found

    def page(self, answer_id: str, *, after: int = 0, limit: int = 50) -> Page:
        """Return rows of an answer, newest event first; `after` is the `next` of the page before."""
        with self._db.read() as connection:
            found = store.rows_of(connection, answer_id, after=after, limit=limit + 1)
        shown = tuple(found[:limit])
        return Page(shown, shown[-1].place if len(found) > limit else None)

    def rows(self, answer_id: str) -> Iterator[Row]:
        """Yield every row of an answer."""
        after: int | None = 0
        while after is not None:
            page = self.page(answer_id, after=after, limit=_EXPORT_ROWS)
            yield from page.rows
            after = page.next


def put(tx: Transaction, question: Question, by: str, *, saved_hunt: str = "") -> str:
    """Keep a checked question that waits for the hunter; return the identifier of its answer.

    Raises:
        QuestionRefused: too many questions wait already.
    """
    if store.count_waiting(tx.connection) >= MAX_WAITING:
        raise QuestionRefused("%(limit)d questions wait for their answer already", limit=MAX_WAITING)
    answer_id = f"answer--{uuid.uuid4()}"
    store.add_answer(tx, Answer(answer_id, saved_hunt, question, by, tx.at, State.WAITING))
    audit(tx, actor=by, action="hunt.ask", subject=answer_id)
    tx.append(ASKED, subject=answer_id, lane=Lane.parse(question.lane), actor=by, detail={"hunt": bool(saved_hunt)})
    return answer_id


def put_due(tx: Transaction, hunts: Sequence[SavedHunt]) -> None:
    """Ask the saved questions whose time has come; one whose last answer is still waited for is passed over."""
    waiting = {each.saved_hunt for each in store.unfinished(tx.connection)}
    for hunt in hunts:
        if hunt.name not in waiting and store.count_waiting(tx.connection) < MAX_WAITING:
            put(tx, hunt.question, hunt.saved_by, saved_hunt=hunt.name)
        store.postpone(tx, hunt)


def kept_until(at: datetime, days: int) -> datetime:
    """Return the instant before which answers are over."""
    return at - timedelta(days=days)
