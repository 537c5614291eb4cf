"""Where pushed lines wait: numbered files of a source, appended by the web process and read by the detector."""

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mithaq.telemetry.errors import PushRefused, PushTooLarge
from mithaq.telemetry.settings import TelemetryLimits

_LOCK = ".lock"
_SUFFIX = ".ndjson"
PLACE = b"\0place "
"""What a line of the spool begins with that says the place of the line after it, and how many bytes were written there
at once; no pushed line may."""


@dataclass(frozen=True, slots=True)
class Spool:
    """The spools of a data folder."""

    data: Path

    def append(self, source: str, body: bytes, limits: TelemetryLimits, *, place: int | None = None) -> int:
        """Keep a pushed body of whole lines durably; return how many lines it has.

        `place` is that of its first line, where a stream has numbered the body: the same body at the same place
        gives the same events.

        Raises:
            PushRefused: the body or one of its lines is too large, the spool is full, or the disk is.
        """
        lines = _checked(source, body, limits)
        if not lines:
            return 0
        folder = spool_folder(self.data, source)
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            segments = sorted(folder.glob(f"*{_SUFFIX}"))
            if shutil.disk_usage(folder).free < 2 * len(body):
                raise PushRefused("the disk is full", subject=source)
            if sum(map(_size, segments)) + len(body) > limits.max_spool_bytes:
                raise PushRefused("the spool is full: its lines are not read fast enough", subject=source)
            whole = b"\n".join(lines) + b"\n"
            mark = b"" if place is None else b"%b%d %d\n" % (PLACE, place, len(whole))
            _write(_segment(folder, segments, limits), mark + whole, source)
        return len(lines)


def spool_folder(data: Path, source: str) -> Path:
    """Return the folder in which the pushed lines of a source wait."""
    return data / "spool" / source


def newest_segment(folder: Path) -> Path | None:
    """Return the file of a spool that was last written to, which no reader removes."""
    return max(folder.glob(f"*{_SUFFIX}"), default=None)


def _checked(source: str, body: bytes, limits: TelemetryLimits) -> list[bytes]:
    if len(body) > limits.max_push_bytes:
        raise PushTooLarge("the body is larger than %(limit)d bytes", subject=source, limit=limits.max_push_bytes)
    parts = body.replace(b"\r\n", b"\n").split(b"\n")
    lines = [line.lstrip(b"\0") if line.startswith(PLACE) else line for line in parts if line.strip()]
    for number, line in enumerate(lines, 1):
        if len(line) > limits.max_line_bytes:
            raise PushTooLarge(
                "line %(line)d is longer than %(limit)d bytes",
                subject=source,
                line=number,
                limit=limits.max_line_bytes,
            )
    return lines


def _segment(folder: Path, segments: list[Path], limits: TelemetryLimits) -> Path:
    """Return the file to append to: the last one, or the next when that is full.

    The reader removes a segment only when a later one follows it, so numbers never repeat.
    """
    if segments and _size(segments[-1]) < limits.spool_segment_bytes:
        return segments[-1]
    number = int(segments[-1].stem) + 1 if segments else 1
    return folder / f"{number:012d}{_SUFFIX}"


def _write(path: Path, block: bytes, source: str) -> None:
    """Append and sync; a full disk may leave a part behind, which the sender's retry then repeats."""
    is_new = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            block = b"\n" + block  # a crash cut the line before: it stays one broken line
        if os.write(descriptor, block) != len(block):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(descriptor)
        if is_new:
            _sync_folder(path.parent)
    except OSError as error:
        raise PushRefused("the spool could not be written", subject=source, private=str(error)) from error
    finally:
        os.close(descriptor)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # read to its end and removed meanwhile
        return 0


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
