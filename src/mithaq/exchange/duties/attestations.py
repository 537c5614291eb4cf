"""Attestations of both directions: sign this nation's once they are true, deliver them, keep those of partners."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select, update

from mithaq.exchange import store as exchange
from mithaq.exchange.context import Context
from mithaq.exchange.duties import copies, recall, store
from mithaq.exchange.duties.attestation import ATTESTATION_TYPE, Attestation, read_attestation
from mithaq.exchange.duties.errors import BadAttestation
from mithaq.exchange.duties.settings import ATTESTATIONS_AT_ONCE
from mithaq.kernel import journal
from mithaq.kernel.database import Transaction, insert_ignore
from mithaq.kernel.ids import NationId
from mithaq.kernel.signing import verify

ERASED = "intelligence.erased"


class Attestations:
    """What this nation attests to others, and what others attested to it.

    `keepers`: names of the journal's readers that erase copies of their own; nothing is attested before each of them
    has passed the erasure.
    """

    def __init__(self, context: Context, keepers: Sequence[str] = ()) -> None:
        self._context = context
        self._keepers = keepers

    def sign(self, at: datetime) -> int:
        """Sign what is owed and true by now; return how many.

        A crash before or after costs nothing: what is unsigned is signed at the next run, and what is signed stays.
        """
        table = store.attestations
        with self._context.db.read() as connection:
            if not self._keepers_passed(connection):
                return 0
            query = select(table.c.row, table.c.statement).where(table.c.envelope.is_(None)).order_by(table.c.row)
            rows = connection.execute(query.limit(ATTESTATIONS_AT_ONCE)).all()
        if not rows:
            return 0
        self._context.db.wipe_log()
        signed = [(row.row, self._context.signer.sign(ATTESTATION_TYPE, bytes(row.statement))) for row in rows]
        with self._context.db.write(at) as tx:
            for row, envelope in signed:
                tx.execute(update(table).where(table.c.row == row).values(envelope=envelope))
                word = read_attestation(bytes(next(each.statement for each in rows if each.row == row)))
                detail = {"event": "attested", "what": word.what, "to": word.to, "release": word.release_id}
                tx.append("exchange.duty", subject=word.id, lane=word.lane, actor="node", detail=detail)
        return len(signed)

    def wait_for_keepers(self) -> bool:
        """Tell whether something is to be signed as soon as every keeper has erased its copies."""
        unsigned = select(store.attestations.c.row).where(store.attestations.c.envelope.is_(None)).limit(1)
        with self._context.db.read() as connection:
            return connection.execute(unsigned).first() is not None

    def _keepers_passed(self, connection: Connection) -> bool:
        newest = journal.newest(connection, before=None, limit=1, kinds=frozenset({ERASED}))
        if not newest:
            return True
        last = journal.last_seq(connection)
        return all(last - journal.lag(connection, keeper) >= newest[0].seq for keeper in self._keepers)

    def due(self, partner: NationId) -> list[tuple[int, bytes]]:
        """Return the signed attestations that a partner was not given yet, oldest first, by row."""
        table = store.attestations
        query = (
            select(table.c.row, table.c.envelope)
            .where(table.c.delivered.is_(False), table.c.to == partner, table.c.envelope.is_not(None))
            .order_by(table.c.row)
            .limit(ATTESTATIONS_AT_ONCE)
        )
        with self._context.db.read() as connection:
            return [(row.row, bytes(row.envelope)) for row in connection.execute(query)]

    def delivered(self, row: int, at: datetime) -> None:
        """Note that a partner has an attestation."""
        with self._context.db.write(at) as tx:
            tx.execute(update(store.attestations).where(store.attestations.c.row == row).values(delivered=True))

    def accept(self, partner: NationId, envelope: bytes, at: datetime) -> Attestation:
        """Keep a partner's signed attestation about a release from here; the same one twice is one.

        Raises:
            BadJson, BadSignature: it is not signed by the partner.
            BadAttestation: it is meant for another nation, or speaks of what this partner was never sent.
        """
        with self._context.db.read() as connection:
            key = self._context.partners.get(connection, partner).card.verify_key
        payload = verify(envelope, key, ATTESTATION_TYPE, subject=f"attestation of {partner}")
        word = read_attestation(payload)
        if (word.by, word.to) != (partner, self._context.own):
            raise BadAttestation("it is not by its signer to this nation", subject=word.id[:80])
        with self._context.db.write(at) as tx:
            _check_release(tx.connection, word)
            if _is_known(tx.connection, word):
                return word
            _keep(tx, word, envelope, payload)
            if word.what == "recall":
                recall.heard(tx, self._context.own, word)
            elif word.complete:
                self._settle(tx, word)
        return word

    def _settle(self, tx: Transaction, word: Attestation) -> None:
        """Settle what the partner owed for this release: nothing of it is held there any more."""
        table = store.duties
        owed = (
            table.c.kind.in_(("retention", "review")),
            table.c.subject == word.release_id,
            table.c.owed_by == word.by,
            table.c.state == "open",
        )
        for row in tx.execute(select(table).where(*owed, table.c.kind == "retention")).all():
            agreement = self._context.agreements.find(tx.connection, row.agreement_id, row.agreement_version)
            copies.close(tx, word.by, word.release_id, copies.kept_until(agreement, row.due_at))
        done = {"state": "fulfilled", "settled_at": tx.at, "settled_by": f"nation:{word.by}"}
        tx.execute(update(table).where(*owed).values(done))


def _check_release(connection: Connection, word: Attestation) -> None:
    sent, inside = exchange.sent, exchange.sent_objects
    query = select(sent).where(sent.c.recipient == word.by, sent.c.release_id == word.release_id)
    row = connection.execute(query).one_or_none()
    action = "release" if word.what == "deletion" else "withdraw"
    if row is None or row.digest != word.digest or row.action != action or row.lane != str(word.lane):
        raise BadAttestation("it matches nothing that this nation sent to its signer", subject=word.release_id[:80])
    named = select(inside.c.object_id).where(inside.c.recipient == word.by, inside.c.sequence == row.sequence)
    if not set(word.objects) <= set(connection.scalars(named)):
        raise BadAttestation("it names objects that were not in the release", subject=word.release_id[:80])


def _is_known(connection: Connection, word: Attestation) -> bool:
    table = store.attestations
    query = select(table.c.row).where(table.c.by == word.by, table.c.attestation_id == word.id)
    return connection.execute(query).first() is not None


def _keep(tx: Transaction, word: Attestation, envelope: bytes, payload: bytes) -> None:
    row = {
        "attestation_id": word.id,
        "by": word.by,
        "to": word.to,
        "what": word.what,
        "release_id": word.release_id,
        "at": word.at,
        "statement": payload,
        "envelope": envelope,
        "delivered": True,
    }
    insert_ignore(tx, store.attestations, [row])
    detail = {"event": "attestation", "what": word.what, "release": word.release_id, "complete": word.complete}
    tx.append("exchange.duty", subject=word.id, lane=word.lane, actor=f"nation:{word.by}", detail=detail)
