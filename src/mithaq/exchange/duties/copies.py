"""The signed releases that this nation keeps of what it gave: erase them when retention or their own time is over.

Retention binds a recipient. What this nation passed on under another's terms goes from its own kept release the moment
that originator's copy goes. What it gave as its own stays its own; the kept release is evidence of it and stays until
the recipient has attested the deletion, and for as long after that as an audit may still ask for it.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from mithaq.agreements.model import Agreement
from mithaq.exchange import store as exchange
from mithaq.exchange.duties import store
from mithaq.exchange.duties.settings import CHUNK_WORDS
from mithaq.exchange.kept_reasons import may_stay
from mithaq.exchange.log.logs import Place
from mithaq.exchange.log.service import ReleaseLog
from mithaq.exchange.release_document import read_release
from mithaq.kernel import canonical
from mithaq.kernel.database import Transaction, insert_ignore
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane
from mithaq.kernel.signing import read_envelope

_SENT, _BEFORE = exchange.sent, exchange.overtaken


def kept_until(agreement: Agreement | None, due_at: datetime) -> datetime:
    """Return until when the copy of a release is evidence whose deletion was due then: audits come with notice."""
    audit = agreement.document.terms.audit if agreement else None
    return due_at + timedelta(days=audit.notice_days if audit else 0)


def close(tx: Transaction, recipient: NationId, release_id: str, until: datetime) -> None:
    """Let the kept copy of a release go at an instant: its recipient owes nothing for it any more."""
    insert_ignore(tx, store.kept_copies, [{"recipient": recipient, "release_id": release_id, "due_at": until}])


def next_due(connection: Connection) -> datetime | None:
    """Return the instant at which the next kept copy goes."""
    found: datetime | None = connection.scalar(select(func.min(store.kept_copies.c.due_at)))
    return found


def erase_closed(tx: Transaction, log: ReleaseLog) -> int:
    """Erase the next kept copies whose time is over; return how many releases there were."""
    table = store.kept_copies
    due = tx.execute(select(table).where(table.c.due_at <= tx.at).order_by(table.c.due_at).limit(CHUNK_WORDS)).all()
    for row in due:
        here = (_SENT.c.recipient == row.recipient, _SENT.c.release_id == row.release_id)
        for sent in tx.execute(select(_SENT).where(*here)).all():
            number = (_BEFORE.c.recipient == sent.recipient, _BEFORE.c.sequence == sent.sequence)
            _erase(tx, log, sent, [sent, *tx.execute(select(_BEFORE).where(*number)).all()])
        tx.execute(delete(table).where(table.c.recipient == row.recipient, table.c.release_id == row.release_id))
    return len(due)


def erase_passed_on(tx: Transaction, log: ReleaseLog, due: Iterable[Any]) -> None:
    """Erase the kept releases in which copies that fall due (rows of `duty_retained`) were passed on to others.

    A signature covers a whole release, so all of it goes with the first object that has to.
    """
    originators = {(row.object_id, row.originator) for row in due if row.object_row}
    for sent, held in _with_objects(tx.connection, sorted({row.object_row for row in due if row.object_row})):
        if originators & _given(bytes(held.envelope)):
            _erase(tx, log, sent, [held])


def erase_holding(tx: Transaction, log: ReleaseLog, rows: Sequence[int]) -> None:
    """Erase the kept releases in which own proposals went that carried what is erased: they hold it as much."""
    for sent, held in _with_objects(tx.connection, rows) if rows else ():
        _erase(tx, log, sent, [held])


def _with_objects(connection: Connection, rows: Sequence[int]) -> list[tuple[Any, Any]]:
    """Return each number with what is kept of it, now or before it became void, that holds one of these objects."""
    inside = exchange.sent_objects
    holds = select(inside.c.recipient, inside.c.sequence).where(inside.c.object_row.in_(rows)).distinct().subquery()
    same = (_SENT.c.recipient == holds.c.recipient) & (_SENT.c.sequence == holds.c.sequence)
    kept = select(_SENT).join(holds, same).where(_SENT.c.envelope.is_not(None))
    found = [(row, row) for row in connection.execute(kept)]
    wanted = set(rows)
    for before in connection.execute(select(_BEFORE).where(_BEFORE.c.envelope.is_not(None))).all():
        if wanted & {each["object_row"] for each in before.objects}:
            number = (_SENT.c.recipient == before.recipient, _SENT.c.sequence == before.sequence)
            found.append((connection.execute(select(_SENT).where(*number)).one(), before))
    return found


def _given(envelope: bytes) -> set[tuple[str, str]]:
    """Return every object in a signed release of this nation, with the originator under whose terms it went."""
    document = read_release(read_envelope(envelope, subject="release").payload)
    return {(str(canonical.loads(each.body)["id"]), str(each.terms.originator)) for each in document.objects}


def _erase(tx: Transaction, log: ReleaseLog, sent: Any, kept: Iterable[Any]) -> None:
    """Erase what is kept under one number, with its records in the log; the journal is told once.

    The receipt stays, but for one that quotes a value: other programs may write such, and a signature covers it all.
    """
    said = [each for each in kept if each.action == "release" and each.envelope is not None]
    for each in said:
        for place in ((each.log, each.leaf), (each.emergency_log, each.emergency_leaf)):
            if place[1] is not None:
                log.erase(tx, Place(*place))
    if sent.receipt and not may_stay(bytes(sent.receipt)):
        number = (_SENT.c.recipient == sent.recipient, _SENT.c.sequence == sent.sequence)
        tx.execute(update(_SENT).where(*number).values(receipt=b""))
    if said:
        detail = {"event": "copy-erased", "to": sent.recipient, "sequence": sent.sequence}
        tx.append("exchange.duty", subject=sent.release_id, lane=Lane(sent.lane), actor="node", detail=detail)
