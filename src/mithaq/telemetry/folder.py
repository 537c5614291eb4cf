"""Every file of a folder that matches a pattern: those that grow, those that are whole, and new ones as they come.

A file is known by device and inode, and by a fingerprint of what it begins with: so one that is renamed, or copied
and truncated, or compressed, is not read again. Only so many files are held open; one that is quiet is parked, and
is looked at again when its size changes.
"""

import fnmatch
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from mithaq.telemetry.chunks import FINGERPRINT_BYTES, digest, gap, next_chunk, same_head
from mithaq.telemetry.contents import Content, Plain, open_content
from mithaq.telemetry.lines import Chunk
from mithaq.telemetry.settings import TelemetryLimits
from mithaq.telemetry.store import Position

_PATTERN: Final = frozenset("*?")
_SETTLED_S: Final = 60.0
_SCAN_AFTER: Final = timedelta(seconds=1)
_STEM_BITS: Final = 23
_OFFSET_BITS: Final = 40

_Key = tuple[int, int]


@dataclass(slots=True)
class _File:
    """An open file, and since when its name is gone."""

    position: Position
    content: Content
    is_new: bool = False
    gone_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file as the folder lists it."""

    path: Path
    found: os.stat_result

    @property
    def key(self) -> _Key:
        return self.found.st_dev, self.found.st_ino


def is_pattern(path: Path) -> bool:
    """Tell whether a source's path names a folder and a pattern of names in it: `*` and `?`."""
    return not _PATTERN.isdisjoint(path.name)


def matching(path: Path) -> list[Path]:
    """Return the files that a pattern names, the one that changed longest ago first."""
    return [entry.path for entry in _entries(path.parent, path.name)]


