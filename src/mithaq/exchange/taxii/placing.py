"""Put objects on shelves, whoever reads them: each gets its `date_added`, the key of paging.

`date_added` is a whole millisecond, strictly increasing within each shelf in the order of commits, and says nothing of
other shelves: what one reader is not given shifts no other one's clock.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    Select,
    Table,
    Text,
    bindparam,
    select,
    update,
)
from sqlalchemy.schema import SchemaItem

from mithaq.intelligence.tables import objects
from mithaq.kernel.database import Timestamp, Transaction
from mithaq.standards.stix import StixObject

_Big: Final = BigInteger().with_variant(Integer, "sqlite")
_TICK: Final = timedelta(milliseconds=1)
_AT_ONCE: Final = 1_000


def lying(name: str, shelves: Table) -> tuple[SchemaItem, ...]:
    """Return the columns and indices that every table of what lies on shelves, or beside them, begins with."""
    return (
        Column("shelf", _Big, ForeignKey(shelves.c.id), primary_key=True, autoincrement=False),
        # Whole milliseconds, strictly increasing within a shelf in the order of commits: the key of paging.
        Column("date_added", Timestamp, primary_key=True, autoincrement=False),
        Column("object", _Big, nullable=False),
        Column("type", Text, nullable=False),
        Column("version", Timestamp, nullable=False),
        Index(f"{name}_object", "shelf", "object", unique=True),
        Index(f"{name}_row", "object"),
        Index(f"{name}_type", "shelf", "type", "date_added"),
    )


@dataclass(frozen=True, slots=True)
class Placed:
    """One object to be put on a shelf; `further` are the columns that only this kind of shelf has."""

    row: int
    stix: StixObject
    further: Mapping[str, object] = field(default_factory=dict)


class ShelfTables:
    """A table of shelves with their `last_added`, and one of what lies on them, or beside them."""

    def __init__(self, shelves: Table, shelved: Table) -> None:
        self._shelves = shelves
        self._shelved = shelved
        self._there = select(shelved.c.object).where(
            shelved.c.shelf == bindparam("shelf"), shelved.c.object.in_(bindparam("rows", expanding=True))
        )
        self._siblings = _siblings(shelved) if "has_siblings" in shelved.c else None

    def there(self, connection: Connection, shelf: int, rows: Iterable[int]) -> set[int]:
        """Return which of these rows stand on a shelf."""
        return set(connection.scalars(self._there, {"shelf": shelf, "rows": list(rows)}))

    def put(self, tx: Transaction, shelf: int, placed: Sequence[Placed], now: datetime) -> int:
        """Put objects on a shelf, each a millisecond after the one before; return how many."""
        if not placed:
            return 0
        dates = _dates_after(self._last_added(tx, shelf), now)
        rows: list[dict[str, Any]] = [
            {
                "shelf": shelf,
                "date_added": date_added,
                "object": each.row,
                "type": each.stix.type,
                "version": each.stix.modified or each.stix.created or date_added,
                **each.further,
            }
            for date_added, each in zip(dates, placed, strict=False)
        ]
        tx.execute(self._shelved.insert(), rows)
        oldest, newest = rows[0]["date_added"], rows[-1]["date_added"]
        tx.execute(update(self._shelves).where(self._shelves.c.id == shelf).values(last_added=newest))
        self._note_siblings(tx, shelf, oldest, newest)
        return len(rows)

    def _note_siblings(self, tx: Transaction, shelf: int, oldest: datetime, newest: datetime) -> None:
        """Note of what came just now, and of what was there, that there are several versions of it.

        It is never taken back: who reads what is noted so looks which versions there are then.
        """
        if self._siblings is None:
            return
        pairs = tx.execute(self._siblings, {"shelf": shelf, "oldest": oldest, "newest": newest})
        several = sorted({row for pair in pairs for row in pair})
        for start in range(0, len(several), _AT_ONCE):
            noted = self._shelved.c.object.in_(several[start : start + _AT_ONCE])
            tx.execute(update(self._shelved).where(self._shelved.c.shelf == shelf, noted).values(has_siblings=True))

    def _last_added(self, tx: Transaction, shelf: int) -> datetime:
        """Return the newest `date_added` of a shelf, and let nobody else give out the next one before the commit."""
        query = select(self._shelves.c.last_added).where(self._shelves.c.id == shelf).with_for_update()
        newest: datetime = tx.connection.scalars(query).one()
        return newest


def _siblings(shelved: Table) -> Select[tuple[int, int]]:
    """Return the query for what came between two dates beside the other versions on its shelf, pair by pair."""
    other, its_object = shelved.alias(), objects.alias()
    return (
        select(shelved.c.object, other.c.object)
        .join(objects, objects.c.row == shelved.c.object)
        .join(
            its_object,
            (its_object.c.stix_id == objects.c.stix_id)
            & (its_object.c.lane == objects.c.lane)
            & (its_object.c.row != objects.c.row),
        )
        .join(other, (other.c.shelf == shelved.c.shelf) & (other.c.object == its_object.c.row))
        .where(
            shelved.c.shelf == bindparam("shelf"),
            shelved.c.date_added.between(bindparam("oldest"), bindparam("newest")),
        )
    )


def _dates_after(last: datetime, now: datetime) -> Iterator[datetime]:
    """Yield one `date_added` after another: whole milliseconds, after the last, and never before now."""
    following = max(_whole(now), last + _TICK)
    while True:
        yield following
        following += _TICK


def _whole(at: datetime) -> datetime:
    """Return an instant in whole milliseconds, rounded up: never before what has happened."""
    rest = at.microsecond % 1_000
    return at if not rest else at + timedelta(microseconds=1_000 - rest)
