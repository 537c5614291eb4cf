"""What a sealed segment holds, and where: most hunts end at its fingerprints, the others at the rows that it names.

The fingerprints of all values are sorted, each beside the number of a *sight*: a value that was seen in a field, with
the rows of the events that have it. Looking for what is not there is a binary search in a mapped file: microseconds,
and no memory of its own. It may say yes wrongly (64-bit fingerprints, no lanes and half an IPv6 address for networks)
but never no wrongly; the sight then says exactly what was seen. The index also knows where in the file of events the
pages of some columns lie (`single`), so that an event is read without its neighbours.

All of it follows from the segment's two Parquet files, so it can be made anew (`indexing`). The first form of an index
had fingerprints alone.
"""

import hashlib
import ipaddress
import mmap
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Final

import msgspec
import zstandard

from mithaq.kernel.lane import Lane
from mithaq.standards.observable import Observable, ObservableType
from mithaq.telemetry.errors import LakeBroken

MAGIC: Final = b"mithaqv2"
SIGHTS_A_FRAME: Final = 128
ROWS_A_FRAME: Final = 1024
_FIRST_MAGIC: Final = b"mithaqv1"
_FIRST_PARTS: Final = ("values", "ipv4", "ipv6")
_SIGHTS_OF: Final = {0: "value_sights", 4: "ipv4_sights", 6: "ipv6_sights"}
_WORD: Final = 8
_NUMBER: Final = 4
_FRAMES_REMEMBERED: Final = 256


@dataclass(frozen=True, slots=True)
class Sought:
    """A question to many indexes: a fingerprint, or for a network the first and last address of its family."""

    version: int
    low: int
    high: int

    @staticmethod
    def of(lane: Lane, observable: Observable) -> "Sought":
        """Return the question whether this observable is there, or an address of the network that it is."""
        if observable.type != "cidr":
            wanted = fingerprint(lane.value, observable.type, observable.value)
            return Sought(0, wanted, wanted)
        network = ipaddress.ip_network(observable.value)
        return Sought(network.version, int(network[0]), int(network[-1]))


class Sighted(msgspec.Struct, frozen=True, array_like=True):
    """A value that was seen in a field; `first` and `count` say which of all rows of the index are its events'."""

    type: ObservableType
    value: str
    lane: str
    field: str
    first: int
    count: int


class Contents(msgspec.Struct, frozen=True):
    """What an index says of itself: where its parts begin and end, and how long the file of events is."""

    parts: dict[str, tuple[int, int]]
    events_bytes: int = -1


