"""What of many records stands in the columns of a sealed segment: each different text is brought into its form once."""

from collections.abc import Callable
from typing import Final

import numpy as np
import pyarrow as pa

from mithaq.telemetry.lake.columns import Cell, cell_of
from mithaq.telemetry.lake.layout import EVENTS, ORDERED, in_order
from mithaq.telemetry.lake.shredding import Column, Holds
from mithaq.telemetry.vocabulary import Read, places, text_of

_UNSET: Final = -1
_NO_RANK: Final = 255


class Cells:
    """The columns that are fields of the vocabulary, for so many rows."""

    def __init__(self, row_count: int) -> None:
        self._row_count = row_count
        self._columns: dict[str, _Cells] = {}

    def add(self, sensor: str, holds: Holds, column: Column) -> None:
        """Take in what records of a sensor have in one place."""
        found = places(sensor).get(column.path) if column.path else None
        if found is None:
            return
        if holds is not Holds.TEXTS:
            column = _as_texts(column)
        for name, rank, read in found:
            if name not in self._columns:
                self._columns[name] = _Cells(name, self._row_count)
            self._columns[name].add(column, rank, read)

    def arrays(self) -> dict[str, pa.Array]:
        """Return the columns that any row fills, by name."""
        found = {name: cells.array(name) for name, cells in self._columns.items()}
        for name, ordered in ORDERED.items():
            if name in found:
                found[ordered] = self._columns[name].array(ordered, in_order)
        return found


def _as_texts(column: Column) -> Column:
    """Return numbers or lists as texts; of numbers of one type each different one is written once."""
    if set(map(type, column.values)) <= {int}:
        different, which = column.distinct()
        return Column(column.path, column.field, column.rows, (), (list(map(str, different)), which))
    return Column(column.path, column.field, column.rows, list(map(text_of, column.values)))


class _Cells:
    """One column: its different cells, and which of them each row has."""

    def __init__(self, name: str, row_count: int) -> None:
        self._name = name
        self._cells: list[Cell | None] = []
        self._known: dict[tuple[str, Read], int] = {}
        self._places = np.full(row_count, _UNSET, np.int32)
        self._ranks = np.full(row_count, _NO_RANK, np.uint8)

    def add(self, texts: Column, rank: int, read: Read) -> None:
        different, places = texts.distinct()
        cells = np.array([self._place(text, read) for text in different], np.int32)[places]
        better = (cells != _UNSET) & (self._ranks[texts.rows] > rank)
        rows = texts.rows[better]
        self._places[rows] = cells[better]
        self._ranks[rows] = rank

    def array(self, column: str, form: Callable[[str], str] | None = None) -> pa.Array:
        cells = self._cells if form is None else [None if cell is None else form(str(cell)) for cell in self._cells]
        which = pa.array(self._places, mask=self._places == _UNSET)
        return pa.array(cells, EVENTS.field(column).type).take(which)

    def _place(self, text: str, read: Read) -> int:
        place = self._known.get((text, read))
        if place is None:
            said = read(text_of(text))
            place = len(self._cells) if said else _UNSET
            if said:
                self._cells.append(cell_of(self._name, said))
            self._known[text, read] = place
        return place
