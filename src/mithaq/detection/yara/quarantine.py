"""Uploaded files: kept under their hash, readable to the node alone, never executed, erased after a while."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

from mithaq.detection.yara.errors import FileRefused
from mithaq.kernel.lane import Lane

_FOLDER: Final = "quarantine"
_PIECE: Final = 1 << 20
_MAX_NAME_CHARS: Final = 300

Read = Callable[[int], bytes]
"""Gives up to so many bytes, and nothing at the end."""


def quarantine_folder(data: Path, lane: Lane) -> Path:
    """Return the folder of a lane's uploaded files."""
    return _quarantine(data) / str(lane)


def make(folder: Path) -> None:
    """Make the folder of a lane, for the node alone."""
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.mkdir(exist_ok=True, mode=0o700)


def is_quarantine(data: Path, folder: Path) -> bool:
    """Tell whether a watched folder is one of uploaded files."""
    return folder.parent == _quarantine(data)


def keep(folder: Path, read: Read, *, name: str, by: str, max_bytes: int) -> str:
    """Keep a file and say what it was called, before anybody sees it there; return its SHA-256.

    Raises:
        FileRefused: it is too large, or there is no room.
    """
    make(folder)
    coming = folder / f".{secrets.token_hex(8)}.coming"
    try:
        digest = _copy(coming, read, max_bytes)
        _say(folder / f".{digest}.json", name, by)
        coming.replace(folder / digest)
    except OSError as error:
        raise FileRefused("%(detail)s", detail=os.strerror(error.errno or 0)) from error
    finally:
        coming.unlink(missing_ok=True)
    return digest


def erase_old(data: Path, at: datetime, kept_days: int) -> int:
    """Erase what was uploaded longer ago; return how many files there were."""
    count = 0
    before = (at - timedelta(days=kept_days)).timestamp()
    for path in _quarantine(data).glob("*/*"):
        try:
            if path.is_file() and path.stat().st_mtime < before:
                path.unlink()
                count += 1
        except FileNotFoundError:
            continue
    return count


def _quarantine(data: Path) -> Path:
    """Return the folder of all uploaded files, by its whole path: as such the sources remember their folders."""
    return data.resolve() / _FOLDER


def _copy(coming: Path, read: Read, max_bytes: int) -> str:
    digest, size = hashlib.sha256(), 0
    with os.fdopen(os.open(coming, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        while piece := read(_PIECE):
            size += len(piece)
            if size > max_bytes:
                raise FileRefused("larger than the limit of %(max)s bytes", max=max_bytes)
            digest.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _say(path: Path, name: str, by: str) -> None:
    said = msgspec.json.encode({"name": name[-_MAX_NAME_CHARS:], "by": by})
    coming = path.with_suffix(".coming")
    with os.fdopen(os.open(coming, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(said)
    coming.replace(path)
