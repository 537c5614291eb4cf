"""The bytes of one file of a source: as they lie there, decompressed, or an EVTX file's records as JSON lines.

What a file is, its first bytes say and not its name. Reading is bounded, whatever the file expands to, and begins
anywhere; a compressed file that is still being written is read as far as it goes.
"""

import bz2
import lzma
import os
import stat
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

import zstandard

from mithaq.telemetry.evtx import EVTX_MAGIC, EvtxRecords
from mithaq.telemetry.settings import TelemetryLimits

_INPUT_BYTES: Final = 64 * 1024
_ZSTD_INPUT_BYTES: Final = 1024  # zstandard cannot bound its output, and a block may expand 100,000 times
_LZMA_MEMORY: Final = 128 * 1024 * 1024
_ZSTD_WINDOW: Final = 1 << 27
_PIECE_BYTES: Final = 1 << 20
_HEAD_BYTES: Final = 4096


class Content(Protocol):
    """What can be read of an open file."""

    descriptor: int
    trouble: str

    def state(self) -> tuple[int, int]:
        """Return size and time of the last change of the file, as they were before what was read last."""

    def read(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from an offset; fewer only where there are no more by now."""

    def is_whole(self) -> bool:
        """Tell whether the end that was reached is the end for good."""

    def close(self) -> None:
        """Close the file."""


class Plain:
    """A file that is read as it lies there, and may grow."""

    trouble = ""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def state(self) -> tuple[int, int]:
        """Return size and time of the last change of the file."""
        return _state(self.descriptor)

    def read(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from an offset."""
        return os.pread(self.descriptor, size, offset)

    def is_whole(self) -> bool:
        """Never: more may be appended."""
        return False

    def close(self) -> None:
        """Close the file."""
        os.close(self.descriptor)


class Flow(Protocol):
    """Bytes that come one after another, once."""

    trouble: str

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, or nothing at the end, where `trouble` says what is wrong with it."""

    def close(self) -> None:
        """Give up what is held."""


class Streamed:
    """A file whose content flows from its beginning; going back begins again, going on discards."""

    def __init__(self, descriptor: int, begin: Callable[[int], Flow], limits: TelemetryLimits) -> None:
        self.descriptor = descriptor
        self._begin = begin
        self._limits = limits
        self._flow: Flow | None = None
        self._start = 0
        self._buffer = bytearray()
        self._ended = False
        self._seen: tuple[int, int] = (-1, -1)
        self._head = b""
        self.trouble = ""

    def read(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from an offset; the first bytes are at hand."""
        if offset + size <= len(self._head) and _state(self.descriptor) == self._seen:
            return self._head[offset : offset + size]
        flow = self._flow
        if flow is None or offset < self._start or (self._ended and _state(self.descriptor) != self._seen):
            flow = self._restart()
        while not self._ended and self._start + len(self._buffer) < offset + size:
            if self._start + len(self._buffer) >= _HEAD_BYTES:
                self._discard(offset)
            self._fill(flow)
        if not self._start:
            self._head = bytes(self._buffer[:_HEAD_BYTES])
        self._discard(offset)
        return bytes(self._buffer[:size]) if offset == self._start else b""

    def state(self) -> tuple[int, int]:
        """Return size and time of the last change of the file when its stream was begun."""
        return self._seen

    def is_whole(self) -> bool:
        """Tell whether the stream has ended as its format says, and the file has not changed since."""
        return self._ended and not self.trouble and _state(self.descriptor) == self._seen

    def close(self) -> None:
        """Close the file."""
        self._stop()
        os.close(self.descriptor)

    def _restart(self) -> Flow:
        self._stop()
        self._head = b""
        self._start, self._buffer, self._ended, self.trouble = 0, bytearray(), False, ""
        self._seen = _state(self.descriptor)
        self._flow = self._begin(self.descriptor)
        return self._flow

    def _stop(self) -> None:
        if self._flow is not None:
            self._flow.close()
            self._flow = None

    def _fill(self, flow: Flow) -> None:
        piece = flow.read(_PIECE_BYTES)
        self._buffer += piece
        if not piece:
            self._ended, self.trouble = True, flow.trouble
        elif self._start + len(self._buffer) > self._limits.max_expanded_bytes:
            self._ended, self.trouble = True, f"it expands to more than {self._limits.max_expanded_bytes} bytes"

    def _discard(self, offset: int) -> None:
        taken = min(len(self._buffer), offset - self._start)
        if taken > 0:
            del self._buffer[:taken]
            self._start += taken


def _state(descriptor: int) -> tuple[int, int]:
    found = os.fstat(descriptor)
    return found.st_size, found.st_mtime_ns


class Decompressed:
    """Decompress a file in bounded steps, one member after another."""

    def __init__(self, descriptor: int, make: Callable[[], "_Stepper"]) -> None:
        self._descriptor = descriptor
        self._make = make
        self._stepper = make()
        self._offset = 0
        self._input = b""
        self._begun = True
        self.trouble = ""

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, or nothing at the end."""
        while not self.trouble:
            if not self._input and self._stepper.needs_input:
                self._input = os.pread(self._descriptor, _INPUT_BYTES, self._offset)
                self._offset += len(self._input)
                if not self._input:
                    self.trouble = "it ends too early" if self._begun else ""
                    return b""
            out = self._step(size)
            if out:
                return out
        return b""

    def close(self) -> None:
        """Nothing is held."""

    def _step(self, size: int) -> bytes:
        if not self._begun and not self._input.lstrip(b"\0"):
            self._input = b""  # padding after the last member
            return b""
        try:
            out, self._input = self._stepper.step(self._input, size)
        except (zlib.error, lzma.LZMAError, OSError, ValueError, EOFError, MemoryError, zstandard.ZstdError) as error:
            self.trouble = f"it is damaged: {error}"
            return b""
        self._begun = True
        if self._stepper.eof:
            self._stepper, self._begun = self._make(), False
        return out


class _Stepper(Protocol):
    """One member of a compressed file."""

    @property
    def eof(self) -> bool:
        """Tell whether the member has ended."""

    @property
    def needs_input(self) -> bool:
        """Tell whether nothing more comes without more input."""

    def step(self, data: bytes, size: int) -> tuple[bytes, bytes]:
        """Return up to `size` bytes, and the input that is left."""


class _Zlib:
    def __init__(self) -> None:
        self._inner = zlib.decompressobj(31)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._inner.eof

    def step(self, data: bytes, size: int) -> tuple[bytes, bytes]:
        out = self._inner.decompress(data, size)
        rest = self._inner.unused_data if self._inner.eof else self._inner.unconsumed_tail
        self.needs_input = self._inner.eof or len(out) < size
        return out, rest


class _Bounded:
    """`bz2` and `lzma`, which keep the input that is left themselves."""

    def __init__(self, inner: bz2.BZ2Decompressor | lzma.LZMADecompressor) -> None:
        self._inner = inner

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return self._inner.needs_input

    def step(self, data: bytes, size: int) -> tuple[bytes, bytes]:
        out = self._inner.decompress(data, size)
        return out, self._inner.unused_data if self._inner.eof else b""


class _Zstd:
    needs_input = True

    def __init__(self) -> None:
        self._inner = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()

    @property
    def eof(self) -> bool:
        return self._inner.eof

    def step(self, data: bytes, size: int) -> tuple[bytes, bytes]:  # noqa: ARG002 (it takes no bound)
        out = self._inner.decompress(data[:_ZSTD_INPUT_BYTES])
        return out, self._inner.unused_data + data[_ZSTD_INPUT_BYTES:]


_STEPPERS: Final[dict[bytes, Callable[[], _Stepper]]] = {
    b"\x1f\x8b": _Zlib,
    b"BZh": lambda: _Bounded(bz2.BZ2Decompressor()),
    b"\xfd7zXZ\x00": lambda: _Bounded(lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_LZMA_MEMORY)),
    b"\x28\xb5\x2f\xfd": _Zstd,
}
_MAGIC_BYTES: Final = 8


def open_content(path: Path, limits: TelemetryLimits) -> Content | None:
    """Open a file of a source, or return None where it is not there, empty, or no file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, IsADirectoryError):
        return None
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or not found.st_size:
        os.close(descriptor)
        return None
    magic = os.pread(descriptor, _MAGIC_BYTES, 0)
    if magic == EVTX_MAGIC:
        return Streamed(descriptor, lambda opened: EvtxRecords(opened, limits), limits)
    for begins, make in _STEPPERS.items():
        if magic.startswith(begins):
            return Streamed(descriptor, _decompressing(make), limits)
    return Plain(descriptor)


def _decompressing(make: Callable[[], _Stepper]) -> Callable[[int], Flow]:
    return lambda descriptor: Decompressed(descriptor, make)
