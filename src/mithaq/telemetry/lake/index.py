"""What a sealed segment may hold: sorted fingerprints of its values, so that most hunts end without opening it.

An index may say yes wrongly (64-bit fingerprints, no lanes for networks) but never no wrongly. The values themselves
are not in it. A lookup is a binary search in a mapped file: microseconds, and no memory of its own.
"""

import hashlib
import ipaddress
import mmap
from array import array
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

from mithaq.kernel.durable import replace_whole
from mithaq.kernel.lane import Lane
from mithaq.standards.observable import Observable
from mithaq.telemetry.errors import LakeBroken

_MAGIC: Final = b"mithaqv1"
_HEADER_WORDS: Final = 4


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
            wanted = _fingerprint(lane.value, observable.type, observable.value)
            return Sought(0, wanted, wanted)
        network = ipaddress.ip_network(observable.value)
        return Sought(network.version, int(network[0]), int(network[-1]))


class IndexBuilder:
    """The index of a segment that is being sealed; each value is added once, a name's parents by themselves."""

    def __init__(self) -> None:
        self._values: set[int] = set()
        self._addresses: dict[int, set[int]] = {4: set(), 6: set()}

    def add(self, lane: str, kind: str, value: str) -> None:
        """Take in one value."""
        self._values.add(_fingerprint(lane, kind, value))
        if kind == "ipv4":
            self._addresses[4].add(int.from_bytes(bytes(map(int, value.split("."))), "big"))
        elif kind == "ipv6":
            self._addresses[6].add(int(ipaddress.IPv6Address(value)))

    def add_all(self, named: Iterable[tuple[str, str, str]]) -> None:
        """Take in lane, type and value, of which the same may come one after the other."""
        for (lane, kind, value), _ in groupby(named):
            self.add(lane, kind, value)

    def write(self, path: Path) -> None:
        """Write the index durably: header, fingerprints, IPv4, upper halves of IPv6."""
        columns = (
            array("Q", sorted(self._values)),
            array("Q", sorted(self._addresses[4])),
            array("Q", sorted({address >> 64 for address in self._addresses[6]})),
        )
        counts = array("Q", [len(column) for column in columns])
        replace_whole(path, b"".join((_MAGIC, counts.tobytes(), *(column.tobytes() for column in columns))))


class SealedIndex:
    """The index of a sealed segment, in a mapped file."""

    def __init__(self, data: Path, stem: str) -> None:
        path = index_path(data, stem)
        try:
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:  # not there, or empty
            raise LakeBroken("the index of a segment cannot be read", subject=path.name, private=str(error)) from error
        words = memoryview(self._map).cast("Q") if len(self._map) % 8 == 0 else memoryview(array("Q"))
        counts = [int(count) for count in words[1:_HEADER_WORDS]]
        if self._map[: len(_MAGIC)] != _MAGIC or len(words) != _HEADER_WORDS + sum(counts):
            raise LakeBroken("the index of a segment is damaged", subject=path.name)
        body = words[_HEADER_WORDS:]
        self._values = body[: counts[0]]
        self._ipv4 = body[counts[0] : counts[0] + counts[1]]
        self._ipv6 = body[counts[0] + counts[1] :]

    def may_hold(self, sought: Sought) -> bool:
        """Tell whether the segment may hold what is sought."""
        match sought.version:
            case 0:
                return _holds_between(self._values, sought.low, sought.low)
            case 4:
                return _holds_between(self._ipv4, sought.low, sought.high)
            case _:
                return _holds_between(self._ipv6, sought.low >> 64, sought.high >> 64)


def index_path(data: Path, stem: str) -> Path:
    """Return the file of a sealed segment's index; `stem` is the segment's path below the data folder."""
    return data / f"{stem}.index"


def _fingerprint(lane: str, kind: str, value: str) -> int:
    text = f"{lane}\0{kind}\0{value}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


def _holds_between(column: memoryview, low: int, high: int) -> bool:
    place = bisect_left(column, low)
    return place < len(column) and column[place] <= high