class SealedIndex:
    """The index of a sealed segment: a mapped file, or what was just made."""

    def __init__(self, body: mmap.mmap | bytes, name: str) -> None:
        """Read what the index says of itself.

        Raises:
            LakeBroken: it is damaged.
        """
        self._body = memoryview(body)
        self._name = name
        self.contents = self._contents()
        self._zstd = zstandard.ZstdDecompressor()
        self._sighted: dict[int, list[Sighted]] = {}
        self._values, self._ipv4, self._ipv6 = (self._words(name) for name in _FIRST_PARTS)

    @staticmethod
    def open(data: Path, stem: str) -> "SealedIndex":
        """Map the index of a segment; `stem` is the segment's path below the data folder.

        Raises:
            LakeBroken: it is not there, or damaged.
        """
        path = index_path(data, stem)
        try:
            with path.open("rb") as file:
                body = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:  # not there, or empty
            raise LakeBroken("the index of a segment cannot be read", subject=path.name, private=str(error)) from error
        return SealedIndex(body, path.name)

    @property
    def has_rows(self) -> bool:
        """Tell whether the index knows which rows have a value; those of the first form do not."""
        return "rows" in self.contents.parts

    def may_hold(self, sought: Sought) -> bool:
        """Tell whether the segment may hold what is sought."""
        column, low, high = self._asked(sought)
        place = bisect_left(column, low)
        return place < len(column) and column[place] <= high

    def sights(self, sought: Sought) -> list[Sighted]:
        """Return what may be what is sought, in order; whoever asks compares it with what he seeks.

        Raises:
            LakeBroken: the index is damaged.
        """
        column, low, high = self._asked(sought)
        part = self.part(_SIGHTS_OF[sought.version])
        if len(part) != _NUMBER * len(column):
            raise self._damaged("its parts are not of one length")
        numbers = part.cast("I")
        places = range(bisect_left(column, low), bisect_right(column, high))
        return [self._sight(number) for number in sorted({numbers[place] for place in places})]

    def part(self, name: str) -> memoryview:
        """Return the bytes of a part; there are none of a part that the index does not have."""
        start, end = self.contents.parts.get(name, (0, 0))
        return self._body[start:end]

    def frame(self, part: str, number: int) -> bytes:
        """Return what stands in a frame of a part that is made of them.

        Raises:
            LakeBroken: the frame is damaged or not there.
        """
        ends = self._words(f"{part}_ends")
        if not 0 <= number < len(ends):
            raise self._damaged("a frame is not there")
        start = ends[number - 1] if number else 0
        try:
            return self._zstd.decompress(self.part(part)[start : ends[number]])
        except zstandard.ZstdError as error:
            raise self._damaged(str(error)) from error

    def _sight(self, number: int) -> Sighted:
        frame, place = divmod(number, SIGHTS_A_FRAME)
        if frame not in self._sighted:
            if len(self._sighted) >= _FRAMES_REMEMBERED:
                self._sighted.clear()
            self._sighted[frame] = self._sights_frame(frame)
        if place >= len(self._sighted[frame]):
            raise self._damaged("a sight is not there")
        return self._sighted[frame][place]

    def _sights_frame(self, number: int) -> list[Sighted]:
        try:
            return msgspec.msgpack.decode(self.frame("sights", number), type=list[Sighted])
        except msgspec.DecodeError as error:
            raise self._damaged(str(error)) from error

    def _asked(self, sought: Sought) -> tuple[memoryview, int, int]:
        match sought.version:
            case 0:
                return self._values, sought.low, sought.high
            case 4:
                return self._ipv4, sought.low, sought.high
            case _:
                return self._ipv6, sought.low >> 64, sought.high >> 64

    def _words(self, part: str) -> memoryview:
        found = self.part(part)
        if len(found) % _WORD:
            raise self._damaged("a part is cut")
        return found.cast("Q")

    def _contents(self) -> Contents:
        magic, length = bytes(self._body[:_WORD]), len(self._body)
        if magic not in {MAGIC, _FIRST_MAGIC} or length < 2 * _WORD or length % _WORD:
            raise self._damaged("its beginning is not that of an index")
        contents = self._first_contents() if magic == _FIRST_MAGIC else self._told_contents()
        if any(not 0 <= start <= end <= length or start % _WORD for start, end in contents.parts.values()):
            raise self._damaged("its parts lie outside of it")
        return contents

    def _told_contents(self) -> Contents:
        start = 2 * _WORD
        end = start + int.from_bytes(self._body[_WORD:start], "little")
        try:
            return msgspec.json.decode(self._body[start:end], type=Contents)
        except msgspec.DecodeError as error:
            raise self._damaged(str(error)) from error

    def _first_contents(self) -> Contents:
        """Return where the parts of the first form lie, behind their lengths."""
        words = self._body[: _WORD * (1 + len(_FIRST_PARTS))].cast("Q")
        ends = list(accumulate(map(int, words[1:]), initial=len(words)))
        if len(words) <= len(_FIRST_PARTS) or ends[-1] * _WORD != len(self._body):
            raise self._damaged("it is not as long as it says")
        return Contents(
            {name: (ends[place] * _WORD, ends[place + 1] * _WORD) for place, name in enumerate(_FIRST_PARTS)}
        )

    def _damaged(self, why: str) -> LakeBroken:
        return LakeBroken("the index of a segment is damaged", subject=self._name, private=why)


def index_path(data: Path, stem: str) -> Path:
    """Return the file of a sealed segment's index; `stem` is the segment's path below the data folder."""
    return data / f"{stem}.index"


def fingerprint(lane: str, kind: str, value: str) -> int:
    """Return the number by which a value is found."""
    text = f"{lane}\0{kind}\0{value}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
