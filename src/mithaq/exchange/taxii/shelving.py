"""Keep the shelves: what the gate releases to each constituent is put on its shelf, what it does not is taken off.

A reader of the journal.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Integer, bindparam, select

from mithaq.exchange.columns import COLUMNS
from mithaq.exchange.taxii import store
from mithaq.exchange.taxii.earlier import as_standing, followed, givers_of, newer
from mithaq.exchange.taxii.judging import Judge
from mithaq.exchange.taxii.model import PREFIX, Shelf
from mithaq.exchange.taxii.placing import Placed
from mithaq.exchange.taxii.service import CHANGED
from mithaq.exchange.taxii.settings import CHUNK_ROWS
from mithaq.intelligence.imports.misp import MEDIA_TYPE
from mithaq.intelligence.tables import objects, originals, provenance
from mithaq.kernel.database import EPOCH, Database, Transaction
from mithaq.kernel.ids import NationId
from mithaq.kernel.journal import Entry, Reader
from mithaq.kernel.lane import ACTUAL
from mithaq.release.model import Item
from mithaq.standards.misp.mapping import can_be_said
from mithaq.standards.stix import StixObject, parse

READER: Final = "exchange.taxii"
SHELVED = "exchange.shelved"
_STORED, _WITHDRAWN, _ERASED = "intelligence.stored", "intelligence.withdrawn", "intelligence.erased"
_ORDERS: Final = "exchange.orders"
KINDS: Final = frozenset({_STORED, _WITHDRAWN, _ERASED, _ORDERS, CHANGED})
"""What the journal tells of that may change a shelf."""

_AT_ONCE: Final = 4
"""Entries handled in one transaction: of a bulk import each names a thousand rows."""

_PARSED_AHEAD: Final = 4_000
"""Objects that are parsed before the transaction that needs them; more are parsed inside it."""

_ROWS: Final = (
    select(*COLUMNS)
    .where(objects.c.row.in_(bindparam("rows", expanding=True)), objects.c.lane == str(ACTUAL))
    .order_by(objects.c.row)
)
_BODIES: Final = select(objects.c.row, objects.c.stix_id, objects.c.stands, objects.c.body).where(
    objects.c.row.in_(bindparam("rows", expanding=True)), objects.c.lane == str(ACTUAL)
)
_NEXT: Final = (
    select(objects.c.row)
    .where(objects.c.row > bindparam("after"), objects.c.row <= bindparam("to"))
    .order_by(objects.c.row)
    .limit(bindparam("limit", type_=Integer))
)
_OF_OBJECT: Final = select(objects.c.row).where(objects.c.stix_id == bindparam("stix_id")).order_by(objects.c.row)
EVENTS: Final = frozenset({"report", "grouping"})
"""Types of objects that are an event of their own in MISP."""

_CONVERTED: Final = (
    select(provenance.c.object)
    .join(originals, originals.c.digest == provenance.c.original)
    .where(provenance.c.object.in_(bindparam("rows", expanding=True)), originals.c.media_type == MEDIA_TYPE)
)
_POSTED_TO: Final = select(provenance.c.object, provenance.c.carried).where(
    provenance.c.object.in_(bindparam("rows", expanding=True)),
    provenance.c.source == "constituent",
    provenance.c.standing != "withdrawn",
)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of `COLUMNS` with all that says whether a collection carries them, place by place."""

    rows: Sequence[Any]
    items: Sequence[Item]
    parsed: Sequence[StixObject]
    posted: Mapping[int, set[str]]

    def released(self, judge: Judge, shelf: Shelf, only: Set[int] | None = None) -> set[int]:
        """Return the rows that a shelf's collection carries and its reader may have; `only`: superseded ones.

        These are judged as if they stood.
        """
        asked = [
            place
            for place, item in enumerate(self.items)
            if (only is None or self.rows[place].row in only)
            and carries(shelf, self.rows[place], item, self.parsed[place], self.posted)
        ]
        items = [self.items[place] if only is None else as_standing(self.items[place]) for place in asked]
        decided = judge.decide(items, [self.parsed[place].refs for place in asked], shelf)
        return {self.rows[place].row for place, each in zip(asked, decided, strict=True) if each is not None}

    def placed(self, numbers: Set[int]) -> list[Placed]:
        """Return those of these numbers as what is put on a shelf, in their order."""
        return [
            Placed(row.row, each, {"refers": bool(each.refs)})
            for row, each in zip(self.rows, self.parsed, strict=True)
            if row.row in numbers
        ]


