"""One source being read: its files, and the block of the next chunk."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from mithaq.kernel.database import Transaction
from mithaq.telemetry import store
from mithaq.telemetry.blocks import Block
from mithaq.telemetry.lines import Chunk
from mithaq.telemetry.model import BrokenLine, Event, Source
from mithaq.telemetry.settings import TelemetryLimits
from mithaq.telemetry.spool import spool_folder
from mithaq.telemetry.store import Position
from mithaq.telemetry.tail import reader_of


@dataclass(frozen=True, slots=True)
class Batch:
    """The lines of one chunk; `events` and `broken` are all of it only where the block is checked."""

    source: Source
    chunk: Chunk
    block: Block
    events: tuple[Event, ...]
    broken: tuple[BrokenLine, ...]


class Intake:
    """Read a source in batches; a batch counts only when its effects are saved together with it."""

    def __init__(self, source: Source, data: Path, positions: Sequence[Position], limits: TelemetryLimits) -> None:
        self.source = source
        self._limits = limits
        self.path = spool_folder(data, source.name) if source.is_pushed else Path(source.path)
        self._reader = reader_of(source.name, self.path, positions, limits)

    def next(self, at: datetime) -> Batch | None:
        """Return the next batch, or None when everything is read.

        Few lines are parsed at once, so that what is broken is told at once; of many only the header lines are read,
        and what is broken is told when their segment is sealed.

        Raises:
            OSError: a file of the source cannot be read.
        """
        chunk = self._reader.next(at)
        if chunk is None:
            return None
        block = self._block(chunk, at)
        events: list[Event] = []
        broken = list(chunk.broken)
        if block.checked:
            for found in block.events():
                if isinstance(found, BrokenLine):
                    broken.append(found)
                else:
                    events.append(found)
        moved = replace(chunk, position=replace(chunk.position, header=block.header_after()))
        return Batch(self.source, moved, block, tuple(events), tuple(broken))

    def save(self, tx: Transaction, batch: Batch) -> None:
        """Write the batch's position and counts, in the transaction of its effects."""
        store.save_position(tx, batch.chunk.position)
        store.save_broken(tx, batch.broken, keep=self._limits.broken_lines_kept)
        store.count_lines(
            tx, self.source.name, lines=batch.block.line_count, events=len(batch.events), broken=len(batch.broken)
        )

    def committed(self, batch: Batch) -> None:
        """Move on to the next batch, after the transaction was committed."""
        self._reader.committed(batch.chunk)

    def close(self) -> None:
        """Close the source's files."""
        self._reader.close()

    def _block(self, chunk: Chunk, at: datetime) -> Block:
        return Block(
            source=self.source,
            file_name=Path(self.source.path).name,
            header=chunk.position.header,
            number=chunk.number,
            offset=chunk.offset,
            place=chunk.place,
            received_at=at,
            text=chunk.text,
            checked=len(chunk.text) <= self._limits.check_bytes,
        )
