"""What a number said before it became void: the answer that carried it may be slow, and the recipient may take it yet.

Whichever of the two the recipient confirms is what this nation sent. Where it is the earlier one, who has what is put
right, and the withdrawals that this recipient was not thought to need are sent after it.
"""

from typing import Any

from sqlalchemy import delete, select, update

from mithaq.exchange import store
from mithaq.exchange.planning import withdraw_from
from mithaq.exchange.receipt import Receipt
from mithaq.exchange.sending.record import OF_OBJECT
from mithaq.intelligence.service import Holdings
from mithaq.kernel.database import Transaction, insert_ignore

_KEPT = (
    "action", "digest", "frame", "sent_at", "label", "envelope", "log", "leaf", "emergency_log", "emergency_leaf",
)  # fmt: skip


def keep(tx: Transaction, row: Any) -> None:
    """Keep what a number says until now, if it may ever have left."""
    if not row.frame:
        return
    inside = select(*(store.sent_objects.c[name] for name in OF_OBJECT)).where(
        store.sent_objects.c.recipient == row.recipient, store.sent_objects.c.sequence == row.sequence
    )
    objects = [dict(each) for each in tx.execute(inside).mappings()]
    before = {name: getattr(row, name) for name in _KEPT}
    tx.execute(
        store.overtaken.insert().values(recipient=row.recipient, sequence=row.sequence, objects=objects, **before)
    )


def restore(tx: Transaction, receipt: Receipt, holdings: Holdings) -> bool:
    """Put back what a recipient confirms to have taken under a number that is void here; tell whether it was so."""
    table = store.overtaken
    here = (table.c.recipient == receipt.recipient, table.c.sequence == receipt.sequence)
    row = tx.execute(select(table).where(*here, table.c.digest == receipt.digest)).one_or_none()
    if row is None:
        return False
    number = {"recipient": row.recipient, "sequence": row.sequence}
    tx.execute(
        update(store.sent)
        .where(store.sent.c.recipient == row.recipient, store.sent.c.sequence == row.sequence)
        .values({name: getattr(row, name) for name in _KEPT})
    )
    insert_ignore(tx, store.sent_objects, [number | each for each in row.objects])
    fallen = holdings.rows(tx.connection, [each["object_row"] for each in row.objects])
    withdraw_from(tx, receipt.recipient, [stored for stored in fallen if not stored.stands])
    return True


def forget(tx: Transaction, receipt: Receipt) -> None:
    """Delete what was kept of a number, once its recipient has confirmed one or the other."""
    table = store.overtaken
    tx.execute(delete(table).where(table.c.recipient == receipt.recipient, table.c.sequence == receipt.sequence))