class Shelving:
    """Follow the journal, and fill the shelves of new audiences with what was held before."""

    def __init__(self, db: Database, own: NationId, now: Callable[[], datetime]) -> None:
        self._db = db
        self._own = own
        self._now = now
        self._parsed: dict[int, StixObject] = {}

    def reader(self) -> Reader:
        """Return the journal reader that keeps the shelves."""
        return Reader(READER, KINDS, self.handle, _AT_ONCE, prepare=self.prepare)

    def prepare(self, entries: Sequence[Entry]) -> None:
        """Parse what the entries speak of, and what refers to it, before the writer is held for it."""
        with self._db.read() as connection:
            if store.open_shelves(connection):
                self._parse(connection, [row for entry in entries for row in _rows_of(connection, entry)[1]])

    def _parse(self, connection: Connection, numbers: Sequence[int]) -> None:
        """Parse rows and those that refer to them, at most so many; the bytes of a row never change."""
        self._parsed, waiting = {}, list(dict.fromkeys(numbers))
        while waiting and len(self._parsed) < _PARSED_AHEAD:
            chunk, waiting = waiting[:CHUNK_ROWS], waiting[CHUNK_ROWS:]
            rows = connection.execute(_BODIES, {"rows": chunk}).all()
            self._parsed |= {row.row: parse(bytes(row.body)) for row in rows}
            known = self._parsed.keys() | set(waiting)
            waiting += [row for row in _referring(connection, rows) if row not in known]

    def handle(self, tx: Transaction, entries: Sequence[Entry]) -> None:
        """Judge anew what the entries speak of, in the transaction that moves the cursor."""
        shelves = store.open_shelves(tx.connection)
        added = 0
        for entry in entries:
            gone, judged = _rows_of(tx.connection, entry)
            for chunk in _chunks(gone):
                store.take_off(tx, None, chunk)
                if entry.kind == _ERASED:
                    store.forget(tx, chunk)
            for chunk in _chunks(judged) if shelves else ():
                added += self._settle(tx, shelves, chunk)
        tell_shelved(tx, added)

    def is_idle(self) -> bool:
        """Tell whether there is no shelf to keep: what comes in meanwhile is judged when one is made."""
        with self._db.read() as connection:
            return not store.open_shelves(connection)

    def fill(self, at: datetime) -> bool:
        """Judge the next chunk of what was held before a shelf was made; tell whether there was anything to do."""
        with self._db.read() as connection:
            waiting = [shelf for shelf in store.open_shelves(connection) if shelf.filled_to < shelf.fill_to]
            if not waiting:
                return False
            asked = {"after": waiting[0].filled_to, "to": waiting[0].fill_to, "limit": CHUNK_ROWS}
            rows = list(connection.scalars(_NEXT, asked))
            self._parse(connection, rows)
        with self._db.write(at) as tx:
            present = {shelf.id: shelf for shelf in store.open_shelves(tx.connection)}
            shelf = present.get(waiting[0].id)
            if shelf is None or shelf.filled_to != waiting[0].filled_to:
                return True  # taken away, or filled by another process meanwhile
            tell_shelved(tx, self._settle(tx, [shelf], rows))
            full = len(rows) < CHUNK_ROWS
            store.note_filled(tx, shelf.id, shelf.fill_to if full else rows[-1])
        return True

    def _settle(self, tx: Transaction, shelves: Sequence[Shelf], numbers: Sequence[int]) -> int:
        """Put on each shelf what is released to its constituent, and take off the rest; return how many came.

        What refers to these objects is judged again with them.
        """
        judge = Judge(tx.connection, self._own, tx.at)
        added, done, waiting = 0, set(numbers), list(numbers)
        while waiting:
            chunk, waiting = waiting[:CHUNK_ROWS], waiting[CHUNK_ROWS:]
            rows = tx.connection.execute(_ROWS, {"rows": chunk}).all()
            added += self._settle_rows(tx, judge, shelves, chunk, rows)
            waiting += [row for row in _referring(tx.connection, rows) if row not in done]
            done.update(waiting)
        return added

    def _settle_rows(
        self, tx: Transaction, judge: Judge, shelves: Iterable[Shelf], numbers: Sequence[int], rows: Sequence[Any]
    ) -> int:
        found = self._read(tx.connection, judge, rows)
        store.note_refs(tx, {row.row: each.refs for row, each in zip(rows, found.parsed, strict=True)})
        store.note_places(tx, _placed(tx.connection, rows, found.parsed))
        givers = givers_of(tx.connection, [row.row for row in rows if not row.stands])
        return sum(self._settle_on(tx, judge, shelf, numbers, found, givers) for shelf in shelves)

    def _read(self, connection: Connection, judge: Judge, rows: Sequence[Any]) -> _Rows:
        items = judge.items(rows)
        parsed = [self._parsed.get(row.row) or parse(bytes(row.body)) for row in rows]
        return _Rows(rows, items, parsed, posted_to(connection, rows, items))

    def _settle_on(
        self,
        tx: Transaction,
        judge: Judge,
        shelf: Shelf,
        numbers: Sequence[int],
        found: _Rows,
        givers: Mapping[int, frozenset[NationId]],
    ) -> int:
        """Put on one shelf, and beside it, what is released to its constituent, and take away the rest."""
        there = store.on_shelves.there(tx.connection, shelf.id, numbers)
        beside = store.beside_shelves.there(tx.connection, shelf.id, numbers)
        wanted = found.released(judge, shelf)
        earlier = found.released(judge, shelf, givers.keys()) if givers else set()
        unseen = earlier - there - beside
        if unseen:
            earlier -= unseen - self._followed(tx.connection, judge, shelf, found, unseen, givers)
        store.keep_earlier(tx, shelf.id, there & earlier)
        store.take_off(tx, shelf.id, there - wanted)
        store.drop_earlier(tx, shelf.id, beside - earlier)
        now = self._now()
        added = store.beside_shelves.put(tx, shelf.id, found.placed(earlier & unseen), now)
        return added + store.on_shelves.put(tx, shelf.id, found.placed(wanted - there), now)

    def _followed(
        self,
        connection: Connection,
        judge: Judge,
        shelf: Shelf,
        found: _Rows,
        unseen: Set[int],
        givers: Mapping[int, frozenset[NationId]],
    ) -> set[int]:
        """Return which superseded versions that have not been on a shelf come with a newer one that is to be on it."""
        superseded = {row.row: row.stix_id for row in found.rows if row.row in unseen}
        rows = newer(connection, superseded, givers)
        released = self._read(connection, judge, rows).released(judge, shelf)
        return followed(superseded, givers, {(row.stix_id, row.giver) for row in rows if row.row in released})


