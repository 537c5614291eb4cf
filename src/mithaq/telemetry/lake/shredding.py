"""Take records apart into columns: what many lines say in one field is looked at together.

Records with the same fields become columns at the speed of C, nested ones in turn; what takes long is done once for
each different value. No column is kept here, so that lines of endless different fields cost no memory.

Source: S. Melnik et al., "Dremel: Interactive Analysis of Web-Scale Datasets" (VLDB 2010), for the word.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import chain
from math import fsum
from typing import Any

import numpy as np
import numpy.typing as npt

from mithaq.telemetry.parsers.fields import URL_PATHS, composed_urls

Rows = npt.NDArray[np.int32]
Path = tuple[str, ...]


class Holds(Enum):
    """What all values of a column are; numbers may be mixed, and true and false stand among them."""

    TEXTS = "texts"
    NUMBERS = "numbers"
    LISTS = "lists"


@dataclass(slots=True)
class Column:
    """Values that some rows have in one place; a row comes several times where it has a list there.

    `field` is the name of the place with its dots, as `observables_of` names it. `path` are the fields that lead there,
    and None for what stands in lists or was put together.
    """

    path: Path | None
    field: str
    rows: Rows
    values: Sequence[Any]
    _distinct: tuple[list[Any], Rows] | None = None

    def distinct(self) -> tuple[list[Any], Rows]:
        """Return the different values, and for each row which of them it has; of texts or numbers of one type."""
        if self._distinct is None:
            different = list(dict.fromkeys(self.values))
            place_of = dict(zip(different, range(len(different)), strict=True))
            places = np.fromiter(map(place_of.__getitem__, self.values), np.int32, len(self.values))
            self._distinct = different, places
        return self._distinct


def leaves(rows: Rows, records: Sequence[Mapping[str, object]]) -> Iterator[tuple[Holds, Column]]:
    """Yield the texts, numbers and lists of records, each column of one type; what lists hold comes by itself too."""
    left: list[Iterator[Column]] = [iter((Column((), "", rows, records),))]
    while left:
        column = next(left[-1], None)
        if column is None:
            left.pop()
        elif _are_numbers(column.values):
            yield Holds.NUMBERS, column
        else:
            for kind, part in _by_type(column):
                if kind is str:
                    yield Holds.TEXTS, part
                elif kind is dict:
                    left.append(_inside(part))
                elif kind is list:
                    yield Holds.LISTS, part
                    left.append(_items(part))
                elif kind is int or kind is float:
                    yield Holds.NUMBERS, part


def _are_numbers(values: Sequence[Any]) -> bool:
    """Tell whether all are numbers, several times as fast as by their types; a no may be wrong."""
    try:
        fsum(values)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def _by_type(column: Column) -> Iterator[tuple[type, Column]]:
    kinds = set(map(type, column.values))
    if len(kinds) == 1:
        yield kinds.pop(), column
        return
    for kind in kinds:
        places = [place for place, value in enumerate(column.values) if type(value) is kind]
        yield kind, _picked(column, places)


def _picked(column: Column, places: list[int]) -> Column:
    rows = column.rows[np.array(places, np.int32)]
    return Column(column.path, column.field, rows, [column.values[place] for place in places])


def _items(column: Column) -> Iterator[Column]:
    counts = [len(value) for value in column.values]
    if any(counts):
        yield Column(None, column.field, np.repeat(column.rows, counts), list(chain.from_iterable(column.values)))


def _inside(column: Column) -> Iterator[Column]:
    """Yield the columns of records."""
    prefix = f"{column.field}." if column.field else ""
    places: dict[Path, list[int]] = defaultdict(list)
    for place, shape in enumerate(map(tuple, column.values)):
        places[shape].append(place)
    for shape, here in places.items():
        part = column if len(places) == 1 else _picked(column, here)
        if not URL_PATHS.isdisjoint(shape):
            yield from _composed(prefix, part)
        every, width = list(chain.from_iterable(map(dict.values, part.values))), len(shape)
        for place, name in enumerate(shape):
            path = None if part.path is None else (*part.path, name)
            yield Column(path, prefix + name, part.rows, every[place::width])


def _composed(prefix: str, column: Column) -> Iterator[Column]:
    """Yield the URLs that stand in two fields."""
    found: dict[str, tuple[list[int], list[str]]] = {}
    for row, record in zip(column.rows.tolist(), column.values, strict=True):
        for field, url in composed_urls(prefix, record):
            rows, urls = found.setdefault(field, ([], []))
            rows.append(row)
            urls.append(url)
    for field, (rows, urls) in found.items():
        yield Column(None, field, np.array(rows, np.int32), urls)