class Folder:
    """The files of one source that is a folder."""

    def __init__(self, source: str, path: Path, positions: Sequence[Position], limits: TelemetryLimits) -> None:
        self._source = source
        self._directory, self._pattern = path.parent, path.name
        self._limits = limits
        self._known = {position.generation: position for position in positions}
        self._last_generation = max(self._known, default=0)
        self._by_file: dict[_Key, int] = {(each.device, each.inode): each.generation for each in positions}
        self._copies: set[tuple[int, int, int]] = set()
        self._open: dict[int, _File] = {}
        self._parked: set[int] = set()
        self._ended: list[Chunk] = []
        self._scanned_at: datetime | None = None

    def next(self, at: datetime) -> Chunk | None:
        """Return the next lines, or None when all are read; the same lines come again until `committed`."""
        is_due = self._scanned_at is None or abs(at - self._scanned_at) >= _SCAN_AFTER
        if is_due and not self._ended:
            self._scan(at)
            return self._found(at)
        chunk = self._found(at)
        if chunk is not None:
            return chunk
        self._scan(at)
        return self._found(at)

    def _found(self, at: datetime) -> Chunk | None:
        if self._ended:
            return self._ended[0]
        for file in self._open.values():
            if file.is_new:  # remembered before anything is read, so that a later rotation finds it
                return Chunk(file.position)
        for file in self._open.values():
            chunk = self._read(file, at)
            if chunk is not None:
                return chunk
        return None

    def committed(self, chunk: Chunk) -> None:
        """Move on: the caller's effects of this chunk and its position are durable."""
        generation = chunk.position.generation
        self._ended = [each for each in self._ended if each.position.generation != generation]
        self._known[generation] = chunk.position
        file = self._open.pop(generation, None)
        if file is None:
            return
        if chunk.position.closed:
            file.content.close()
            return
        file.position, file.is_new = chunk.position, False
        self._open[generation] = file  # now the last one: no file keeps the others waiting

    def waiting_bytes(self) -> int:
        """Return how many bytes lie in the open files and are not read yet."""
        sizes = ((os.fstat(each.content.descriptor).st_size, each.position.offset) for each in self._open.values())
        return sum(max(0, size - offset) for size, offset in sizes)

    def close(self) -> None:
        """Close the files."""
        for file in self._open.values():
            file.content.close()
        self._open = {}

    # -- finding files ------------------------------------------------------------------------------------------

    def _scan(self, at: datetime) -> None:
        self._scanned_at = at
        entries = _entries(self._directory, self._pattern)
        present = {entry.key for entry in entries}
        self._note_gone(present, at)
        for entry in entries:
            generation = self._by_file.get(entry.key)
            if generation is None:
                self._take(entry, present, at)
            elif generation in self._open:
                self._check(self._open[generation], entry)
            elif self._may_have_more(self._known[generation], entry.found):
                self._take_up(self._known[generation], entry)

    def _may_have_more(self, position: Position, found: os.stat_result) -> bool:
        is_quiet = position.closed or position.generation in self._parked
        return not is_quiet or (position.size, position.modified_ns) != (found.st_size, found.st_mtime_ns)

    def _note_gone(self, present: set[_Key], at: datetime) -> None:
        """Read on in a file whose name is gone while it is open; look for one that was parked."""
        for position in list(self._known.values()):
            key = (position.device, position.inode)
            if key in present:
                continue
            if position.closed:
                self._by_file.pop(key, None)  # another file may get this inode
                continue
            file = self._open.get(position.generation)
            if file is None:
                self._recover(position)
            else:
                file.gone_since = file.gone_since or at

    def _take(self, entry: _Entry, present: set[_Key], at: datetime) -> None:
        """Begin a file that is new, unless it is another form of one that is known."""
        mark = (*entry.key, entry.found.st_size)
        if mark in self._copies or not self._has_room():
            return
        content = open_content(entry.path, self._limits)
        if content is None:
            return
        known = self._same_as(content)
        if known is None:
            self._begin(entry, content)
            return
        is_alive = (known.device, known.inode) in present
        if isinstance(content, Plain) and _is_apart(content, known, entry, is_alive=is_alive, at=at):
            self._begin(entry, content)
        elif known.closed or is_alive:
            content.close()
            if not isinstance(content, Plain) or not is_alive:
                self._copies.add(mark)
        else:
            self._rebind(known, content)

    def _same_as(self, content: Content) -> Position | None:
        """Return the newest position whose file begins as this one does."""
        sizes = {each.fingerprint_bytes for each in self._known.values() if each.fingerprint_bytes}
        heads = {size: digest(content, size) for size in sizes}
        for position in reversed(self._known.values()):
            if position.fingerprint_bytes and heads[position.fingerprint_bytes] == position.fingerprint:
                return position
        return None

    def _begin(self, entry: _Entry, content: Content) -> None:
        self._last_generation += 1
        head = content.read(0, FINGERPRINT_BYTES)
        position = Position(
            self._source,
            self._last_generation,
            *entry.key,
            fingerprint=digest(content, len(head)),
            fingerprint_bytes=len(head),
            header=b"#path\t%b\n" % _stem(entry.path.name).encode("utf-8", "replace"),
            path=entry.path.name,
        )
        self._hold(position, content)

    def _hold(self, position: Position, content: Content) -> None:
        self._known[position.generation] = position
        self._parked.discard(position.generation)
        self._by_file[position.device, position.inode] = position.generation
        self._open[position.generation] = _File(position, content, is_new=True)

    def _rebind(self, position: Position, content: Content) -> None:
        """Go on with a known file where it lies now."""
        found = os.fstat(content.descriptor)
        before = self._open.pop(position.generation, None)
        if before is not None:
            before.content.close()
        self._by_file.pop((position.device, position.inode), None)
        self._hold(replace(position, device=found.st_dev, inode=found.st_ino, closed=False), content)

    def _take_up(self, position: Position, entry: _Entry) -> None:
        """Go on in a file that has changed since it was parked or closed; begin it anew where it is another."""
        if not self._has_room():
            return
        content = open_content(entry.path, self._limits)
        if content is None:
            return
        if same_head(content, position) and _reaches(content, position):
            self._rebind(position, content)
            return
        self._by_file.pop(entry.key, None)
        if not position.closed:
            self._recover(position)
        self._begin(entry, content)

    def _check(self, file: _File, entry: _Entry) -> None:
        """Notice that an open file was truncated: its lines may lie in a copy."""
        position = file.position
        if _reaches(file.content, position) and same_head(file.content, position):
            return
        self._open.pop(position.generation).content.close()
        self._by_file.pop(entry.key, None)
        self._recover(position)
        self._take_anew(entry)

    def _take_anew(self, entry: _Entry) -> None:
        content = open_content(entry.path, self._limits)
        if content is not None:
            self._begin(entry, content)

    def _recover(self, position: Position) -> None:
        """Find a known file under whatever name it has now, or tell that the rest of it is gone."""
        entries = _entries(self._directory, "*")
        same = [entry for entry in entries if entry.key == (position.device, position.inode)]
        others = [entry for entry in entries if entry.key not in self._by_file]
        for entry in (*same, *reversed(others)):
            content = open_content(entry.path, self._limits)
            if content is None:
                continue
            if same_head(content, position) and _reaches(content, position):
                self._rebind(position, content)
                return
            content.close()
        was_read = position.size and position.offset >= position.size
        self._ended.append(Chunk(replace(position, closed=True)) if was_read else gap(position))

    def _has_room(self) -> bool:
        """Tell whether one more file may be opened; park the first one that is read to its end for it."""
        if len(self._open) < self._limits.max_open_files:
            return True
        for generation, file in self._open.items():
            size = os.fstat(file.content.descriptor).st_size
            is_read = isinstance(file.content, Plain) and size == file.position.size == file.position.offset
            if is_read and not file.is_new and not file.gone_since:
                self._open.pop(generation).content.close()
                self._parked.add(generation)
                return True
        return False

    # -- reading ------------------------------------------------------------------------------------------------

    def _read(self, file: _File, at: datetime) -> Chunk | None:
        name = file.position.path
        base = (zlib.crc32(_stem(name).encode("utf-8", "replace")) & ((1 << _STEM_BITS) - 1)) << _OFFSET_BITS
        return next_chunk(file.content, file.position, self._limits, base=base, is_over=self._is_over(file, at))

    def _is_over(self, file: _File, at: datetime) -> bool:
        """Tell whether nothing more is expected: the name is gone, or nobody has written for long."""
        if file.gone_since is not None:
            return at - file.gone_since >= timedelta(seconds=self._limits.rotated_grace_s)
        quiet_s = at.timestamp() - os.fstat(file.content.descriptor).st_mtime
        is_streamed = not isinstance(file.content, Plain)  # one that was cut: whoever writes it has stopped
        return quiet_s >= (self._limits.cut_file_s if is_streamed else self._limits.idle_file_s)


