"""What all logs of this nation have in common: they begin, state where they stand, prove, and keep cosignatures.

A *release log* is of a year, a *membership log* of an agreement; both are rows of one table, with the same tree.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from mithaq.exchange.log import store
from mithaq.kernel.database import Database, Transaction, insert_ignore
from mithaq.kernel.errors import Error
from mithaq.kernel.ids import NationId
from mithaq.kernel.reason import Reason
from mithaq.kernel.signing import Signer
from mithaq.kernel.tlog.checkpoint import Checkpoint
from mithaq.kernel.tlog.note import Note, read_note, read_signatures
from mithaq.kernel.tlog.proof import Proof
from mithaq.kernel.tlog.tiles import Tile, TileTree
from mithaq.kernel.tlog.tree import prove_consistency, prove_inclusion
from mithaq.nations.names import LogName, MembershipName

Members = Callable[[Connection, str, datetime], frozenset[NationId]]
"""Tell who may read and witness the membership logs of an agreement at an instant; nobody where it is unknown here."""


@dataclass(frozen=True, slots=True)
class Place:
    """A leaf of one of this nation's logs."""

    log: int
    leaf: int


class Logs:
    """This nation's logs by number, of whatever kind."""

    def __init__(self, db: Database, own: NationId, signer: Signer) -> None:
        self._db = db
        self._own = own
        self._signer = signer

    def checkpoint(self, log: int) -> Note:
        """Return the checkpoint of a log as it stands, signed by this nation."""
        with self._db.read() as connection:
            row = store.log_of(connection, log)
        checkpoint = Checkpoint(row.origin, row.edge.size, row.edge.root)
        return read_note(self._signer.sign_checkpoint(checkpoint.text))

    def cosigned_checkpoint(self, log: int) -> Note:
        """Return the checkpoint of a log as it stands, with the cosignatures that were given for exactly this size."""
        note = self.checkpoint(log)
        with self._db.read() as connection:
            return note.joined(_cosignatures(connection, log, Checkpoint.of(note).size))

    def consistency(self, connection: Connection, log: int, old: int, new: int) -> list[bytes]:
        """Return the proof that a log of `new` leaves begins with its earlier self.

        Raises:
            BadProof: the log has not grown so far.
        """
        return prove_consistency(_tree(connection, log, new).hash_at, old, new)

    def inclusion(self, connection: Connection, place: Place, note: Note) -> Proof:
        """Return the proof that a leaf is under a checkpoint.

        Raises:
            BadProof: the checkpoint does not cover it.
        """
        size = Checkpoint.of(note).size
        path = prove_inclusion(_tree(connection, place.log, size).hash_at, place.leaf, size)
        return Proof(place.leaf, tuple(path), note)

    def keep_cosignature(self, log: int, note: Note, witness: NationId, lines: str, at: datetime) -> None:
        """Keep a partner's cosignature, which was verified."""
        size = Checkpoint.of(note).size
        row = {"log": log, "size": size, "at": at}
        with self._db.write(at) as tx:
            insert_ignore(tx, store.checkpoints, [row | {"note": note.encode()}])
            insert_ignore(tx, store.cosignatures, [row | {"witness": witness, "lines": lines}])

    def keep_refusal(self, log: int, witness: NationId, error: Error, at: datetime) -> None:
        """Keep that a partner has seen another log under this name than the one here."""
        refusal = {"code": error.code, "message": error.message, "params": error.params}
        with self._db.write(at) as tx:
            insert_ignore(tx, store.refusals, [{"log": log, "witness": witness, "refusal": refusal, "at": at}])

    def refusals(self, connection: Connection, log: int) -> dict[NationId, Reason]:
        """Return which partners have seen another log under this name, each with what it answered."""
        query = select(store.refusals).where(store.refusals.c.log == log)
        return {NationId(row.witness): Reason.of_json(row.refusal) for row in connection.execute(query)}

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
        return None if size is None else _cosigned(connection, place.log, size)

    def newest_cosigned(self, connection: Connection, log: int) -> Note | None:
        """Return the newest checkpoint that any partner has cosigned."""
        size = connection.scalar(select(func.max(store.checkpoints.c.size)).where(store.checkpoints.c.log == log))
        return None if size is None else _cosigned(connection, log, size)

    def _begin(self, tx: Transaction, name: LogName | MembershipName) -> None:
        """Begin a log that is not there yet."""
        year, agreement = (name.year, "") if isinstance(name, LogName) else (0, name.agreement_id)
        values: dict[str, Any] = {
            "origin": name.origin,
            "year": year,
            "shard": name.shard,
            "agreement": agreement,
            "size": 0,
            "peaks": b"",
        }
        insert_ignore(tx, store.logs, [values])


def _cosigned(connection: Connection, log: int, size: int) -> Note:
    here = (store.checkpoints.c.log == log, store.checkpoints.c.size == size)
    note = read_note(bytes(connection.scalar(select(store.checkpoints.c.note).where(*here)) or b""))
    return note.joined(_cosignatures(connection, log, size))


def _cosignatures(connection: Connection, log: int, size: int) -> list[Any]:
    table = store.cosignatures
    lines = select(table.c.lines).where(table.c.log == log, table.c.size == size).order_by(table.c.witness)
    return [each for text in connection.scalars(lines) for each in read_signatures(text)]


def _tree(connection: Connection, log: int, size: int) -> TileTree:
    def read(tile: Tile) -> bytes:
        return store.read_tile(connection, log, tile)

    return TileTree(size, read)
