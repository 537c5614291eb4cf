"""Files that are there whole or not at all, also after a power cut."""

import os
from pathlib import Path
from typing import Final

UNFINISHED: Final = ".part"
"""What the name of a file ends in that is not whole yet; a crash may leave one behind."""


def replace_whole(path: Path, body: bytes, *, mode: int = 0o600) -> None:
    """Write a file, or replace it; `mode`, below the umask, is that of a new one.

    Raises:
        OSError: the disk is full or fails; what was there before stays.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}{UNFINISHED}")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(body)
        publish(part, path)
    finally:
        part.unlink(missing_ok=True)


def publish(part: Path, path: Path) -> None:
    """Give a finished file its name, after its bytes are on the disk."""
    _sync(part)
    part.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, so that a renamed file is found after a power cut."""
    _sync(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
