"""This nation's membership logs: bring them up to what was accepted, say who may read them, show them to witnesses."""

from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from datetime import datetime

from sqlalchemy import Connection

from mithaq.exchange.context import Context
from mithaq.exchange.log import store
from mithaq.exchange.log.logs import Logs
from mithaq.exchange.membership.facts import Facts
from mithaq.exchange.membership.record import Record, VersionRecord, encode, read_records
from mithaq.kernel import journal
from mithaq.kernel.database import Transaction
from mithaq.kernel.ids import NationId
from mithaq.kernel.journal import Entry, Reader
from mithaq.kernel.lane import ACTUAL
from mithaq.nations.names import MembershipName

READER = "exchange.membership"
KINDS = frozenset({"agreements.changed", "nations.statement", "nations.standing"})
GREW = "exchange.membership"


class Membership(Logs):
    """One log an agreement, written by a reader of the journal.

    What is appended is always everything that is held and not yet in the log. So nothing is lost where a process dies
    between a fact and its record, nothing is there twice, and what was held before there was such a log comes first.
    """

    def __init__(self, context: Context) -> None:
        super().__init__(context.db, context.own, context.signer)
        self._context = context
        self._facts = Facts(context.own, context.agreements, context.partners)
        self.reader = Reader(READER, KINDS, self.handle)

    def follow(self, at: datetime) -> None:
        """Read the journal to its end, so that the logs say what is held; any process may do it."""
        while journal.run_once(self._db, self.reader, at):
            pass

    def handle(self, tx: Transaction, entries: Sequence[Entry]) -> None:
        """Bring the logs of the agreements that the entries tell of up to date."""
        named = {entry.subject for entry in entries if entry.kind == "agreements.changed"}
        nations = {entry.subject for entry in entries if entry.kind != "agreements.changed"}
        if nations:
            known = self._context.agreements.all(tx.connection)
            named |= {each.document.id for each in known if nations & each.parties}
        for agreement_id in sorted(named):
            self.catch_up(tx, agreement_id)

    def catch_up(self, tx: Transaction, agreement_id: str) -> list[Record]:
        """Append what is held and not in the log yet; return it."""
        row = store.newest_log(tx.connection, agreement=agreement_id, lock=True)
        known = _records(tx.connection, row)
        fresh = self._facts.missing(tx.connection, agreement_id, known, tx.at)
        if not fresh:
            return []
        if row is None:
            self._begin(tx, MembershipName(self._own, agreement_id))
            row = store.newest_log(tx.connection, agreement=agreement_id, lock=True)
            if row is None:
                raise RuntimeError("a log that was just begun is not there")
            if row.edge.size:  # another process began it meanwhile
                return self.catch_up(tx, agreement_id)
        grown = store.grow(tx, row, [encode(each) for each in fresh])
        detail = {"size": grown.edge.size, "records": len(fresh)}
        tx.append(GREW, subject=agreement_id, lane=ACTUAL, actor="node", detail=detail)
        return fresh

    def begin_anew(self, tx: Transaction) -> None:
        """Begin the next shard of every membership log, with everything that is held now.

        After the restore of a backup the old ones may not go on: they have leaves that nobody here remembers.
        """
        for row in store.membership_logs(tx.connection):
            self._begin(tx, MembershipName(self._own, row.agreement, row.shard + 1))
            self.catch_up(tx, row.agreement)

    def records(self, connection: Connection, agreement_id: str) -> list[Record]:
        """Return what the newest log of an agreement says, oldest first; nothing where there is none."""
        return _records(connection, store.newest_log(connection, agreement=agreement_id))

    def members(self, connection: Connection, agreement_id: str, at: datetime) -> frozenset[NationId]:
        """Return who may read and witness: the parties to the newest version in the log that have not left it."""
        versions = [each.version for each in self.records(connection, agreement_id) if isinstance(each, VersionRecord)]
        agreement = self._context.agreements.find(connection, agreement_id, max(versions)) if versions else None
        if agreement is None:
            return frozenset()
        return frozenset(
            nation for nation in agreement.parties if nation not in agreement.leaving or at < agreement.leaving[nation]
        )

    def offer(self, at: datetime, *, to_all: bool = False) -> list[Future[None]]:
        """Show each log to the other parties that have not cosigned all of it; nothing waits for the futures.

        `to_all`: also to those that have, as when a node starts: one that knows more says so, and a restored backup is
        noticed before the log goes another way.
        """
        due: list[tuple[int, list[NationId]]] = []
        with self._db.read() as connection:
            for row in store.membership_logs(connection):
                others = self.members(connection, row.agreement, at) - {self._own}
                due.append((row.log, [each for each in sorted(others) if to_all or self._owes(connection, row, each)]))
        return [future for log, nations in due if nations for future in self._context.flusher.offer(log, nations, at)]

    def _owes(self, connection: Connection, row: store.LogRow, witness: NationId) -> bool:
        return self.cosigned_size(connection, row.log, witness) < row.edge.size


def _records(connection: Connection, row: store.LogRow | None) -> list[Record]:
    if row is None:
        return []
    entries: Iterable[bytes] = store.read_entries(connection, row.log, 0, row.edge.size)
    return read_records(entries, row.agreement)
