"""What waits to be fetched by one partner, gathered into what may travel in one release."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, delete, select

from mithaq.agreements.model import Agreement
from mithaq.exchange import store
from mithaq.exchange.context import Context
from mithaq.exchange.gatekeeping import Gatekeeper
from mithaq.exchange.planning import keep_withheld
from mithaq.exchange.sending.record import question, refusal
from mithaq.exchange.settings import MAX_OBJECTS_PER_RELEASE, MAX_RELEASE_BODY_BYTES
from mithaq.intelligence.model import StoredObject
from mithaq.kernel.database import Transaction
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane
from mithaq.release.model import Item, Released, Withheld
from mithaq.release.rules import retract


@dataclass(frozen=True, slots=True)
class Batch:
    """Waiting decisions that may travel in one release, with what the gate handed out for each."""

    rows: Sequence[Any]
    agreement: Agreement | None
    released: Sequence[tuple[Any, StoredObject, Released[Item]]]
    refused: Sequence[dict[str, Any]]
    consents: Mapping[int, bytes] = field(default_factory=dict)


class Outbox:
    """The decisions that wait, as the sender reads them."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def batch(self, connection: Connection, recipient: NationId, at: datetime) -> Batch:
        """Gather from the outbox what may travel next in one release.

        What is refused by now is passed over as if it were not there: neither how many objects a release holds nor
        where it ends tells of it.
        """
        gate = self._context.gatekeeper(connection, at)
        going: list[Any] = []
        released: list[tuple[Any, StoredObject, Released[Item]]] = []
        refused: list[dict[str, Any]] = []
        spent: list[Any] = []
        size = 0
        for row, stored, decision in self._decided(connection, gate, recipient):
            if row.action != "withdraw":
                if stored is None or isinstance(decision, Withheld):
                    spent.append(row)
                    refused += [refusal(question(row), decision, at)] if isinstance(decision, Withheld) else []
                    continue
                size += len(stored.body)
            full = len(going) == MAX_OBJECTS_PER_RELEASE or size > MAX_RELEASE_BODY_BYTES
            if going and (full or _label(row) != _label(going[0])):
                break
            going.append(row)
            if stored and isinstance(decision, Released):
                released.append((row, stored, decision))
        if going and not released:  # withdrawals; what was passed over is taken out when its turn comes
            return Batch(going, None, (), ())
        rows = [*going, *spent]
        agreement = gate.agreement(rows[0].agreement_id) if rows else None
        consents = {
            stored.row: gate.consent(stored, recipient, row.agreement_id, decision.value.carried[-1].originator)
            for row, stored, decision in released
            if decision.value.carried
        }
        return Batch(rows, agreement, released, refused, consents)

    def _decided(
        self, connection: Connection, gate: Gatekeeper, recipient: NationId
    ) -> Iterator[tuple[Any, StoredObject | None, Released[Item] | Withheld | None]]:
        """Yield what waits with its object and decision; what waits in a row under one label is judged together."""
        for page, held in self._queued(connection, recipient):
            for (action, agreement_id, purpose, _), alike in groupby(page, key=_label):
                rows = list(alike)
                asked = [held[row.object_row] for row in rows if action != "withdraw" and row.object_row in held]
                decided = gate.decide_each(asked, recipient, agreement_id, purpose)
                decision_of = {stored.row: decision for stored, decision in zip(asked, decided, strict=True)}
                for row in rows:
                    yield row, held.get(row.object_row), decision_of.get(row.object_row)

    def _queued(
        self, connection: Connection, recipient: NationId
    ) -> Iterator[tuple[Sequence[Any], Mapping[int, StoredObject]]]:
        """Yield pages of what waits for a partner, oldest first, with the objects they are about by row."""
        after = 0
        query = select(store.outbox).where(store.outbox.c.recipient == recipient).order_by(store.outbox.c.row)
        while rows := connection.execute(query.where(store.outbox.c.row > after).limit(MAX_OBJECTS_PER_RELEASE)).all():
            found = self._context.holdings.rows(connection, [row.object_row for row in rows])
            yield rows, {each.row: each for each in found}
            after = rows[-1].row

    def retracted(self, batch: Batch, recipient: NationId) -> tuple[str, ...]:
        """Return the objects to withdraw, of those that the recipient really has from here."""
        inside, whole = store.sent_objects, store.sent
        same = (whole.c.recipient == inside.c.recipient, whole.c.sequence == inside.c.sequence)
        names = []
        with self._context.db.read() as connection:
            for object_id in dict.fromkeys(row.object_id for row in batch.rows):
                had = select(inside.c.sequence).where(
                    *same,
                    inside.c.recipient == recipient,
                    inside.c.object_id == object_id,
                    whole.c.action == "release",
                )
                lane = Lane(batch.rows[0].lane)
                was_released = connection.execute(had.limit(1)).first() is not None
                word = retract(object_id, lane, recipient, was_released=was_released)
                if word:
                    names.append(word.value.object_id)
        return tuple(names)


def empty(tx: Transaction, batch: Batch) -> int:
    """Take a batch out of the outbox; return how many of its decisions still waited there."""
    taken = tx.execute(delete(store.outbox).where(store.outbox.c.row.in_([row.row for row in batch.rows])))
    keep_withheld(tx, batch.refused)
    return int(taken.rowcount)


def _label(row: Any) -> tuple[str, str, str, str]:
    return (row.action, row.agreement_id, row.purpose, row.lane)
