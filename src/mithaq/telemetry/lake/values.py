"""The values of a segment that is being sealed: everything that its lines name, each once, with its rows."""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mithaq.standards.observable import Observable, ObservableType, names_above
from mithaq.telemetry.lake.layout import VALUES, in_order
from mithaq.telemetry.lake.shredding import Column, Rows
from mithaq.telemetry.parsers.fields import MAX_OBSERVABLES, may_name, observables_in

_VALUES_A_BATCH: Final = 50_000
_ADDRESSES: Final = frozenset({"ipv4", "ipv6"})
_ROW_BITS: Final = 32
_ROW_MASK: Final = (1 << _ROW_BITS) - 1
_Pairs = npt.NDArray[np.int64]
_Sight = tuple[ObservableType, str, str, str]
"""Type, value, lane and field."""


class Values:
    """What was seen, numbered as it comes; a line is a pair of the number and the row."""

    def __init__(self) -> None:
        self._sights: dict[_Sight, int] = {}
        self._pairs: list[_Pairs] = []
        self._known: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
        """By lane and field: of each text that names something, which of `_naming` it is."""
        self._ends = array("q", [0])
        self._naming = array("q")
        """The sights of one such text after those of the other; `_ends` says where they end."""

    def texts(self, lane: str, column: Column) -> _Pairs:
        """Return the pairs that texts of one field make."""
        if not may_name(column.field, column.values):
            return _NONE
        known = self._known[lane, column.field]
        different, places = column.distinct()
        for text in set(different).difference(known):
            seen = observables_in(column.field, text)
            if seen:
                known[text] = self._learn(lane, column.field, seen)
        if not known:
            return _NONE
        texts = np.array([known.get(text, -1) for text in different])[places]
        there = texts >= 0
        return self._expanded(texts[there], column.rows[there])

    def one(self, lane: str, row: int, found: Iterable[tuple[str, Observable]]) -> _Pairs:
        """Return the pairs of one row."""
        return np.array([self._sight(lane, field, seen) << _ROW_BITS | row for field, seen in found], np.int64)

    def sights_of(self, pairs: _Pairs) -> Iterator[tuple[int, str, Observable]]:
        """Yield row, field and what was seen, for each pair."""
        sights = list(self._sights)
        for pair in pairs.tolist():
            kind, value, _, field = sights[pair >> _ROW_BITS]
            yield pair & _ROW_MASK, field, Observable(kind, value)

    def add(self, pairs: _Pairs) -> None:
        """Take in pairs, some of them several times."""
        self._pairs.append(_distinct(pairs))

    def add_sealed(self, file: Path, first_row: int) -> None:
        """Take in the values of a sealed segment whose first event becomes this row."""
        columns = ["type", "value", "lane", "field", "seen", "rows"]
        for batch in pq.ParquetFile(file).iter_batches(_VALUES_A_BATCH, columns=columns):
            own = batch.filter(pc.equal(batch["value"], batch["seen"]))
            named = zip(*(own[name].to_pylist() for name in columns[:4]), strict=True)
            numbers = np.array([self._sights.setdefault(each, len(self._sights)) for each in named], np.int64)
            rows = own["rows"].flatten().to_numpy() + np.int64(first_row)
            counts = own["rows"].value_lengths().to_numpy()
            self._pairs.append(np.repeat(numbers, counts) << _ROW_BITS | rows)

    def catalogue(self) -> "Catalogue":
        """Return all of it in order."""
        numbers, rows = self._rows_by_sight()
        known = list(self._sights)
        there = [known[number] for number in numbers.tolist()]
        order = sorted(range(len(there)), key=there.__getitem__)
        sights = [there[place] for place in order]
        return Catalogue(sights, rows.take(pa.array(order, pa.int64())), sorted(_named(sights)))

    def _rows_by_sight(self) -> tuple[_Pairs, pa.ListArray]:
        """Return the numbers of what was seen, and the rows of each in order."""
        pairs = _distinct(np.concatenate([_NONE, *self._pairs]))
        sights = pairs >> _ROW_BITS
        starts = np.flatnonzero(np.diff(sights, prepend=-1))
        offsets = pa.array(np.append(starts, len(pairs)), pa.int32())
        return sights[starts], pa.ListArray.from_arrays(offsets, pa.array(_rows(pairs).astype(np.int32)))

    def _learn(self, lane: str, field: str, found: Iterable[Observable]) -> int:
        self._naming.extend(self._sight(lane, field, seen) for seen in found)
        self._ends.append(len(self._naming))
        return len(self._ends) - 2

    def _sight(self, lane: str, field: str, seen: Observable) -> int:
        return self._sights.setdefault((seen.type, seen.value, lane, field), len(self._sights))

    def _expanded(self, texts: _Pairs, rows: Rows) -> _Pairs:
        """Return the pairs of texts that name something, each of which may name several."""
        ends, naming = np.frombuffer(self._ends, np.int64), np.frombuffer(self._naming, np.int64)
        starts, counts = ends[texts], ends[texts + 1] - ends[texts]
        before = np.cumsum(counts) - counts
        within = np.arange(counts.sum()) - np.repeat(before, counts)
        sights = naming[np.repeat(starts, counts) + within]
        pairs: _Pairs = sights << _ROW_BITS | np.repeat(rows, counts)
        return pairs


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything that a segment's lines name, in the order of type, value, lane and field, with the rows of each.

    `named` is what an indicator could name: type, value, lane, field, what was seen, and its place among the sights.
    """

    sights: list[_Sight]
    rows: pa.ListArray
    named: list[tuple[str, str, str, str, str, int]]

    def write(self, path: Path, number: int) -> None:
        """Write the values, sorted so that an engine can skip what cannot hold a wanted one."""
        # A value's rows grow, so their differences are small; text repeats, so it goes through a dictionary.
        with pq.ParquetWriter(
            path,
            VALUES,
            compression="zstd",
            write_page_checksum=True,
            use_dictionary=["lane", "type", "field", "seen"],
            column_encoding={"rows.list.element": "DELTA_BINARY_PACKED"},
        ) as writer:
            for start in range(0, len(self.named), _VALUES_A_BATCH):
                kinds, values, lanes, fields, seen, places = zip(
                    *self.named[start : start + _VALUES_A_BATCH], strict=True
                )
                ordered = [
                    in_order(value) if kind in _ADDRESSES else None for kind, value in zip(kinds, values, strict=True)
                ]
                columns = [
                    pa.repeat(pa.scalar(number, pa.int64()), len(kinds)),
                    *(pa.array(each, pa.string()) for each in (lanes, kinds, values, ordered, fields, seen)),
                    self.rows.take(pa.array(places, pa.int64())),
                ]
                writer.write_table(pa.Table.from_arrays(columns, schema=VALUES))


_NONE: Final = np.empty(0, np.int64)


def crowded(pairs: _Pairs) -> list[int]:
    """Return the rows that may have more observables than are taken of one event."""
    return np.flatnonzero(np.bincount(_rows(pairs)) > MAX_OBSERVABLES).tolist()


def without(pairs: _Pairs, rows: list[int]) -> _Pairs:
    """Leave some rows out."""
    left: _Pairs = pairs[~np.isin(_rows(pairs), rows)]
    return left


def _rows(pairs: _Pairs) -> _Pairs:
    return pairs & _ROW_MASK


def _distinct(pairs: _Pairs) -> _Pairs:
    ordered = np.sort(pairs)
    once: _Pairs = ordered[np.diff(ordered, prepend=-1) != 0]
    return once


def _named(sights: list[_Sight]) -> Iterator[tuple[str, str, str, str, str, int]]:
    """Yield every value and the parents of a name."""
    for place, (kind, seen, lane, field) in enumerate(sights):
        yield kind, seen, lane, field, seen, place
        if kind == "domain":
            for value in names_above(seen):
                yield kind, value, lane, field, seen, place
