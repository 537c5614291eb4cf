"""Keep until when each copy may stay, and erase what has fallen due from every place of the exchange."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from mithaq.exchange import store as exchange
from mithaq.exchange.context import Context
from mithaq.exchange.duties import copies, store
from mithaq.exchange.duties.attestation import Attestation
from mithaq.exchange.duties.settings import CHUNK_WORDS
from mithaq.exchange.kept_reasons import kept_json
from mithaq.exchange.log.store import proofs
from mithaq.exchange.release_document import ReleaseDocument, read_release
from mithaq.intelligence.erasing import NO_RELEASE, words_without_release
from mithaq.intelligence.model import HeldWord, ProposalHeld
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.database import EPOCH, Transaction, insert_ignore
from mithaq.kernel.errors import Error
from mithaq.kernel.ids import NationId, new_id
from mithaq.kernel.lane import Lane
from mithaq.kernel.signing import read_envelope
from mithaq.release.model import Carried
from mithaq.release.obligations import RetainedWord, due_instants
from mithaq.standards import stix

QUARANTINED = 0
"""Stands for a row where a copy is not held, but in quarantine."""


@dataclass(frozen=True, slots=True)
class ErasedRelease:
    """What one chunk erased of one release."""

    nation: NationId
    release_id: str
    lane: Lane
    term: str
    objects: tuple[str, ...]
    complete: bool


def record(tx: Transaction, context: Context, sender: NationId, sequence: int) -> None:
    """Write down until when everything that a partner's release brought may be kept."""
    row = tx.execute(_received(sender, sequence)).one_or_none()
    if row is None or row.action != "release":
        return
    given = context.holdings.words_of(tx.connection, sender, row.release_id)
    rows = [
        _retained(row, each.row, each.object_id, each.modified or EPOCH, _terms(each.carried), row.received_at)
        for each in given
    ]
    rows += list(_quarantined(tx.connection, row))
    insert_ignore(tx, store.retained, rows)
    _settle_due(tx, sorted({each["object_id"] for each in rows}), row.lane)


def record_written(tx: Transaction, giver: NationId, rows: Sequence[int], lane: Lane) -> None:
    """Write down until when what a constituent wrote may stay, as its terms say; of the same words the first counts."""
    given = words_without_release(tx.connection, giver, rows)
    kept = [
        _retained(
            _Written(giver, NO_RELEASE, str(lane)),
            each.row,
            each.object_id,
            each.modified or EPOCH,
            _terms(each.carried),
            tx.at,
        )
        for each in given
    ]
    insert_ignore(tx, store.retained, kept)


@dataclass(frozen=True, slots=True)
class _Written:
    """What came in no release: who gave it, and into which lane."""

    sender: NationId
    release_id: str
    lane: str


def _received(sender: NationId, sequence: int) -> Any:
    table = exchange.received
    return select(table).where(table.c.sender == sender, table.c.sequence == sequence)


def _terms(carried: Any) -> Carried | None:
    try:
        return Carried.of_json(dict(carried))
    except (KeyError, TypeError, ValueError):
        return None


def _quarantined(connection: Connection, row: Any) -> Iterable[dict[str, Any]]:
    table = exchange.quarantine
    query = select(table.c.object_id).where(table.c.sender == row.sender, table.c.release_id == row.release_id)
    kept = list(connection.scalars(query))
    if not kept or not row.envelope:
        return
    terms = _terms_in(bytes(row.envelope))
    strictest = min(terms.values(), key=lambda each: each.delete_after, default=None)
    for object_id in kept:
        yield _retained(row, QUARANTINED, object_id, EPOCH, terms.get(object_id, strictest), row.received_at)


def _terms_in(envelope: bytes) -> dict[str, Carried]:
    """Return the terms in a release that was verified when it came, by object; one without an id is left out."""
    found: dict[str, Carried] = {}
    for each in read_release(read_envelope(envelope, subject="release").payload).objects:
        try:
            found[stix.parse(each.body).id] = each.terms
        except Error as error:
            found[error.subject or f"unreadable {len(found)}"] = each.terms
    return found


def agreement_of(envelope: bytes) -> list[tuple[str, int]]:
    """Return the agreement under which a received release came, as id and version; none where its bytes are gone."""
    if not envelope:
        return []
    cited = read_release(read_envelope(envelope, subject="release").payload).agreement
    return [(cited.id, cited.version)] if cited else []


