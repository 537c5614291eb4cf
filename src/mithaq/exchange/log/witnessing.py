"""This nation as a witness of its partners' logs: rule, remember, cosign."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from mithaq.exchange.log import store
from mithaq.kernel.database import Database, Transaction, insert_ignore, upsert
from mithaq.kernel.errors import Error
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from mithaq.kernel.signing import Signer
from mithaq.kernel.tlog.errors import BadNote
from mithaq.kernel.tlog.vkey import VerifierKey
from mithaq.kernel.tlog.witness import SIZE_TYPE, Request, Ruling, Seen, read_request, rule
from mithaq.nations.names import LogName
from mithaq.nations.service import Partners

_BAD_REQUEST = 400
_TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a witness answers: an HTTP status, a body and its media type."""

    status: int
    body: bytes = b""
    media_type: str = _TEXT


@dataclass(frozen=True, slots=True)
class Evidence:
    """Two signed checkpoints of one log that do not go together."""

    origin: str
    ruling: str
    seen: bytes
    shown: bytes
    at: datetime


class Witnessing:
    """The witness's half of c2sp.org/tlog-witness."""

    def __init__(self, db: Database, own: NationId, partners: Partners, signer: Signer) -> None:
        self._db = db
        self._own = own
        self._partners = partners
        self._signer = signer

    def add_checkpoint(self, body: bytes, at: datetime) -> Answer:
        """Answer one request; what is cosigned is remembered before it is answered."""
        try:
            request = read_request(body)
        except BadNote:
            return Answer(_BAD_REQUEST)
        checkpoint = request.checkpoint
        with self._db.read() as connection:
            keys = self._keys(connection, checkpoint.origin)
            ruling, seen = rule(request, keys, _seen(connection, checkpoint.origin)), None
        if ruling is Ruling.COSIGN or ruling.is_evidence:
            with self._db.write(at) as tx:  # ruled again over what may have been cosigned meanwhile
                seen = _seen(tx.connection, checkpoint.origin, lock=True)
                ruling = rule(request, keys, seen)
                _keep(tx, request, ruling, seen)
        if ruling is Ruling.COSIGN:
            return Answer(ruling.status, self._signer.cosign(checkpoint.text, int(at.timestamp())).encode())
        if ruling.status == Ruling.OTHER_SIZE.status:
            with self._db.read() as connection:
                return Answer(ruling.status, b"%d\n" % _seen(connection, checkpoint.origin).size, SIZE_TYPE)
        return Answer(ruling.status)

    def latest(self, connection: Connection, origin: str) -> bytes | None:
        """Return the latest checkpoint of a partner's log that this nation has cosigned."""
        note = _seen(connection, origin).note
        return note or None

    def evidence(self, connection: Connection) -> list[Evidence]:
        """Return everything that convicts a log, oldest first."""
        rows = connection.execute(select(store.evidence).order_by(store.evidence.c.row))
        return [Evidence(row.origin, row.ruling, bytes(row.seen), bytes(row.shown), row.at) for row in rows]

    def _keys(self, connection: Connection, origin: str) -> Sequence[VerifierKey]:
        try:
            name = LogName.parse(origin)
            partner = self._partners.get(connection, name.nation)
        except Error:
            return ()
        return (name.key(partner.card.log_key),) if partner.is_trusted else ()


def _seen(connection: Connection, origin: str, *, lock: bool = False) -> Seen:
    query = select(store.witnessed).where(store.witnessed.c.origin == origin)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    return Seen(row.size, bytes(row.root), bytes(row.note)) if row else Seen()


def _keep(tx: Transaction, request: Request, ruling: Ruling, seen: Seen) -> None:
    checkpoint, note = request.checkpoint, request.note.encode()
    if ruling is Ruling.COSIGN:
        row = {"origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root, "note": note, "at": tx.at}
        upsert(tx, store.witnessed, [row], keys=("origin",), changed=("size", "root", "note", "at"))
    elif ruling.is_evidence:
        row = {"origin": checkpoint.origin, "ruling": str(ruling), "seen": seen.note, "shown": note, "at": tx.at}
        insert_ignore(tx, store.evidence, [row])
        tx.append(
            "exchange.contradiction",
            subject=checkpoint.origin,
            lane=ACTUAL,
            actor=f"nation:{LogName.parse(checkpoint.origin).nation}",
            detail={"ruling": str(ruling), "size": checkpoint.size},
        )
