"""What went to partners and what came from them, with receipts, as people see it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, select

from mithaq.exchange import store
from mithaq.exchange.log.store import proofs
from mithaq.kernel.ids import NationId
from mithaq.kernel.reason import Reason


@dataclass(frozen=True, slots=True)
class Sent:
    """One release to a partner, and its receipt where one came back.

    `waits`: it is numbered and logged but waits for witnesses; `emergency`: a person let it go before they answered.
    """

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
    label: str = ""
    waits: bool = False
    emergency: bool = False


@dataclass(frozen=True, slots=True)
class Received:
    """One release that came from a partner, and what this node made of it.

    `emergency`: the sender let it go before witnesses had answered; `proof_due_at`: when a proof that is owed is due.
    """

    sender: NationId
    sequence: int
    release_id: str
    action: str
    lane: str
    outcome: str
    received_at: datetime
    receipt_due: bool
    emergency: bool = False
    proof_due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Holder:
    """A nation that has an object from here, in which version, with what receipt."""

    nation: NationId
    version: str
    sent_at: datetime
    agreement_id: str
    outcome: str | None


_SEALED = frozenset({"frame", "envelope", "receipt"})
WITHOUT_BYTES = (
    *(column for column in store.sent.c if column.name not in _SEALED),
    and_(*store.WAITS_FOR_WITNESSES).label("waits"),
)
"""What a list shows of a release; its sealed bytes may be megabytes."""


def sent_to(connection: Connection, recipient: NationId, *, before: int | None, limit: int) -> list[Sent]:
    """Return the releases to a partner, newest first, before a sequence number."""
    query = select(*WITHOUT_BYTES).where(store.sent.c.recipient == recipient).order_by(store.sent.c.sequence.desc())
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
        row.label,
        bool(row.waits),
        row.emergency_leaf is not None,
    )


def received_from(connection: Connection, sender: NationId, *, before: int | None, limit: int) -> list[Received]:
    """Return the releases of a partner, newest first, before a sequence number."""
    table, same = store.received, proofs.c.sender == store.received.c.sender
    whole = table.outerjoin(proofs, same & (proofs.c.sequence == table.c.sequence))
    query = (
        select(table, proofs.c.emergency, proofs.c.due_at, proofs.c.proof.is_(None).label("owed"))
        .select_from(whole)
        .where(table.c.sender == sender)
        .order_by(table.c.sequence.desc())
    )
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
            bool(row.emergency),
            row.due_at if row.owed else None,
        )
        for row in connection.execute(query.limit(limit))
    ]


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
