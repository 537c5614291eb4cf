"""The lake's growing ends: blocks of a source are appended to one file until the hunter turns it into Parquet.

The file is written and synced before the transaction that records its length; after a crash it is cut back to
that length, so every line is in the lake exactly once.
"""

import errno
import fcntl
import logging
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

import msgspec

from mithaq.kernel.database import EPOCH
from mithaq.kernel.lane import Lane
from mithaq.telemetry.blocks import Block
from mithaq.telemetry.errors import LakeBroken
from mithaq.telemetry.model import Format, Source

_log = logging.getLogger(__name__)
_LENGTH_BYTES: Final = 4
_MAX_FRAME_BYTES: Final = 64 << 20
_SUFFIX: Final = ".lines"


class _Frame(msgspec.Struct, frozen=True, array_like=True, gc=False):
    source: str
    path: str
    format: str
    lane: str
    file_name: str
    header: bytes
    number: int
    offset: int
    place: int
    received_us: int
    text: bytes
    checked: bool


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(_Frame)


def open_folder(data: Path) -> Path:
    """Return the folder of the segments that are not Parquet yet."""
    return data / "lake" / "open"


def segment_path(data: Path, number: int) -> Path:
    """Return the file of a segment that is not Parquet yet."""
    return open_folder(data) / f"{number:012d}{_SUFFIX}"


class OpenSegment:
    """A segment being written."""

    def __init__(self, data: Path, number: int, committed_bytes: int) -> None:
        path = segment_path(data, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.number = number
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.ftruncate(self._descriptor, committed_bytes)
        self.bytes = committed_bytes

    def append(self, block: Block) -> int:
        """Write a block behind the committed ones, durably; return the length that would commit it.

        Raises:
            LakeBroken: the disk is full or fails; nothing was committed, so it may be tried again.
        """
        frame = _encoded(block)
        try:
            if os.pwrite(self._descriptor, frame, self.bytes) != len(frame):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fdatasync(self._descriptor)
        except OSError as error:
            raise LakeBroken(
                "the open segment cannot be written: %(detail)s",
                subject=str(self.number),
                detail=str(error.strerror),
            ) from error
        return self.bytes + len(frame)

    def committed(self, length: int) -> None:
        """Move on: the length is in the database."""
        self.bytes = length

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def read_segment(path: Path, committed_bytes: int) -> Iterator[Block]:
    """Yield the committed blocks of a segment.

    Raises:
        LakeBroken: the file is shorter than what was committed, or its frames are damaged.
    """
    left = committed_bytes
    if not left:  # a crash may lie between the row of a new segment and its file
        return
    with path.open("rb", buffering=1 << 20) as file:
        while left > 0:
            size = int.from_bytes(file.read(_LENGTH_BYTES), "big")
            frame = file.read(size) if 0 < size <= _MAX_FRAME_BYTES else b""
            if len(frame) != size or not frame:
                raise LakeBroken("the segment is damaged", subject=path.name)
            yield _block(frame, path)
            left -= _LENGTH_BYTES + size


def readable_blocks(path: Path, committed_bytes: int) -> Iterator[Block]:
    """Yield the committed blocks of a segment as far as it can be read; sealing tells the rest."""
    try:
        yield from read_segment(path, committed_bytes)
    except (LakeBroken, FileNotFoundError) as error:
        _log.error("%s: %s", path.name, error)


class WriterLock:
    """Held by the one process that writes the open segments."""

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


def _encoded(block: Block) -> bytes:
    source = block.source
    frame = _ENCODER.encode(
        _Frame(
            source=source.name,
            path=source.path,
            format=source.format.value,
            lane=str(source.lane),
            file_name=block.file_name,
            header=block.header,
            number=block.number,
            offset=block.offset,
            place=block.place,
            received_us=(block.received_at - EPOCH) // timedelta(microseconds=1),
            text=block.text,
            checked=block.checked,
        )
    )
    return len(frame).to_bytes(_LENGTH_BYTES, "big") + frame


def _block(frame: bytes, path: Path) -> Block:
    try:
        read = _DECODER.decode(frame)
        source = Source(read.source, read.path, Format(read.format), Lane(read.lane))
    except (msgspec.DecodeError, ValueError) as error:
        raise LakeBroken("the segment is damaged", subject=path.name, private=str(error)) from error
    return Block(
        source=source,
        file_name=read.file_name,
        header=read.header,
        number=read.number,
        offset=read.offset,
        place=read.place,
        received_at=EPOCH + timedelta(microseconds=read.received_us),
        text=read.text,
        checked=read.checked,
    )
