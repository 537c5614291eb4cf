"""What the hunter does for the lake itself: delete what is to go, seal what is closed, merge, mend, tell of damage."""

import logging
import shutil
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Final

from mithaq.detection import store
from mithaq.detection.patterns.state import forget_source
from mithaq.detection.questions import store as question_store
from mithaq.detection.settings import DetectionLimits
from mithaq.kernel.database import Database
from mithaq.kernel.durable import replace_whole
from mithaq.kernel.lane import ACTUAL
from mithaq.telemetry import store as telemetry_store
from mithaq.telemetry.blocks import Block, Parsed
from mithaq.telemetry.errors import LakeBroken
from mithaq.telemetry.lake import keeping
from mithaq.telemetry.lake.files import remove, sweep
from mithaq.telemetry.lake.index import SealedIndex, index_path
from mithaq.telemetry.lake.open_segment import read_segment, segment_path
from mithaq.telemetry.model import BrokenLine
from mithaq.telemetry.spool import spool_folder
from mithaq.telemetry.store import CLOSED, OPEN, SEALED, Segment

_log = logging.getLogger(__name__)
_BROKEN_TOLD: Final = 1_000
SOURCE_ERASED = "telemetry.erased"
EXPIRED = "telemetry.expired"
DAMAGED = "telemetry.lake.damaged"


