"""What people may see of the exchange: each partner's channel, releases with receipts, refusals, quarantine."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, func, select

from mithaq.exchange import store
from mithaq.exchange.log.store import proofs
from mithaq.kernel.ids import NationId
from mithaq.kernel.reason import Reason

BEHIND_AFTER = timedelta(seconds=30)
"""News that waits longer than this for a partner, or for its receipt, is late."""


class ChannelState(StrEnum):
    """How the exchange with one partner goes."""

    IN_STEP = "in-step"
    BEHIND = "behind"
    NO_CONTACT = "no-contact"
    TROUBLE = "trouble"


@dataclass(frozen=True, slots=True)
class Unwitnessed:
    """The oldest release to a partner that waits for witnesses; what waits to be fetched is held back by it."""

    release_id: str
    sequence: int
    label: str


@dataclass(frozen=True, slots=True)
class Channel:
    """One partner: how far each side is, what waits, and what stands in the way."""

    partner: NationId
    received_sequence: int
    sent_sequence: int
    fetched_at: datetime | None
    asked_at: datetime | None
    waiting: int
    waiting_since: datetime | None
    unreceipted: int
    unreceipted_since: datetime | None
    trouble: Reason | None
    trouble_at: datetime | None
    unwitnessed: int = 0
    unwitnessed_since: datetime | None = None
    unwitnessed_first: Unwitnessed | None = None
    proofs_owed: int = 0
    proofs_overdue_since: datetime | None = None
    witness_trouble: Reason | None = None
    witness_trouble_at: datetime | None = None

    def state(self, at: datetime) -> ChannelState:
        """Return how the exchange goes at an instant; the worst that holds."""
        if self.trouble is not None:
            return ChannelState.TROUBLE
        if self.asked_at is None and self.fetched_at is None:
            return ChannelState.NO_CONTACT
        return ChannelState.BEHIND if self.lag(at) > BEHIND_AFTER else ChannelState.IN_STEP

    def lag(self, at: datetime) -> timedelta:
        """Return for how long the oldest news has waited for the partner or for its receipt."""
        times = (self.waiting_since, self.unreceipted_since, self.proofs_overdue_since)
        since = [each for each in times if each is not None]
        return max(at - min(since), timedelta()) if since else timedelta()


@dataclass(frozen=True, slots=True)
class Sent:
    """One release that went to a partner, and its receipt where one came back."""

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
    refused: tuple[tuple[str, tuple[Reason, ...]], ...]
    objects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Received:
    """One release that came from a partner, and what this node made of it."""

    sender: NationId
    sequence: int
    release_id: str
    action: str
    lane: str
    outcome: str
    received_at: datetime
    receipt_due: bool


@dataclass(frozen=True, slots=True)
class Refusal:
    """One object that did not leave, or was not let in, with all reasons."""

    row: int
    nation: NationId
    object_id: str
    lane: str
    agreement_id: str
    purpose: str
    at: datetime
    reasons: tuple[Reason, ...]


def channels(connection: Connection, partners: Sequence[NationId]) -> list[Channel]:
    """Return the channel of each partner, in the order given."""
    rows = {row.partner: row for row in connection.execute(select(store.channels))}
    waiting = _counts(connection, store.outbox.c.recipient, store.outbox.c.decided_at)
    open_ = _counts(connection, store.sent.c.recipient, store.sent.c.sent_at, store.sent.c.receipt.is_(None))
    without_frame = (store.sent.c.frame == b"", store.sent.c.receipt.is_(None))
    unwitnessed = _counts(connection, store.sent.c.recipient, store.sent.c.sent_at, *without_frame)
    columns = (store.sent.c.recipient, store.sent.c.release_id, store.sent.c.sequence, store.sent.c.label)
    oldest_last = select(*columns).where(*without_frame).order_by(store.sent.c.sequence.desc())
    first = {row[0]: Unwitnessed(*row[1:]) for row in connection.execute(oldest_last)}
    owed = _counts(connection, proofs.c.sender, proofs.c.due_at, proofs.c.proof.is_(None))
    newest = select(store.sent.c.recipient, func.max(store.sent.c.sequence)).group_by(store.sent.c.recipient)
    sent = {row[0]: int(row[1]) for row in connection.execute(newest)}
    nothing: tuple[int, datetime | None] = (0, None)
    return [
        Channel(
            partner=partner,
            received_sequence=row.received_sequence if (row := rows.get(partner)) else 0,
            sent_sequence=sent.get(partner, 0),
            fetched_at=row.fetched_at if row else None,
            asked_at=row.asked_at if row else None,
            waiting=waiting.get(partner, nothing)[0],
            waiting_since=waiting.get(partner, nothing)[1],
            unreceipted=open_.get(partner, nothing)[0],
            unreceipted_since=open_.get(partner, nothing)[1],
            trouble=Reason.of_json(row.trouble) if row and row.trouble else None,
            trouble_at=row.trouble_at if row else None,
            unwitnessed=unwitnessed.get(partner, nothing)[0],
            unwitnessed_since=unwitnessed.get(partner, nothing)[1],
            unwitnessed_first=first.get(partner),
            proofs_owed=owed.get(partner, nothing)[0],
            proofs_overdue_since=owed.get(partner, nothing)[1],
            witness_trouble=Reason.of_json(row.witness_trouble) if row and row.witness_trouble else None,
            witness_trouble_at=row.witness_trouble_at if row else None,
        )
        for partner in partners
    ]


def _counts(connection: Connection, nation: Any, since: Any, *where: Any) -> dict[str, tuple[int, datetime | None]]:
    query = select(nation, func.count(), func.min(since)).where(*where).group_by(nation)
    return {row[0]: (row[1], row[2]) for row in connection.execute(query)}


def sent_to(connection: Connection, recipient: NationId, *, before: int | None, limit: int) -> list[Sent]:
    """Return the releases to a partner, newest first, before a sequence number."""
    query = select(store.sent).where(store.sent.c.recipient == recipient).order_by(store.sent.c.sequence.desc())
    if before is not None:
        query = query.where(store.sent.c.sequence < before)
    rows = connection.execute(query.limit(limit)).all()
    objects = _objects(connection, recipient, [row.sequence for row in rows])
    return [_sent(row, objects.get(row.sequence, ())) for row in rows]


def _objects(connection: Connection, recipient: NationId, sequences: Sequence[int]) -> dict[int, tuple[str, ...]]:
    table = store.sent_objects
    query = select(table.c.sequence, table.c.object_id).where(
        table.c.recipient == recipient, table.c.sequence.in_(sequences)
    )
    found: dict[int, list[str]] = {}
    for row in connection.execute(query.order_by(table.c.object_id)):
        found.setdefault(row.sequence, []).append(row.object_id)
    return {sequence: tuple(ids) for sequence, ids in found.items()}


def _sent(row: Any, objects: tuple[str, ...]) -> Sent:
    refused = tuple(
        (str(each["object"]), tuple(Reason.of_json(reason) for reason in each["reasons"])) for each in row.refused or ()
    )
    return Sent(
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
        refused,
        objects,
    )


def received_from(connection: Connection, sender: NationId, *, before: int | None, limit: int) -> list[Received]:
    """Return the releases of a partner, newest first, before a sequence number."""
    table = store.received
    query = select(table).where(table.c.sender == sender).order_by(table.c.sequence.desc())
    if before is not None:
        query = query.where(table.c.sequence < before)
    return [
        Received(
            NationId(row.sender),
            row.sequence,
            row.release_id,
            row.action,
            row.lane,
            row.outcome,
            row.received_at,
            row.receipt_due,
        )
        for row in connection.execute(query.limit(limit))
    ]


def withheld(
    connection: Connection,
    *,
    before: int | None = None,
    limit: int = 100,
    recipient: NationId | None = None,
    object_id: str | None = None,
) -> list[Refusal]:
    """Return what was withheld from partners and why, newest first."""
    table = store.withheld
    query = select(table).order_by(table.c.row.desc()).limit(limit)
    if before is not None:
        query = query.where(table.c.row < before)
    if recipient is not None:
        query = query.where(table.c.recipient == recipient)
    if object_id is not None:
        query = query.where(table.c.object_id == object_id)
    return [
        Refusal(
            row.row,
            NationId(row.recipient),
            row.object_id,
            row.lane,
            row.agreement_id,
            row.purpose,
            row.at,
            tuple(Reason.of_json(each) for each in row.reasons),
        )
        for row in connection.execute(query)
    ]


def quarantined(connection: Connection, *, before: int | None = None, limit: int = 100) -> list[Refusal]:
    """Return what partners sent and this node did not admit, newest first."""
    table = store.quarantine
    query = select(table).order_by(table.c.row.desc()).limit(limit)
    if before is not None:
        query = query.where(table.c.row < before)
    return [
        Refusal(
            row.row,
            NationId(row.sender),
            row.object_id,
            "",
            "",
            "",
            row.at,
            tuple(Reason.of_json(each) for each in row.reasons),
        )
        for row in connection.execute(query)
    ]


def counts(connection: Connection) -> dict[str, int]:
    """Count releases sent, receipts held, objects withheld and quarantined."""
    receipts = select(func.count()).select_from(store.sent).where(store.sent.c.receipt.is_not(None))
    return {
        "released": connection.scalar(select(func.count()).select_from(store.sent)) or 0,
        "receipts": connection.scalar(receipts) or 0,
        "withheld": connection.scalar(select(func.count()).select_from(store.withheld)) or 0,
        "quarantined": connection.scalar(select(func.count()).select_from(store.quarantine)) or 0,
    }


@dataclass(frozen=True, slots=True)
class Holder:
    """A nation that has an object from here, in which version, with what receipt."""

    nation: NationId
    version: str
    sent_at: datetime
    agreement_id: str
    outcome: str | None


def vetoes(connection: Connection, object_id: str) -> frozenset[str]:
    """Return the nations from which an object is kept by veto; `*` stands for everybody."""
    query = select(store.vetoes.c.recipient).where(store.vetoes.c.object_id == object_id)
    return frozenset(connection.scalars(query))


def holders(connection: Connection, object_id: str) -> list[Holder]:
    """Return which nations have an object from here."""
    inside, whole = store.sent_objects, store.sent
    same = (whole.c.recipient == inside.c.recipient) & (whole.c.sequence == inside.c.sequence)
    query = (
        select(inside.c.recipient, inside.c.version, whole.c.sent_at, whole.c.agreement_id, whole.c.outcome)
        .join(whole, same)
        .where(inside.c.object_id == object_id, whole.c.action == "release")
        .order_by(inside.c.recipient, whole.c.sequence)
    )
    return [
        Holder(NationId(row.recipient), row.version, row.sent_at, row.agreement_id, row.outcome)
        for row in connection.execute(query)
    ]


def receipts(connection: Connection) -> list[tuple[NationId, bytes]]:
    """Return every receipt held, as its signer and its signed bytes."""
    query = select(store.sent.c.recipient, store.sent.c.receipt).where(
        store.sent.c.receipt.is_not(None), store.sent.c.receipt != b""
    )
    return [(NationId(nation), bytes(receipt)) for nation, receipt in connection.execute(query)]


def received_envelopes(connection: Connection) -> list[bytes]:
    """Return every release this node got, unsealed and signed, as it came; not those whose bytes were erased."""
    query = (
        select(store.received.c.envelope)
        .where(store.received.c.envelope != b"")
        .order_by(store.received.c.sender, store.received.c.sequence)
    )
    return [bytes(envelope) for (envelope,) in connection.execute(query)]
