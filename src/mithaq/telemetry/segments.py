"""The lake's open end: events are appended to one file until the hunter turns it into Parquet.

The file is written and synced before the transaction that records its length; after a crash it is cut back to
that length, so every event is in the lake exactly once.
"""

import errno
import fcntl
import os
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, cast

import msgspec

from mithaq.kernel.database import EPOCH
from mithaq.kernel.lane import Lane
from mithaq.standards.observable import Observable, ObservableType
from mithaq.telemetry.errors import LakeBroken
from mithaq.telemetry.model import Event

_LENGTH_BYTES: Final = 4
_MAX_FRAME_BYTES: Final = 64 << 20
_SUFFIX: Final = ".events"


class _Frame(msgspec.Struct, frozen=True, array_like=True, gc=False):
    event_id: str
    at_us: int
    source: str
    kind: str
    lane: str
    raw: bytes
    observables: list[tuple[str, str, str]]


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(_Frame)


def open_folder(data: Path) -> Path:
    """Return the folder of the segments that are not Parquet yet."""
    return data / "lake" / "open"


def segment_path(data: Path, number: int) -> Path:
    """Return the file of a segment that is not Parquet yet."""
    return open_folder(data) / f"{number:012d}{_SUFFIX}"


class OpenSegment:
    """The segment being written."""

    def __init__(self, data: Path, number: int, committed_bytes: int) -> None:
        path = segment_path(data, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.number = number
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.ftruncate(self._descriptor, committed_bytes)
        self.bytes = committed_bytes

    def append(self, events: Sequence[Event]) -> int:
        """Write the events behind the committed ones, durably; return the length that would commit them.

        Raises:
            LakeBroken: the disk is full or fails; nothing was committed, so it may be tried again.
        """
        block = b"".join(map(_encoded, events))
        try:
            if os.pwrite(self._descriptor, block, self.bytes) != len(block):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fdatasync(self._descriptor)
        except OSError as error:
            raise LakeBroken(
                "the open segment cannot be written: %(detail)s",
                subject=str(self.number),
                detail=str(error.strerror),
            ) from error
        return self.bytes + len(block)

    def committed(self, length: int) -> None:
        """Move on: the length is in the database."""
        self.bytes = length

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def read_segment(path: Path, committed_bytes: int) -> Iterator[Event]:
    """Yield the committed events of a segment.

    Raises:
        LakeBroken: the file is shorter than what was committed, or its frames are damaged.
    """
    left = committed_bytes
    with path.open("rb", buffering=1 << 20) as file:
        while left > 0:
            size = int.from_bytes(file.read(_LENGTH_BYTES), "big")
            frame = file.read(size) if 0 < size <= _MAX_FRAME_BYTES else b""
            if len(frame) != size or not frame:
                raise LakeBroken("the segment is damaged", subject=path.name)
            yield _event(frame, path)
            left -= _LENGTH_BYTES + size


class WriterLock:
    """Held by the one process that writes the open segment."""

    def __init__(self, data: Path) -> None:
        folder = open_folder(data)
        folder.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def acquire(self) -> bool:
        """Take the lock; tell whether nobody else has it."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Give the lock back."""
        os.close(self._descriptor)


def _encoded(event: Event) -> bytes:
    frame = _ENCODER.encode(
        _Frame(
            event.event_id,
            (event.at - EPOCH) // timedelta(microseconds=1),
            event.source,
            event.kind,
            str(event.lane),
            event.raw,
            [(field, observable.type, observable.value) for field, observable in event.observables],
        )
    )
    return len(frame).to_bytes(_LENGTH_BYTES, "big") + frame


def _event(frame: bytes, path: Path) -> Event:
    try:
        read = _DECODER.decode(frame)
    except msgspec.DecodeError as error:
        raise LakeBroken("the segment is damaged", subject=path.name, private=str(error)) from error
    observables = ((field, Observable(cast("ObservableType", kind), value)) for field, kind, value in read.observables)
    at: datetime = EPOCH + timedelta(microseconds=read.at_us)
    return Event(read.event_id, at, read.source, read.kind, Lane(read.lane), tuple(observables), read.raw)
