"""Hand a partner what waits for it: judged again, numbered, signed, logged and sealed when it is fetched."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.exc import IntegrityError

from mithaq.agreements.model import Agreement
from mithaq.exchange import store
from mithaq.exchange.context import Context
from mithaq.exchange.errors import OutOfSequence
from mithaq.exchange.frame import split_frames
from mithaq.exchange.gatekeeping import Gatekeeper
from mithaq.exchange.log.record import label_of, record_of_release
from mithaq.exchange.log.service import Place
from mithaq.exchange.planning import keep_withheld
from mithaq.exchange.proving import Proving, must_wait
from mithaq.exchange.release_document import RELEASE_TYPE, ReleaseDocument, objects_under
from mithaq.exchange.settings import (
    MAX_FRAMES_PER_RESPONSE,
    MAX_OBJECTS_PER_RELEASE,
    MAX_RELEASE_BODY_BYTES,
    MAX_RESPONSE_BYTES,
)
from mithaq.intelligence.model import StoredObject
from mithaq.kernel.database import Transaction, insert_ignore
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane
from mithaq.nations.keys.settings import SUB_KEY_VALID
from mithaq.release.model import Item, Released, Withheld
from mithaq.release.rules import retract

LOST = "lost"
"""The action of a number that was used before a backup was restored: nobody here knows for what."""

_KEY_CHANGE = timedelta(minutes=10)
"""How long after a statement a node may still sign with the key before, should it be killed in between."""

_OF_OBJECT = ("object_row", "object_id", "version", "lane")
_OF_QUESTION = ("recipient", *_OF_OBJECT, "agreement_id", "purpose")


@dataclass(frozen=True, slots=True)
class _Batch:
    """Waiting decisions that may travel in one release, with what the gate handed out for each."""

    rows: Sequence[Any]
    agreement: Agreement | None
    released: Sequence[tuple[Any, StoredObject, Released[Item]]]
    refused: Sequence[dict[str, Any]]
    consents: Mapping[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Again:
    """What the gate says today of a release that has its number already: what may still go, and what may not."""

    may_go: bool
    allowed: Sequence[dict[str, Any]]
    refused: Sequence[dict[str, Any]]


class _Overtaken(Exception):
    """A decision was taken back between its judgement and its number, by a withdrawal that saw nothing sent yet."""


class Sending:
    """The sender's half of the partner channel."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._proving = Proving(context)

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
            return self._again(recipient, after, at)
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

    def _again(self, recipient: NationId, after: int, at: datetime) -> list[bytes]:
        query = (
            select(store.sent)
            .where(store.sent.c.recipient == recipient, store.sent.c.sequence > after)
            .order_by(store.sent.c.sequence)
            .limit(MAX_FRAMES_PER_RESPONSE)
        )
        with self._context.db.read() as connection:
            rows = connection.execute(query).all()
            gate = self._context.gatekeeper(connection, at)
            judged = {row.sequence: self._judged_again(connection, gate, row, at) for row in rows}
        self._proving.flush([row for row in rows if judged[row.sequence].may_go], at)
        frames: list[bytes] = []
        for row in rows:
            again = judged[row.sequence]
            frame = self._proving.frame_of(row, at) if again.may_go else self._void(row, again, at)
            if frame is None:
                break
            frames.append(frame)
            if sum(map(len, frames)) > MAX_RESPONSE_BYTES // 2:
                break
        return frames

    def _judged_again(self, connection: Connection, gate: Gatekeeper, row: Any, at: datetime) -> _Again:
        """Judge a numbered release again before it is repeated."""
        is_outdated = self._is_outdated(connection, row, at)
        if row.action not in ("release", "withdraw") or (row.action == "withdraw" and not is_outdated):
            return _Again(row.action != LOST and not is_outdated, (), ())
        inside = select(store.sent_objects).where(
            store.sent_objects.c.recipient == row.recipient, store.sent_objects.c.sequence == row.sequence
        )
        rows = connection.execute(inside).all()
        if row.action == "withdraw":
            return _Again(
                False, [_question_again(row, each) | {"action": "withdraw", "decided_at": at} for each in rows], ()
            )
        held = {each.row: each for each in self._context.holdings.rows(connection, [each.object_row for each in rows])}
        allowed: list[dict[str, Any]] = []
        refused: list[dict[str, Any]] = []
        for each in rows:
            if (stored := held.get(each.object_row)) is None:
                continue
            question = _question_again(row, each)
            decision = gate.decide(stored, NationId(row.recipient), row.agreement_id, row.purpose)
            if isinstance(decision, Withheld):
                refused.append(_refusal(question, decision, at))
            else:
                allowed.append(question | {"action": "release", "decided_at": at})
        return _Again(len(allowed) == len(rows) and not is_outdated, allowed, refused)

    def _is_outdated(self, connection: Connection, row: Any, at: datetime) -> bool:
        """Tell whether a kept frame is under an earlier signing key, or sealed to a sub-key that died long ago.

        The recipient would refuse it for ever: its number becomes void, and what it carried takes the next one.
        """
        since = self._context.partners.key_in_use_since(connection)
        if since is not None and row.sent_at < since + _KEY_CHANGE:
            return True
        if row.action == LOST or not row.frame or at - row.sent_at < SUB_KEY_VALID:
            return False
        card = self._context.partners.get(connection, NationId(row.recipient)).card
        return all(frame.header.key_id != card.seal_key.key_id for frame in split_frames(bytes(row.frame)))

    def _void(self, row: Any, again: _Again, at: datetime) -> bytes:
        """Fill the number of a release that may no longer go with a signed word of exactly that.

        What of it may still go waits for the next number; what may not is in the private log, to be asked again.
        """
        recipient = NationId(row.recipient)
        document = ReleaseDocument(
            row.release_id, self._context.own, recipient, row.sequence, at, "void", Lane(row.lane), None, "withdrawal"
        )
        envelope, digest = self._sign(document)
        frame = self._proving.seal(document.recipient, document.sequence, envelope, b"")
        here = (store.sent.c.recipient == recipient, store.sent.c.sequence == row.sequence)
        with self._context.db.write(at) as tx:
            logged = _logged(self._context.log.append(tx, [record_of_release(document, digest)])[0], document, envelope)
            tx.execute(
                update(store.sent)
                .where(*here)
                .values(action="void", frame=frame, digest=digest, sent_at=at, emergency_leaf=None, **logged)
            )
            tx.execute(
                delete(store.sent_objects).where(
                    store.sent_objects.c.recipient == recipient, store.sent_objects.c.sequence == row.sequence
                )
            )
            insert_ignore(tx, store.outbox, again.allowed)
            keep_withheld(tx, again.refused)
        return frame

    def _next(self, recipient: NationId, at: datetime) -> list[bytes]:
        """Make the next release out of the outbox; nothing when it is empty, or waits for witnesses."""
        while True:
            with self._context.db.read() as connection:
                batch = self._batch(connection, recipient, at)
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
            except (IntegrityError, _Overtaken):  # this number was taken, or a decision taken back: judge again
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

    def _batch(self, connection: Connection, recipient: NationId, at: datetime) -> _Batch:
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
        for row, stored in self._queued(connection, recipient):
            decision = None
            if row.action != "withdraw":
                decision = gate.decide(stored, recipient, row.agreement_id, row.purpose) if stored else None
                if stored is None or isinstance(decision, Withheld):
                    spent.append(row)
                    refused += [_refusal(_question(row), decision, at)] if isinstance(decision, Withheld) else []
                    continue
                size += len(stored.body)
            full = len(going) == MAX_OBJECTS_PER_RELEASE or size > MAX_RELEASE_BODY_BYTES
            if going and (full or _label(row) != _label(going[0])):
                break
            going.append(row)
            if stored and isinstance(decision, Released):
                released.append((row, stored, decision))
        if going and not released:  # withdrawals; what was passed over is taken out when its turn comes
            return _Batch(going, None, (), ())
        rows = [*going, *spent]
        agreement = gate.agreement(rows[0].agreement_id) if rows else None
        consents = {
            stored.row: gate.consent(stored, recipient, row.agreement_id, decision.value.carried[-1].originator)
            for row, stored, decision in released
            if decision.value.carried
        }
        return _Batch(rows, agreement, released, refused, consents)

    def _queued(self, connection: Connection, recipient: NationId) -> Iterator[tuple[Any, StoredObject | None]]:
        """Yield what waits for a partner with the objects it is about, oldest first."""
        after = 0
        query = select(store.outbox).where(store.outbox.c.recipient == recipient).order_by(store.outbox.c.row)
        while rows := connection.execute(query.where(store.outbox.c.row > after).limit(MAX_OBJECTS_PER_RELEASE)).all():
            held = {
                each.row: each for each in self._context.holdings.rows(connection, [row.object_row for row in rows])
            }
            for row in rows:
                yield row, held.get(row.object_row)
            after = rows[-1].row

    def _document(self, batch: _Batch, recipient: NationId, sequence: int, at: datetime) -> ReleaseDocument | None:
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
            names = self._retracted(batch, recipient)
            return replace(document, action="withdraw", withdrawn=names) if names else None
        agreement = batch.agreement
        if agreement is None:
            return None
        released = (
            (stored.body, decision, batch.consents.get(stored.row, b"")) for _, stored, decision in batch.released
        )
        objects = objects_under(agreement, released, self._context.own, recipient, at)
        return replace(document, agreement=agreement.reference, objects=objects)

    def _retracted(self, batch: _Batch, recipient: NationId) -> tuple[str, ...]:
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

    def _sign(self, document: ReleaseDocument) -> tuple[bytes, str]:
        envelope = self._context.signer.sign(RELEASE_TYPE, document.encode())
        return envelope, hashlib.sha256(envelope).hexdigest()

    def _drop(self, batch: _Batch, at: datetime) -> None:
        with self._context.db.write(at) as tx:
            _empty(tx, batch)

    def _keep_sent(self, batch: _Batch, document: ReleaseDocument, at: datetime) -> None:
        envelope, digest = self._sign(document)
        waits = must_wait(document.action, label_of(document))
        frame = b"" if waits else self._proving.seal(document.recipient, document.sequence, envelope, b"")
        record = record_of_release(document, digest)
        with self._context.db.write(at) as tx:
            logged = _logged(self._context.log.append(tx, [record])[0], document, envelope)
            tx.execute(store.sent.insert().values(**_sent_row(batch, document, frame, digest), **logged))
            objects = _sent_objects(batch, document)
            if objects:
                tx.execute(store.sent_objects.insert(), objects)
            if _empty(tx, batch) != len(batch.rows):
                raise _Overtaken
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


