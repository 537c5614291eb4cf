"""The scheduled sweep: erase what is due, record breaches, remind before an expiry. Crash-safe, in chunks."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from mithaq.exchange.context import Context
from mithaq.exchange.duties import copies, record, retention, store, timekeeping
from mithaq.exchange.duties.record import DUTY
from mithaq.exchange.duties.rules import Doubt
from mithaq.exchange.duties.settings import CHUNK_WORDS, LONGEST_REST
from mithaq.kernel.database import Transaction, insert_ignore
from mithaq.kernel.lane import ACTUAL
from mithaq.release.obligations import Occasion, contact_test, lapses_on_exit, receivers, reminders_reached


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep came to; `doubt`: why nothing was done, where the clock was not believed."""

    erased: int = 0
    breached: int = 0
    reminded: int = 0
    doubt: Doubt | None = None


@dataclass(frozen=True, slots=True)
class Expiry:
    """The end of something that must not come unnoticed."""

    kind: str
    subject: str
    until: datetime


class Sweep:
    """Do what has fallen due; an instant that cannot be believed changes nothing."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def run(self, at: datetime) -> Swept:
        """Sweep until nothing is due; every chunk is a transaction of its own, so a crash only ends it early."""
        with self._context.db.read() as connection:
            why = timekeeping.doubted(connection, at)
        if why is not None:
            with self._context.db.write(at) as tx:
                timekeeping.refuse(tx, at, why)
            return Swept(doubt=why)
        with self._context.db.write(at) as tx:
            timekeeping.believe(tx, at)
            self._lapse_on_exit(tx)
            self._owe_contact_tests(tx)
            reminded = self._remind(tx)
        swept = Swept(self._erase(at), self._breach(at), reminded)
        self._erase_copies(at)
        return swept

    def wake_at(self, at: datetime) -> datetime:
        """Return when the next sweep is needed at the latest."""
        with self._context.db.read() as connection:
            found = [each(connection) for each in (retention.next_due, copies.next_due, record.next_breach)]
        return min((at + LONGEST_REST, *(each for each in found if each is not None)))

    def _erase(self, at: datetime) -> int:
        count = 0
        while True:
            with self._context.db.write(at) as tx:
                done = retention.erase_chunk(tx, self._context)
            if not done:
                return count
            count += sum(len(each.objects) for each in done)

    def _erase_copies(self, at: datetime) -> None:
        done = True
        while done:
            with self._context.db.write(at) as tx:
                done = bool(copies.erase_closed(tx, self._context.log))
            if done:
                self._context.db.wipe_log()

    def _breach(self, at: datetime) -> int:
        count = 0
        while True:
            with self._context.db.write(at) as tx:
                done = record.breach(tx, CHUNK_WORDS)
            if not done:
                return count
            count += done

    def _lapse_on_exit(self, tx: Transaction) -> None:
        for agreement in self._context.agreements.all(tx.connection):
            for nation, since in sorted(lapses_on_exit(agreement, self._context.own, tx.at).items()):
                retention.lapse(tx, agreement.document.id, nation, since)

    def _owe_contact_tests(self, tx: Transaction) -> None:
        """Owe the next test of each party's emergency contact, from the last one on or from the entry into force."""
        for agreement in self._context.agreements.current(tx.connection, tx.at):
            for other in receivers(agreement, self._context.own):
                tests = select(store.duties.c.state, store.duties.c.settled_at).where(
                    store.duties.c.kind == "contact-test",
                    store.duties.c.agreement_id == agreement.document.id,
                    store.duties.c.owed_to == other,
                )
                known = tx.execute(tests).all()
                if any(row.state == record.OPEN for row in known):
                    continue
                since = max((row.settled_at for row in known), default=agreement.not_before)
                owed = contact_test(
                    Occasion(agreement, f"contact:{other}", ACTUAL, since, since.isoformat()), self._context.own, other
                )
                record.owe(tx, [owed] if owed else [])

    def _remind(self, tx: Transaction) -> int:
        count = 0
        for expiry in expiries(self._context, tx.connection, tx.at):
            for days in reminders_reached(expiry.until, tx.at):
                given = store.reminders
                here = (given.c.subject == expiry.subject, given.c.days == days, given.c.until == expiry.until)
                if tx.execute(select(given.c.days).where(*here)).first() is not None:
                    continue
                row = {"subject": expiry.subject, "days": days, "until": expiry.until, "at": tx.at}
                insert_ignore(tx, given, [row])
                detail = {"event": "reminder", "kind": expiry.kind, "days": days}
                tx.append(DUTY, subject=expiry.subject, lane=ACTUAL, actor="node", detail=detail)
                count += 1
        return count


def expiries(context: Context, connection: Connection, at: datetime) -> Iterable[Expiry]:
    """Yield every end that people are reminded of: agreements in force, and the cards of partners."""
    for agreement in context.agreements.current(connection, at):
        yield Expiry("agreement", agreement.document.id, agreement.not_after)
    for partner in context.partners.all(connection):
        yield Expiry("card", f"card:{partner.nation}", partner.card.expires_at)
