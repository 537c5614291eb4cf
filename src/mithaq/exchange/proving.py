"""Prove that a release was logged before it leaves, or as soon as its recipient asks for the proof.

The rule: what is labelled TLP:AMBER or stricter leaves only when a checkpoint that covers its leaf was cosigned by as
many other parties of its agreement as that demands. CLEAR and GREEN go at once and are proven on demand. Where the
witnesses are dead the release waits, unless a person orders it to go in an emergency, which the log says.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from mithaq.exchange import store
from mithaq.exchange.context import Context
from mithaq.exchange.errors import NotProven, NotReleasable
from mithaq.exchange.frame import seal_frame
from mithaq.exchange.log.attached import MAX_EMERGENCY_CHARS, Attached
from mithaq.exchange.log.flushing import Want
from mithaq.exchange.log.logs import Place
from mithaq.exchange.log.policy import STRICT_FROM, Requirement, requirement
from mithaq.exchange.log.record import record_of_release
from mithaq.exchange.release_document import read_release
from mithaq.exchange.settings import MAX_FRAMES_PER_RESPONSE
from mithaq.kernel.errors import Error
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane
from mithaq.kernel.signing import read_envelope
from mithaq.kernel.tlog.errors import BadProof
from mithaq.standards.tlp import Tlp


def must_wait(action: str, label: Tlp) -> bool:
    """Tell whether a release under a label waits for witnesses before it leaves."""
    return action == "release" and label >= STRICT_FROM


class Proving:
    """The sender's proofs."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def flush(self, rows: Sequence[Any], at: datetime) -> None:
        """Have witnesses asked for all of these releases that wait for them, in one round."""
        waiting = [row for row in rows if not row.frame and row.emergency_leaf is None]
        if waiting:
            with self._context.db.read() as connection:
                wants = [self._want(connection, row) for row in waiting]
            self._context.flusher.flush(wants, at)

    def frame_of(self, row: Any, at: datetime) -> bytes | None:
        """Return the sealed bytes of a numbered release; nothing while it waits for witnesses."""
        if row.frame or row.action == "lost":
            return bytes(row.frame)
        if row.emergency_leaf is not None:
            proof: bytes | None = self._emergency_proof(row)
        else:
            with self._context.db.read() as connection:
                proof = self._proof(connection, self._want(connection, row))
        if proof is None:
            return None
        frame = self.seal(NationId(row.recipient), row.sequence, bytes(row.envelope), proof)
        here = (store.sent.c.recipient == row.recipient, store.sent.c.sequence == row.sequence)
        with self._context.db.write(at) as tx:
            tx.execute(update(store.sent).where(*here, store.sent.c.frame == b"").values(frame=frame))
            kept = tx.connection.scalar(select(store.sent.c.frame).where(*here))
        return bytes(kept or b"")

    def seal(self, recipient: NationId, sequence: int, envelope: bytes, proof: bytes) -> bytes:
        """Seal a release, or later its proof alone, to a partner."""
        with self._context.db.read() as connection:
            card = self._context.partners.get(connection, recipient).card
        return seal_frame(envelope, proof, self._context.own, recipient, sequence, card.seal_key)

    def later(self, recipient: NationId, first: int, last: int, at: datetime) -> list[bytes]:
        """Return the sealed proofs of a row of releases that went without one; witnesses are asked once for all.

        A release of which too few witnesses have answered yet, or whose record was erased, is left out.

        Raises:
            NotProven: there is no such release, or none of them is proven yet.
            BadProof: every record was erased.
        """
        table = store.sent
        last = min(last, first + MAX_FRAMES_PER_RESPONSE - 1)
        row_of = (table.c.recipient == recipient, table.c.sequence.between(first, last), table.c.leaf.is_not(None))
        with self._context.db.read() as connection:
            rows = connection.execute(select(table).where(*row_of).order_by(table.c.sequence)).all()
        if not rows:
            raise NotProven("number %(sequence)s has no proof in this log", sequence=first)
        proofs = self._proofs(rows, at)
        return [self.seal(recipient, sequence, b"", proof) for sequence, proof in proofs.items()]

    def attached(self, row: Any, at: datetime) -> bytes:
        """Return the proof of a numbered release with its record; witnesses are asked where they have to be.

        Raises:
            NotProven: too few witnesses have answered yet.
            BadProof: the record was erased.
        """
        (proof,) = self._proofs([row], at).values()
        return proof

    def _proofs(self, rows: Sequence[Any], at: datetime) -> dict[int, bytes]:
        """Return the proofs of releases by their numbers, as far as there are any.

        Raises:
            NotProven, BadProof: there is none; what stands against the first.
        """
        with self._context.db.read() as connection:
            wants = {row.sequence: self._want(connection, row) for row in rows}
        self._context.flusher.flush(list(wants.values()), at)
        proofs: dict[int, bytes] = {}
        against: list[Error] = []
        with self._context.db.read() as connection:
            for sequence, want in wants.items():
                try:
                    proof = self._proof(connection, want)
                except BadProof as error:
                    against.append(error)
                    continue
                if proof is None:
                    against.append(
                        NotProven("too few witnesses have cosigned number %(sequence)s yet", sequence=sequence)
                    )
                else:
                    proofs[sequence] = proof
        if not proofs:
            raise against[0]
        return proofs

    def _want(self, connection: Connection, row: Any) -> Want:
        return Want(Place(row.log, row.leaf), required_of(self._context, connection, row))

    def order_emergency(self, subject: str, reason: str, *, at: datetime, actor: str) -> list[str]:
        """Let a release, or those with an object, go before witnesses have answered; return the releases.

        The log says so: a second leaf with the action `emergency` and the reason. The proof is owed afterwards.

        Raises:
            NotReleasable: nothing under that name waits for witnesses, or the reason is missing or too long.
        """
        reason = reason.strip()
        limit = MAX_EMERGENCY_CHARS
        if not 0 < len(reason) <= limit:
            raise NotReleasable("an emergency needs a reason of at most %(limit)s characters", limit=limit)
        with self._context.db.write(at) as tx:
            rows = _waiting(tx.connection, subject)
            if not rows:
                raise NotReleasable("nothing under this name waits for witnesses", subject=subject[:80])
            for row in rows:
                document = read_release(read_envelope(bytes(row.envelope)).payload)
                said = record_of_release(document, row.digest)
                (place,) = self._context.log.append(
                    tx, [replace(said, action="emergency", at=at.replace(microsecond=0), detail=reason)]
                )
                here = (store.sent.c.recipient == row.recipient, store.sent.c.sequence == row.sequence)
                tx.execute(update(store.sent).where(*here).values(emergency_log=place.log, emergency_leaf=place.leaf))
                tx.append(
                    "exchange.emergency",
                    subject=row.release_id,
                    lane=Lane(row.lane),
                    actor=actor,
                    detail={"recipient": row.recipient, "sequence": row.sequence},
                )
        return [row.release_id for row in rows]

    def _proof(self, connection: Connection, want: Want) -> bytes | None:
        place, required = want.place, want.required
        log = self._context.log
        if required.needed:
            note = log.covering(connection, place, required.nations, required.needed)
        else:
            note = log.checkpoint(place.log)
        return Attached(*log.proof(connection, place, note)).encode() if note else None

    def _emergency_proof(self, row: Any) -> bytes:
        place = Place(row.emergency_log, row.emergency_leaf)
        note = self._context.log.checkpoint(place.log)
        with self._context.db.read() as connection:
            return Attached(*self._context.log.proof(connection, place, note)).encode()


def required_of(context: Context, connection: Connection, row: Any) -> Requirement:
    """Return who has to cosign above the leaf of a row of `exchange_sent`."""
    agreement = context.agreements.find(connection, row.agreement_id, row.agreement_version)
    return requirement(agreement if row.action == "release" else None, context.own, NationId(row.recipient))


def _waiting(connection: Connection, subject: str) -> Sequence[Any]:
    """Return the releases that wait for witnesses, by their own name or by that of an object inside."""
    sent, inside = store.sent, store.sent_objects
    same = (inside.c.recipient == sent.c.recipient, inside.c.sequence == sent.c.sequence)
    with_object = select(inside.c.sequence).where(*same, inside.c.object_id == subject).exists()
    query = select(sent).where(
        *store.WAITS_FOR_WITNESSES,
        sent.c.envelope.is_not(None),
        (sent.c.release_id == subject) | with_object,
    )
    return connection.execute(query.order_by(sent.c.recipient, sent.c.sequence)).all()
