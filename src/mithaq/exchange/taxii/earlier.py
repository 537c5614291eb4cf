"""Versions that a newer one of the same giver has superseded: read on by who may read the newer one, by nobody else.

Each is judged by its own labels and terms as if it stood, and only while everybody whose word for it was superseded has
a newer version on the same shelf that goes to the same reader. So of an object that was labelled more strictly, or
taken back, its past is not shown either. A nation that took its word for a version back is heard, whoever else said it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, Final

from msgspec.structs import replace
from sqlalchemy import Connection, bindparam, select

from mithaq.exchange.columns import COLUMNS, ROW, STANDS, STIX_ID
from mithaq.exchange.taxii.judging import Judge, refs_of
from mithaq.exchange.taxii.model import Shelf
from mithaq.exchange.taxii.reading import Pages, pages_of
from mithaq.exchange.taxii.store import earlier, shelved
from mithaq.intelligence.rules import NOT_OURS
from mithaq.intelligence.tables import objects, provenance
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from mithaq.release.model import Item, Released
from mithaq.standards.stix import glance

_WORDS: Final = select(provenance.c.object, provenance.c.source, provenance.c.nation, provenance.c.standing).where(
    provenance.c.object.in_(bindparam("rows", expanding=True)), provenance.c.source != "publisher"
)
_word = provenance.alias()
_NEWER: Final = (
    select(*COLUMNS, _word.c.nation.label("giver"))
    .select_from(objects)
    .join(_word, _word.c.object == objects.c.row)
    .where(
        objects.c.stix_id.in_(bindparam("ids", expanding=True)),
        objects.c.lane == str(ACTUAL),
        _word.c.standing == "stands",
        _word.c.nation.in_(bindparam("givers", expanding=True)),
    )
)
_NEWER_THERE: Final = (
    _NEWER.add_columns(shelved.c.refers)
    .join(shelved, shelved.c.object == objects.c.row)
    .where(shelved.c.shelf == bindparam("shelf"))
)
_PAGES: Final = pages_of(earlier, earlier.c.refers)

Givers = Mapping[int, frozenset[NationId]]
"""Whose newer versions have superseded each of some rows."""


def givers_of(connection: Connection, rows: Iterable[int]) -> dict[int, frozenset[NationId]]:
    """Return of which givers newer versions must be readable, for each row that was superseded and not taken back.

    Nations' words count before those of constituents: what these say changes nothing for anybody else.
    """
    asked = list(rows)
    if not asked:
        return {}
    nations: dict[int, set[NationId]] = defaultdict(set)
    constituents: dict[int, set[NationId]] = defaultdict(set)
    taken_back: set[int] = set()
    for row, source, nation, standing in connection.execute(_WORDS, {"rows": asked}):
        if standing == "superseded":
            (constituents if source in NOT_OURS else nations)[row].add(nation)
        elif standing == "withdrawn" and source not in NOT_OURS:
            taken_back.add(row)
    return {
        row: frozenset(nations.get(row) or constituents[row]) for row in sorted({*nations, *constituents} - taken_back)
    }


def newer(connection: Connection, superseded: Mapping[int, str], givers: Givers) -> Sequence[Any]:
    """Return the rows of `COLUMNS`, each with its `giver`, that have superseded these (their rows, with their ids)."""
    return connection.execute(_NEWER, _asked(superseded, givers)).all()


def followed(superseded: Mapping[int, str], givers: Givers, released: Set[tuple[str, str]]) -> set[int]:
    """Return the rows of which every giver has a newer version among those that are `released` (ids and givers)."""
    return {
        row
        for row, stix_id in superseded.items()
        if row in givers and all((stix_id, giver) in released for giver in givers[row])
    }


def as_standing(item: Item) -> Item:
    """Return a superseded version as it was before another one came."""
    return replace(item, is_withdrawn=False)


class Earlier:
    """The gate for what stands on constituents' shelves together with what is kept beside them; short-lived."""

    def __init__(self, connection: Connection, judge: Judge) -> None:
        self._connection = connection
        self._judge = judge

    @property
    def pages(self) -> Pages:
        """Return the statements of the table of what is kept beside the shelves."""
        return _PAGES

    def released(self, rows: Sequence[Any], shelf: Shelf) -> list[Released[Item] | None]:
        """Decide about rows of a page, in their order; None is withheld."""
        superseded = {row[ROW]: row[STIX_ID] for row in rows if not row[STANDS]}
        may = self._followed(superseded, shelf) if superseded else frozenset()
        items = [
            as_standing(item) if row[ROW] in may else item
            for row, item in zip(rows, self._judge.items(rows), strict=True)
        ]
        return self._judge.decide(items, refs_of(rows), shelf)

    def _followed(self, superseded: Mapping[int, str], shelf: Shelf) -> Set[int]:
        givers = givers_of(self._connection, superseded)
        asked = _asked(superseded, givers) | {"shelf": shelf.id}
        rows = self._connection.execute(_NEWER_THERE, asked).all()
        refs = [glance(bytes(row.body)).refs if row.refers else () for row in rows]
        decided = self._judge.decide(self._judge.items(rows), refs, shelf)
        released = {(row.stix_id, row.giver) for row, each in zip(rows, decided, strict=True) if each is not None}
        return followed(superseded, givers, released)


def _asked(superseded: Mapping[int, str], givers: Givers) -> dict[str, Any]:
    ids = sorted({stix_id for row, stix_id in superseded.items() if row in givers})
    return {"ids": ids, "givers": sorted({giver for row in superseded for giver in givers.get(row, ())})}
