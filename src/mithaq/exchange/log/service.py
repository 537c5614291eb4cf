"""The release log of this nation: append, checkpoint, prove, erase."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from mithaq.exchange.log import store
from mithaq.exchange.log.record import SALT_BYTES, Record, commit
from mithaq.exchange.store import overtaken, sent
from mithaq.kernel.database import Database, Transaction, insert_ignore
from mithaq.kernel.ids import NationId
from mithaq.kernel.signing import Signer
from mithaq.kernel.tlog.checkpoint import Checkpoint
from mithaq.kernel.tlog.errors import BadProof
from mithaq.kernel.tlog.note import Note, read_note, read_signatures
from mithaq.kernel.tlog.proof import Proof
from mithaq.kernel.tlog.tiles import Tile, TileTree
from mithaq.kernel.tlog.tree import prove_consistency, prove_inclusion
from mithaq.nations.names import LogName


@dataclass(frozen=True, slots=True)
class Place:
    """A leaf of one of this nation's logs."""

    log: int
    leaf: int


class ReleaseLog:
    """This nation's logs, one a year."""

    def __init__(self, db: Database, own: NationId, signer: Signer) -> None:
        self._db = db
        self._own = own
        self._signer = signer

    def append(self, tx: Transaction, fresh: Sequence[Record]) -> list[Place]:
        """Append one leaf a record, in the caller's transaction."""
        encoded = [record.encode() for record in fresh]
        salts = [os.urandom(SALT_BYTES) for _ in fresh]
        row = self._current(tx)
        places = [Place(row.log, leaf) for leaf in range(row.edge.size, row.edge.size + len(fresh))]
        store.grow(tx, row, [commit(salt, data) for salt, data in zip(salts, encoded, strict=True)])
        rows = zip(places, salts, encoded, fresh, strict=True)
        tx.execute(store.records.insert(), [_record_row(*each) for each in rows])
        return places

    def begin_anew(self, tx: Transaction) -> None:
        """Begin the next shard of this year's log.

        After the restore of a backup the old one may not go on: it has leaves that nobody here remembers.
        """
        row = self._current(tx)
        self._create(tx, LogName(self._own, row.year, row.shard + 1))

    def erase(self, tx: Transaction, place: Place) -> None:
        """Forget a record for good: its salt, its words, the signed release. The commitment that stays says nothing."""
        tx.execute(delete(store.records).where(*_at(store.records, place)))
        for kept in (sent, overtaken):
            tx.execute(update(kept).where(*_at(kept, place)).values(envelope=None))

    def origin(self, connection: Connection) -> str:
        """Return the origin of the newest log, nothing before the first leaf."""
        row = store.newest_log(connection)
        return row.origin if row else ""

    def checkpoint(self, log: int) -> Note:
        """Return the checkpoint of a log as it stands, signed by this nation."""
        with self._db.read() as connection:
            row = store.log_of(connection, log)
        checkpoint = Checkpoint(row.origin, row.edge.size, row.edge.root)
        return read_note(self._signer.sign_checkpoint(checkpoint.text))

    def consistency(self, connection: Connection, log: int, old: int, new: int) -> list[bytes]:
        """Return the proof that a log of `new` leaves begins with its earlier self.

        Raises:
            BadProof: the log has not grown so far.
        """
        return prove_consistency(self._tree(connection, log, new).hash_at, old, new)

    def keep_cosignature(self, log: int, note: Note, witness: NationId, lines: str, at: datetime) -> None:
        """Keep a partner's cosignature, which was verified."""
        size = Checkpoint.of(note).size
        row = {"log": log, "size": size, "at": at}
        with self._db.write(at) as tx:
            insert_ignore(tx, store.checkpoints, [row | {"note": note.encode()}])
            insert_ignore(tx, store.cosignatures, [row | {"witness": witness, "lines": lines}])

    def cosigned_size(self, connection: Connection, log: int, witness: NationId) -> int:
        """Return the size of a log up to which a partner has cosigned it, as far as is known here."""
        table = store.cosignatures
        query = select(func.max(table.c.size)).where(table.c.log == log, table.c.witness == witness)
        return connection.scalar(query) or 0

    def covering(self, connection: Connection, place: Place, witnesses: Iterable[NationId], needed: int) -> Note | None:
        """Return the first checkpoint that covers a leaf and that enough of these partners have cosigned."""
        table = store.cosignatures
        enough = (
            select(table.c.size)
            .where(table.c.log == place.log, table.c.size > place.leaf, table.c.witness.in_(sorted(witnesses)))
            .group_by(table.c.size)
            .having(func.count() >= needed)
            .order_by(table.c.size)
            .limit(1)
        )
        size = connection.scalar(enough)
        return None if size is None else self._cosigned(connection, place.log, size)

    def newest_cosigned(self, connection: Connection, log: int) -> Note | None:
        """Return the newest checkpoint that any partner has cosigned."""
        size = connection.scalar(select(func.max(store.checkpoints.c.size)).where(store.checkpoints.c.log == log))
        return None if size is None else self._cosigned(connection, log, size)

    def proof(self, connection: Connection, place: Place, note: Note) -> tuple[Proof, bytes]:
        """Return the proof that a leaf is under a checkpoint, and the record it commits to.

        Raises:
            BadProof: the record was erased, or the checkpoint does not cover it.
        """
        row = connection.execute(select(store.records).where(*_at(store.records, place))).one_or_none()
        if row is None:
            raise BadProof("the record was erased")
        size = Checkpoint.of(note).size
        path = prove_inclusion(self._tree(connection, place.log, size).hash_at, place.leaf, size)
        return Proof(place.leaf, tuple(path), note, bytes(row.salt)), bytes(row.record)

    def _cosigned(self, connection: Connection, log: int, size: int) -> Note:
        table = store.cosignatures
        here = (store.checkpoints.c.log == log, store.checkpoints.c.size == size)
        note = read_note(bytes(connection.scalar(select(store.checkpoints.c.note).where(*here)) or b""))
        lines = select(table.c.lines).where(table.c.log == log, table.c.size == size).order_by(table.c.witness)
        return note.joined(each for text in connection.scalars(lines) for each in read_signatures(text))

    def _tree(self, connection: Connection, log: int, size: int) -> TileTree:
        def read(tile: Tile) -> bytes:
            return store.read_tile(connection, log, tile)

        return TileTree(size, read)

    def _current(self, tx: Transaction) -> store.LogRow:
        """Return the log to write to, locked; the first leaf of a year begins a new one."""
        row = store.newest_log(tx.connection, lock=True)
        if row is None or row.year < tx.at.year:
            self._create(tx, LogName(self._own, tx.at.year))
            row = store.newest_log(tx.connection, lock=True)
        if row is None:
            raise RuntimeError("a log that was just begun is not there")
        return row

    def _create(self, tx: Transaction, name: LogName) -> None:
        values: Mapping[str, Any] = {
            "origin": name.origin,
            "year": name.year,
            "shard": name.shard,
            "size": 0,
            "peaks": b"",
        }
        insert_ignore(tx, store.logs, [values])


def _at(table: Any, place: Place) -> tuple[Any, Any]:
    return (table.c.log == place.log, table.c.leaf == place.leaf)


def _record_row(place: Place, salt: bytes, data: bytes, record: Record) -> dict[str, Any]:
    return {
        "log": place.log,
        "leaf": place.leaf,
        "salt": salt,
        "record": data,
        "release_id": record.release_id,
        "action": record.action,
    }
