"""One source being read: its files, its parser, and the events of the next chunk."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from mithaq.kernel.database import Transaction
from mithaq.telemetry import store
from mithaq.telemetry.errors import BadLine
from mithaq.telemetry.model import BrokenLine, Event, Source
from mithaq.telemetry.parsers.line import LineParser
from mithaq.telemetry.settings import TelemetryLimits
from mithaq.telemetry.spool import spool_folder
from mithaq.telemetry.store import Position
from mithaq.telemetry.tail import Chunk, Tail


@dataclass(frozen=True, slots=True)
class Batch:
    """The events of one chunk and the lines that gave none."""

    source: Source
    chunk: Chunk
    events: tuple[Event, ...]
    broken: tuple[BrokenLine, ...]


class Intake:
    """Read a source in batches; a batch counts only when its effects are saved together with it."""

    def __init__(self, source: Source, data: Path, positions: Sequence[Position], limits: TelemetryLimits) -> None:
        self.source = source
        self._limits = limits
        self.path = spool_folder(data, source.name) if source.is_pushed else Path(source.path)
        self._tail = Tail(source.name, self.path, positions, limits)
        self._parser = LineParser(source)
        self._generation = -1

    def next(self, at: datetime) -> Batch | None:
        """Return the next batch, or None when everything is read.

        Raises:
            OSError: a file of the source cannot be read.
        """
        chunk = self._tail.next(at)
        if chunk is None:
            return None
        parser = self._parser_for(chunk)
        events: list[Event] = []
        broken = list(chunk.broken)
        for line in chunk.lines:
            try:
                event = parser.parse(line.text, line.place, at)
            except BadLine as error:
                broken.append(BrokenLine(self.source.name, line.number, line.offset, str(error)))
                continue
            if event is not None:
                events.append(event)
        moved = replace(chunk, position=replace(chunk.position, header=parser.state))
        return Batch(self.source, moved, tuple(events), tuple(broken))

    def save(self, tx: Transaction, batch: Batch) -> None:
        """Write the batch's position and counts, in the transaction of its effects."""
        store.save_position(tx, batch.chunk.position)
        store.save_broken(tx, batch.broken, keep=self._limits.broken_lines_kept)
        lines = len(batch.chunk.lines) + len(batch.chunk.broken)
        store.count_lines(tx, self.source.name, lines=lines, events=len(batch.events), broken=len(batch.broken))

    def committed(self, batch: Batch) -> None:
        """Move on to the next batch, after the transaction was committed."""
        self._tail.committed(batch.chunk)
        self._generation = batch.chunk.position.generation

    def close(self) -> None:
        """Close the source's files."""
        self._tail.close()

    def _parser_for(self, chunk: Chunk) -> LineParser:
        """Go on with the parser of this file; begin from the saved header for another, or after a failed save."""
        if self._generation != chunk.position.generation:
            file_name = Path(self.source.path).name
            self._parser = LineParser(self.source, state=chunk.position.header, file_name=file_name)
        self._generation = -1
        return self._parser
