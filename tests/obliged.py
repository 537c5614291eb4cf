"""What a node's worker does for its duties, step by step, for tests with countries."""

from datetime import datetime
from typing import Any

from sqlalchemy import select

from mithaq.detection.readers import News
from mithaq.exchange.duties import store
from mithaq.exchange.duties.attestations import Attestations
from mithaq.exchange.duties.readers import Bookkeeping
from mithaq.exchange.duties.sweep import Sweep, Swept
from mithaq.kernel import journal
from tests.country import Country

KEEPER = "detection.matcher"


def keep_books(country: Country, at: datetime) -> None:
    """Let the reader of the duties catch up with the journal."""
    reader = Bookkeeping(country.context).reader()
    while journal.run_once(country.db, reader, at):
        pass


def sweep(country: Country, at: datetime) -> Swept:
    """Catch up and sweep, as the worker does when something is due."""
    keep_books(country, at)
    return Sweep(country.context).run(at)


def detect(country: Country, at: datetime) -> None:
    """Let detection take in what was erased."""
    reader = News().reader
    while journal.run_once(country.db, reader, at):
        pass


def attest(by: Country, to: Country, at: datetime) -> int:
    """Sign what is owed and hand it over; return how many attestations the other nation took."""
    detect(by, at)
    own = Attestations(by.context, (KEEPER,))
    while own.sign(at):
        pass
    due = own.due(to.nation)
    for row, envelope in due:
        Attestations(to.context).accept(by.nation, envelope, at)
        own.delivered(row, at)
    return len(due)


def rows(country: Country, table: Any) -> list[Any]:
    with country.db.read() as connection:
        return list(connection.execute(select(table)))


def duties(country: Country) -> list[tuple[str, str, str, str]]:
    """Every duty as kind, debtor, creditor and state."""
    return [(row.kind, row.owed_by, row.owed_to, row.state) for row in rows(country, store.duties)]


def told(country: Country, event: str) -> list[dict[str, Any]]:
    """The journal's entries about duties of one kind of event."""
    with country.db.read() as connection:
        found = journal.entries(connection, 0, limit=10_000, kinds=frozenset({"exchange.duty"}))
    return [{**entry.detail, "lane": str(entry.lane)} for entry in found if entry.detail["event"] == event]
