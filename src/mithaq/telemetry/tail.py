"""The lines of one source, whatever its path names: a file that is followed, the spool of what is pushed, a folder.

Nothing is read twice, nothing is lost: the caller keeps a position in the same transaction as its effects and says
`committed` only then.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from mithaq.telemetry.folder import Folder, is_pattern
from mithaq.telemetry.follow import Followed
from mithaq.telemetry.lines import Chunk, Line, Reader
from mithaq.telemetry.settings import TelemetryLimits
from mithaq.telemetry.store import Position

__all__ = ["Chunk", "Line", "Tail"]


class Tail:
    """The files of one source: `path` is a sensor's file, the folder of a spool, or a folder with a pattern."""

    def __init__(self, source: str, path: Path, positions: Sequence[Position], limits: TelemetryLimits) -> None:
        reader = Folder if is_pattern(path) else Followed
        self._reader: Reader = reader(source, path, positions, limits)

    def next(self, at: datetime) -> Chunk | None:
        """Return the next lines, or None when all are read; the same lines come again until `committed`."""
        return self._reader.next(at)

    def committed(self, chunk: Chunk) -> None:
        """Move on: the caller's effects of this chunk and its position are durable."""
        self._reader.committed(chunk)

    def waiting_bytes(self) -> int:
        """Return how many bytes lie in the files and are not read yet."""
        return self._reader.waiting_bytes()

    def close(self) -> None:
        """Close the files."""
        self._reader.close()