def _is_apart(content: Content, known: Position, entry: _Entry, *, is_alive: bool, at: datetime) -> bool:
    """Tell whether a file that begins like a known one is another all the same.

    A copy is as long as what was read, or its original is emptied at once; two files that both stay are two.
    """
    if known.closed:
        return os.fstat(content.descriptor).st_size != known.offset
    return is_alive and at.timestamp() - entry.found.st_mtime >= _SETTLED_S


def _reaches(content: Content, position: Position) -> bool:
    return not isinstance(content, Plain) or os.fstat(content.descriptor).st_size >= position.offset


def _stem(name: str) -> str:
    return name.partition(".")[0][:60]


def _entries(directory: Path, pattern: str) -> list[_Entry]:
    """Return the files whose names match, the one that changed longest ago first."""
    wanted = pattern.replace("[", "[[]")
    found: list[_Entry] = []
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if fnmatch.fnmatchcase(entry.name, wanted) and not entry.name.startswith("."):
                    _add_file(found, entry)
    except FileNotFoundError:
        return []
    return sorted(found, key=lambda each: (each.found.st_mtime_ns, each.path.name))


def _add_file(found: "list[_Entry]", entry: "os.DirEntry[str]") -> None:
    try:
        if entry.is_file():
            found.append(_Entry(Path(entry.path), entry.stat()))
    except FileNotFoundError:  # gone between the listing and now
        return
