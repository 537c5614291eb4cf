"""The recipient's half of proofs: verify the one that comes with a release, ask for the one that does not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update

from mithaq.agreements.model import Agreement
from mithaq.exchange import store
from mithaq.exchange.context import Context
from mithaq.exchange.errors import BadFrame
from mithaq.exchange.frame import Unverified
from mithaq.exchange.log import store as log_store
from mithaq.exchange.log.attached import MISSING, check_attached, read_attached, reason_of
from mithaq.exchange.log.policy import Witnesses, keys_of, requirement
from mithaq.exchange.log.record import label_of, record_of_release
from mithaq.exchange.proving import must_wait
from mithaq.exchange.release_document import ReleaseDocument, read_release
from mithaq.exchange.settings import PROOF_WITHIN_S
from mithaq.kernel.database import Transaction
from mithaq.kernel.errors import Error
from mithaq.kernel.ids import NationId
from mithaq.kernel.reason import Reason
from mithaq.kernel.signing import read_envelope
from mithaq.nations.model import Partner
from mithaq.nations.names import witness_keys

_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Proven:
    """What a release's proof came to: the proof itself, an emergency's reason, and what stands against it."""

    proof: bytes | None = None
    emergency: str = ""
    against: tuple[Reason, ...] = ()


class Owed:
    """Proofs of what was received: those that are kept, and those that partners still owe."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def verify(
        self,
        partner: Partner,
        document: ReleaseDocument,
        digest: str,
        attached: bytes,
        agreement: Agreement | None,
        at: datetime,
    ) -> Proven:
        """Verify the proof that came with a release; a strict one that came without is refused whole."""
        if not attached:
            due = must_wait(document.action, label_of(document))
            return Proven(against=(MISSING,) if due else ())
        required = requirement(agreement if document.action == "release" else None, partner.nation, document.recipient)
        try:
            record = check_attached(
                read_attached(attached),
                record_of_release(document, digest),
                partner.card,
                self._witnesses(required.nations),
                required.needed,
                at,
            )
        except Error as error:
            return Proven(against=(reason_of(error),))
        if record.action == "emergency":
            return Proven(None, record.detail)
        return Proven(attached)

    def note(self, tx: Transaction, document: ReleaseDocument, proven: Proven) -> None:
        """Keep a release's proof, or that it is owed."""
        tx.execute(
            log_store.proofs.insert().values(
                sender=document.sender,
                sequence=document.sequence,
                release_id=document.id,
                emergency=proven.emergency,
                proof=proven.proof,
                due_at=tx.at + timedelta(seconds=PROOF_WITHIN_S),
                refused="",
            )
        )

    def due(self, sender: NationId, *, limit: int = _AT_ONCE) -> Sequence[int]:
        """Return the numbers whose proof a partner still owes, oldest first."""
        table = log_store.proofs
        query = select(table.c.sequence).where(table.c.sender == sender, table.c.proof.is_(None))
        with self._context.db.read() as connection:
            return list(connection.scalars(query.order_by(table.c.sequence).limit(limit)))

    def take(self, sender: NationId, sequence: int, frame: Unverified, at: datetime) -> None:
        """Verify and keep a proof that follows its release.

        Raises:
            BadFrame, BadSeal: it is not for this nation, or not of that release.
            BadRecord, BadNote, BadProof, BadJson: it does not prove the release; it stays owed.
        """
        header = frame.header
        if (header.sender, header.recipient, header.sequence) != (sender, self._context.own, sequence):
            raise BadFrame("a proof for other parties or of another number than was asked for")
        _, attached = frame.open(self._context.signer)
        here = (store.received.c.sender == sender, store.received.c.sequence == sequence)
        with self._context.db.read() as connection:
            partner = self._context.partners.get(connection, sender)
            row = connection.execute(select(store.received).where(*here)).one()
            document = read_release(read_envelope(bytes(row.envelope)).payload)
            reference = document.agreement
            agreement = (
                self._context.agreements.find(connection, reference.id, reference.version) if reference else None
            )
        required = requirement(agreement if document.action == "release" else None, sender, document.recipient)
        try:
            record = check_attached(
                read_attached(attached),
                record_of_release(document, row.digest),
                partner.card,
                self._witnesses(required.nations),
                required.needed,
                at,
            )
        except Error as error:
            self._refused(sender, sequence, error, at)
            raise
        if record.action == "emergency":
            raise BadFrame("a proof for other parties or of another number than was asked for")
        table = log_store.proofs
        with self._context.db.write(at) as tx:
            this = (table.c.sender == sender, table.c.sequence == sequence)
            tx.execute(update(table).where(*this).values(proof=attached, refused=""))

    def _refused(self, sender: NationId, sequence: int, error: Error, at: datetime) -> None:
        table = log_store.proofs
        with self._context.db.write(at) as tx:
            here = (table.c.sender == sender, table.c.sequence == sequence)
            tx.execute(update(table).where(*here).values(refused=error.code))

    def _witnesses(self, nations: frozenset[NationId]) -> Witnesses:
        """Return the witness keys of the nations this node has cards of, and its own."""
        with self._context.db.read() as connection:
            partners = self._context.partners.all(connection)
        known = {each.nation: keys_of(each.card) for each in partners if each.nation in nations and each.was_compared}
        if self._context.own in nations:
            _, ed25519, mldsa44 = self._context.signer.note_keys()
            known[self._context.own] = witness_keys(self._context.own, ed25519, mldsa44)
        return known
