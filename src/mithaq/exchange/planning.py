"""Decide what becomes of news: into a partner's outbox, or withheld with all reasons. A reader of the journal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select

from mithaq.exchange import store
from mithaq.exchange.context import Context
from mithaq.exchange.gatekeeping import Gatekeeper
from mithaq.exchange.items import version_of
from mithaq.intelligence.model import ReleaseInstruction, StoredObject
from mithaq.kernel.database import Transaction, insert_ignore, upsert
from mithaq.kernel.ids import NationId
from mithaq.kernel.journal import Entry, Reader
from mithaq.kernel.lane import Lane
from mithaq.release.model import Item, Verdict

READER = "exchange.planning"
_STORED, _WITHDRAWN = "intelligence.stored", "intelligence.withdrawn"
_QUESTION = ("recipient", "object_id", "version", "lane", "agreement_id")
_ANSWERED = delete(store.withheld).where(*(store.withheld.c[key] == bindparam(f"of_{key}") for key in _QUESTION))
"""What may go now is withheld no more, and is not asked about again."""

_RETHINK = frozenset({"agreements.changed", "nations.standing", "exchange.orders"})


@dataclass(frozen=True, slots=True)
class _Order:
    """One question for the gate: this object, these nations, this agreement and purpose."""

    stored: StoredObject
    recipients: frozenset[NationId]
    agreement_id: str
    purpose: str


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What the gate says now of an object that is not stored yet.

    `protected`: only what it shows stands against it, so that a protected version would be made and judged instead.
    """

    recipient: NationId
    agreement_id: str
    purpose: str
    verdict: Verdict
    protected: bool


@dataclass(frozen=True, slots=True)
class _Fallen:
    """A version that no longer stands, held or erased since."""

    row: int
    object_id: str
    lane: Lane
    version: str


class Planning:
    """Turn the journal's news into decisions that wait to be fetched."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._protecting = context.protecting

    def reader(self) -> Reader:
        """Return the journal reader that plans releases."""
        return Reader(READER, frozenset({_STORED, _WITHDRAWN}) | _RETHINK, self.handle)

    def handle(self, tx: Transaction, entries: Sequence[Entry]) -> None:
        """Plan what the entries call for, in the transaction that moves the cursor."""
        gate = self._context.gatekeeper(tx.connection, tx.at)
        news = (entry for entry in entries if entry.kind not in _RETHINK)
        for kind, run in groupby(news, key=lambda entry: entry.kind):  # in order: a version may follow a withdrawal
            rows = [row for entry in run for row in entry.detail["rows"]]
            held = self._context.holdings.rows(tx.connection, rows)
            if kind == _STORED:
                self._decide(tx, gate, self._orders(tx.connection, gate, held))
            else:
                gone = self._context.holdings.erased(tx.connection, rows)
                self._withdraw(tx, [*map(_fallen, held), *(_Fallen(x.row, x.stix_id, x.lane, "erased") for x in gone)])
                self._protecting.withdraw(tx, held)
        if any(entry.kind in _RETHINK for entry in entries):
            self._reconsider(tx, gate)

    def foresee(self, connection: Connection, stored: StoredObject, at: datetime) -> list[Foreseen]:
        """Say what would become of an object if it were stored now: to whom it would go, to whom not and why."""
        gate = self._context.gatekeeper(connection, at)
        found = []
        for order in self._orders(connection, gate, [stored]):
            for recipient in sorted(order.recipients):
                verdict = gate.judge(stored, recipient, order.agreement_id, order.purpose)
                protected = self._protecting.is_called_for(gate, stored, order.agreement_id, verdict)
                found.append(Foreseen(recipient, order.agreement_id, order.purpose, verdict, protected))
        return found

    def _orders(self, connection: Connection, gate: Gatekeeper, held: Iterable[StoredObject]) -> Iterable[_Order]:
        standing = [(row.agreement_id, row.purpose) for row in connection.execute(select(store.standing_orders))]
        for stored in held:
            if not stored.stands:  # superseded meanwhile, or taken back: there is nothing to ask about
                continue
            if stored.instructions:
                for asked in stored.instructions:
                    named = None if asked.recipients is None else frozenset(asked.recipients)
                    recipients = gate.parties(asked.agreement_id) if named is None else named
                    yield _Order(stored, recipients, asked.agreement_id, asked.purpose)
            elif stored.made_for is None:  # a protected version goes to those alone for whom it was asked
                for agreement_id, purpose in standing:
                    recipients = gate.parties(agreement_id)
                    yield _Order(stored, self._reachable(gate.item(stored), recipients), agreement_id, purpose)

    def _reachable(self, item: Item, recipients: frozenset[NationId]) -> frozenset[NationId]:
        """Leave out whom the originator's terms exclude anyway: a standing order is no request to pass on."""
        if item.originator == self._context.own:
            return recipients
        allowed = [terms.onward_parties for terms in item.carried]
        return recipients.intersection(*allowed) - {item.originator} if allowed else frozenset()

    def _decide(self, tx: Transaction, gate: Gatekeeper, orders: Iterable[_Order]) -> None:
        out: list[dict[str, Any]] = []
        kept: list[dict[str, Any]] = []
        for order in orders:
            for recipient in sorted(order.recipients):
                if _sent_by(order.stored, recipient):
                    continue
                row = _row(order, recipient)
                verdict = gate.judge(order.stored, recipient, order.agreement_id, order.purpose)
                if verdict.allowed:
                    out.append(row | {"action": "release", "decided_at": tx.at})
                else:
                    reasons = verdict.reasons
                    if self._protecting.is_called_for(gate, order.stored, order.agreement_id, verdict):
                        asked = ReleaseInstruction(order.agreement_id, (recipient,), order.purpose)
                        reasons += self._protecting.keep(tx, gate, order.stored, asked)
                    kept.append(row | {"at": tx.at, "reasons": [reason.as_json() for reason in reasons]})
        insert_ignore(tx, store.outbox, out)
        if out:
            tx.execute(_ANSWERED, [{f"of_{key}": row[key] for key in _QUESTION} for row in out])
        _tell_planned(tx, out)
        keep_withheld(tx, kept)

    def _withdraw(self, tx: Transaction, fallen: Iterable[_Fallen]) -> None:
        for each in fallen:
            had = select(store.sent_objects.c.recipient).where(
                store.sent_objects.c.object_id == each.object_id, store.sent_objects.c.lane == str(each.lane)
            )
            waiting = store.outbox.c.object_row == each.row
            tx.execute(delete(store.outbox).where(waiting, store.outbox.c.action == "release"))
            for recipient in tx.connection.scalars(had.distinct()).all():
                _withdraw_from(tx, NationId(recipient), [each])

    def _reconsider(self, tx: Transaction, gate: Gatekeeper) -> None:
        """Ask again about everything that was withheld: an agreement, a partner or an order has changed."""
        orders = [
            _Order(stored, frozenset({NationId(row.recipient)}), row.agreement_id, row.purpose)
            for row in tx.connection.execute(select(store.withheld)).all()
            for stored in self._context.holdings.rows(tx.connection, [row.object_row])
        ]
        self._decide(tx, gate, orders)


