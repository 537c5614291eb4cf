"""What every reader of a source gives: lines, and the position that follows them."""

from collections.abc import Iterator
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
    """The next whole lines of a source as they lie in its file, what could not be had, and the position after them.

    `number`, `offset` and `place` are those of the first line; what is refused of `text` is blanked, so that every
    other line keeps its place.
    """

    position: Position
    text: bytes = b""
    number: int = 1
    offset: int = 0
    place: int = 0
    broken: tuple[BrokenLine, ...] = ()

    @property
    def lines(self) -> Iterator[Line]:
        """Yield the lines that are not blank."""
        offset = 0
        for number, text in enumerate(self.text.split(b"\n"), self.number):
            if text.strip():
                yield Line(number, self.offset + offset, self.place + offset, text)
            offset += len(text) + 1


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
