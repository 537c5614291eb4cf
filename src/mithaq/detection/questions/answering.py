"""The hunter's side of a question: ask the segments, newest first and a few at a time, and keep what they answer.

Every part is bounded in rows, seconds, memory and bytes, and after each one the answer may be cancelled.
"""

import logging
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from mithaq.detection.questions import store
from mithaq.detection.questions.model import ANSWERED, Answer, Row, State, Stopped
from mithaq.detection.questions.service import kept_until, put_due
from mithaq.detection.settings import DetectionLimits
from mithaq.kernel.clock import Clock, rfc3339
from mithaq.kernel.database import Database
from mithaq.kernel.lane import Lane
from mithaq.telemetry import store as telemetry_store
from mithaq.telemetry.blocks import Parsed
from mithaq.telemetry.errors import LakeBroken
from mithaq.telemetry.lake import keeping
from mithaq.telemetry.lake.index import SealedIndex, Sought
from mithaq.telemetry.lake.open_segment import read_segment, segment_path
from mithaq.telemetry.lake.question import KIND, Question
from mithaq.telemetry.store import CLOSED, OPEN, SEALED, Segment

_log = logging.getLogger(__name__)
_STAGE: Final = "lake/.asking"
_FIRST_LAYOUT: Final = 1


class _Cancelled(Exception):
    """Somebody does not want the answer any more."""


@dataclass(slots=True)
class _Progress:
    """What has become of an answer so far."""

    ends: float
    parts: int = 0
    parts_done: int = 0
    rows: int = 0
    bytes: int = 0
    unread: int = 0
    older: int = 0
    stopped: str = ""

    @property
    def left_s(self) -> float:
        """Return how many seconds are left."""
        return self.ends - time.monotonic()

    def known(self) -> dict[str, Any]:
        """Return the columns of the answer's row."""
        return {
            "parts": self.parts,
            "parts_done": self.parts_done,
            "rows": self.rows,
            "unread": self.unread,
            "older": self.older,
            "stopped": self.stopped,
        }


