"""Tables and queries of collections, their audience, and the shelves."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    delete,
    false,
    func,
    select,
    update,
)

from mithaq.exchange.taxii.model import Collection, Shelf
from mithaq.exchange.taxii.placing import ShelfTables, lying
from mithaq.intelligence.store import lock
from mithaq.intelligence.tables import objects
from mithaq.kernel.database import EPOCH, Json, Timestamp, Transaction, insert_ignore, metadata, row_id, upsert
from mithaq.nations.constituents.store import constituents
from mithaq.standards.tlp import Tlp

_Big = BigInteger().with_variant(Integer, "sqlite")

collections = Table(
    "taxii_collections",
    metadata,
    Column("id", Text, primary_key=True),
    Column("alias", Text, nullable=False, unique=True),
    Column("title", Text, nullable=False, unique=True),
    Column("description", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("action", SmallInteger, nullable=False),
    Column("types", Json, nullable=False),
    Column("labels", Json, nullable=False),
    Column("can_read", Boolean, nullable=False),
    Column("can_write", Boolean, nullable=False),
    Column("floor", SmallInteger, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Column("closed_at", Timestamp),
)
shelves = Table(
    "taxii_shelves",
    metadata,
    row_id("id"),
    Column("collection", Text, ForeignKey(collections.c.id), nullable=False),
    Column("constituent", Text, ForeignKey(constituents.c.id), nullable=False, index=True),
    Column("last_added", Timestamp, nullable=False),
    Column("filled_to", _Big, nullable=False),
    Column("fill_to", _Big, nullable=False),
    Column("key", LargeBinary, nullable=False),
    UniqueConstraint("collection", "constituent"),
)
"""The audience of a collection: one shelf for each constituent in it."""

shelved = Table(
    "taxii_shelved",
    metadata,
    *lying("taxii_shelved", shelves),
    Column("refers", Boolean, nullable=False),
    # Another version of the object was put on this shelf too: noted once, not looked for in every page.
    Column("has_siblings", Boolean, nullable=False, server_default=false()),
)
earlier = Table(
    "taxii_earlier",
    metadata,
    *lying("taxii_earlier", shelves),
    Column("refers", Boolean, nullable=False),
)
"""Beside each shelf, the versions that a newer one of the same giver has superseded, under the dates that they had."""

refs = Table(
    "taxii_refs",
    metadata,
    Column("ref", Text, primary_key=True),
    Column("object", _Big, primary_key=True, autoincrement=False),
    Index("taxii_refs_object", "object"),
)
"""Which objects refer to which: what becomes of one is a question about the other too."""

places = Table(
    "taxii_places",
    metadata,
    Column("object", _Big, primary_key=True, autoincrement=False),
    Column("is_event", Boolean, nullable=False),
    Column("day", Integer, nullable=False),
)
"""Which objects go out in MISP's events: as an event of its own, or in that of the day (since 1970) it was made."""

gone = Table(
    "taxii_gone",
    metadata,
    Column("shelf", _Big, ForeignKey(shelves.c.id), primary_key=True, autoincrement=False),
    Column("object", _Big, primary_key=True, autoincrement=False),
    Column("stix_id", Text, nullable=False),
    Column("tlp", SmallInteger, nullable=False),
    Column("pap", SmallInteger),
    Column("at", Timestamp, nullable=False),
    Index("taxii_gone_object", "object"),
)
"""What stood on a shelf and does no more: TAXII knows no recall, MISP does."""

posts = Table(
    "taxii_posts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("shelf", _Big, ForeignKey(shelves.c.id), nullable=False),
    Column("account", Text, nullable=False),
    Column("at", Timestamp, nullable=False, index=True),
    Column("outcome", Json, nullable=False),
)
"""What became of each post; ids and versions of objects, never their contents."""

