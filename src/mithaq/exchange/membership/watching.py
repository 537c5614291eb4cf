"""Compare by itself: whose log is to be read now, and reading it."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from mithaq.agreements.model import State
from mithaq.exchange.context import Context
from mithaq.exchange.log import store
from mithaq.exchange.membership.comparing import Comparing
from mithaq.exchange.membership.model import Compared, Outcome
from mithaq.exchange.membership.outcome import outcomes
from mithaq.exchange.membership.service import Membership
from mithaq.exchange.membership.shown import Source
from mithaq.kernel.ids import NationId
from mithaq.nations.model import Partner
from mithaq.nations.names import MembershipName, parse_origin

AGAIN = timedelta(hours=6)
"""When a log that said the same is read again, although its keeper has shown nothing new."""

RETRY = timedelta(minutes=15)
"""When a log that could not be read, or does not hold, is asked for again; one that differs, ever less often."""

Open = Callable[[Partner, str], AbstractContextManager[Source]]
"""Open a partner's log of an agreement."""

_LIVE = (State.IN_FORCE, State.SUSPENDED)
_SHOWN_AT = select(store.witnessed.c.origin, store.witnessed.c.at).where(
    store.witnessed.c.origin.like("%/agreements/%")
)


@dataclass(frozen=True, slots=True)
class Due:
    """One party's log of one agreement that is to be read."""

    agreement_id: str
    partner: Partner


class Watching:
    """Hold each party's log against this nation's own, once something has changed and otherwise seldom."""

    def __init__(self, context: Context, open_: Open) -> None:
        self._context = context
        self._open = open_
        self._comparing = Comparing(context)
        self._membership = Membership(context)

    def step(self, at: datetime, stop: threading.Event | None = None) -> list[Compared]:
        """Read and compare every log that is due, one after the other, until all are or `stop` is set."""
        compared = []
        for due in self.due(at):
            if stop and stop.is_set():
                break
            with self._open(due.partner, due.agreement_id) as source:
                compared.append(self._comparing.read(due.agreement_id, due.partner.nation, source, at))
        return compared

    def due(self, at: datetime) -> list[Due]:
        """Return the logs to be read now.

        Of an agreement in force, or suspended: of every other party that is trusted. A log is due where its keeper has
        shown more of it, this nation's own has grown, it was never read, or its time has come again.
        """
        found = []
        with self._context.db.read() as connection:
            shown = _shown_at(connection)
            known = {(each.agreement_id, each.nation): each for each in outcomes(connection)}
            trusted = [each for each in self._context.partners.all(connection) if each.is_trusted]
            for own in store.membership_logs(connection):
                members = self._members(connection, own.agreement, at)
                for partner in trusted:
                    key = (own.agreement, partner.nation)
                    if partner.nation in members and _is_due(known.get(key), own, shown.get(key), at):
                        found.append(Due(own.agreement, partner))
        return found

    def _members(self, connection: Connection, agreement_id: str, at: datetime) -> frozenset[NationId]:
        """Return the parties of an agreement that binds this nation now; nobody where it does not."""
        versions = self._context.agreements.versions(connection, agreement_id)
        if not any(each.state(at) in _LIVE for each in versions):
            return frozenset()
        members = self._membership.members(connection, agreement_id, at)
        return members if self._context.own in members else frozenset()


def _shown_at(connection: Connection) -> dict[tuple[str, NationId], datetime]:
    """Return when each party last showed more of its log, by agreement and nation."""
    found: dict[tuple[str, NationId], datetime] = {}
    for row in connection.execute(_SHOWN_AT):
        name = parse_origin(row.origin)
        if isinstance(name, MembershipName):
            key = (name.agreement_id, name.nation)
            found[key] = max(row.at, found.get(key, row.at))
    return found


def _is_due(outcome: Outcome | None, own: store.LogRow, shown_at: datetime | None, at: datetime) -> bool:
    if outcome is None or not outcome.tried_at <= at < outcome.tried_at + _rest(outcome):
        return True
    if shown_at is not None and shown_at > outcome.tried_at:
        return True
    is_held = outcome.trouble is None and outcome.refused is None
    return is_held and outcome.own != (own.log, own.edge.size)


def _rest(outcome: Outcome) -> timedelta:
    if outcome.trouble or outcome.refused:
        return RETRY
    if outcome.differs_since is None:
        return AGAIN
    return min(max(outcome.tried_at - outcome.differs_since, RETRY), AGAIN)
