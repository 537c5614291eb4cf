"""The hunter: a short-lived process that answers the hunts that are waiting and seals segments as Parquet.

It runs at a low priority and ends when nothing is left to do; when it dies, the hunts it had not finished are still
asked for, and what it found before is not found twice. DuckDB, Ibis and Arrow are imported only once a sealed
segment must be opened or written: the newest events lie in segments that are read as they are.
"""

import ctypes
import fcntl
import logging
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import groupby, islice
from pathlib import Path

from mithaq.detection import store
from mithaq.detection.launch import HunterOrder
from mithaq.detection.matcher import Match, Matcher
from mithaq.detection.model import Indicator, Sight
from mithaq.detection.record import record_hits
from mithaq.detection.settings import DetectionLimits
from mithaq.detection.watchlist import Watchlist, indicator_of
from mithaq.intelligence.service import Holdings
from mithaq.kernel.clock import Clock, SystemClock
from mithaq.kernel.database import Database
from mithaq.standards.observable import Observable
from mithaq.telemetry import store as telemetry_store
from mithaq.telemetry.index import SealedIndex
from mithaq.telemetry.segments import read_segment, segment_path
from mithaq.telemetry.store import CLOSED, OPEN, SEALED, Segment

_log = logging.getLogger(__name__)
_NICENESS = 10
_PR_SET_PDEATHSIG = 1


class Hunter:
    """One run of the hunter over a data folder."""

    def __init__(self, db: Database, holdings: Holdings, data: Path, limits: DetectionLimits) -> None:
        self._db = db
        self._holdings = holdings
        self._data = data
        self._limits = limits

    def run(self, clock: Clock) -> int:
        """Work until nothing waits; return how many new hits were found, 0 if another hunter is at work."""
        found = 0
        with _alone(self._data) as alone:
            if not alone:
                return 0
            while asked := self._asked():
                found += self._answer(asked, clock.now())
            self._seal(clock.now())
        return found

    def _asked(self) -> dict[int, int]:
        with self._db.read() as connection:
            return store.pending_hunts(connection, limit=self._limits.hunts_at_once)

    def _seal(self, at: datetime) -> None:
        """Turn every closed segment into Parquet; its file goes once the database knows the new place."""
        closed = self._segments(CLOSED)
        if not closed:
            return
        from mithaq.telemetry import lake

        lake.sweep(self._data, {segment.path for segment in self._segments(SEALED)})
        for segment in closed:
            path = segment_path(self._data, segment.segment)
            day = lake.day_of(segment.closed_at or at)
            stem = lake.seal(self._data, segment.segment, day, read_segment(path, segment.bytes))
            with self._db.write(at) as tx:
                telemetry_store.save_segment(tx, segment.sealed_at(stem))
            path.unlink(missing_ok=True)
        self._merge(at)

    def _answer(self, asked: dict[int, int], at: datetime) -> int:
        """Hunt for everything that was asked, all of it together, and keep the hits in short transactions."""
        with self._db.read() as connection:
            stored = self._holdings.rows(connection, sorted(set(asked.values())))
        indicators = [each for each in map(indicator_of, stored) if each is not None and each.is_valid(at)]
        found = self._record(self._in_unsealed(indicators, at), at)
        found += self._record(self._in_sealed(indicators), at)
        with self._db.write(at) as tx:
            store.finish_hunts(tx, sorted(asked))
        _log.info("%d hunts gave %d new hits", len(asked), found)
        return found

    def _in_unsealed(self, indicators: Sequence[Indicator], at: datetime) -> Iterator[Match]:
        """Match the events that are not Parquet yet, as the live detector would have."""
        matcher = Matcher()
        for indicator in indicators:
            matcher.put(indicator)
        if not indicators:
            return
        for segment in self._segments(OPEN, CLOSED):
            for event in read_segment(segment_path(self._data, segment.segment), segment.bytes):
                yield from matcher.match(event, at)

    def _in_sealed(self, indicators: Sequence[Indicator]) -> Iterator[Match]:
        """Open only the segments whose index does not rule everything out, a few at a time."""
        pairs = [(indicator, observable) for indicator in indicators for observable in indicator.observables]
        held = [(segment.path, self._held(segment.path, pairs)) for segment in self._segments(SEALED)]
        left = [(stem, keys) for stem, keys in reversed(held) if keys]
        if not left:
            return
        from mithaq.telemetry import lake

        for start in range(0, len(left), self._limits.segments_a_hunt):
            part = left[start : start + self._limits.segments_a_hunt]
            keys = sorted(set[int]().union(*(keys for _, keys in part)))
            wanted = [lake.Wanted(key, pairs[key][0].lane, pairs[key][1]) for key in keys]
            for found in lake.hunt(self._data, wanted, [stem for stem, _ in part]):
                indicator, matched = pairs[found.key]
                yield Match(found.event, Sight(found.field, found.seen, matched), indicator)

    def _held(self, stem: str, pairs: Sequence[tuple[Indicator, Observable]]) -> list[int]:
        index = SealedIndex(self._data, stem)
        return [key for key, (each, wanted) in enumerate(pairs) if index.may_hold(each.lane, wanted)]

    def _record(self, matches: Iterable[Match], at: datetime) -> int:
        watchlist, found = Watchlist(self._holdings), 0
        left = iter(matches)
        while part := list(islice(left, self._limits.hits_a_transaction)):
            with self._db.read() as connection:
                hits = watchlist.hits(connection, part, at, retro=True)
            with self._db.write(at) as tx:
                found += record_hits(tx, hits)
        return found

    def _merge(self, at: datetime) -> None:
        """Write a day's many small segments as one."""
        from mithaq.telemetry import lake

        for _, group in groupby(self._segments(SEALED), key=lambda segment: segment.path.rpartition("/")[0]):
            small = [each for each in group if each.bytes < self._limits.merge_below_bytes]
            if len(small) < self._limits.segments_before_merge:
                continue
            stem = lake.merge(self._data, [each.path for each in small])
            with self._db.write(at) as tx:
                telemetry_store.forget_segments(tx, [each.segment for each in small[:-1]])
                telemetry_store.save_segment(tx, small[-1].merged_at(stem, small))
            for each in small:
                lake.remove(self._data, each.path)

    def _segments(self, *states: str) -> list[Segment]:
        with self._db.read() as connection:
            return telemetry_store.list_segments(connection, states)


@contextmanager
def _alone(data: Path) -> Iterator[bool]:
    """Hold the lake's sealed part; say whether nobody else does."""
    (data / "lake").mkdir(parents=True, exist_ok=True)
    descriptor = os.open(data / "lake" / ".hunter", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def main() -> None:
    """Run one hunter as it was ordered on standard input; it ends with the process that started it."""
    os.nice(_NICENESS)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    order = HunterOrder.read(sys.stdin.buffer)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="hunter: %(message)s")
    db = Database.open(order.database, run_dir=Path(order.run_dir))
    try:
        Hunter(db, Holdings(db), Path(order.data), DetectionLimits()).run(SystemClock())
    finally:
        db.close()


if __name__ == "__main__":
    main()
