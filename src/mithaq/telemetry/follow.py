"""Follow one file of a sensor, or the spool of a source: nothing is read twice, nothing is lost.

A file is known by device, inode and a fingerprint of its first bytes. Each rotation begins a new generation; the
old one is still read to its end, found again by inode (renamed) or by fingerprint (copied and truncated, or
compressed: the fingerprint is of what it expands to). The caller keeps a position in the same transaction as its
effects and says `committed` only then.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from mithaq.telemetry.chunks import FINGERPRINT_BYTES, digest, gap, next_chunk, same_head
from mithaq.telemetry.contents import Content, Plain, open_content
from mithaq.telemetry.lines import Chunk
from mithaq.telemetry.settings import TelemetryLimits
from mithaq.telemetry.store import Position

_SPOOL_SUFFIX: Final = ".ndjson"


@dataclass(slots=True)
class _Generation:
    """An open file of a source, and since when a newer one has followed it."""

    position: Position
    content: Content
    path: Path
    followed_since: datetime | None = None
    is_new: bool = False

    @property
    def size(self) -> int:
        return os.fstat(self.content.descriptor).st_size

    @property
    def modified_ns(self) -> int:
        return os.fstat(self.content.descriptor).st_mtime_ns


class Followed:
    """The files of one source, oldest first; `path` is a sensor's file or the folder of a spool."""

    def __init__(self, source: str, path: Path, positions: Sequence[Position], limits: TelemetryLimits) -> None:
        self._source = source
        self._path = path
        self._limits = limits
        self._is_spool = path.is_dir()
        self._last_generation = max((position.generation for position in positions), default=0)
        self._generations: list[_Generation] = []
        self._finished = [position for position in positions if position.closed]
        self._lost: list[Position] = []
        for position in positions:
            if not position.closed:
                self._reopen(position)
        if self._is_spool:
            self._sweep()

    def next(self, at: datetime) -> Chunk | None:
        """Return the next lines, or None when all are read; the same lines come again until `committed`."""
        if self._lost:
            return gap(self._lost[0])
        self._look(at)
        if self._lost:
            return gap(self._lost[0])
        for generation in self._generations:
            if generation.is_new:  # remembered before anything is read, so that a later rotation finds it
                return Chunk(generation.position)
        for generation in self._generations:
            chunk = self._read(generation, at)
            if chunk is not None:
                return chunk
        return None

    def committed(self, chunk: Chunk) -> None:
        """Move on: the caller's effects of this chunk and its position are durable."""
        self._lost = [lost for lost in self._lost if lost.generation != chunk.position.generation]
        for generation in list(self._generations):
            if generation.position.generation != chunk.position.generation:
                continue
            generation.position = chunk.position
            generation.is_new = False
            if chunk.position.closed:
                self._finished.append(chunk.position)
                self._drop(generation)

    def waiting_bytes(self) -> int:
        """Return how many bytes lie in the files and are not read yet."""
        return sum(max(0, each.size - each.position.offset) for each in self._generations)

    def close(self) -> None:
        """Close the files."""
        for generation in self._generations:
            generation.content.close()
        self._generations = []

    # -- finding files ------------------------------------------------------------------------------------------

    def _look(self, at: datetime) -> None:
        """Notice new files: the next segments of a spool, or a rotation of the sensor's file."""
        if self._is_spool:
            self._look_for_segments(at)
            return
        current = self._generations[-1] if self._generations else None
        try:
            found = self._path.stat()
        except FileNotFoundError:
            if current is not None:
                self._begin_unseen(current.modified_ns, at)
            return
        if current is None:
            if not self._was_finished(found):
                self._begin(self._path, at)
        elif (found.st_dev, found.st_ino) != (current.position.device, current.position.inode):
            self._begin_unseen(current.modified_ns, at)
            self._begin(self._path, at)
        elif _is_truncated(current):
            self._truncated(current, at)

    def _look_for_segments(self, at: datetime) -> None:
        for path in sorted(self._path.glob(f"*{_SPOOL_SUFFIX}")):
            if int(path.stem) > self._last_generation:
                self._last_generation = int(path.stem) - 1
                self._begin(path, at)

    def _begin(self, path: Path, at: datetime) -> None:
        content = open_content(path, self._limits)
        if content is None:  # an empty file has no fingerprint yet: a truncation of it could not be noticed
            return
        found = os.fstat(content.descriptor)
        for older in self._generations:
            older.followed_since = older.followed_since or at
        self._last_generation += 1
        head = content.read(0, FINGERPRINT_BYTES)
        position = Position(
            self._source,
            self._last_generation,
            found.st_dev,
            found.st_ino,
            fingerprint=digest(content, len(head)),
            fingerprint_bytes=len(head),
        )
        self._generations.append(_Generation(position, content, path, is_new=True))

    def _begin_unseen(self, since_ns: int, at: datetime) -> None:
        """Begin the files that came and were rotated away while nobody looked, oldest first."""
        rotated = (path for path in self._siblings() if _modified_ns(path) >= since_ns)
        for path in sorted(rotated, key=_modified_ns):
            content = open_content(path, self._limits)
            if content is None:
                continue
            positions = (*self._finished, *(each.position for each in self._generations))
            known = any(_is_same(content, position) for position in positions)
            content.close()
            if not known:
                self._begin(path, at)

    def _truncated(self, current: _Generation, at: datetime) -> None:
        """Go on in the copy that the rotation made, if there is one, and begin the emptied file anew."""
        self._generations.remove(current)
        current.content.close()
        self._reopen(current.position)
        if self._generations:
            self._begin_unseen(self._generations[-1].modified_ns, at)
        self._begin(self._path, at)

    def _reopen(self, position: Position) -> None:
        """Open the file of a position under whatever name it has now: first by inode, then by its first bytes."""
        candidates = list(self._candidates())
        for is_file in (_is_same_file, _is_copy):
            for path in candidates:
                content = open_content(path, self._limits)
                if content is None:
                    continue
                if is_file(content, position) and same_head(content, position):
                    found = os.fstat(content.descriptor)
                    moved = replace(position, device=found.st_dev, inode=found.st_ino)
                    self._generations.append(_Generation(moved, content, path, is_new=is_file is _is_copy))
                    return
                content.close()
        self._lost.append(position)

    def _candidates(self) -> Iterator[Path]:
        """Yield the files that may be a rotated one: the path itself, then its siblings, newest first."""
        if self._is_spool:
            yield from sorted(self._path.glob(f"*{_SPOOL_SUFFIX}"))
            return
        yield self._path
        yield from sorted(self._siblings(), key=_modified_ns, reverse=True)

    def _siblings(self) -> list[Path]:
        """Return the files beside the followed one that a rotation may have made of it (`conn.log.2.gz`)."""
        name = _escaped(self._path.name.partition(".")[0])
        return [path for path in self._path.parent.glob(f"{name}[.-]*") if path != self._path and path.is_file()]

    def _drop(self, generation: _Generation) -> None:
        generation.content.close()
        self._generations.remove(generation)
        if self._is_spool:
            generation.path.unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Remove segments that were read to their end before a crash could remove them."""
        reading = {generation.path for generation in self._generations}
        for path in self._path.glob(f"*{_SPOOL_SUFFIX}"):
            if int(path.stem) <= self._last_generation and path not in reading:
                path.unlink(missing_ok=True)

    # -- reading ------------------------------------------------------------------------------------------------

    def _read(self, generation: _Generation, at: datetime) -> Chunk | None:
        return next_chunk(
            generation.content,
            generation.position,
            self._limits,
            base=generation.position.generation << 40 if self._is_spool else 0,
            is_over=self._is_over(generation, at),
            is_spool=self._is_spool,
        )

    def _is_over(self, generation: _Generation, at: datetime) -> bool:
        """Tell whether nothing more is expected: a newer file has followed, some time ago."""
        if generation.followed_since is None:
            return False
        return self._is_spool or at - generation.followed_since >= timedelta(seconds=self._limits.rotated_grace_s)

    def _was_finished(self, found: os.stat_result) -> bool:
        """Tell whether the file, a compressed one or an EVTX file, was read to its end and has not changed."""
        return any(
            (each.device, each.inode, each.size, each.modified_ns)
            == (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
            for each in self._finished
        )


def _is_truncated(current: _Generation) -> bool:
    is_short = isinstance(current.content, Plain) and current.size < current.position.offset
    return is_short or not same_head(current.content, current.position)


def _is_same_file(content: Content, position: Position) -> bool:
    found = os.fstat(content.descriptor)
    same = (found.st_dev, found.st_ino) == (position.device, position.inode)
    return same and _reaches(content, position)


def _is_copy(content: Content, position: Position) -> bool:
    return position.fingerprint_bytes > 0 and _reaches(content, position)


def _reaches(content: Content, position: Position) -> bool:
    """Tell whether a file holds what was read; a compressed one says so only by what it expands to."""
    return not isinstance(content, Plain) or os.fstat(content.descriptor).st_size >= position.offset


def _is_same(content: Content, position: Position) -> bool:
    found = os.fstat(content.descriptor)
    same = (found.st_dev, found.st_ino) == (position.device, position.inode)
    return same or (position.fingerprint_bytes > 0 and same_head(content, position))


def _modified_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _escaped(text: str) -> str:
    return "".join(f"[{char}]" if char in "*?[" else char for char in text)