def last_sequence(connection: Connection, recipient: NationId) -> int:
    """Return the number of the last release to a partner, 0 before the first."""
    query = select(func.coalesce(func.max(store.sent.c.sequence), 0)).where(store.sent.c.recipient == recipient)
    return connection.scalar(query) or 0


def _label(row: Any) -> tuple[str, str, str, str]:
    return (row.action, row.agreement_id, row.purpose, row.lane)


def _question(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in _OF_QUESTION}


def _question_again(row: Any, each: Any) -> dict[str, Any]:
    """Return what was asked of the gate for one object of a numbered release."""
    return {name: getattr(each, name) for name in ("recipient", *_OF_OBJECT)} | {
        "agreement_id": row.agreement_id,
        "purpose": row.purpose,
    }


def _refusal(question: dict[str, Any], decision: Withheld, at: datetime) -> dict[str, Any]:
    return question | {"reasons": [reason.as_json() for reason in decision.reasons], "at": at}


def _empty(tx: Transaction, batch: _Batch) -> int:
    """Take a batch out of the outbox; return how many of its decisions still waited there."""
    taken = tx.execute(delete(store.outbox).where(store.outbox.c.row.in_([row.row for row in batch.rows])))
    keep_withheld(tx, batch.refused)
    return int(taken.rowcount)


def _logged(place: Place, document: ReleaseDocument, envelope: bytes) -> dict[str, Any]:
    return {"log": place.log, "leaf": place.leaf, "label": label_of(document).label, "envelope": envelope}


def _sent_row(batch: _Batch, document: ReleaseDocument, frame: bytes, digest: str) -> dict[str, Any]:
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


def _sent_objects(batch: _Batch, document: ReleaseDocument) -> list[dict[str, Any]]:
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
