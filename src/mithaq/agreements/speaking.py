"""What this nation says of an agreement, and what it hears of the other parties."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from mithaq.agreements import statements as rules
from mithaq.agreements import store
from mithaq.agreements.errors import NotAParty, UnknownAgreement
from mithaq.agreements.model import Agreement
from mithaq.agreements.service import Agreements
from mithaq.agreements.statement import MAX_STATEMENT_BYTES, STATEMENT_TYPE, Draft, Statement
from mithaq.kernel.database import Database, Transaction
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from mithaq.kernel.signing import Signer, read_envelope

MAX_ENVELOPE_BYTES = 2 * MAX_STATEMENT_BYTES + 16 * 1024
"""A statement in base64 with two signatures."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A statement with its signed bytes, and when it came here."""

    statement: Statement
    envelope: bytes
    heard_at: datetime


class Statements:
    """Suspensions, withdrawals and objections, of this nation and of the others."""

    def __init__(self, db: Database, own: NationId, agreements: Agreements) -> None:
        self._db = db
        self._own = own
        self._agreements = agreements

    def say(self, agreement_id: str, draft: Draft, signer: Signer, *, at: datetime, actor: str) -> Agreement:
        """Make a statement in this nation's name; it travels to the other parties by itself.

        A suspension of this nation itself holds here before it is signed: it needs no key, and stays if signing fails.

        Raises:
            UnknownAgreement: there is no such agreement here.
            NotAParty, BadStatement: the agreement does not provide for it.
            SignerUnreachable: the node's keys are not at hand.
        """
        with self._db.read() as connection:
            agreement = self._about(connection, agreement_id)
            earlier = [each.statement for each in self.all(connection, agreement_id)]
        of_itself = draft.target is None and not draft.scope
        if draft.kind == "resume" and of_itself and not rules.is_standing(earlier, self._own, self._own):
            return self._agreements.set_suspended(agreement_id, False, at=at, actor=actor)
        statement = rules.drafted(draft, agreement, self._own, earlier, at)
        rules.check(statement, agreement, earlier, at)
        if draft.kind == "suspend" and of_itself:
            self._agreements.set_suspended(agreement_id, True, at=at, actor=actor)
        envelope = signer.sign(STATEMENT_TYPE, rules.payload_of(statement))
        with self._db.write(at) as tx:
            self._keep(tx, statement, envelope, actor)
            if draft.kind == "resume" and of_itself:
                store.set_suspended(tx, agreement_id, suspended=False)
            return self._agreements.get(tx.connection, agreement_id)

    def receive(self, envelope: bytes, *, at: datetime, actor: str, sender: NationId | None = None) -> Statement:
        """Keep what a party has signed; the same statement twice is one.

        Args:
            sender: the nation whose node sent it, where one did; it may pass on what another party has signed.

        Raises:
            BadJson, BadSignature, BadStatement: it is refused, what was known stays as it was.
            UnknownAgreement: the agreement it cites, or that version of it, is not here.
            NotAParty: who speaks, or who sent it, is no party.
            MissingStatement: an earlier one of that nation is not here yet.
        """
        read = read_envelope(envelope, subject="statement", max_bytes=MAX_ENVELOPE_BYTES)
        statement = rules.read_statement(read)
        agreement_id = statement.agreement.id
        with self._db.read() as connection:
            if sender is not None and sender not in self._agreements.get(connection, agreement_id).parties:
                # In the words for an agreement that is not here, so that a stranger learns of none.
                raise UnknownAgreement("no such agreement at this node", subject=agreement_id)
            rules.check_signature(read, statement, self._agreements.keys(connection))
        with self._db.write(at) as tx:
            self._keep(tx, statement, read.encode(), actor)
        return statement

    def all(self, connection: Connection, agreement_id: str) -> list[Heard]:
        """Return every statement about an agreement, for each nation in the order of their numbers."""
        return [_heard(row) for row in store.statement_rows(connection, agreement_id)]

    def _about(self, connection: Connection, agreement_id: str) -> Agreement:
        """Return the newest version that this nation has signed, which every party that has signed it knows."""
        versions = self._agreements.versions(connection, agreement_id)
        if not versions:
            raise UnknownAgreement("no such agreement at this node", subject=agreement_id)
        return next((each for each in versions if self._own in each.signed_by), versions[0])

    def _keep(self, tx: Transaction, statement: Statement, envelope: bytes, actor: str) -> None:
        cited = statement.agreement
        store.lock(tx, cited.id)
        agreement = self._agreements.get(tx.connection, cited.id, cited.version)
        if self._own not in agreement.parties:
            raise NotAParty("this nation is no party to the agreement", subject=cited.id)
        heard = self.all(tx.connection, cited.id)
        if any(each.statement == statement for each in heard):
            return
        rules.check(statement, agreement, [each.statement for each in heard], tx.at)
        store.add_statement(tx, cited.id, statement.nation, statement.sequence, envelope)
        tx.append("agreements.changed", subject=cited.id, lane=ACTUAL, actor=actor, detail=_told(statement, agreement))


def _told(statement: Statement, agreement: Agreement) -> dict[str, Any]:
    """Return what the journal says of a statement; of a withdrawal also what its nation does with what it holds."""
    detail: dict[str, Any] = {
        "statement": statement.kind,
        "nation": statement.nation,
        "sequence": statement.sequence,
        "target": statement.target,
        "effective_at": statement.effective_at,
    }
    leaving = agreement.document.terms.leaving
    if statement.kind == "withdraw":
        detail["on_exit"] = leaving.on_exit if leaving else "keep-under-terms"
        detail["surviving"] = list(leaving.surviving) if leaving else []
    return detail


def _heard(row: Any) -> Heard:
    envelope = bytes(row.envelope)
    return Heard(rules.read_statement(read_envelope(envelope, subject="statement")), envelope, row.heard_at)
