"""What this node holds about an agreement's membership, as the records that its log does not have yet."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import Connection, select

from mithaq.agreements.model import Agreement
from mithaq.agreements.service import Agreements
from mithaq.agreements.statements import read_statement
from mithaq.agreements.store import statement_rows
from mithaq.exchange.membership.record import (
    FORMAT,
    KeyRecord,
    Record,
    RevokedKey,
    StatementRecord,
    VersionRecord,
    payload_hash,
)
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.database import journal
from mithaq.kernel.ids import NationId
from mithaq.kernel.signing import read_envelope
from mithaq.nations.service import Partners

_ORDER = ("key-statement", "version", "statement")
"""What rests on what, where it came at one instant."""


class Facts:
    """What agreements and nations hold, read in the transaction that is to append it."""

    def __init__(self, own: NationId, agreements: Agreements, partners: Partners) -> None:
        self._own = own
        self._agreements = agreements
        self._partners = partners

    def missing(self, connection: Connection, agreement_id: str, known: Sequence[Record], at: datetime) -> list[Record]:
        """Return what was accepted and is not among the records `known`, in the order in which it was accepted.

        Before a version was concluded there is nothing to say: a proposal is no membership.
        """
        versions = self._agreements.versions(connection, agreement_id)
        concluded = [each for each in versions if each.is_concluded or _is_known(each, known)]
        if not concluded:
            return []
        parties = frozenset[NationId]().union(*(each.parties for each in concluded))
        found: list[Record] = [
            *_versions(connection, concluded, known, at),
            *_statements(connection, agreement_id),
            *self._keys(connection, agreement_id, parties),
        ]
        have = {(each.about, each.hash) for each in known if not isinstance(each, VersionRecord)}
        fresh = [each for each in found if (each.about, each.hash) not in have]
        return sorted(fresh, key=lambda each: (each.at, _ORDER.index(each.about[0]), each.about))

    def _keys(self, connection: Connection, agreement_id: str, parties: frozenset[NationId]) -> Iterator[KeyRecord]:
        """Yield the key statements of this nation and of the parties whose fingerprint was compared."""
        compared = {each.nation for each in self._partners.all(connection) if each.was_compared}
        for nation in sorted(parties & (compared | {self._own})):
            before = ""
            for accepted in reversed(self._partners.statement_history(connection, nation)):
                said, key_id = accepted.statement, accepted.statement.online.verify_key.key_id
                yield KeyRecord(
                    format_version=FORMAT,
                    agreement=agreement_id,
                    hash=accepted.hash,
                    at=rfc3339(accepted.accepted_at),
                    nation=nation,
                    version=said.version,
                    key_id=key_id,
                    retired=[before] if before not in ("", key_id) else [],
                    revoked=[RevokedKey(each.key_id, rfc3339(each.compromised_at)) for each in said.revoked],
                    expires_at=rfc3339(said.expires_at),
                )
                before = key_id


def _is_known(agreement: Agreement, known: Sequence[Record]) -> bool:
    """Tell whether a version is in the log: it stays concluded, also where a signature under it was revoked since."""
    return any(each.hash == agreement.reference.hash for each in known if isinstance(each, VersionRecord))


def _versions(
    connection: Connection, concluded: Sequence[Agreement], known: Sequence[Record], at: datetime
) -> Iterator[VersionRecord]:
    for agreement in concluded:
        reference = agreement.reference
        said = {
            nation
            for each in known
            if isinstance(each, VersionRecord) and each.hash == reference.hash
            for nation in each.signed_by
        }
        if not agreement.signed_by <= said:
            yield VersionRecord(
                format_version=FORMAT,
                agreement=reference.id,
                hash=reference.hash,
                at=rfc3339(_signed_at(connection, agreement) or at),
                version=reference.version,
                signed_by=sorted(agreement.signed_by),
            )


def _signed_at(connection: Connection, agreement: Agreement) -> datetime | None:
    """Return when the last of the signatures held here arrived, as this node's journal says."""
    query = select(journal.c.at, journal.c.detail).where(
        journal.c.kind == "agreements.changed", journal.c.subject == agreement.document.id
    )
    for row in connection.execute(query.order_by(journal.c.seq)):
        signed_by = set(row.detail.get("signed_by", ()))
        if row.detail.get("version") == agreement.document.version and signed_by >= agreement.signed_by:
            at: datetime = row.at
            return at
    return None


def _statements(connection: Connection, agreement_id: str) -> Iterator[StatementRecord]:
    for row in statement_rows(connection, agreement_id):
        envelope = bytes(row.envelope)
        said = read_statement(read_envelope(envelope))
        yield StatementRecord(
            format_version=FORMAT,
            agreement=agreement_id,
            hash=payload_hash(envelope),
            at=rfc3339(row.heard_at),
            nation=said.nation,
            sequence=said.sequence,
            statement=said.kind,
            target=said.subject,
        )
