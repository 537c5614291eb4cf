"""The writing end of the lake, held by one process: a growing segment a source, and what the sealed ones may hold."""

import logging
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from mithaq.kernel.database import Database, Transaction
from mithaq.telemetry import store
from mithaq.telemetry.blocks import Block
from mithaq.telemetry.errors import LakeBroken
from mithaq.telemetry.lake.index import SealedIndex, Sought
from mithaq.telemetry.lake.open_segment import OpenSegment, WriterLock, readable_blocks, segment_path
from mithaq.telemetry.settings import TelemetryLimits
from mithaq.telemetry.store import CLOSED, OPEN, SEALED, Segment

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Growing:
    segment: Segment
    file: OpenSegment


class Tape:
    """Append blocks to their source's open segment; `save` belongs into the transaction of their effects."""

    def __init__(self, db: Database, data: Path, limits: TelemetryLimits) -> None:
        self._db = db
        self._data = data
        self._limits = limits
        self._lock = WriterLock(data)
        self._growing: dict[str, _Growing] = {}
        self._closed: list[Segment] = []
        self._indexes: dict[str, SealedIndex] = {}
        self._unindexed = False
        self._last = 0

    def start(self) -> bool:
        """Take up the open segments, cut back to what was committed; False where another process has them."""
        if not self._lock.acquire():
            return False
        with self._db.read() as connection:
            opened = store.list_segments(connection, (OPEN,))
            self._last = store.last_segment(connection)
        for segment in opened:
            self._grow(segment)
        self.refresh()
        return True

    def append(self, block: Block, at: datetime) -> Segment:
        """Write a block behind the committed ones of its source; return the row that `save` commits it with."""
        growing = self._growing.get(block.source.name) or self._begin(block.source.name, at)
        if not block.text:
            return growing.segment
        length = growing.file.append(block)
        return replace(growing.segment, bytes=length, events=growing.segment.events + block.line_count)

    def save(self, tx: Transaction, grown: Segment) -> None:
        """Commit the appended block, in the transaction of its effects."""
        store.save_segment(tx, grown)

    def committed(self, grown: Segment) -> None:
        """Move on, after the transaction was committed."""
        growing = self._growing[grown.source]
        growing.file.committed(grown.bytes)
        growing.segment = grown

    def turn(self, at: datetime, *, least_bytes: int | None = None, sources: Collection[str] = ()) -> bool:
        """Close what is large or old enough to become Parquet, so that the hunter may seal it; say whether any was.

        With `least_bytes` this is what is as large as that; of the named `sources` everything is closed.
        """
        due = [
            each
            for each in self._growing.values()
            if self._is_due(each.segment, at, least_bytes) or each.segment.source in sources
        ]
        if not due:
            return False
        closed = [replace(each.segment, state=CLOSED, closed_at=at) for each in due]
        with self._db.write(at) as tx:
            for segment in closed:
                store.save_segment(tx, segment)
        for each in due:
            each.file.close()
            del self._growing[each.segment.source]
        self._closed += closed
        return True

    @property
    def unsealed_bytes(self) -> int:
        """Return how much a hunt would have to read that no index rules out."""
        return sum(segment.bytes for segment in self._unsealed())

    def unsealed(self) -> Iterator[Block]:
        """Yield every block that is not Parquet yet and can be read, newest segment first."""
        for segment in sorted(self._unsealed(), key=lambda each: each.segment, reverse=True):
            yield from readable_blocks(segment_path(self._data, segment.segment), segment.bytes)

    def has_unreadable_index(self) -> bool:
        """Tell whether a sealed segment has no index that can be read."""
        return self._unindexed

    def has_closed(self) -> bool:
        """Tell whether a segment waits to be sealed."""
        return bool(self._closed)

    def has_sealed(self) -> bool:
        """Tell whether there are sealed segments."""
        return self._unindexed or bool(self._indexes)

    def may_hold(self, sought: Iterable[Sought]) -> bool:
        """Tell whether any sealed segment may have one of these; of one whose index cannot be read that is so."""
        return self._unindexed or any(index.may_hold(each) for each in sought for index in self._indexes.values())

    def refresh(self) -> None:
        """Take over what the hunter has sealed, merged, mended or deleted."""
        with self._db.read() as connection:
            sealed = store.list_segments(connection, (SEALED,))
            self._closed = store.list_segments(connection, (CLOSED,))
        known, self._indexes, self._unindexed = self._indexes, {}, False
        for segment in sealed:
            try:
                self._indexes[segment.path] = known.get(segment.path) or SealedIndex.open(self._data, segment.path)
            except LakeBroken as error:  # the hunter makes it anew
                _log.warning("%s: %s", segment.path, error)
                self._unindexed = True

    def close(self) -> None:
        """Close the open segments' files and let another process have them."""
        for growing in self._growing.values():
            growing.file.close()
        self._growing = {}
        self._lock.release()

    def _unsealed(self) -> list[Segment]:
        return [*self._closed, *(each.segment for each in self._growing.values())]

    def _is_due(self, segment: Segment, at: datetime, least_bytes: int | None) -> bool:
        old = at - segment.opened_at >= timedelta(seconds=self._limits.segment_age_s)
        large = self._limits.segment_bytes if least_bytes is None else least_bytes
        return segment.bytes > 0 and (old or segment.bytes >= large)

    def _begin(self, source: str, at: datetime) -> _Growing:
        self._last += 1
        return self._grow(Segment(self._last, OPEN, source, 0, 0, at))

    def _grow(self, segment: Segment) -> _Growing:
        growing = _Growing(segment, OpenSegment(self._data, segment.segment, segment.bytes))
        self._growing[segment.source] = growing
        return growing
