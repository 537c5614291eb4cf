"""Hand a partner what waits for it: judged again, numbered, signed, logged and sealed when it is fetched."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from mithaq.exchange import store
from mithaq.exchange.context import Context
from mithaq.exchange.errors import OutOfSequence
from mithaq.exchange.log.record import label_of, record_of_release
from mithaq.exchange.proving import Proving, must_wait
from mithaq.exchange.release_document import ReleaseDocument, objects_under
from mithaq.exchange.sending.outbox import Batch, Outbox, empty
from mithaq.exchange.sending.record import last_sequence, logged, signed
from mithaq.exchange.sending.repeats import Repeats
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane


class _TakenBack(Exception):
    """A decision was taken back between its judgement and its number, by a withdrawal that saw nothing sent yet."""


class Sending:
    """The sender's half of the partner channel."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._proving = Proving(context)
        self._repeats = Repeats(context, self._proving)
        self._outbox = Outbox(context)

    def waiting(self, recipient: NationId, after: int, at: datetime) -> bool:
        """Tell whether a partner that has taken everything up to `after` would get something now.

        Raises:
            OutOfSequence: the partner claims to have more than it was ever sent.
        """
        queued = select(store.outbox.c.row).where(store.outbox.c.recipient == recipient).limit(1)
        last = self._checked_claim(recipient, after, at)
        with self._context.db.read() as connection:
            return last > after or connection.execute(queued).first() is not None

    def frames(self, recipient: NationId, after: int, at: datetime) -> list[bytes]:
        """Return the sealed releases after a sequence number, oldest first.

        New ones are made one at a time, so that the sender serves others while this recipient takes it in. One that
        waits for witnesses holds back what follows it, for numbers have no gaps; it is flushed again at each fetch.

        Raises:
            OutOfSequence: the partner claims to have more than it was ever sent.
            UnknownPartner: there is no card of that nation.
        """
        last = self._checked_claim(recipient, after, at)
        if last > after:
            return self._repeats.frames(recipient, after, at)
        return self._next(recipient, at)

    def _checked_claim(self, recipient: NationId, after: int, at: datetime) -> int:
        """Return the number of the last release to a partner that says it has everything up to `after`.

        A partner that has more, for instance because this node was restored from an older backup, would never ask for
        the numbers that are given a second time; its claim is kept, for a person to decide (`Orders.resume`).
        """
        with self._context.db.read() as connection:
            last = last_sequence(connection, recipient)
        if after > last:
            self.note_request(recipient, after, at)
            raise OutOfSequence(
                "%(nation)s asks for what follows number %(after)s, but was sent only up to %(last)s",
                nation=recipient,
                after=after,
                last=last,
            )
        return last

    def note_request(self, recipient: NationId, after: int, at: datetime) -> None:
        """Keep how far a partner says it is; called while it waits, when nothing else is to be done for it."""
        query = select(store.channels.c.asked_after).where(store.channels.c.partner == recipient)
        with self._context.db.read() as connection:
            known = connection.execute(query).scalar_one_or_none()
        if known != after:
            with self._context.db.write(at) as tx:
                store.set_channel(tx, recipient, asked_after=after, asked_at=at)

    def _next(self, recipient: NationId, at: datetime) -> list[bytes]:
        """Make the next release out of the outbox; nothing when it is empty, or waits for witnesses."""
        while True:
            with self._context.db.read() as connection:
                batch = self._outbox.batch(connection, recipient, at)
                sequence = last_sequence(connection, recipient) + 1
            if not batch.rows:
                return []
            if not batch.released and batch.rows[0].action == "release":
                self._drop(batch, at)
                continue
            document = self._document(batch, recipient, sequence, at)
            if document is None:
                self._drop(batch, at)
                continue
            try:
                self._keep_sent(batch, document, at)
            except (IntegrityError, _TakenBack):  # this number was taken, or a decision taken back: judge again
                continue
            return self._numbered(recipient, sequence, at)

    def _numbered(self, recipient: NationId, sequence: int, at: datetime) -> list[bytes]:
        """Return what was numbered just now, once enough others have seen that it was logged."""
        here = (store.sent.c.recipient == recipient, store.sent.c.sequence == sequence)
        with self._context.db.read() as connection:
            row = connection.execute(select(store.sent).where(*here)).one()
        self._proving.flush([row], at)
        frame = self._proving.frame_of(row, at)
        return [] if frame is None else [frame]

    def _document(self, batch: Batch, recipient: NationId, sequence: int, at: datetime) -> ReleaseDocument | None:
        first = batch.rows[0]
        document = ReleaseDocument(
            self._context.ids("release"),
            self._context.own,
            recipient,
            sequence,
            at,
            "release",
            Lane(first.lane),
            None,
            first.purpose,
        )
        if first.action == "withdraw":
            names = self._outbox.retracted(batch, recipient)
            return replace(document, action="withdraw", withdrawn=names) if names else None
        agreement = batch.agreement
        if agreement is None:
            return None
        released = (
            (stored.body, decision, batch.consents.get(stored.row, b"")) for _, stored, decision in batch.released
        )
        objects = objects_under(agreement, released, self._context.own, recipient, at)
        return replace(document, agreement=agreement.reference, objects=objects)

    def _drop(self, batch: Batch, at: datetime) -> None:
        with self._context.db.write(at) as tx:
            empty(tx, batch)

    def _keep_sent(self, batch: Batch, document: ReleaseDocument, at: datetime) -> None:
        envelope, digest = signed(self._context, document)
        waits = must_wait(document.action, label_of(document))
        frame = b"" if waits else self._proving.seal(document.recipient, document.sequence, envelope, b"")
        record = record_of_release(document, digest)
        with self._context.db.write(at) as tx:
            place = logged(self._context.log.append(tx, [record])[0], document, envelope)
            tx.execute(store.sent.insert().values(**_sent_row(batch, document, frame, digest), **place))
            objects = _sent_objects(batch, document)
            if objects:
                tx.execute(store.sent_objects.insert(), objects)
            if empty(tx, batch) != len(batch.rows):
                raise _TakenBack
            tx.append(
                "exchange.released",
                subject=document.id,
                lane=document.lane,
                actor="node",
                detail={
                    "recipient": document.recipient,
                    "sequence": document.sequence,
                    "action": document.action,
                    "objects": len(document.objects) + len(document.withdrawn),
                },
            )


def _sent_row(batch: Batch, document: ReleaseDocument, frame: bytes, digest: str) -> dict[str, Any]:
    return {
        "recipient": document.recipient,
        "sequence": document.sequence,
        "release_id": document.id,
        "action": document.action,
        "lane": str(document.lane),
        "agreement_id": batch.rows[0].agreement_id,
        "agreement_version": document.agreement.version if document.agreement else 0,
        "purpose": document.purpose,
        "digest": digest,
        "frame": frame,
        "sent_at": document.at,
    }


def _sent_objects(batch: Batch, document: ReleaseDocument) -> list[dict[str, Any]]:
    rows = [row for row, _, _ in batch.released] if document.action == "release" else batch.rows
    return [
        {
            "recipient": document.recipient,
            "sequence": document.sequence,
            "object_id": row.object_id,
            "version": row.version,
            "lane": row.lane,
            "object_row": row.object_row,
        }
        for row in {(each.object_id, each.version): each for each in rows}.values()
    ]
