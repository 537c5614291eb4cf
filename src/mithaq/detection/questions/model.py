"""The words of questions: one that is saved, and the answer to one, which is given in parts."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from mithaq.telemetry.lake.question import Question

ASKED = "detection.question.asked"
"""What the journal says when the lake is asked something, or something of it is to be erased."""

ANSWERED = "detection.question.answered"
SAVED = "detection.question.saved"


class State(StrEnum):
    """How far an answer is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"

    @property
    def is_over(self) -> bool:
        """Tell whether nothing more comes."""
        return self not in {State.WAITING, State.RUNNING}


class Stopped(StrEnum):
    """Why there may be more than an answer has: a limit was reached, or the answer failed.

    `interrupted`: a process ended in the middle of it, so whoever wants it asks again.
    """

    ROWS = "rows"
    SECONDS = "seconds"
    MEMORY = "memory"
    BYTES = "bytes"
    DISK = "disk"
    DAMAGE = "damage"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class SavedHunt:
    """A named question; with `every_hours` the node asks it by itself."""

    name: str
    question: Question
    saved_by: str
    saved_at: datetime
    every_hours: int | None = None
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of an answer, without its rows.

    `parts` are the groups of segments to be asked; `unread` are segments that could not be read, `older` the events in
    segments of an earlier layout, which have no fields to ask. `stopped` names the limit that was reached.
    """

    answer_id: str
    saved_hunt: str
    question: Question
    asked_by: str
    asked_at: datetime
    state: State
    parts_done: int = 0
    parts: int = 0
    rows: int = 0
    unread: int = 0
    older: int = 0
    stopped: str = ""
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One event of an answer; `event_at` is as the event says, whatever that is."""

    place: int
    event_id: str
    event_at: str
    source: str
    kind: str
    raw: bytes
