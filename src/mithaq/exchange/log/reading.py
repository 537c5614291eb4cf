"""The release log as partners and auditors read it: checkpoint, tiles, entries, consistency."""

from sqlalchemy import Connection, select

from mithaq.exchange.log import store
from mithaq.exchange.log.service import ReleaseLog
from mithaq.exchange.log.witnessing import Answer
from mithaq.kernel.database import Database
from mithaq.kernel.tlog.errors import BadProof
from mithaq.kernel.tlog.lines import encode
from mithaq.kernel.tlog.tiles import Tile

_OK, _NOT_FOUND = 200, 404
_BYTES = "application/octet-stream"


class LogReading:
    """Answers about one of this nation's logs, the newest where none is named."""

    def __init__(self, db: Database, log: ReleaseLog) -> None:
        self._db = db
        self._log = log

    def checkpoint(self, origin: str | None) -> Answer:
        """Return the newest checkpoint that a witness has cosigned, else the log as it stands."""
        with self._db.read() as connection:
            row = _row(connection, origin)
            note = self._log.newest_cosigned(connection, row.log) if row else None
        if row is None:
            return Answer(_NOT_FOUND)
        return Answer(_OK, (note or self._log.checkpoint(row.log)).encode())

    def tile(self, origin: str | None, path: str) -> Answer:
        """Return a hash tile or a bundle of entries, as far as the log has grown.

        Raises:
            BadNote: the path names no tile.
        """
        tile = Tile.parse(path)
        with self._db.read() as connection:
            row = _row(connection, origin)
            try:
                return Answer(_OK, store.read_tile(connection, row.log, tile), _BYTES) if row else Answer(_NOT_FOUND)
            except BadProof:
                return Answer(_NOT_FOUND)

    def consistency(self, origin: str | None, old: int, new: int) -> Answer:
        """Return the lines of a consistency proof.

        Raises:
            BadProof: the log has not grown so far.
        """
        with self._db.read() as connection:
            row = _row(connection, origin)
            if row and new > row.edge.size:
                raise BadProof("the log has no such tile yet")
            proof = self._log.consistency(connection, row.log, old, new) if row else ()
        return Answer(_OK if row else _NOT_FOUND, "".join(f"{encode(each)}\n" for each in proof).encode())


def _row(connection: Connection, origin: str | None) -> store.LogRow | None:
    if origin is None:
        return store.newest_log(connection)
    row = connection.execute(select(store.logs).where(store.logs.c.origin == origin)).one_or_none()
    return store.log_row(row) if row else None