_SHELVES = select(
    collections,
    shelves.c.id.label("shelf"),
    *(column for column in shelves.c if column.name not in {"id", "collection"}),
).join(shelves, shelves.c.collection == collections.c.id)
_OPEN = _SHELVES.where(collections.c.closed_at.is_(None)).order_by(collections.c.title, shelves.c.id)
_OF_CONSTITUENT = _OPEN.where(shelves.c.constituent == bindparam("constituent"))
_SIZES = select(shelved.c.shelf, func.count()).group_by(shelved.c.shelf)
_EARLIER_OF = (
    select(earlier.c.object)
    .join(objects, objects.c.row == earlier.c.object)
    .where(objects.c.stix_id == bindparam("stix_id"))
    .distinct()
    .order_by(earlier.c.object)
)
on_shelves = ShelfTables(shelves, shelved)
beside_shelves = ShelfTables(shelves, earlier)


def add_collection(tx: Transaction, value: Collection) -> None:
    """Insert a collection."""
    tx.execute(
        collections.insert().values(
            id=value.id,
            alias=value.alias,
            title=value.title,
            description=value.description,
            purpose=value.purpose,
            action=value.action,
            types=sorted(value.types),
            labels=sorted(value.labels),
            can_read=value.can_read,
            can_write=value.can_write,
            floor=int(value.floor),
            created_at=value.created_at,
        )
    )


def add_shelf(tx: Transaction, collection_id: str, constituent_id: str) -> int:
    """Give a constituent a shelf of a collection; what is held now is to be judged for it."""
    lock(tx)  # whatever is stored after this commit is news to the reader, whatever was stored before is filled
    fill_to = tx.connection.scalar(select(func.coalesce(func.max(objects.c.row), 0)))
    made = shelves.insert().values(
        collection=collection_id,
        constituent=constituent_id,
        last_added=EPOCH,
        filled_to=0,
        fill_to=fill_to,
        key=secrets.token_bytes(32),
    )
    return int(tx.execute(made.returning(shelves.c.id)).scalar_one())


def drop_shelf(tx: Transaction, shelf_id: int) -> None:
    """Take a constituent's shelf away with all that stands on it."""
    for table in (shelved, earlier, gone, posts):
        tx.execute(delete(table).where(table.c.shelf == shelf_id))
    tx.execute(delete(shelves).where(shelves.c.id == shelf_id))


def find(connection: Connection, name: str) -> Collection | None:
    """Return a collection by its id or alias, closed ones too."""
    query = select(collections).where((collections.c.id == name) | (collections.c.alias == name))
    row = connection.execute(query).first()
    return _collection(row) if row else None


def all_of(connection: Connection) -> list[Collection]:
    """Return every collection, by title."""
    return [_collection(row) for row in connection.execute(select(collections).order_by(collections.c.title))]


def close(tx: Transaction, collection_id: str) -> None:
    """Close a collection for good; nothing is read from it or written to it any more."""
    tx.execute(update(collections).where(collections.c.id == collection_id).values(closed_at=tx.at))
    for shelf_id in tx.connection.scalars(select(shelves.c.id).where(shelves.c.collection == collection_id)).all():
        drop_shelf(tx, shelf_id)


def open_shelves(connection: Connection) -> list[Shelf]:
    """Return every shelf of every open collection."""
    return [_shelf(row) for row in connection.execute(_OPEN)]


def shelves_of(connection: Connection, constituent: str, only: str | None = None) -> list[Shelf]:
    """Return a constituent's shelves, by the titles of their collections; `only` is the collection that is wanted."""
    shelves = [_shelf(row) for row in connection.execute(_OF_CONSTITUENT, {"constituent": constituent})]
    return shelves if only is None else [shelf for shelf in shelves if shelf.collection.id == only]


def sizes(connection: Connection) -> dict[int, int]:
    """Return how many objects lie on each shelf; one that has none is not among them."""
    return {shelf: int(count) for shelf, count in connection.execute(_SIZES)}


