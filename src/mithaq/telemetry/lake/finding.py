"""The hunt over sealed segments: the index of each says which rows have what is wanted, and only these are read."""

import ipaddress
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from mithaq.kernel.lane import Lane
from mithaq.standards.observable import Observable
from mithaq.telemetry.lake.index import ROWS_A_FRAME, SealedIndex, Sighted, Sought
from mithaq.telemetry.lake.single import events_at
from mithaq.telemetry.model import Event

MAX_EVENTS_A_KEY: Final = 10_000
_NOTHING: Final[Mapping[int, int]] = MappingProxyType({})
_ROW_BITS: Final = 32
_PLACE_MASK: Final = (1 << _ROW_BITS) - 1
_MAX_HELD: Final = 1 << 20
_Numbers = npt.NDArray[np.int64]
_NONE: Final[_Numbers] = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One observable to hunt for; `key` is the caller's own number for it."""

    key: int
    lane: Lane
    observable: Observable


@dataclass(frozen=True, slots=True)
class Found:
    """An event of the lake that has a wanted observable, and where."""

    key: int
    field: str
    seen: Observable
    event: Event


def find(
    data: Path, stem: str, index: SealedIndex, wanted: Sequence[Wanted], taken: Mapping[int, int] = _NOTHING
) -> Iterator[Found]:
    """Yield the events of a sealed segment that have a wanted observable, each (event, key) once, in order.

    Of each key the last `MAX_EVENTS_A_KEY` come, less those `taken` from newer segments: a value that is in every
    second event is no indicator.

    Raises:
        LakeBroken: the segment or its index cannot be read; what was yielded before is true.
    """
    rows_of = _Rows(index)
    found: list[tuple[int, int, Sighted]] = []
    for each in wanted:
        most = MAX_EVENTS_A_KEY - taken.get(each.key, 0)
        if most > 0:
            found += ((row, each.key, sighted) for row, sighted in _last_rows(index, rows_of, each, most))
    found.sort(key=itemgetter(0, 1))
    events = events_at(data, stem, index, [row for row, _, _ in found])
    for (_, key, sighted), event in zip(found, events, strict=True):
        yield Found(key, sighted.field, Observable(sighted.type, sighted.value), event)


def _last_rows(index: SealedIndex, rows_of: "_Rows", wanted: Wanted, most: int) -> Iterator[tuple[int, Sighted]]:
    """Yield the last rows that have what is wanted, each once, with the first of what was seen there."""
    is_it = _comparison(wanted)
    sights = [each for each in index.sights(Sought.of(wanted.lane, wanted.observable)) if is_it(each)]
    pairs, held = [_NONE], 0
    for place, sighted in enumerate(sights):
        rows = rows_of.last(sighted, most)
        pairs.append(rows << _ROW_BITS | place)
        held += len(rows)
        if held > _MAX_HELD:
            pairs = [_last_once(pairs, most)]
            held = len(pairs[0])
    for pair in _last_once(pairs, most).tolist():
        yield pair >> _ROW_BITS, sights[pair & _PLACE_MASK]


def _last_once(pairs: Sequence[_Numbers], most: int) -> _Numbers:
    """Return the last pairs of a row and a place, of each row the first."""
    ordered = np.sort(np.concatenate(pairs))
    once: _Numbers = ordered[np.diff(ordered >> _ROW_BITS, prepend=-1) != 0]
    return once[-most:]


class _Rows:
    """The rows of sights, as an index has them; the frame that was read last is at hand."""

    def __init__(self, index: SealedIndex) -> None:
        self._index = index
        self._number = -1
        self._frame = _NONE

    def last(self, sighted: Sighted, most: int) -> _Numbers:
        """Return the last rows of a sight, in order."""
        end = sighted.first + sighted.count
        start = max(sighted.first, end - most)
        first = start // ROWS_A_FRAME
        frames = [self._read(number) for number in range(first, -(-end // ROWS_A_FRAME))]
        here = frames[0] if len(frames) == 1 else np.concatenate([_NONE, *frames])
        before = first * ROWS_A_FRAME
        return here[start - before : end - before]

    def _read(self, number: int) -> _Numbers:
        if number != self._number:
            self._frame = _unfolded(self._index.frame("rows", number))
            self._number = number
        return self._frame


def _unfolded(frame: bytes) -> _Numbers:
    steps = np.ascontiguousarray(np.frombuffer(frame, np.uint8).reshape(4, -1).T).view("<u4").ravel()
    return np.cumsum(steps, dtype=np.uint32).astype(np.int64)


def _comparison(wanted: Wanted) -> Callable[[Sighted], bool]:
    """Return what tells whether something that was seen is what is wanted: an index may have named it wrongly."""
    lane, kind, value = wanted.lane.value, wanted.observable.type, wanted.observable.value
    if kind == "cidr":
        network = ipaddress.ip_network(value)
        return lambda seen: seen.lane == lane and ipaddress.ip_address(seen.value) in network
    if kind == "domain":
        below = "." + value
        return lambda seen: (seen.lane, seen.type) == (lane, kind) and f".{seen.value}".endswith(below)
    return lambda seen: (seen.lane, seen.type, seen.value) == (lane, kind, value)