def _retained(
    row: Any, object_row: int, object_id: str, order_at: datetime, terms: Carried | None, received_at: datetime
) -> dict[str, Any]:
    """Return what is kept of one copy; terms that cannot be read allow no keeping at all."""
    until = terms.delete_after if terms else received_at
    agreement = terms.agreement.id if terms else ""
    return {
        "object_row": object_row,
        "object_id": object_id,
        "order_at": order_at,
        "nation": row.sender,
        "originator": terms.originator if terms else row.sender,
        "release_id": row.release_id,
        "agreement_id": agreement,
        "lane": row.lane,
        "delete_after": until,
        "due_at": until,
        "term": "retention_days",
    }


def _settle_due(tx: Transaction, object_ids: Sequence[str], lane: str) -> None:
    """Work out again when the copies of these objects fall due: the strictest word of each originator counts."""
    table = store.retained
    query = select(table).where(table.c.object_id.in_(object_ids), table.c.lane == lane)
    by_object: dict[str, list[Any]] = {}
    for row in tx.execute(query):
        by_object.setdefault(row.object_id, []).append(row)
    for rows in by_object.values():
        words = [
            RetainedWord(row.row, NationId(row.originator), (row.order_at, row.object_row), row.delete_after)
            for row in rows
        ]
        due = due_instants(words)
        for row in rows:
            if row.due_at != due[row.row]:
                tx.execute(update(table).where(table.c.row == row.row).values(due_at=due[row.row]))


def lapse(tx: Transaction, agreement_id: str, nation: NationId, since: datetime) -> int:
    """Let everything that a nation gave under an agreement fall due, because a party left; return how many copies."""
    table = store.retained
    words = (table.c.agreement_id == agreement_id, table.c.nation == nation, table.c.due_at > since)
    changed = tx.execute(update(table).where(*words).values(due_at=since, delete_after=since, term="leaving.on_exit"))
    return int(changed.rowcount)


def next_due(connection: Connection) -> datetime | None:
    """Return the instant at which the next copy falls due."""
    found: datetime | None = connection.scalar(select(func.min(store.retained.c.due_at)))
    return found


def overdue(connection: Connection, at: datetime) -> int:
    """Count the copies here that should be gone."""
    return connection.scalar(select(func.count()).where(store.retained.c.due_at <= at)) or 0


def erase_chunk(tx: Transaction, context: Context) -> list[ErasedRelease]:
    """Erase the next copies that are due at the transaction's instant; an empty list where none is.

    In one transaction: words and versions with their index, quarantine, decisions in the outbox and in the private
    log, the received bytes, those of releases that passed them on, and the unsigned attestation of all that.
    """
    table = store.retained
    query = select(table).where(table.c.due_at <= tx.at).order_by(table.c.due_at, table.c.row).limit(CHUNK_WORDS)
    due = tx.execute(query).all()
    if not due:
        return []
    held = [HeldWord(row.object_row, NationId(row.nation), row.release_id) for row in due if row.object_row]
    gone = context.holdings.erase(tx, held)
    _erase_decisions(tx, [each.row for each in gone.erased])
    copies.erase_passed_on(tx, context.log, due)
    named = {row.object_row for row in due}
    copies.erase_holding(tx, context.log, [each.row for each in gone.erased if each.row not in named])
    _let_go(tx, gone.copied)
    tx.execute(delete(table).where(table.c.row.in_([row.row for row in due])))
    done = []
    for (nation, release_id), rows in _by_release(due).items():
        names = [row.object_id for row in rows if row.object_row == QUARANTINED]
        _erase_quarantine(tx, nation, release_id, names)
        _erase_envelope(tx, nation, release_id)
        left = select(table.c.row).where(table.c.nation == nation, table.c.release_id == release_id).limit(1)
        complete = tx.execute(left).first() is None
        if complete:
            _close_review(tx, context.own, nation, release_id)
        objects = tuple(sorted({row.object_id for row in rows}))
        done.append(ErasedRelease(nation, release_id, Lane(rows[0].lane), rows[0].term, objects, complete))
    for each in done:
        _attest(tx, context.own, each)
    return done


def _let_go(tx: Transaction, proposals: Iterable[ProposalHeld]) -> None:
    """Let the proposals that partners gave of what is gone fall due at once: they carry it."""
    table = store.retained
    rows = [each.row for each in proposals]
    due = {"due_at": tx.at, "delete_after": tx.at}
    tx.execute(update(table).where(table.c.object_row.in_(rows), table.c.due_at > tx.at).values(**due))


