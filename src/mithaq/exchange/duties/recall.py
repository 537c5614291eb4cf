"""Follow a recall to everybody who has the object: clocks for each recipient, and counts back to the originator.

A nation counts its onward recipients for the recall that felled the object here; to any other that comes by another
way it answers that it told nobody. So each telling is counted once, and counts end also where nations gave an object
to each other in a circle.

Source: Dijkstra and Scholten, Termination detection for diffusing computations (1980).
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, update

from mithaq.exchange import store as exchange
from mithaq.exchange.context import Context
from mithaq.exchange.duties import store
from mithaq.exchange.duties.attestation import Attestation
from mithaq.exchange.duties.record import owe
from mithaq.exchange.duties.retention import owe_attestation
from mithaq.exchange.release_document import read_release
from mithaq.kernel.database import Transaction, insert_ignore
from mithaq.kernel.ids import NationId, new_id
from mithaq.kernel.journal import Entry
from mithaq.kernel.lane import Lane
from mithaq.kernel.signing import read_envelope
from mithaq.release.obligations import Occasion, recall_duty

OWN = "own:"
"""Marks the clocks of this nation's own recalls, which answer nobody else's."""


def start(tx: Transaction, context: Context, entry: Entry) -> None:
    """Start a clock for everyone who was given an object that was just withdrawn."""
    inside, whole = exchange.sent_objects, exchange.sent
    same = (whole.c.recipient == inside.c.recipient) & (whole.c.sequence == inside.c.sequence)
    query = (
        select(whole.c.recipient, whole.c.agreement_id, whole.c.agreement_version)
        .join(inside, same)
        .where(inside.c.object_id == entry.subject, inside.c.lane == str(entry.lane), whole.c.action == "release")
        .order_by(whole.c.sequence)
    )
    waiting = set(
        tx.connection.scalars(
            select(store.duties.c.owed_by).where(*_about(entry.subject, entry.lane), store.duties.c.state == "open")
        )
    )
    newest = {row.recipient: row for row in tx.execute(query) if row.recipient not in waiting}
    is_own = entry.actor == f"nation:{context.own}"
    for recipient, row in sorted(newest.items()):
        agreement = context.agreements.find(tx.connection, row.agreement_id, row.agreement_version)
        if agreement is not None:
            occasion = Occasion(agreement, entry.subject, entry.lane, entry.at, f"{OWN if is_own else ''}{entry.seq}")
            owe(tx, [recall_duty(occasion, context.own, NationId(recipient))])


def receipted(tx: Transaction, context: Context, release_id: str, recipient: NationId) -> None:
    """Settle what a recipient has confirmed: its receipt for a release that withdraws objects."""
    whole, inside = exchange.sent, exchange.sent_objects
    row = tx.execute(
        select(whole).where(whole.c.release_id == release_id, whole.c.recipient == recipient)
    ).one_or_none()
    if row is None or row.action != "withdraw":
        return
    names = select(inside.c.object_id).where(inside.c.recipient == recipient, inside.c.sequence == row.sequence)
    objects = list(tx.connection.scalars(names))
    tx.execute(
        update(store.duties)
        .where(
            store.duties.c.kind == "recall",
            store.duties.c.owed_by == recipient,
            store.duties.c.subject.in_(objects),
            store.duties.c.lane == row.lane,
            store.duties.c.started_at <= row.sent_at,
            store.duties.c.state == "open",
        )
        .values(state="fulfilled", settled_at=tx.at, settled_by=f"nation:{recipient}")
    )
    for object_id in objects:
        _report(tx, context.own, object_id, Lane(row.lane))


def received(tx: Transaction, context: Context, sender: NationId, sequence: int, seq: int) -> None:
    """Keep a recall that a partner sent, and owe it a first count of those to whom the object was passed on."""
    table = exchange.received
    row = tx.execute(select(table).where(table.c.sender == sender, table.c.sequence == sequence)).one_or_none()
    if row is None or row.action != "withdraw" or not row.envelope:
        return
    document = read_release(read_envelope(bytes(row.envelope), subject="release").payload)
    for object_id in document.withdrawn:
        found = {
            "nation": sender,
            "release_id": row.release_id,
            "object_id": object_id,
            "lane": row.lane,
            "digest": row.digest,
            "at": row.received_at,
            "after_seq": _accounted(tx.connection, object_id, row.lane),
            "upto_seq": seq,
            "told": -1,
            "confirmed": -1,
        }
        insert_ignore(tx, store.recalls, [found])
        _report(tx, context.own, object_id, document.lane)


def heard(tx: Transaction, own: NationId, word: Attestation) -> None:
    """Take in what a direct recipient counted among those to whom it had passed the objects on."""
    for object_id in word.objects:
        mine = (*_about(object_id, word.lane), store.duties.c.owed_by == word.by)
        newest = tx.connection.scalar(select(func.max(store.duties.c.row)).where(*mine))
        if newest is not None:
            values = {"onward_told": word.told, "onward_confirmed": word.confirmed}
            tx.execute(update(store.duties).where(store.duties.c.row == newest).values(**values))
        _report(tx, own, object_id, word.lane)


def _report(tx: Transaction, own: NationId, object_id: str, lane: Lane) -> None:
    """Owe a new count to each nation that recalled the object, where it has changed."""
    table = store.recalls
    query = select(table).where(table.c.object_id == object_id, table.c.lane == str(lane))
    for row in tx.execute(query).all():
        told, confirmed = _counts(tx.connection, row)
        if (told, confirmed) == (row.told, row.confirmed):
            continue
        here = (
            table.c.nation == row.nation,
            table.c.release_id == row.release_id,
            table.c.object_id == object_id,
        )
        tx.execute(update(table).where(*here).values(told=told, confirmed=confirmed))
        owe_attestation(tx, _word(own, row, lane, tx.at, told, confirmed))


def _accounted(connection: Connection, object_id: str, lane: str) -> int:
    """Return up to which entry earlier recalls of the object account for its clocks."""
    table = store.recalls
    query = select(func.max(table.c.upto_seq)).where(table.c.object_id == object_id, table.c.lane == lane)
    return connection.scalar(query) or 0


def _counts(connection: Connection, recall: Any) -> tuple[int, int]:
    """Return how many were told on account of this recall, and how many of them have confirmed."""
    query = select(store.duties).where(*_about(recall.object_id, Lane(recall.lane)))
    rows = [
        row
        for row in connection.execute(query)
        if not row.reference.startswith(OWN) and recall.after_seq < int(row.reference) <= recall.upto_seq
    ]
    told = sum(1 + row.onward_told for row in rows)
    return told, sum((row.state == "fulfilled") + row.onward_confirmed for row in rows)


def _about(object_id: str, lane: Lane) -> tuple[Any, ...]:
    table = store.duties
    return (table.c.kind == "recall", table.c.subject == object_id, table.c.lane == str(lane))


def _word(own: NationId, row: Any, lane: Lane, at: datetime, told: int, confirmed: int) -> Attestation:
    return Attestation(
        new_id("attestation"),
        "recall",
        own,
        NationId(row.nation),
        row.release_id,
        row.digest,
        lane,
        (row.object_id,),
        "recall_hours",
        at,
        told == confirmed,
        told,
        confirmed,
    )