def withdraw_from(tx: Transaction, recipient: NationId, fallen: Iterable[StoredObject]) -> None:
    """Let a nation that has these objects from here be told that they no longer stand."""
    _withdraw_from(tx, recipient, map(_fallen, fallen))


def _fallen(stored: StoredObject) -> _Fallen:
    return _Fallen(stored.row, stored.stix.id, stored.lane, version_of(stored))


def _withdraw_from(tx: Transaction, recipient: NationId, fallen: Iterable[_Fallen]) -> None:
    rows = [
        {
            "recipient": recipient,
            "action": "withdraw",
            "object_row": each.row,
            "object_id": each.object_id,
            "version": each.version,
            "lane": str(each.lane),
            "agreement_id": "",
            "purpose": "withdrawal",
            "decided_at": tx.at,
        }
        for each in fallen
    ]
    insert_ignore(tx, store.outbox, rows)
    _tell_planned(tx, rows)


def _sent_by(stored: StoredObject, recipient: NationId) -> bool:
    return any(each.source == "partner" and each.nation == recipient for each in stored.provenance)


def _row(order: _Order, recipient: NationId) -> dict[str, Any]:
    return {
        "recipient": recipient,
        "object_row": order.stored.row,
        "object_id": order.stored.stix.id,
        "version": version_of(order.stored),
        "lane": str(order.stored.lane),
        "agreement_id": order.agreement_id,
        "purpose": order.purpose,
    }


def keep_withheld(tx: Transaction, rows: Sequence[dict[str, Any]]) -> None:
    """Write the private log of refusals; a new refusal of the same question replaces the old one."""
    upsert(tx, store.withheld, rows, keys=_QUESTION, changed=("reasons", "at", "purpose", "object_row"))
    for lane, alike in _by_lane(rows):
        detail = {"count": len(alike)}
        tx.append("exchange.withheld", subject=alike[0]["object_id"], lane=lane, actor="node", detail=detail)


def _tell_planned(tx: Transaction, rows: Sequence[dict[str, Any]]) -> None:
    for lane, alike in _by_lane(rows):
        detail = {"recipients": sorted({row["recipient"] for row in alike}), "count": len(alike)}
        tx.append("exchange.planned", subject=alike[0]["object_id"], lane=lane, actor="node", detail=detail)


def _by_lane(rows: Sequence[dict[str, Any]]) -> list[tuple[Lane, list[dict[str, Any]]]]:
    """Part rows by lane: the journal never speaks of two lanes in one entry."""
    ordered = sorted(rows, key=lambda row: str(row["lane"]))
    return [(Lane(lane), list(alike)) for lane, alike in groupby(ordered, key=lambda row: str(row["lane"]))]