def _by_release(rows: Iterable[Any]) -> dict[tuple[NationId, str], list[Any]]:
    found: dict[tuple[NationId, str], list[Any]] = {}
    for row in rows:
        found.setdefault((NationId(row.nation), row.release_id), []).append(row)
    return found


def _close_review(tx: Transaction, own: NationId, nation: NationId, release_id: str) -> None:
    """What is gone needs no review any more."""
    table = store.duties
    owed = (table.c.owed_by == own, table.c.owed_to == nation, table.c.subject == release_id)
    open_ = (table.c.kind == "review", table.c.state == "open")
    tx.execute(update(table).where(*owed, *open_).values(state="void", settled_at=tx.at, settled_by="node"))


def _erase_decisions(tx: Transaction, rows: Sequence[int]) -> None:
    """Erase what was decided about giving these; a withdrawal that waits holds ids only, and is told all the same."""
    outbox, withheld = exchange.outbox, exchange.withheld
    tx.execute(delete(outbox).where(outbox.c.object_row.in_(rows), outbox.c.action != "withdraw"))
    tx.execute(delete(withheld).where(withheld.c.object_row.in_(rows)))


def _erase_quarantine(tx: Transaction, nation: NationId, release_id: str, names: Sequence[str]) -> None:
    table = exchange.quarantine
    tx.execute(
        delete(table).where(table.c.sender == nation, table.c.release_id == release_id, table.c.object_id.in_(names))
    )


def _erase_envelope(tx: Transaction, nation: NationId, release_id: str) -> None:
    """Erase the signed bytes of a release with its first copy: a signature covers all of it, so no part can stay."""
    table = exchange.received
    query = select(table).where(table.c.sender == nation, table.c.release_id == release_id, table.c.envelope != b"")
    for row in tx.execute(query).all():
        document = read_release(read_envelope(bytes(row.envelope), subject="release").payload)
        head = {
            "sender": row.sender,
            "sequence": row.sequence,
            "release_id": row.release_id,
            "digest": row.digest,
            "head": _head(document),
            "erased_at": tx.at,
        }
        insert_ignore(tx, store.erased_releases, [head])
        here = (table.c.sender == row.sender, table.c.sequence == row.sequence)
        tx.execute(update(table).where(*here).values(envelope=b"", refused=kept_json(row.refused)))
        owed = (proofs.c.sender == row.sender, proofs.c.sequence == row.sequence, proofs.c.proof.is_(None))
        tx.execute(delete(proofs).where(*owed))  # nothing is left here that it could prove


def _head(document: ReleaseDocument) -> dict[str, Any]:
    """Return what a release said, with the decision instead of each object's bytes."""
    return {
        "id": document.id,
        "sender": document.sender,
        "recipient": document.recipient,
        "sequence": document.sequence,
        "at": rfc3339(document.at),
        "lane": str(document.lane),
        "agreement": document.agreement.as_json() if document.agreement else None,
        "purpose": document.purpose,
        "objects": [
            {"decision": each.decision, "digest": hashlib.sha256(each.body).hexdigest()} for each in document.objects
        ],
    }


def _attest(tx: Transaction, own: NationId, done: ErasedRelease) -> None:
    table = exchange.received
    query = select(table.c.digest).where(table.c.sender == done.nation, table.c.release_id == done.release_id)
    digest = tx.execute(query.limit(1)).scalar_one_or_none()
    if digest is None:
        return
    named = tuple(name for name in done.objects if "--" in name)
    word = Attestation(
        new_id("attestation"),
        "deletion",
        own,
        done.nation,
        done.release_id,
        digest,
        done.lane,
        named,
        done.term,
        tx.at,
        done.complete,
    )
    owe_attestation(tx, word)
    detail = {"event": "erased", "to": done.nation, "count": len(done.objects), "complete": done.complete}
    tx.append("exchange.duty", subject=done.release_id, lane=done.lane, actor="node", detail=detail)


def owe_attestation(tx: Transaction, word: Attestation) -> None:
    """Keep a statement that is to be signed and delivered."""
    tx.execute(
        store.attestations.insert().values(
            attestation_id=word.id,
            by=word.by,
            to=word.to,
            what=word.what,
            release_id=word.release_id,
            at=word.at,
            statement=word.encode(),
            envelope=None,
            delivered=False,
        )
    )
