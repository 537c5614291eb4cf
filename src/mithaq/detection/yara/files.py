"""Find and open the files of a folder that others write into: no link is followed, nothing but files is opened."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from mithaq.detection.yara.errors import FileRefused
from mithaq.kernel.reason import Reason

MAX_DEPTH: Final = 8
MAX_FILES: Final = 100_000
"""Files of one folder that are looked at."""
MAX_PATH_CHARS: Final = 1_000

_META: Final = re.compile(r"[0-9a-f]{64}\.[0-9]+\.[0-9]+\.json")
"""What Suricata writes beside a file of its store."""
_LINK: Final = Reason("file-not-scanned", "it is a link, and links are not followed")
_NO_FILE: Final = Reason("file-not-scanned", "it is no file")
_BUCKET: Final = re.compile(r"[0-9a-f]{2}")
_UNFINISHED: Final = "tmp"
"""Where Suricata's store keeps files that are still being written."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file as its folder lists it; `path` is relative, and `refused` says why it cannot be opened."""

    path: str
    device: int
    inode: int
    size: int
    modified_ns: int
    refused: Reason | None = None

    def is_like(self, other: Found) -> bool:
        """Tell whether nothing has changed since."""
        mine = (self.device, self.inode, self.size, self.modified_ns)
        return mine == (other.device, other.inode, other.size, other.modified_ns)


def found_in(folder: Path) -> Iterator[Found]:
    """Yield what lies in a folder and below, but what is hidden and what a sensor is still writing.

    Raises:
        OSError: the folder cannot be read.
    """
    yield from islice(_walk(folder, "", 0), MAX_FILES)


def open_file(path: Path) -> int:
    """Open one file that a person names.

    Raises:
        FileRefused: it is gone, no file, or may not be read.
    """
    return _opened(str(path), None)


def open_beneath(folder: Path, relative: str) -> int:
    """Open a file below a folder; no part of the way may be a link.

    Raises:
        FileRefused: it is gone, no file, a link, or may not be read.
    """
    *folders, name = Path(relative).parts
    at = _directory(str(folder), None, follow=True)
    try:
        for part in folders:
            below = _directory(part, at)
            os.close(at)
            at = below
        return _opened(name, at)
    finally:
        os.close(at)


def _walk(folder: Path, below: str, depth: int) -> Iterator[Found]:
    with os.scandir(folder / below) as listed:
        entries = sorted(listed, key=lambda entry: entry.name)
    is_store = any(_BUCKET.fullmatch(entry.name) for entry in entries)
    for entry in entries:
        path = f"{below}/{entry.name}" if below else entry.name
        if entry.name.startswith(".") or _META.fullmatch(entry.name) or len(path) > MAX_PATH_CHARS:
            continue
        try:
            found = entry.stat(follow_symlinks=False)
        except OSError:
            continue
        if not stat.S_ISDIR(found.st_mode):
            yield _entry(path, found)
        elif depth < MAX_DEPTH and not (is_store and not below and entry.name == _UNFINISHED):
            try:
                yield from _walk(folder, path, depth + 1)
            except OSError:
                continue


def _entry(path: str, found: os.stat_result) -> Found:
    refused = None
    if stat.S_ISLNK(found.st_mode):
        refused = _LINK
    elif not stat.S_ISREG(found.st_mode):
        refused = _NO_FILE
    return Found(path, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, refused)


def _directory(name: str, at: int | None, *, follow: bool = False) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    try:
        return os.open(name, flags, dir_fd=at)
    except OSError as error:
        raise _refusal(error) from error


def _opened(name: str, at: int | None) -> int:
    """Open without waiting (a FIFO would) and without becoming anybody's terminal."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        descriptor = os.open(name, flags, dir_fd=at)
    except OSError as error:
        raise _refusal(error) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileRefused("it is no file")
    return descriptor


def _refusal(error: OSError) -> FileRefused:
    if error.errno == errno.ENOENT:
        return FileRefused("it is gone")
    if error.errno in {errno.ELOOP, errno.ENOTDIR}:
        return FileRefused("it is a link, and links are not followed")
    return FileRefused("%(detail)s", detail=os.strerror(error.errno or 0))
