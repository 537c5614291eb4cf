"""This nation's logs as partners read them: checkpoint, tiles, entries, consistency.

A release log is open to every partner, for its entries say nothing. A membership log is read by the parties of its
agreement; whoever else asks gets the answer for a log that does not exist.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from mithaq.exchange.log import store
from mithaq.exchange.log.logs import Logs, Members
from mithaq.exchange.log.witnessing import Answer
from mithaq.kernel.database import Database
from mithaq.kernel.ids import NationId
from mithaq.kernel.tlog.errors import BadProof
from mithaq.kernel.tlog.lines import encode
from mithaq.kernel.tlog.tiles import Tile

_OK, _NOT_FOUND = 200, 404
_BYTES = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks for which log: the one of an `origin`, the newest of an `agreement`, else the newest release log."""

    asker: NationId
    at: datetime
    origin: str = ""
    agreement: str = ""


class LogReading:
    """Answers about one of this nation's logs."""

    def __init__(self, db: Database, logs: Logs, members: Members) -> None:
        self._db = db
        self._logs = logs
        self._members = members

    def checkpoint(self, asked: Asked) -> Answer:
        """Return the newest checkpoint that a witness has cosigned, else the log as it stands.

        A membership log is always shown as it stands, so that it never looks shorter than its witnesses have seen it.
        """
        with self._db.read() as connection:
            row = self._row(connection, asked)
            note = self._logs.newest_cosigned(connection, row.log) if row and not row.agreement else None
        if row is None:
            return Answer(_NOT_FOUND)
        return Answer(_OK, (note or self._logs.cosigned_checkpoint(row.log)).encode())

    def tile(self, asked: Asked, path: str) -> Answer:
        """Return a hash tile or a bundle of entries, as far as the log has grown.

        Raises:
            BadNote: the path names no tile.
        """
        tile = Tile.parse(path)
        with self._db.read() as connection:
            row = self._row(connection, asked)
            try:
                return Answer(_OK, store.read_tile(connection, row.log, tile), _BYTES) if row else Answer(_NOT_FOUND)
            except BadProof:
                return Answer(_NOT_FOUND)

    def consistency(self, asked: Asked, old: int, new: int) -> Answer:
        """Return the lines of a consistency proof.

        Raises:
            BadProof: the log has not grown so far.
        """
        with self._db.read() as connection:
            row = self._row(connection, asked)
            if row and new > row.edge.size:
                raise BadProof("the log has no such tile yet")
            proof = self._logs.consistency(connection, row.log, old, new) if row else ()
        return Answer(_OK if row else _NOT_FOUND, "".join(f"{encode(each)}\n" for each in proof).encode())

    def _row(self, connection: Connection, asked: Asked) -> store.LogRow | None:
        if asked.origin:
            row = store.find_log(connection, asked.origin)
        else:
            row = store.newest_log(connection, agreement=asked.agreement)
        if row and row.agreement and asked.asker not in self._members(connection, row.agreement, asked.at):
            return None
        return row
