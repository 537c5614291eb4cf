"""This nation as a witness of its partners' logs: rule, remember, cosign."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from mithaq.exchange.log.logs import Members
from mithaq.exchange.log.seen import keep_contradiction, remember, seen_of
from mithaq.kernel.database import Database, Transaction
from mithaq.kernel.errors import Error
from mithaq.kernel.ids import NationId
from mithaq.kernel.signing import Signer
from mithaq.kernel.tlog.errors import BadNote
from mithaq.kernel.tlog.vkey import VerifierKey
from mithaq.kernel.tlog.witness import SIZE_TYPE, Request, Ruling, Seen, read_request, rule
from mithaq.nations.names import MembershipName, parse_origin
from mithaq.nations.service import Partners

_BAD_REQUEST = 400
_TEXT = "text/plain; charset=utf-8"

SHOWN = "exchange.membership-shown"
"""What wakes those who compare membership logs; no journal entry, for what a partner shows changes nothing yet."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a witness answers: an HTTP status, a body and its media type."""

    status: int
    body: bytes = b""
    media_type: str = _TEXT


class Witnessing:
    """The witness's half of c2sp.org/tlog-witness."""

    def __init__(self, db: Database, partners: Partners, signer: Signer, members: Members) -> None:
        self._db = db
        self._partners = partners
        self._signer = signer
        self._members = members

    def add_checkpoint(self, body: bytes, at: datetime, asker: NationId) -> Answer:
        """Answer one request; what is cosigned is remembered before it is answered.

        Anybody may present a partner's release log. A membership log is presented by its keeper alone, and is unknown
        where that nation is no party to an agreement that is known here.
        """
        try:
            request = read_request(body)
        except BadNote:
            return Answer(_BAD_REQUEST)
        checkpoint = request.checkpoint
        with self._db.read() as connection:
            keys = self._keys(connection, checkpoint.origin, asker, at)
            ruling, seen = rule(request, keys, seen_of(connection, checkpoint.origin)), None
        if ruling is Ruling.COSIGN or ruling.is_evidence:
            with self._db.write(at) as tx:  # ruled again over what may have been cosigned meanwhile
                seen = seen_of(tx.connection, checkpoint.origin, lock=True)
                ruling = rule(request, keys, seen)
                _keep(tx, request, ruling, seen)
            if self._db.waker and _is_membership(checkpoint.origin):
                self._db.waker.wake({SHOWN})
        if ruling is Ruling.COSIGN:
            return Answer(ruling.status, self._signer.cosign(checkpoint.text, int(at.timestamp())).encode())
        if ruling.status == Ruling.OTHER_SIZE.status:
            with self._db.read() as connection:
                return Answer(ruling.status, b"%d\n" % seen_of(connection, checkpoint.origin).size, SIZE_TYPE)
        return Answer(ruling.status)

    def latest(self, connection: Connection, origin: str, asker: NationId, at: datetime) -> bytes | None:
        """Return the latest checkpoint of a partner's log that is remembered here; nothing to who may not ask."""
        try:
            name = parse_origin(origin)
        except BadNote:
            return None
        if isinstance(name, MembershipName) and asker not in self._members(connection, name.agreement_id, at):
            return None
        return seen_of(connection, origin).note or None

    def _keys(self, connection: Connection, origin: str, asker: NationId, at: datetime) -> Sequence[VerifierKey]:
        try:
            name = parse_origin(origin)
            partner = self._partners.get(connection, name.nation)
        except Error:
            return ()
        if isinstance(name, MembershipName):
            members = self._members(connection, name.agreement_id, at)
            if asker != name.nation or asker not in members:
                return ()
        return (name.key(partner.card.log_key),) if partner.is_trusted else ()


def _is_membership(origin: str) -> bool:
    return isinstance(parse_origin(origin), MembershipName)


def _keep(tx: Transaction, request: Request, ruling: Ruling, seen: Seen) -> None:
    checkpoint = request.checkpoint
    if ruling is Ruling.COSIGN:
        remember(tx, request.note)
    elif ruling.is_evidence:
        keep_contradiction(tx, checkpoint.origin, ruling, seen.note, request.note.encode(), checkpoint.size)
