"""What went between this node and its partners, for people to read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from mithaq.exchange import store
from mithaq.exchange.context import Context
from mithaq.kernel.ids import NationId
from mithaq.kernel.reason import Reason
from mithaq.nations.model import Partner


@dataclass(frozen=True, slots=True)
class ChannelState:
    """How one partner and this node stand: both directions, what waits, what is in the way."""

    partner: Partner
    sent: int
    confirmed: int
    waiting: int
    unreceipted: int
    received: int
    fetched_at: datetime | None
    asked_at: datetime | None
    trouble: Reason | None


@dataclass(frozen=True, slots=True)
class SentRelease:
    """One release to a partner and what became of it."""

    recipient: NationId
    sequence: int
    release_id: str
    action: str
    lane: str
    agreement_id: str
    purpose: str
    sent_at: datetime
    outcome: str | None
    receipted_at: datetime | None
    objects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WithheldObject:
    """One refusal of the private log."""

    row: int
    recipient: NationId
    object_id: str
    version: str
    lane: str
    agreement_id: str
    purpose: str
    reasons: tuple[Reason, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class QuarantinedObject:
    """One object of a partner that was not admitted."""

    row: int
    sender: NationId
    release_id: str
    object_id: str
    body: bytes
    reasons: tuple[Reason, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class Holder:
    """A nation that has an object from here."""

    nation: NationId
    version: str
    sent_at: datetime
    agreement_id: str
    outcome: str | None


class Views:
    """Read-only questions about the exchange."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def channels(self, connection: Connection) -> list[ChannelState]:
        """Return every partner's state, by code."""
        sent = _counts(connection, store.sent, store.sent.c.recipient, func.max(store.sent.c.sequence))
        done = _counts(connection, store.sent, store.sent.c.recipient, func.count(store.sent.c.receipt))
        total = _counts(connection, store.sent, store.sent.c.recipient, func.count())
        waiting = _counts(connection, store.outbox, store.outbox.c.recipient, func.count())
        rows = {row.partner: row for row in connection.execute(select(store.channels))}
        return [
            _state(partner, sent, done, total, waiting, rows.get(partner.nation))
            for partner in self._context.partners.all(connection)
        ]

    def sent(self, connection: Connection, *, before: datetime | None = None, limit: int = 50) -> list[SentRelease]:
        """Return releases newest first."""
        query = select(store.sent).order_by(store.sent.c.sent_at.desc(), store.sent.c.sequence.desc()).limit(limit)
        if before is not None:
            query = query.where(store.sent.c.sent_at < before)
        return [_sent(connection, row) for row in connection.execute(query).all()]

    def withheld(self, connection: Connection, *, before: int | None = None, limit: int = 50) -> list[WithheldObject]:
        """Return what was withheld and why, newest first; private to this node."""
        query = select(store.withheld).order_by(store.withheld.c.row.desc()).limit(limit)
        if before is not None:
            query = query.where(store.withheld.c.row < before)
        return [_withheld(row) for row in connection.execute(query)]

    def withheld_object(self, connection: Connection, object_id: str) -> list[WithheldObject]:
        """Return the refusals of one object."""
        query = select(store.withheld).where(store.withheld.c.object_id == object_id)
        return [_withheld(row) for row in connection.execute(query.order_by(store.withheld.c.recipient))]

    def quarantined(
        self, connection: Connection, *, before: int | None = None, limit: int = 50
    ) -> list[QuarantinedObject]:
        """Return what partners sent and this node did not admit, newest first."""
        query = select(store.quarantine).order_by(store.quarantine.c.row.desc()).limit(limit)
        if before is not None:
            query = query.where(store.quarantine.c.row < before)
        return [
            QuarantinedObject(
                row.row,
                NationId(row.sender),
                row.release_id,
                row.object_id,
                bytes(row.body),
                _reasons(row.reasons),
                row.at,
            )
            for row in connection.execute(query)
        ]

    def holders(self, connection: Connection, object_id: str) -> list[Holder]:
        """Return which nations have an object from here, in which version, with what receipt."""
        inside, whole = store.sent_objects, store.sent
        query = (
            select(inside.c.recipient, inside.c.version, whole.c.sent_at, whole.c.agreement_id, whole.c.outcome)
            .join(whole, (whole.c.recipient == inside.c.recipient) & (whole.c.sequence == inside.c.sequence))
            .where(inside.c.object_id == object_id, whole.c.action == "release")
            .order_by(inside.c.recipient, whole.c.sequence)
        )
        return [
            Holder(NationId(row.recipient), row.version, row.sent_at, row.agreement_id, row.outcome)
            for row in connection.execute(query)
        ]

    def received_payloads(self, connection: Connection) -> Sequence[bytes]:
        """Return the signed releases this node got, opened; for audits of what really arrived."""
        query = select(store.received.c.envelope).order_by(store.received.c.sender, store.received.c.sequence)
        return [bytes(row.envelope) for row in connection.execute(query)]


def _counts(connection: Connection, table: Any, column: Any, value: Any) -> dict[str, int]:
    query = select(column, value).select_from(table).group_by(column)
    return {name: count or 0 for name, count in connection.execute(query)}


def _state(
    partner: Partner,
    sent: dict[str, int],
    done: dict[str, int],
    total: dict[str, int],
    waiting: dict[str, int],
    row: Any | None,
) -> ChannelState:
    nation = partner.nation
    trouble = row.trouble if row else None
    return ChannelState(
        partner=partner,
        sent=sent.get(nation, 0),
        confirmed=(row.asked_after or 0) if row else 0,
        waiting=waiting.get(nation, 0),
        unreceipted=total.get(nation, 0) - done.get(nation, 0),
        received=row.received_sequence if row else 0,
        fetched_at=row.fetched_at if row else None,
        asked_at=row.asked_at if row else None,
        trouble=Reason.of_json(trouble) if trouble else None,
    )


def _sent(connection: Connection, row: Any) -> SentRelease:
    inside = select(store.sent_objects.c.object_id).where(
        store.sent_objects.c.recipient == row.recipient, store.sent_objects.c.sequence == row.sequence
    )
    return SentRelease(
        NationId(row.recipient),
        row.sequence,
        row.release_id,
        row.action,
        row.lane,
        row.agreement_id,
        row.purpose,
        row.sent_at,
        row.outcome,
        row.receipted_at,
        tuple(object_id for (object_id,) in connection.execute(inside)),
    )


def _withheld(row: Any) -> WithheldObject:
    return WithheldObject(
        row.row,
        NationId(row.recipient),
        row.object_id,
        row.version,
        row.lane,
        row.agreement_id,
        row.purpose,
        _reasons(row.reasons),
        row.at,
    )


def _reasons(values: Sequence[dict[str, Any]]) -> tuple[Reason, ...]:
    return tuple(Reason.of_json(value) for value in values)