def take_off(tx: Transaction, shelf: int | None, rows: Iterable[int]) -> None:
    """Take rows off one shelf, or off all, and keep in mind that they stood there."""
    leaving = list(rows)
    if not leaving:
        return
    on = (
        (shelved.c.object.in_(leaving),) if shelf is None else (shelved.c.object.in_(leaving), shelved.c.shelf == shelf)
    )
    query = (
        select(shelved.c.shelf, shelved.c.object, objects.c.stix_id, objects.c.tlp, objects.c.pap)
        .join(objects, objects.c.row == shelved.c.object)
        .where(*on)
    )
    upsert(
        tx,
        gone,
        [{**row._mapping, "at": tx.at} for row in tx.execute(query)],  # noqa: SLF001 - the documented way to a mapping
        keys=("shelf", "object"),
        changed=("at",),
    )
    tx.execute(delete(shelved).where(*on))


def keep_earlier(tx: Transaction, shelf: int, rows: Iterable[int]) -> None:
    """Keep rows that are about to be taken off a shelf beside it, under the dates that they have."""
    leaving = list(rows)
    if leaving:
        kept = select(*(shelved.c[column.key] for column in earlier.c))
        kept = kept.where(shelved.c.shelf == shelf, shelved.c.object.in_(leaving))
        tx.execute(earlier.insert().from_select([column.key for column in earlier.c], kept))


def drop_earlier(tx: Transaction, shelf: int, rows: Iterable[int]) -> None:
    """Take rows away from beside a shelf."""
    leaving = list(rows)
    if leaving:
        tx.execute(delete(earlier).where(earlier.c.shelf == shelf, earlier.c.object.in_(leaving)))


def earlier_of(connection: Connection, stix_id: str) -> list[int]:
    """Return the rows of an object that are kept beside any shelf."""
    return list(connection.scalars(_EARLIER_OF, {"stix_id": stix_id}))


def forget(tx: Transaction, rows: Iterable[int]) -> None:
    """Forget objects that are gone for good: what they referred to, and that they stood on a shelf."""
    erased = list(rows)
    for table in (refs, places, gone, earlier):
        tx.execute(delete(table).where(table.c.object.in_(erased)))


def note_places(tx: Transaction, placed: Sequence[Mapping[str, Any]]) -> None:
    """Note in which of MISP's events objects go out."""
    insert_ignore(tx, places, placed)


def note_refs(tx: Transaction, referred: Mapping[int, Iterable[str]]) -> None:
    """Note what objects refer to."""
    insert_ignore(tx, refs, [{"ref": ref, "object": row} for row, ids in referred.items() for ref in ids])


def referring(connection: Connection, ids: Sequence[str], fallen: Sequence[str] = ()) -> list[int]:
    """Return the rows of the objects that refer to these; to those that are `fallen`, of the standing ones alone.

    An older version of a large report may refer to thousands that are taken back one by one: none of them lets it be
    read again, and whoever asks for it is judged anew.
    """
    query = (
        select(refs.c.object)
        .join(objects, objects.c.row == refs.c.object)
        .where(refs.c.ref.in_(list(ids)), objects.c.stands | refs.c.ref.not_in(list(fallen)))
        .distinct()
        .order_by(refs.c.object)
    )
    return list(connection.scalars(query))


def note_filled(tx: Transaction, shelf: int, row: int) -> None:
    """Note up to which row a new shelf has been filled."""
    tx.execute(update(shelves).where(shelves.c.id == shelf).values(filled_to=row))


def _collection(row: Any) -> Collection:
    return Collection(
        row.id,
        row.alias,
        row.title,
        row.description,
        row.purpose,
        row.action,
        frozenset(row.types),
        frozenset(row.labels),
        bool(row.can_read),
        bool(row.can_write),
        Tlp(row.floor),
        row.created_at,
        row.closed_at,
    )


def _shelf(row: Any) -> Shelf:
    return Shelf(
        row.shelf,
        _collection(row),
        row.constituent,
        row.last_added,
        row.filled_to,
        row.fill_to,
        bytes(row.key),
    )