class Answering:
    """Answer what waits, one question after the other."""

    def __init__(self, db: Database, data: Path, limits: DetectionLimits) -> None:
        self._db = db
        self._data = data
        self._limits = limits

    def run(self, clock: Clock) -> int:
        """Answer every question that waits, those on a schedule too; return how many were answered."""
        at, count = clock.now(), 0
        with self._db.write(at) as tx:
            put_due(tx, store.due(tx.connection, at))
            limits = self._limits
            store.forget_answers(tx, before=kept_until(at, limits.answer_days), keep=limits.answers_kept)
        while waiting := self._waiting():
            for answer in waiting:
                self._one(answer, clock)
                count += 1
        return count

    def _waiting(self) -> list[Answer]:
        with self._db.read() as connection:
            return store.unfinished(connection)

    def _one(self, answer: Answer, clock: Clock) -> None:
        progress = _Progress(time.monotonic() + self._limits.answer_seconds)
        state = State.DONE
        try:
            if answer.state is State.RUNNING:
                state, progress.stopped = State.FAILED, Stopped.INTERRUPTED.value
            else:
                self._note(answer, progress, clock.now(), State.WAITING)
                self._ask(answer, progress, clock)
        except _Cancelled:
            return
        except (LakeBroken, OSError) as error:
            _log.error("%s: %s (%s)", answer.answer_id, error, getattr(error, "private", ""))
            failure = Stopped.DAMAGE if isinstance(error, LakeBroken) else Stopped.DISK
            state, progress.stopped = State.FAILED, failure.value
        finally:
            shutil.rmtree(self._data / _STAGE, ignore_errors=True)
        at = clock.now()
        with self._db.write(at) as tx:
            changed = {**progress.known(), "state": state.value, "finished_at": at}
            if store.change_answer(tx, answer.answer_id, State.RUNNING, **changed):
                detail = {"rows": progress.rows, "state": state.value}
                lane = Lane.parse(answer.question.lane)
                tx.append(ANSWERED, subject=answer.answer_id, lane=lane, actor="node", detail=detail)

    def _note(self, answer: Answer, progress: _Progress, at: datetime, state: State = State.RUNNING) -> None:
        with self._db.write(at) as tx:
            changed = {**progress.known(), "state": State.RUNNING.value}
            if not store.change_answer(tx, answer.answer_id, state, **changed):
                raise _Cancelled

    def _ask(self, answer: Answer, progress: _Progress, clock: Clock) -> None:
        """Ask the unsealed lines, then the sealed segments in groups."""
        question = answer.question
        sealed = self._sealed(answer, progress, clock.now())
        size = self._limits.segments_a_hunt
        groups = [sealed[start : start + size] for start in range(0, len(sealed), size)]
        progress.parts = len(groups) + 1
        try:
            self._part(answer, progress, list(self._staged(question, progress)), clock)
            for group in groups:
                self._part(answer, progress, group, clock)
        except _Reached as reached:
            progress.stopped = reached.limit.value

    def _part(self, answer: Answer, progress: _Progress, stems: Sequence[str], clock: Clock) -> None:
        rows = self._rows(answer, progress, stems, clock) if stems else []
        kept = self._limits.answer_rows - progress.rows
        reached = Stopped.ROWS if len(rows) > kept else None
        made: list[Row] = []
        for row in rows[:kept]:
            progress.bytes += len(row["raw"])
            if progress.bytes > self._limits.answer_bytes:
                reached = Stopped.BYTES
                break
            progress.rows += 1
            made.append(_row(row, progress.rows))
        progress.parts_done += 1
        at = clock.now()
        with self._db.write(at) as tx:
            if not store.change_answer(tx, answer.answer_id, State.RUNNING, **progress.known()):
                raise _Cancelled
            store.add_rows(tx, answer.answer_id, made)
        if reached is not None:
            raise _Reached(reached)

    def _rows(self, answer: Answer, progress: _Progress, stems: Sequence[str], clock: Clock) -> list[dict[str, Any]]:
        """Ask a group of segments; what cannot be read of it is left out, and told."""
        from mithaq.telemetry.lake.reading import AnswerLimit, rows_for

        if progress.left_s <= 0:
            raise _Reached(Stopped.SECONDS)
        try:
            return rows_for(
                self._data,
                answer.question,
                stems,
                asked_at=answer.asked_at,
                limit=self._limits.answer_rows - progress.rows + 1,
                seconds=progress.left_s,
                memory_bytes=self._limits.answer_memory_bytes,
            )
        except AnswerLimit as limit:
            raise _Reached(Stopped(str(limit))) from limit
        except LakeBroken:
            whole = [stem for stem in stems if self._is_whole(stem, progress, clock.now())]
            if len(whole) == len(stems):
                raise
            return self._rows(answer, progress, whole, clock) if whole else []

    def _is_whole(self, stem: str, progress: _Progress, at: datetime) -> bool:
        from mithaq.telemetry.lake.reading import check

        try:
            check(self._data, stem)
        except LakeBroken as error:
            progress.unread += 1
            with self._db.read() as connection:
                found = [each for each in telemetry_store.list_segments(connection, (SEALED,)) if each.path == stem]
            with self._db.write(at) as tx:
                for segment in found:
                    keeping.mark(tx, segment.segment, error.message)
            return False
        return True

    def _sealed(self, answer: Answer, progress: _Progress, at: datetime) -> list[str]:
        """Return the segments that may have an answer, newest first; count those that cannot give one."""
        from mithaq.telemetry.lake.reading import span

        question = answer.question
        since, lane = question.begins(answer.asked_at), Lane.parse(question.lane)
        sought = [Sought.of(lane, each) for each in question.observables()]
        by_field = any(each.field != KIND for each in question.conditions)
        stems: list[str] = []
        for segment in reversed(self._segments(question, SEALED)):
            try:
                if not span(self._data, segment.path).touches(since, question.until):
                    continue
            except LakeBroken as error:
                progress.unread += 1
                with self._db.write(at) as tx:
                    keeping.mark(tx, segment.segment, error.message)
                continue
            if segment.format == _FIRST_LAYOUT and by_field:
                progress.older += segment.events
            elif not sought or self._may_hold(segment.path, sought):
                stems.append(segment.path)
        return stems

    def _may_hold(self, stem: str, sought: Iterable[Sought]) -> bool:
        try:
            index = SealedIndex.open(self._data, stem)
        except LakeBroken:
            return True
        return any(index.may_hold(each) for each in sought)

    def _staged(self, question: Question, progress: _Progress) -> Iterator[str]:
        """Seal what is not Parquet yet into a folder of this answer, and yield its segments."""
        from mithaq.telemetry.lake import sealing

        for segment in self._segments(question, OPEN, CLOSED):
            if not segment.bytes:
                continue
            stem = f"{_STAGE}/{segment.segment:012d}"
            if sealing.seal(self._data, stem, segment.segment, self._parsed(segment, progress)):
                yield stem

    def _parsed(self, segment: Segment, progress: _Progress) -> Iterator[Parsed]:
        try:
            for block in read_segment(segment_path(self._data, segment.segment), segment.bytes):
                if progress.left_s <= 0:
                    raise _Reached(Stopped.SECONDS)
                yield block.parsed()
        except (LakeBroken, FileNotFoundError) as error:
            _log.error("the segment %d: %s", segment.segment, error)
            progress.unread += 1

    def _segments(self, question: Question, *states: str) -> list[Segment]:
        with self._db.read() as connection:
            found = telemetry_store.list_segments(connection, states)
        return [each for each in found if not question.sources or each.source in question.sources]


class _Reached(Exception):
    """A limit was reached: what was found until then is the answer."""

    def __init__(self, limit: Stopped) -> None:
        super().__init__(limit.value)
        self.limit = limit


def _row(row: dict[str, Any], place: int) -> Row:
    return Row(place, row["event_id"], rfc3339(row["at"]), row["source"], row["kind"], row["raw"])
