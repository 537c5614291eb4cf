"""What every reader of a source gives: lines, and the position that follows them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from mithaq.telemetry.model import BrokenLine
from mithaq.telemetry.store import Position


@dataclass(frozen=True, slots=True)
class Line:
    """One line as it lies in the file, without its line feed.

    `place` is unique within the source as long as its lines are: the offset in a file (so that reading the file
    again gives the same events), the segment and the offset in a spool.
    """

    number: int
    offset: int
    place: int
    text: bytes


@dataclass(frozen=True, slots=True)
class Chunk:
    """The next lines of a source, what could not be had, and the position that follows them."""

    position: Position
    lines: tuple[Line, ...] = ()
    broken: tuple[BrokenLine, ...] = ()


class Reader(Protocol):
    """What reads a source's files: one that is followed, a spool, or a folder of them."""

    def next(self, at: datetime) -> Chunk | None:
        """Return the next lines, or None when all are read; the same lines come again until `committed`."""

    def committed(self, chunk: Chunk) -> None:
        """Move on: the caller's effects of this chunk and its position are durable."""

    def waiting_bytes(self) -> int:
        """Return how many bytes lie in the files and are not read yet."""

    def close(self) -> None:
        """Close the files."""
