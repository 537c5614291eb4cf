"""Repeat what has its number already, unless the gate says no today: then its number becomes void."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, select, update

from mithaq.exchange import store
from mithaq.exchange.context import Context
from mithaq.exchange.frame import split_frames
from mithaq.exchange.gatekeeping import Gatekeeper
from mithaq.exchange.log.record import record_of_release
from mithaq.exchange.planning import keep_withheld
from mithaq.exchange.proving import Proving
from mithaq.exchange.release_document import ReleaseDocument
from mithaq.exchange.sending import overtaken
from mithaq.exchange.sending.record import LOST, logged, question_again, refusal, signed
from mithaq.exchange.settings import MAX_FRAMES_PER_RESPONSE, MAX_RESPONSE_BYTES
from mithaq.kernel.database import insert_ignore
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane
from mithaq.nations.keys.settings import SUB_KEY_VALID
from mithaq.release.model import Withheld

_KEY_CHANGE = timedelta(minutes=10)
"""How long after a statement a node may still sign with the key before, should it be killed in between."""


@dataclass(frozen=True, slots=True)
class _Again:
    """What the gate says today of a release that has its number already: what may still go, and what may not."""

    may_go: bool
    allowed: Sequence[dict[str, Any]]
    refused: Sequence[dict[str, Any]]


class Repeats:
    """The sender's half of a retry."""

    def __init__(self, context: Context, proving: Proving) -> None:
        self._context = context
        self._proving = proving

    def frames(self, recipient: NationId, after: int, at: datetime) -> list[bytes]:
        """Return the frames after a sequence number again, as far as they may still go."""
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
                False, [question_again(row, each) | {"action": "withdraw", "decided_at": at} for each in rows], ()
            )
        held = {each.row: each for each in self._context.holdings.rows(connection, [each.object_row for each in rows])}
        allowed: list[dict[str, Any]] = []
        refused: list[dict[str, Any]] = []
        for each in rows:
            if (stored := held.get(each.object_row)) is None:
                continue
            question = question_again(row, each)
            decision = gate.decide(stored, NationId(row.recipient), row.agreement_id, row.purpose)
            if isinstance(decision, Withheld):
                refused.append(refusal(question, decision, at))
            else:
                allowed.append(question | {"action": "release", "decided_at": at})
        return _Again(len(allowed) == len(rows) and not is_outdated, allowed, refused)

    def _is_outdated(self, connection: Connection, row: Any, at: datetime) -> bool:
        """Tell whether a kept frame is under an earlier signing key, or sealed to a sub-key that died long ago.

        The recipient would refuse it for ever: its number becomes void, and what it carried takes the next one. So it
        is with one that never had a frame and whose signed bytes were erased meanwhile.
        """
        if row.action == "release" and not row.frame and row.envelope is None:
            return True
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
        envelope, digest = signed(self._context, document)
        frame = self._proving.seal(document.recipient, document.sequence, envelope, b"")
        here = (store.sent.c.recipient == recipient, store.sent.c.sequence == row.sequence)
        with self._context.db.write(at) as tx:
            place = logged(self._context.log.append(tx, [record_of_release(document, digest)])[0], document, envelope)
            overtaken.keep(tx, row)
            tx.execute(
                update(store.sent)
                .where(*here)
                .values(action="void", frame=frame, digest=digest, sent_at=at, emergency_leaf=None, **place)
            )
            tx.execute(
                delete(store.sent_objects).where(
                    store.sent_objects.c.recipient == recipient, store.sent_objects.c.sequence == row.sequence
                )
            )
            insert_ignore(tx, store.outbox, again.allowed)
            keep_withheld(tx, again.refused)
        return frame
