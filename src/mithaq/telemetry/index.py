"""What a part of the lake may hold: sorted fingerprints of its values, so that most hunts end without opening it.

An index may say yes wrongly (64-bit fingerprints, no lanes for networks) but never no wrongly. The values themselves
are not in it. A lookup is a binary search in a mapped file: microseconds, and no memory of its own.
"""

import hashlib
import ipaddress
import mmap
import os
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Protocol

from mithaq.kernel.lane import Lane
from mithaq.standards.observable import Observable
from mithaq.telemetry.errors import LakeBroken
from mithaq.telemetry.model import Event

_MAGIC: Final = b"mithaqv1"
_HEADER_WORDS: Final = 4


class Index(Protocol):
    """Anything that knows whether a value may be in a part of the lake."""

    def may_hold(self, lane: Lane, observable: Observable) -> bool:
        """Tell whether the part may hold the observable, or an address of the network that it is."""
        ...


class GrowingIndex:
    """The index of segments that are not Parquet yet, in memory."""

    def __init__(self) -> None:
        self._values: set[int] = set()
        self._addresses: dict[int, set[int]] = {4: set(), 6: set()}

    def add(self, events: Iterable[Event]) -> None:
        """Take in everything these events hold."""
        for event in events:
            for _, observable in event.observables:
                self._values.update(fingerprints(event.lane, observable))
                if observable.type in {"ipv4", "ipv6"}:
                    address = ipaddress.ip_address(observable.value)
                    self._addresses[address.version].add(int(address))

    def may_hold(self, lane: Lane, observable: Observable) -> bool:
        """Tell whether the observable was taken in, or an address of the network that it is."""
        if observable.type != "cidr":
            return _fingerprint(lane, observable.type, observable.value) in self._values
        network = ipaddress.ip_network(observable.value)
        low, high = int(network[0]), int(network[-1])
        return any(low <= address <= high for address in self._addresses[network.version])

    def write(self, path: Path) -> None:
        """Write the index of a sealed segment, durably: header, fingerprints, IPv4, upper halves of IPv6."""
        columns = (
            array("Q", sorted(self._values)),
            array("Q", sorted(self._addresses[4])),
            array("Q", sorted({address >> 64 for address in self._addresses[6]})),
        )
        part = path.with_name(path.name + ".part")
        with part.open("wb") as file:
            file.write(_MAGIC)
            array("Q", [len(column) for column in columns]).tofile(file)
            for column in columns:
                column.tofile(file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)


class SealedIndex:
    """The index of a sealed segment, in a mapped file."""

    def __init__(self, data: Path, stem: str) -> None:
        self.stem = stem
        path = index_path(data, stem)
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        words = memoryview(self._map).cast("Q") if len(self._map) % 8 == 0 else memoryview(array("Q"))
        counts = [int(count) for count in words[1:_HEADER_WORDS]]
        if self._map[: len(_MAGIC)] != _MAGIC or len(words) != _HEADER_WORDS + sum(counts):
            raise LakeBroken("the index of a segment is damaged", subject=path.name)
        body = words[_HEADER_WORDS:]
        self._values = body[: counts[0]]
        self._ipv4 = body[counts[0] : counts[0] + counts[1]]
        self._ipv6 = body[counts[0] + counts[1] :]

    def may_hold(self, lane: Lane, observable: Observable) -> bool:
        """Tell whether the segment may hold the observable, or an address of the network that it is."""
        if observable.type != "cidr":
            wanted = _fingerprint(lane, observable.type, observable.value)
            return _holds_between(self._values, wanted, wanted)
        network = ipaddress.ip_network(observable.value)
        low, high = int(network[0]), int(network[-1])
        if network.version == 4:
            return _holds_between(self._ipv4, low, high)
        return _holds_between(self._ipv6, low >> 64, high >> 64)


def index_path(data: Path, stem: str) -> Path:
    """Return the file of a sealed segment's index; `stem` is the segment's path below the data folder."""
    return data / f"{stem}.index"


def fingerprints(lane: Lane, observable: Observable) -> Iterator[int]:
    """Yield the fingerprint of an observable, and for a domain those of all its parents."""
    value = observable.value
    yield _fingerprint(lane, observable.type, value)
    while observable.type == "domain" and "." in value:
        value = value.partition(".")[2]
        yield _fingerprint(lane, observable.type, value)


def _fingerprint(lane: Lane, kind: str, value: str) -> int:
    text = f"{lane}\0{kind}\0{value}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


def _holds_between(column: memoryview, low: int, high: int) -> bool:
    place = bisect_left(column, low)
    return place < len(column) and column[place] <= high
