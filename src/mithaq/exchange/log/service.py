"""The release log of this nation: append, prove, erase."""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, delete, select, update

from mithaq.exchange.log import store
from mithaq.exchange.log.logs import Logs, Place
from mithaq.exchange.log.record import SALT_BYTES, Record, commit
from mithaq.exchange.store import overtaken, sent
from mithaq.kernel.database import Transaction
from mithaq.kernel.tlog.errors import BadProof
from mithaq.kernel.tlog.note import Note
from mithaq.kernel.tlog.proof import Proof
from mithaq.nations.names import LogName


class ReleaseLog(Logs):
    """This nation's release logs, one a year."""

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
        self._begin(tx, LogName(self._own, row.year, row.shard + 1))

    def erase(self, tx: Transaction, place: Place) -> None:
        """Forget a record for good: its salt, its words, the signed release. The commitment that stays says nothing."""
        tx.execute(delete(store.records).where(*_at(store.records, place)))
        for kept in (sent, overtaken):
            tx.execute(update(kept).where(*_at(kept, place)).values(envelope=None))

    def origin(self, connection: Connection) -> str:
        """Return the origin of the newest log, nothing before the first leaf."""
        row = store.newest_log(connection)
        return row.origin if row else ""

    def proof(self, connection: Connection, place: Place, note: Note) -> tuple[Proof, bytes]:
        """Return the proof that a leaf is under a checkpoint, and the record it commits to.

        Raises:
            BadProof: the record was erased, or the checkpoint does not cover it.
        """
        row = connection.execute(select(store.records).where(*_at(store.records, place))).one_or_none()
        if row is None:
            raise BadProof("the record was erased")
        return replace(self.inclusion(connection, place, note), extra=bytes(row.salt)), bytes(row.record)

    def _current(self, tx: Transaction) -> store.LogRow:
        """Return the log to write to, locked; the first leaf of a year begins a new one."""
        row = store.newest_log(tx.connection, lock=True)
        if row is None or row.year < tx.at.year:
            self._begin(tx, LogName(self._own, tx.at.year))
            row = store.newest_log(tx.connection, lock=True)
        if row is None:
            raise RuntimeError("a log that was just begun is not there")
        return row


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