class Keeper:
    """The lake's sealed part, held by one process at a time."""

    def __init__(self, db: Database, data: Path, limits: DetectionLimits) -> None:
        self._db = db
        self._data = data
        self._limits = limits

    def tidy(self, at: datetime) -> None:
        """Delete what is to be erased and what has been kept long enough, rows first; then what no row names."""
        with self._db.read() as connection:
            erasures, expired = keeping.pending_erasures(connection), keeping.expired(connection, at)
        for erasure in erasures:
            self._erase(erasure, at)
        for source, group in groupby(expired, key=lambda each: each.source):
            self._expire(source, list(group), at)
        sweep(self._data, {segment.path for segment in self._segments(SEALED)})

    def mend(self, at: datetime) -> None:
        """Write indexes anew that are damaged or gone; tell of what cannot be mended."""
        for segment in self._segments(SEALED):
            try:
                SealedIndex.open(self._data, segment.path)
            except LakeBroken:
                try:
                    self.indexed_anew(segment)
                except LakeBroken as error:
                    self.tell(segment, error, at)

    def index_of(self, segment: Segment) -> SealedIndex:
        """Return the index of a sealed segment, made anew where the kept one is damaged or of the first form.

        Raises:
            LakeBroken: the segment cannot be read either.
        """
        with suppress(LakeBroken):
            index = SealedIndex.open(self._data, segment.path)
            if index.has_rows:
                return index
        return self.indexed_anew(segment)

    def indexed_anew(self, segment: Segment) -> SealedIndex:
        """Make the index of a segment from its files, keep it if the disk lets, and return it.

        Raises:
            LakeBroken: these cannot be read.
        """
        from mithaq.telemetry.lake.indexing import indexed_anew

        body, path = indexed_anew(self._data, segment.path), index_path(self._data, segment.path)
        try:
            replace_whole(path, body)
        except OSError as error:
            _log.error("the index of %s cannot be written: %s", segment.path, error)
        return SealedIndex(body, path.name)

    def tell(self, segment: Segment, error: LakeBroken, at: datetime) -> None:
        """Remember that a segment cannot be read, and say so once."""
        if segment.trouble == error.message:
            return
        _log.error("%s: %s (%s)", segment.path or segment.segment, error, error.private)
        with self._db.write(at) as tx:
            keeping.mark(tx, segment.segment, error.message)
            detail = {"segment": segment.segment}
            tx.append(DAMAGED, subject=segment.source, lane=ACTUAL, actor="node", detail=detail)

    def seal(self, at: datetime) -> None:
        """Turn every closed segment into Parquet; its file goes once the database knows the new place.

        Raises:
            LakeBroken: the disk is full or fails; what was closed stays as it is, and is hunted as it is.
        """
        try:
            for segment in self._segments(CLOSED):
                self._seal(segment, at)
            self._merge(at)
        except OSError as error:
            detail = error.strerror or type(error).__name__
            raise LakeBroken("the lake cannot be written: %(detail)s", detail=detail, private=str(error)) from error

    def _erase(self, erasure: keeping.Erasure, at: datetime) -> None:
        with self._db.read() as connection:
            found = keeping.of_source(connection, erasure.source)
        if any(segment.state == OPEN for segment in found):
            return  # the detector has its file, and closes it
        with self._db.write(at) as tx:
            telemetry_store.forget_segments(tx, [segment.segment for segment in found])
            question_store.erase_source(tx, erasure.source)
            store.redact_source(tx, erasure.source)
            forget_source(tx, erasure.source)
        for segment in found:
            self._remove(segment)
        shutil.rmtree(spool_folder(self._data, erasure.source), ignore_errors=True)
        events = sum(segment.events for segment in found)
        with self._db.write(at) as tx:
            keeping.finish_erasure(tx, erasure, events)
            tx.append(SOURCE_ERASED, subject=erasure.source, lane=ACTUAL, actor="node", detail={"events": events})
        _log.info("everything of %s was deleted: %d events", erasure.source, events)

    def _expire(self, source: str, found: list[Segment], at: datetime) -> None:
        events = sum(segment.events for segment in found)
        with self._db.write(at) as tx:
            telemetry_store.forget_segments(tx, [segment.segment for segment in found])
            tx.append(EXPIRED, subject=source, lane=ACTUAL, actor="node", detail={"events": events})
        for segment in found:
            self._remove(segment)

    def _remove(self, segment: Segment) -> None:
        if segment.path:
            remove(self._data, segment.path)
        segment_path(self._data, segment.segment).unlink(missing_ok=True)

    def _seal(self, segment: Segment, at: datetime) -> None:
        from mithaq.telemetry.lake import sealing
        from mithaq.telemetry.lake.layout import FORMAT, sealed_stem

        stem = sealed_stem(segment.source, segment.segment, segment.closed_at or at)
        told = _Told()
        path = segment_path(self._data, segment.segment)
        count = sealing.seal(self._data, stem, segment.segment, told.parsed(read_segment(path, segment.bytes)))
        trouble = "" if told.damage is None else "only a part of the segment could be read"
        with self._db.write(at) as tx:
            telemetry_store.save_segment(tx, segment.sealed_at(stem, count, FORMAT, trouble))
            telemetry_store.count_events(tx, segment.source, events=told.late, broken=told.broken_count)
            telemetry_store.save_broken(tx, list(told.broken), keep=_BROKEN_TOLD)
            if told.damage is not None:
                detail = {"segment": segment.segment}
                tx.append(DAMAGED, subject=segment.source, lane=ACTUAL, actor="node", detail=detail)
        if told.damage is None:
            path.unlink(missing_ok=True)
        else:  # whoever can mend it finds it there
            path.rename(path.with_suffix(".damaged"))

    def _merge(self, at: datetime) -> None:
        """Write an hour's many small segments of a source as one, if they lie in the present layout."""
        from mithaq.telemetry.lake import sealing
        from mithaq.telemetry.lake.layout import FORMAT

        usable = [each for each in self._segments(SEALED) if each.format == FORMAT and not each.trouble]
        for _, group in groupby(sorted(usable, key=_folder), key=_folder):
            small = [each for each in group if each.bytes < self._limits.merge_below_bytes]
            if len(small) < self._limits.segments_before_merge:
                continue
            last = small[-1]
            stem = sealing.merge(self._data, [each.path for each in small], last.segment)
            with self._db.write(at) as tx:
                telemetry_store.forget_segments(tx, [each.segment for each in small[:-1]])
                telemetry_store.save_segment(tx, last.merged_at(stem, small))
            for each in small:
                remove(self._data, each.path)

    def _segments(self, *states: str) -> list[Segment]:
        with self._db.read() as connection:
            return telemetry_store.list_segments(connection, states)


def _folder(segment: Segment) -> str:
    return segment.path.rpartition("/")[0]


class _Told:
    """What the parsing of a segment's lines told that was not known when they came."""

    def __init__(self) -> None:
        self.late = 0
        self.broken_count = 0
        self.broken: deque[BrokenLine] = deque(maxlen=_BROKEN_TOLD)
        self.damage: LakeBroken | None = None

    def parsed(self, blocks: Iterable[Block]) -> Iterator[Parsed]:
        """Yield what the lines of a segment say, as far as it can be read."""
        try:
            for block in blocks:
                found = block.parsed()
                if not block.checked:
                    self.late += len(found)
                    self.broken_count += len(found.broken)
                    self.broken.extend(found.broken)
                yield found
        except (LakeBroken, FileNotFoundError) as error:
            damage = error if isinstance(error, LakeBroken) else LakeBroken("the segment is not there")
            _log.error("%s (%s)", damage, damage.private)
            self.damage = damage
