"""Follow the files of a source: nothing is read twice, nothing is lost, whatever rotates them.

A file is known by device, inode and a fingerprint of its first bytes. Each rotation begins a new generation; the
old one is still read to its end, found again by inode (renamed) or by fingerprint (copied and truncated). The
caller keeps a position in the same transaction as its effects and says `committed` only then.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from mithaq.telemetry.model import BrokenLine
from mithaq.telemetry.settings import TelemetryLimits
from mithaq.telemetry.store import Position

_FINGERPRINT_BYTES: Final = 1024
_SPOOL_SUFFIX: Final = ".ndjson"
_COMPRESSED: Final = frozenset({".gz", ".xz", ".zst", ".bz2"})


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


@dataclass(slots=True)
class _Generation:
    """An open file of a source, and since when a newer one has followed it."""

    position: Position
    descriptor: int
    path: Path
    followed_since: datetime | None = None
    is_new: bool = False

    @property
    def size(self) -> int:
        return os.fstat(self.descriptor).st_size

    @property
    def modified_ns(self) -> int:
        return os.fstat(self.descriptor).st_mtime_ns


class Tail:
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
            return self._gap(self._lost[0])
        self._look(at)
        if self._lost:
            return self._gap(self._lost[0])
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
            os.close(generation.descriptor)
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
            self._begin(self._path, at)
        elif (found.st_dev, found.st_ino) != (current.position.device, current.position.inode):
            self._begin_unseen(current.modified_ns, at)
            self._begin(self._path, at)
        elif found.st_size < current.position.offset or not _same_head(current.descriptor, current.position):
            self._truncated(current, at)

    def _look_for_segments(self, at: datetime) -> None:
        for path in sorted(self._path.glob(f"*{_SPOOL_SUFFIX}")):
            if int(path.stem) > self._last_generation:
                self._last_generation = int(path.stem) - 1
                self._begin(path, at)

    def _begin(self, path: Path, at: datetime) -> None:
        descriptor = _open(path)
        if descriptor is None:
            return
        found = os.fstat(descriptor)
        if not found.st_size:  # an empty file has no fingerprint yet: a truncation of it could not be noticed
            os.close(descriptor)
            return
        for older in self._generations:
            older.followed_since = older.followed_since or at
        self._last_generation += 1
        known_bytes = min(found.st_size, _FINGERPRINT_BYTES)
        position = Position(
            self._source,
            self._last_generation,
            found.st_dev,
            found.st_ino,
            fingerprint=_digest(descriptor, known_bytes),
            fingerprint_bytes=known_bytes,
        )
        self._generations.append(_Generation(position, descriptor, path, is_new=True))

    def _begin_unseen(self, since_ns: int, at: datetime) -> None:
        """Begin the files that came and were rotated away while nobody looked, oldest first."""
        rotated = (path for path in self._siblings() if _modified_ns(path) >= since_ns)
        for path in sorted(rotated, key=_modified_ns):
            descriptor = _open(path)
            if descriptor is None:
                continue
            positions = (*self._finished, *(each.position for each in self._generations))
            known = any(_is_same(descriptor, position) for position in positions)
            os.close(descriptor)
            if not known:
                self._begin(path, at)

    def _truncated(self, current: _Generation, at: datetime) -> None:
        """Go on in the copy that the rotation made, if there is one, and begin the emptied file anew."""
        self._generations.remove(current)
        os.close(current.descriptor)
        self._reopen(current.position)
        if self._generations:
            self._begin_unseen(self._generations[-1].modified_ns, at)
        self._begin(self._path, at)

    def _reopen(self, position: Position) -> None:
        """Open the file of a position under whatever name it has now: first by inode, then by its first bytes."""
        candidates = list(self._candidates())
        for is_file in (_is_same_file, _is_copy):
            for path in candidates:
                descriptor = _open(path)
                if descriptor is None:
                    continue
                if is_file(descriptor, position) and _same_head(descriptor, position):
                    found = os.fstat(descriptor)
                    moved = replace(position, device=found.st_dev, inode=found.st_ino)
                    self._generations.append(_Generation(moved, descriptor, path, is_new=is_file is _is_copy))
                    return
                os.close(descriptor)
        self._lost.append(position)

    def _candidates(self) -> Iterator[Path]:
        """Yield the files that may be a rotated one: the path itself, then its siblings, newest first."""
        if self._is_spool:
            yield from sorted(self._path.glob(f"*{_SPOOL_SUFFIX}"))
            return
        yield self._path
        yield from sorted(self._siblings(), key=_modified_ns, reverse=True)

    def _siblings(self) -> list[Path]:
        """Return the files beside the followed one that a rotation may have made of it (`conn.log.1`)."""
        name = _escaped(self._path.name.partition(".")[0])
        return [
            path
            for path in self._path.parent.glob(f"{name}[.-]*")
            if path != self._path and path.suffix not in _COMPRESSED and path.is_file()
        ]

    def _drop(self, generation: _Generation) -> None:
        os.close(generation.descriptor)
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
        position = generation.position
        block = os.pread(generation.descriptor, self._limits.read_bytes, position.offset)
        end = block.rfind(b"\n") + 1
        if end:
            return self._lines(generation, block[:end])
        if len(block) > self._limits.max_line_bytes:
            return Chunk(self._after(generation, len(block), skipping=True))
        if generation.followed_since is None:
            return None
        grace = timedelta(seconds=0 if self._is_spool else self._limits.rotated_grace_s)
        if at - generation.followed_since < grace:
            return None
        chunk = self._lines(generation, block)  # the last line of a finished file may lack its line feed
        return replace(chunk, position=replace(chunk.position, closed=True))

    def _lines(self, generation: _Generation, block: bytes) -> Chunk:
        position = generation.position
        text, broken = self._blanked(position, block)
        return Chunk(
            self._after(generation, len(block), line=position.line + _line_count(block)),
            text,
            position.line + 1,
            position.offset,
            position.offset + (position.generation << 40 if self._is_spool else 0),
            tuple(broken),
        )

    def _blanked(self, position: Position, block: bytes) -> tuple[bytes, list[BrokenLine]]:
        """Refuse what is too long, and the end of a line whose beginning was: blanks keep the others in place."""
        limit = self._limits.max_line_bytes
        lines = block.split(b"\n")
        if not position.skipping and max(map(len, lines)) <= limit:
            return block, []
        broken, offset = [], position.offset
        for place, line in enumerate(lines):
            length = len(line)
            if length > limit or (position.skipping and place == 0):
                reason = f"longer than {limit} bytes"
                broken.append(BrokenLine(self._source, position.line + 1 + place, offset, reason))
                lines[place] = b" " * length
            offset += length + 1
        return b"\n".join(lines), broken

    def _after(
        self, generation: _Generation, taken: int, *, line: int | None = None, skipping: bool = False
    ) -> Position:
        position = generation.position
        offset = position.offset + taken
        fingerprint, size = position.fingerprint, position.fingerprint_bytes
        if size < _FINGERPRINT_BYTES:
            size = min(offset, _FINGERPRINT_BYTES)
            fingerprint = _digest(generation.descriptor, size)
        return replace(
            position,
            offset=offset,
            line=position.line if line is None else line,
            fingerprint=fingerprint,
            fingerprint_bytes=size,
            skipping=skipping,
        )

    def _gap(self, position: Position) -> Chunk:
        """Say that the rest of a file is gone: deleted, compressed or moved elsewhere before it was read."""
        reason = "the file was rotated away or deleted; lines after this place may be missing"
        gap = BrokenLine(self._source, position.line + 1, position.offset, reason)
        return Chunk(replace(position, closed=True), broken=(gap,))


def _line_count(block: bytes) -> int:
    return block.count(b"\n") + (block[-1:] not in {b"\n", b""})


def _digest(descriptor: int, size: int) -> str:
    return hashlib.sha256(os.pread(descriptor, size, 0)).hexdigest() if size else ""


def _same_head(descriptor: int, position: Position) -> bool:
    return _digest(descriptor, position.fingerprint_bytes) == position.fingerprint


def _is_same_file(descriptor: int, position: Position) -> bool:
    found = os.fstat(descriptor)
    same = (found.st_dev, found.st_ino) == (position.device, position.inode)
    return same and found.st_size >= position.offset


def _is_copy(descriptor: int, position: Position) -> bool:
    return position.fingerprint_bytes > 0 and os.fstat(descriptor).st_size >= position.offset


def _open(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None


def _is_same(descriptor: int, position: Position) -> bool:
    found = os.fstat(descriptor)
    same = (found.st_dev, found.st_ino) == (position.device, position.inode)
    return same or (position.fingerprint_bytes > 0 and _same_head(descriptor, position))


def _modified_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _escaped(text: str) -> str:
    return "".join(f"[{char}]" if char in "*?[" else char for char in text)