def _rows_of(connection: Connection, entry: Entry) -> tuple[Sequence[int], Sequence[int]]:
    """Return the rows that an entry says are gone, and those that it calls to be judged anew."""
    if entry.kind == _ORDERS:
        return (), connection.scalars(_OF_OBJECT, {"stix_id": entry.subject}).all()
    rows: Sequence[int] = entry.detail.get("rows", ())
    if entry.kind == _ERASED:
        about = store.referring(connection, entry.detail["objects"])
        return rows, sorted({*entry.detail["kept"], *about})
    if entry.kind == _WITHDRAWN:
        return rows, sorted({*rows, *store.earlier_of(connection, entry.subject)})
    return (), rows


def _referring(connection: Connection, rows: Iterable[Any]) -> list[int]:
    """Return what refers to these rows and may have to be judged anew with them."""
    stands: dict[str, bool] = {}
    for row in rows:
        stands[row.stix_id] = stands.get(row.stix_id, False) or bool(row.stands)
    return store.referring(connection, sorted(stands), [each for each, does in stands.items() if not does])


def _chunks(rows: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(rows), CHUNK_ROWS):
        yield rows[start : start + CHUNK_ROWS]


def posted_to(connection: Connection, rows: Sequence[Any], items: Sequence[Item]) -> dict[int, set[str]]:
    """Return into which collections a constituent posted those of the rows that are a constituent's."""
    theirs = [row.row for row, item in zip(rows, items, strict=True) if item.originator.startswith(PREFIX)]
    found: dict[int, set[str]] = {row: set() for row in theirs}
    if theirs:
        for row in connection.execute(_POSTED_TO, {"rows": theirs}):
            found[row.object].add(str(row.carried.get("collection", "")))
    return found


def _placed(connection: Connection, rows: Sequence[Any], parsed: Sequence[StixObject]) -> list[dict[str, Any]]:
    """Return in which of MISP's events these rows go out; what came from a MISP event goes out as that event."""
    able = {
        row.row: each
        for row, each in zip(rows, parsed, strict=True)
        if each.type in EVENTS or (can_be_said(each.type) and not each.refs)
    }
    converted = set(connection.scalars(_CONVERTED, {"rows": list(able)})) if able else set()
    return [
        {"object": row, "is_event": each.type in EVENTS, "day": (made - EPOCH).days}
        for row, each in able.items()
        if row not in converted and (made := each.created or each.modified) is not None
    ]


def carries(shelf: Shelf, row: Any, item: Item, parsed: StixObject, posted: Mapping[int, set[str]]) -> bool:
    """Tell whether a collection carries an object: by types and labels, and what was posted where it was posted."""
    collection = shelf.collection
    if not collection.can_read:
        return False
    if row.row in posted:
        return collection.id in posted[row.row]
    if collection.types and item.kind not in collection.types:
        return False
    return not collection.labels or not collection.labels.isdisjoint(parsed.labels)


def tell_shelved(tx: Transaction, added: int) -> None:
    """Say that objects were put on shelves, for those who wait."""
    if added:
        tx.append(SHELVED, subject="taxii", lane=ACTUAL, actor="node", detail={"count": added})
