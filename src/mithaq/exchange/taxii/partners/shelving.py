"""Keep partners' shelves: what a nation was released and has confirmed is put on its shelf, the rest is taken off.

A reader of the journal that only notes which releases to judge anew, and a step that judges them: everything is read
and parsed before the transaction that changes a shelf. What is called for again meanwhile is judged once more.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, bindparam, select

from mithaq.exchange.context import Context
from mithaq.exchange.store import sent, sent_objects
from mithaq.exchange.taxii.partners import store
from mithaq.exchange.taxii.partners.judging import PartnerJudge
from mithaq.exchange.taxii.partners.model import PartnerShelf
from mithaq.exchange.taxii.placing import Placed
from mithaq.exchange.taxii.service import CHANGED
from mithaq.exchange.taxii.shelving import tell_shelved
from mithaq.intelligence.model import StoredObject
from mithaq.kernel.database import Transaction
from mithaq.kernel.journal import Entry, Reader
from mithaq.nations.people.audit import audit

READER: Final = "exchange.taxii.partners"
_RECEIPT, _ORDERS, _AGREEMENT = "exchange.receipt", "exchange.orders", "agreements.changed"
_OBJECTS: Final = frozenset({"intelligence.withdrawn", "intelligence.erased"})
_NATION: Final = frozenset({"nations.standing", "nations.removed", "nations.statement"})
_RELEASES_AT_ONCE: Final = 20
_INSIDE: Final = (
    select(sent_objects.c.object_row)
    .where(
        sent_objects.c.recipient == bindparam("nation"),
        sent_objects.c.sequence.in_(bindparam("sequences", expanding=True)),
        sent_objects.c.object_row.is_not(None),
    )
    .order_by(sent_objects.c.sequence, sent_objects.c.object_row)
)


class _CalledForAgain(Exception):
    """Something happened between the judgement and the shelf: judge again."""


class PartnerShelving:
    """Follow the journal, judge what it calls for, and end the accounts of whom nothing may go to any more."""

    def __init__(self, context: Context, now: Callable[[], datetime]) -> None:
        self._context = context
        self._db = context.db
        self._now = now

    def reader(self) -> Reader:
        """Return the journal reader that notes what is to be judged anew."""
        return Reader(READER, frozenset({_RECEIPT, _ORDERS, _AGREEMENT, CHANGED}) | _OBJECTS | _NATION, self.handle)

    def handle(self, tx: Transaction, entries: Sequence[Entry]) -> None:
        """Note what the entries call for, in the transaction that moves the cursor."""
        for entry in entries:
            _note(tx, entry)

    def is_idle(self) -> bool:
        """Tell whether there is no shelf to keep: what happens meanwhile is judged when one is made."""
        with self._db.read() as connection:
            return not store.all_shelves(connection)

    def fill(self, at: datetime) -> bool:
        """End accounts that are over, and judge the next releases; tell whether there was anything to do."""
        self._end(at)
        self._clear(at)
        with self._db.read() as connection:
            due = store.next_due(connection, _RELEASES_AT_ONCE)
            if not due:
                return False
            shelf = store.shelf(connection, due[0].shelf)
            if shelf is None:
                return False
            inside = _inside(connection, shelf, [row.sequence for row in due])
            decided = PartnerJudge(self._context, connection, at).decide(inside, shelf)
            until = {row: decided[row].until for row in inside if row in decided and decided[row].released}
            held = {stored.row: stored for stored in self._context.holdings.rows(connection, list(until))}
        try:
            with self._db.write(at) as tx:
                if not store.settle(tx, due):
                    raise _CalledForAgain
                self._settle(tx, shelf, inside, [(held[row], until[row]) for row in until])
        except _CalledForAgain:
            pass
        return True

    def _settle(
        self,
        tx: Transaction,
        shelf: PartnerShelf,
        judged: Sequence[int],
        may: Sequence[tuple[StoredObject, datetime]],
    ) -> None:
        there = store.on_shelves.there(tx.connection, shelf.id, judged)
        store.take_off(tx, shelf.id, there - {stored.row for stored, _ in may})
        new = [Placed(stored.row, stored.stix, {"until": until}) for stored, until in may if stored.row not in there]
        tell_shelved(tx, store.on_shelves.put(tx, shelf.id, new, self._now()))

    def _clear(self, at: datetime) -> None:
        """Take off what the nations must have deleted by now; the gate serves none of it any more anyway."""
        with self._db.read() as connection:
            if not store.has_outlived(connection, at):
                return
        with self._db.write(at) as tx:
            store.take_off_outlived(tx)

    def _end(self, at: datetime) -> None:
        """End the accounts of nations to which nothing may go any more; a new one is a person's decision."""
        with self._db.read() as connection:
            live = store.live_accounts(connection, at)
            if not live:
                return
            judge = PartnerJudge(self._context, connection, at)
            against = {
                shelf.id: judge.ending(shelf.nation, shelf.agreement_id) for shelf in store.all_shelves(connection)
            }
        over = [account for account in live if against[account.shelf]]
        if not over:
            return
        with self._db.write(at) as tx:
            for account in over:
                reasons = against[account.shelf]
                if store.end_account(tx, account.id, reasons):
                    audit(tx, actor="node", action="partner.account-ended", subject=account.id, reason=reasons[0].code)


def _note(tx: Transaction, entry: Entry) -> None:
    shelves = store.shelves.c
    match entry.kind:
        case "exchange.receipt":
            nation = entry.actor.removeprefix("nation:")
            which = (shelves.nation == nation, sent.c.sequence == int(entry.detail["sequence"]))
            store.call_for(tx, entry.seq, *which)
        case "exchange.orders":
            store.call_for_objects(tx, entry.seq, sent_objects.c.object_id == entry.subject)
        case "agreements.changed":
            store.call_for(tx, entry.seq, shelves.agreement_id == entry.subject)
        case kind if kind in _OBJECTS:
            rows = entry.detail["rows"]
            store.call_for_objects(tx, entry.seq, sent_objects.c.object_row.in_(rows))
            if kind == "intelligence.erased":
                store.take_off(tx, None, rows)
        case kind if kind in _NATION:
            store.call_for(tx, entry.seq, shelves.nation == entry.subject)
        case _:
            pass


def _inside(connection: Connection, shelf: PartnerShelf, sequences: Sequence[int]) -> list[int]:
    """Return the rows of the objects of some releases, each where it first went."""
    return list(dict.fromkeys(connection.scalars(_INSIDE, {"nation": shelf.nation, "sequences": sequences})))
