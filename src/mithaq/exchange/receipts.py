"""Receipts of both directions: keep those of partners, owe this nation's own until they are delivered."""

from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from mithaq.exchange import store
from mithaq.exchange.context import Context
from mithaq.exchange.errors import BadReceipt
from mithaq.exchange.kept_reasons import kept_of
from mithaq.exchange.log.record import record_of_receipt
from mithaq.exchange.receipt import RECEIPT_TYPE, Receipt, read_receipt
from mithaq.exchange.sending import overtaken
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.database import Transaction
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane
from mithaq.kernel.reason import Reason
from mithaq.kernel.signing import verify
from mithaq.nations.keys.authority import demand_authorised

_AT_ONCE = 100


class Receipts:
    """Who has confirmed what, and which confirmations this nation still owes."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def accept(self, partner: NationId, envelope: bytes, at: datetime) -> Receipt:
        """Keep a partner's signed receipt for one of this node's releases; the same receipt twice is one.

        Raises:
            BadJson, BadSignature: it is not signed by the partner.
            KeysExpired: the partner's root officials do not authorise the key on its card, or no longer.
            BadReceipt: it speaks of a release that this partner was never sent, or of other bytes.
        """
        with self._context.db.read() as connection:
            known = self._context.partners.get(connection, partner)
        demand_authorised(known, at)
        key = known.card.verify_key
        receipt = read_receipt(verify(envelope, key, RECEIPT_TYPE, subject=f"receipt of {partner}"))
        if (receipt.sender, receipt.recipient) != (self._context.own, partner):
            raise BadReceipt("it is not about a release from here to its signer", subject=receipt.release_id[:80])
        with self._context.db.write(at) as tx:
            lane = self._keep(tx, receipt, envelope)
            if lane is not None:
                self._context.log.append(tx, [record_of_receipt(receipt, lane, "receipt-taken")])
        return receipt

    def due(self, sender: NationId, *, limit: int = _AT_ONCE) -> list[Receipt]:
        """Return the receipts that a partner was not given yet, oldest first."""
        query = (
            select(store.received)
            .where(store.received.c.receipt_due.is_(True), store.received.c.sender == sender)
            .order_by(store.received.c.sequence)
            .limit(limit)
        )
        with self._context.db.read() as connection:
            return [self._of(row) for row in connection.execute(query)]

    def signed(self, receipt: Receipt) -> bytes:
        """Return this nation's receipt, signed."""
        return self._context.signer.sign(RECEIPT_TYPE, receipt.encode())

    def delivered(self, receipt: Receipt, at: datetime) -> None:
        """Note that a partner has this nation's receipt."""
        here = (store.received.c.sender == receipt.sender, store.received.c.sequence == receipt.sequence)
        with self._context.db.write(at) as tx:
            tx.execute(update(store.received).where(*here).values(receipt_due=False))

    def _keep(self, tx: Transaction, receipt: Receipt, envelope: bytes) -> Lane | None:
        """Keep a receipt and return the lane it belongs to; nothing where it was kept before."""
        here = (store.sent.c.recipient == receipt.recipient, store.sent.c.sequence == receipt.sequence)
        row = tx.execute(select(store.sent).where(*here)).one_or_none()
        if row is None or row.release_id != receipt.release_id:
            raise BadReceipt("it matches no release that this nation sent", subject=receipt.release_id[:80])
        if row.digest != receipt.digest and not overtaken.restore(tx, receipt, self._context.holdings):
            raise BadReceipt("it matches no release that this nation sent", subject=receipt.release_id[:80])
        if row.receipt is not None:
            return None
        overtaken.forget(tx, receipt)
        refused = [
            {"object": name, "reasons": [each.as_json() for each in reasons]}
            for name, reasons in kept_of(receipt.refused)
        ]
        tx.execute(
            update(store.sent)
            .where(*here)
            .values(outcome=receipt.outcome, receipt=envelope, receipted_at=tx.at, refused=refused)
        )
        tx.append(
            "exchange.receipt",
            subject=receipt.release_id,
            lane=Lane(row.lane),
            actor=f"nation:{receipt.recipient}",
            detail={"outcome": receipt.outcome, "sequence": receipt.sequence, "dated": rfc3339(receipt.at)},
        )
        return Lane(row.lane)

    def _of(self, row: Any) -> Receipt:
        refused = tuple(
            (each["object"], tuple(Reason.of_json(reason) for reason in each["reasons"])) for each in row.refused
        )
        return Receipt(
            sender=NationId(row.sender),
            recipient=self._context.own,
            release_id=row.release_id,
            sequence=row.sequence,
            digest=row.digest,
            outcome=row.outcome,
            at=row.received_at,
            refused=refused,
        )
