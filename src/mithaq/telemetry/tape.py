"""The writing end of the lake, held by one process: the open segment, and what every segment may hold."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from mithaq.kernel.database import Database, Transaction
from mithaq.kernel.lane import Lane
from mithaq.standards.observable import Observable
from mithaq.telemetry import store
from mithaq.telemetry.index import GrowingIndex, Index, SealedIndex
from mithaq.telemetry.model import Event
from mithaq.telemetry.segments import OpenSegment, WriterLock, read_segment, segment_path
from mithaq.telemetry.settings import TelemetryLimits
from mithaq.telemetry.store import CLOSED, OPEN, SEALED, Segment


class Tape:
    """Append events to the open segment; `save` belongs into the transaction of their effects."""

    def __init__(self, db: Database, data: Path, limits: TelemetryLimits) -> None:
        self._db = db
        self._data = data
        self._limits = limits
        self._lock = WriterLock(data)
        self._indexes: dict[int, Index] = {}
        self._segment: Segment | None = None
        self._file: OpenSegment | None = None

    def start(self, at: datetime) -> bool:
        """Take up the open segment, cut back to what was committed; False where another process has it.

        Raises:
            LakeBroken: a segment or an index is damaged.
        """
        if not self._lock.acquire():
            return False
        with self._db.read() as connection:
            segments = store.list_segments(connection, (OPEN, CLOSED, SEALED))
            last = store.last_segment(connection)
        for segment in segments:
            self._indexes[segment.segment] = self._index_of(segment)
        current = next((each for each in segments if each.state == OPEN), None)
        self._begin(current or Segment(last + 1, OPEN, 0, 0, at))
        return True

    def append(self, events: Sequence[Event]) -> Segment:
        """Write events behind the committed ones; return the row that `save` commits them with."""
        segment, file = self._current()
        length = file.append(events) if events else file.bytes
        return replace(segment, bytes=length, events=segment.events + len(events))

    def save(self, tx: Transaction, grown: Segment) -> None:
        """Commit the appended events, in the transaction of their effects."""
        store.save_segment(tx, grown)

    def committed(self, grown: Segment, events: Sequence[Event]) -> None:
        """Move on, after the transaction was committed."""
        _, file = self._current()
        file.committed(grown.bytes)
        self._segment = grown
        index = self._indexes[grown.segment]
        if isinstance(index, GrowingIndex):
            index.add(events)

    def is_due(self, at: datetime) -> bool:
        """Tell whether the open segment is large or old enough to become Parquet."""
        segment, _ = self._current()
        old = at - segment.opened_at >= timedelta(seconds=self._limits.segment_age_s)
        return segment.events > 0 and (old or segment.bytes >= self._limits.segment_bytes)

    def turn(self, at: datetime) -> None:
        """Close the open segment, so that the hunter may seal it, and begin the next one."""
        segment, file = self._current()
        if not segment.events:
            return
        following = Segment(segment.segment + 1, OPEN, 0, 0, at)
        with self._db.write(at) as tx:
            store.save_segment(tx, replace(segment, state=CLOSED, closed_at=at))
            store.save_segment(tx, following)
        file.close()
        self._begin(following)

    def has_closed(self) -> bool:
        """Tell whether a segment waits to be sealed."""
        with self._db.read() as connection:
            return bool(store.list_segments(connection, (CLOSED,)))

    def may_hold(self, lane: Lane, observable: Observable) -> bool:
        """Tell whether any event kept so far may have the observable."""
        return any(index.may_hold(lane, observable) for index in self._indexes.values())

    def refresh(self) -> None:
        """Take over what the hunter has sealed or merged."""
        with self._db.read() as connection:
            sealed = store.list_segments(connection, (SEALED,))
            unsealed = {each.segment for each in store.list_segments(connection, (OPEN, CLOSED))}
        known = self._indexes
        self._indexes = {number: index for number, index in known.items() if number in unsealed}
        for segment in sealed:
            index = known.get(segment.segment)
            keep = isinstance(index, SealedIndex) and index.stem == segment.path
            self._indexes[segment.segment] = index if index and keep else self._index_of(segment)

    def close(self) -> None:
        """Close the open segment's file and let another process have it."""
        if self._file is not None:
            self._file.close()
        self._lock.release()

    def _begin(self, segment: Segment) -> None:
        self._segment = segment
        self._file = OpenSegment(self._data, segment.segment, segment.bytes)
        self._indexes.setdefault(segment.segment, GrowingIndex())

    def _current(self) -> tuple[Segment, OpenSegment]:
        if self._segment is None or self._file is None:
            raise RuntimeError("the tape was not started")
        return self._segment, self._file

    def _index_of(self, segment: Segment) -> Index:
        if segment.state == SEALED:
            return SealedIndex(self._data, segment.path)
        index = GrowingIndex()
        if not segment.bytes:  # a crash may lie between the row of a new segment and its file
            return index
        index.add(read_segment(segment_path(self._data, segment.segment), segment.bytes))
        return index
