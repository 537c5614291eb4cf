"""What can be done with agreements."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, select

from mithaq.agreements import rules, store
from mithaq.agreements.errors import NotAParty, UnknownAgreement
from mithaq.agreements.model import AGREEMENT_TYPE, Agreement, Document, State
from mithaq.agreements.signatures import assertion_signature
from mithaq.agreements.statement import Statement
from mithaq.agreements.statements import read_statement, with_statements
from mithaq.kernel.database import Database, Transaction, journal
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from mithaq.kernel.signing import Envelope, Signer, VerifyKey, read_envelope
from mithaq.nations.keys.rules import counts
from mithaq.nations.service import Partners


class Agreements:
    """The agreements this node has seen, with the signatures it holds."""

    def __init__(self, db: Database, own: NationId, own_key: VerifyKey, partners: Partners) -> None:
        self._db = db
        self._own = own
        self._own_key = own_key
        self._partners = partners

    def propose(self, document: Document, signer: Signer, *, at: datetime, actor: str) -> Agreement:
        """Sign a new document for this nation and keep it."""
        return self.receive(signer.sign(AGREEMENT_TYPE, rules.payload_of(document)), at=at, actor=actor)

    def receive(self, envelope: bytes, *, at: datetime, actor: str, sender: NationId | None = None) -> Agreement:
        """Keep an agreement, or join the signatures it brings with those already here.

        Args:
            sender: the nation whose node sent the copy, where one did; it must have signed.

        Raises:
            BadJson, BadSignature, BadAgreement: the copy is refused, what was known stays as it was.
            NotAParty: this nation is no party to it, or the sender has not signed it.
        """
        new, keys = self._read(envelope)
        if sender is not None and sender not in new.signed_by:
            raise NotAParty("%(nation)s has not signed the agreement", subject=new.document.id, nation=sender)
        rules.refuse_unheld_signatures(new, keys)
        if self._own not in new.parties:
            raise NotAParty("this nation is no party to the agreement", subject=new.document.id)
        with self._db.write(at) as tx:
            return self._keep(tx, new, actor)

    def sign(self, agreement_id: str, signer: Signer, *, at: datetime, actor: str) -> Agreement:
        """Add this nation's signature to the newest version.

        Raises:
            UnknownAgreement: there is no such agreement here.
        """
        with self._db.read() as connection:
            known = self.get(connection, agreement_id)
        return self.receive(signer.sign(AGREEMENT_TYPE, known.envelope.payload), at=at, actor=actor)

    def sign_by_passkey(
        self, agreement_id: str, cose: bytes, credential: dict[str, Any], *, at: datetime, actor: str
    ) -> Agreement:
        """Add an official's passkey signature to the newest version.

        Raises:
            UnknownAgreement: there is no such agreement here.
            BadAgreement, BadSignature: the passkey is no official's, or its answer is not over exactly this text.
        """
        with self._db.read() as connection:
            known = self.get(connection, agreement_id).envelope
        entry = assertion_signature(cose, credential)
        return self.receive(Envelope(known.payload_type, known.payload, (entry,)).encode(), at=at, actor=actor)

    def set_suspended(self, agreement_id: str, suspended: bool, *, at: datetime, actor: str) -> Agreement:
        """Suspend an agreement at this node at once, or end that; it needs no key, and nobody is told."""
        with self._db.write(at) as tx:
            self.get(tx.connection, agreement_id)
            store.set_suspended(tx, agreement_id, suspended)
            tx.append(
                "agreements.changed", subject=agreement_id, lane=ACTUAL, actor=actor, detail={"suspended": suspended}
            )
            return self.get(tx.connection, agreement_id)

    def get(self, connection: Connection, agreement_id: str, version: int | None = None) -> Agreement:
        """Return one version, the newest by default.

        Raises:
            UnknownAgreement: there is no such agreement here.
        """
        row = store.find(connection, agreement_id, version)
        if row is None:
            raise UnknownAgreement("no such agreement at this node", subject=agreement_id)
        return self._of_row(connection, row)

    def find(self, connection: Connection, agreement_id: str, version: int | None = None) -> Agreement | None:
        """Return one version, or nothing where there is none."""
        row = store.find(connection, agreement_id, version)
        return self._of_row(connection, row) if row else None

    def all(self, connection: Connection) -> list[Agreement]:
        """Return every version of every agreement."""
        known, said = self.keys(connection), _statements(connection)
        return [self._with(connection, row, known, said[row.id]) for row in store.all_rows(connection)]

    def versions(self, connection: Connection, agreement_id: str) -> list[Agreement]:
        """Return every version of one agreement, newest first."""
        return [each for each in self.all(connection) if each.document.id == agreement_id]

    def keys(self, connection: Connection) -> Mapping[NationId, VerifyKey]:
        """Return the keys under which signatures count here: this nation's, and those that were compared."""
        partners = (each for each in self._partners.all(connection) if each.was_compared)
        return {each.nation: each.card.verify_key for each in partners} | {self._own: self._own_key}

    def current(self, connection: Connection, at: datetime) -> list[Agreement]:
        """Return the newest version in force of each agreement."""
        newest: dict[str, Agreement] = {}
        for agreement in self.all(connection):
            if agreement.state(at) is State.IN_FORCE:
                newest.setdefault(agreement.document.id, agreement)
        return list(newest.values())

    def _keep(self, tx: Transaction, new: Agreement, actor: str) -> Agreement:
        document = new.document
        row = store.find(tx.connection, document.id, document.version)
        if row is None:
            earlier = store.find(tx.connection, document.id, document.version - 1)
            rules.check_amendment(self._of_row(tx.connection, earlier) if earlier else None, document)
        kept = rules.joined(self._of_row(tx.connection, row), new) if row else new
        if row and kept.envelope.encode() == bytes(row.envelope):
            return kept  # it brings nothing new: nobody is woken
        store.save(tx, document.id, document.version, kept.envelope.encode(), is_new=row is None)
        tx.append(
            "agreements.changed",
            subject=document.id,
            lane=ACTUAL,
            actor=actor,
            detail={
                "version": document.version,
                "signed_by": sorted(kept.signed_by),
                "officials": len(kept.officials_signed),
            },
        )
        return kept

    def _bound(
        self, connection: Connection, document: Document, known_keys: Mapping[NationId, VerifyKey]
    ) -> Mapping[NationId, VerifyKey]:
        """Return the key of each party whose signature counts under this document.

        That is the key the document binds it to, where the party's root officials ever authorised it, rotated away or
        not; of those that were revoked since, only what this node held before the compromise counts.
        """
        bound = {NationId(party.nation): party.key_id for party in document.parties}
        keys = dict(known_keys)
        for known in self._partners.keys_by_id(connection, bound.values()):
            nation = known.nation
            if bound.get(nation) != known.key.key_id or nation not in keys:
                continue
            keys[nation] = known.key
            if not counts(known, None) and not counts(known, self._held_since(connection, document, nation)):
                del keys[nation]
        return keys

    def _held_since(self, connection: Connection, document: Document, nation: NationId) -> datetime | None:
        """Return when this node first held a party's signature under a version, as its journal says."""
        kinds = (journal.c.kind == "agreements.changed", journal.c.subject == document.id)
        for row in connection.execute(select(journal.c.at, journal.c.detail).where(*kinds).order_by(journal.c.seq)):
            if row.detail.get("version") == document.version and nation in row.detail.get("signed_by", ()):
                at: datetime = row.at
                return at
        return None

    def _read(self, data: bytes) -> tuple[Agreement, Mapping[NationId, VerifyKey]]:
        envelope = read_envelope(data, subject="agreement")
        if envelope.payload_type != AGREEMENT_TYPE:
            return rules.agreement_of(envelope, {}), {}
        with self._db.read() as connection:
            keys = self._bound(connection, rules.read_document(envelope.payload), self.keys(connection))
        return rules.agreement_of(envelope, keys), keys

    def _of_row(self, connection: Connection, row: Any) -> Agreement:
        return self._with(connection, row, self.keys(connection), _statements(connection, row.id)[row.id])

    def _with(
        self, connection: Connection, row: Any, known: Mapping[NationId, VerifyKey], said: Sequence[Statement]
    ) -> Agreement:
        envelope = bytes(row.envelope)
        keys = tuple(sorted(self._bound(connection, _document(envelope), known).items()))
        return with_statements(replace(_verified(envelope, keys), suspended=row.suspended), said, self._own)


@lru_cache(maxsize=1024)
def _document(envelope: bytes) -> Document:
    """Read a stored agreement's document once in this process."""
    return rules.read_document(read_envelope(envelope, subject="agreement").payload)


def _statements(connection: Connection, agreement_id: str | None = None) -> Mapping[str, Sequence[Statement]]:
    """Return what was said of one agreement, or of each."""
    found: dict[str, list[Statement]] = defaultdict(list)
    for row in store.statement_rows(connection, agreement_id):
        found[row.agreement_id].append(_said(bytes(row.envelope)))
    return found


@lru_cache(maxsize=4096)
def _said(envelope: bytes) -> Statement:
    """Read a stored statement once in this process; it was verified when it came."""
    return read_statement(read_envelope(envelope, subject="statement"))


@lru_cache(maxsize=1024)
def _verified(envelope: bytes, keys: tuple[tuple[NationId, VerifyKey], ...]) -> Agreement:
    """Verify a stored agreement once in this process for one set of keys."""
    return rules.agreement_of(read_envelope(envelope, subject="agreement"), dict(keys))
