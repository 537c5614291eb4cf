"""Which messages of a stream lie in the spool already, so that one that is delivered again is not kept twice.

The file is written after the spool is synced; what a crash in between left out is read from the marks in the newest
file of the spool. It names the stream by when it was made: one that is made anew counts from one again.
"""

import os
from array import array
from bisect import bisect_right
from pathlib import Path
from typing import Final

from mithaq.kernel.durable import replace_whole
from mithaq.telemetry.spool import PLACE, newest_segment

_MAX_RANGES: Final = 100_000
_MAX_FILE_BYTES: Final = 8 << 20
_PAIR_BYTES: Final = 16


class Taken:
    """The sequences of one stream that were taken, as ranges; of very many ranges the highest are remembered."""

    def __init__(self, folder: Path, stream: str, offset_bits: int) -> None:
        self._path = folder / ".taken"
        self._stream = stream.encode() + b"\n"
        self._first: list[int] = []
        self._last: list[int] = []
        folder.mkdir(parents=True, exist_ok=True)
        if self._load():
            for place in _whole_marks(newest_segment(folder)):
                self._put(place >> offset_bits, place >> offset_bits)
        self._save()

    def __contains__(self, sequence: int) -> bool:
        at = bisect_right(self._first, sequence) - 1
        return at >= 0 and sequence <= self._last[at]

    def add(self, sequence: int) -> None:
        """Note that a message lies in the spool, synced."""
        self._put(sequence, sequence)
        with self._path.open("ab") as file:
            file.write(array("Q", (sequence, sequence)).tobytes())
            size = file.tell()
        if size > _MAX_FILE_BYTES:
            self._save()

    def _load(self) -> bool:
        """Read the file; tell whether it is of this stream."""
        found = self._path.read_bytes() if self._path.exists() else b""
        if not found.startswith(self._stream):
            return False
        body = found[len(self._stream) :]
        pairs = array("Q", body[: len(body) // _PAIR_BYTES * _PAIR_BYTES])
        for first, last in zip(pairs[::2], pairs[1::2], strict=True):
            self._put(first, last)
        return True

    def _save(self) -> None:
        pairs = array("Q")
        for first, last in zip(self._first, self._last, strict=True):
            pairs.extend((first, last))
        replace_whole(self._path, self._stream + pairs.tobytes())
        self._path.chmod(0o600)

    def _put(self, first: int, last: int) -> None:
        at = bisect_right(self._first, first)
        if at and first <= self._last[at - 1] + 1:
            at -= 1
            first, last = self._first[at], max(last, self._last[at])
            del self._first[at], self._last[at]
        while at < len(self._first) and self._first[at] <= last + 1:
            last = max(last, self._last[at])
            del self._first[at], self._last[at]
        self._first.insert(at, first)
        self._last.insert(at, last)
        if len(self._first) > _MAX_RANGES:
            del self._first[0], self._last[0]


def _whole_marks(path: Path | None) -> list[int]:
    """Return the places in a file of the spool of which everything lies there: a full disk may have cut the last."""
    found: list[int] = []
    if path is None:
        return found
    with path.open("rb") as file:
        while line := file.readline():
            place, _, length = line.removeprefix(PLACE).strip().partition(b" ")
            if not line.startswith(PLACE) or not (place.isdigit() and length.isdigit()):
                continue
            file.seek(int(length) - 1, os.SEEK_CUR)
            if file.read(1) == b"\n":
                found.append(int(place))
    return found
