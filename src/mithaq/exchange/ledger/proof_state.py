"""How the proof of a release stands: its leaf, who has cosigned above it, and for whom it waits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, func, select

from mithaq.exchange import store
from mithaq.exchange.context import Context
from mithaq.exchange.ledger.releases import WITHOUT_BYTES
from mithaq.exchange.log import store as log_store
from mithaq.exchange.log.logs import Place
from mithaq.exchange.log.record import read_record
from mithaq.exchange.proving import required_of
from mithaq.kernel.ids import NationId
from mithaq.kernel.reason import Reason
from mithaq.kernel.tlog.checkpoint import Checkpoint


class Proof(StrEnum):
    """How far a release is proven."""

    PROVEN = "proven"
    WAITING = "waiting"
    OWED = "owed"
    UNNEEDED = "unneeded"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Cosigner:
    """One partner's first cosignature over a checkpoint that covers a leaf; `size` counts the leaves under it."""

    nation: NationId
    size: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Emergency:
    """A person's word that a release goes before witnesses have answered; the reason is gone with an erased record."""

    reason: str
    at: datetime | None
    leaf: int | None


@dataclass(frozen=True, slots=True)
class ProofState:
    """The proof of one release. `leaf` counts from 0; of the `needed`, `missing` still have to cosign, among `awaited`.

    `checkpoint_size` is that of the first checkpoint that enough of them have cosigned, else None.
    """

    origin: str
    leaf: int | None
    stage: Proof
    needed: int = 0
    missing: int = 0
    cosigned: Sequence[Cosigner] = ()
    awaited: Sequence[NationId] = ()
    checkpoint_size: int | None = None
    emergency: Emergency | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """One release that waits for witnesses since an instant, with what keeps each of them from answering."""

    recipient: NationId
    sequence: int
    release_id: str
    label: str
    since: datetime
    proof: ProofState
    troubles: Mapping[NationId, Reason]


NOTHING = ProofState("", None, Proof.ABSENT)


def proof_of(context: Context, connection: Connection, row: Any) -> ProofState:
    """Return how the proof of a row of `exchange_sent` stands; it has the columns `WITHOUT_BYTES`."""
    if row.leaf is None:
        return NOTHING
    required = required_of(context, connection, row)
    place = Place(row.log, row.leaf)
    cosigned = _cosigned(connection, place)
    counted = {each.nation for each in cosigned} & required.nations
    note = context.log.covering(connection, place, required.nations, required.needed) if required.needed else None
    return ProofState(
        origin=log_store.log_of(connection, row.log).origin,
        leaf=row.leaf,
        stage=_stage(row, required.needed, proven=note is not None),
        needed=required.needed,
        missing=required.needed - len(counted) if required.needed and note is None else 0,
        cosigned=cosigned,
        awaited=sorted(required.nations - counted) if required.needed and note is None else (),
        checkpoint_size=Checkpoint.of(note).size if note else None,
        emergency=_emergency(connection, row) if row.emergency_leaf is not None else None,
    )


def _stage(row: Any, needed: int, *, proven: bool) -> Proof:
    if proven:
        return Proof.PROVEN
    if not needed:
        return Proof.UNNEEDED
    return Proof.WAITING if row.waits else Proof.OWED


def _cosigned(connection: Connection, place: Place) -> list[Cosigner]:
    table = log_store.cosignatures
    query = (
        select(table.c.witness, func.min(table.c.size).label("size"), func.min(table.c.at).label("at"))
        .where(table.c.log == place.log, table.c.size > place.leaf)
        .group_by(table.c.witness)
        .order_by(table.c.witness)
    )
    return [Cosigner(NationId(row.witness), row.size, row.at) for row in connection.execute(query)]


def _emergency(connection: Connection, row: Any) -> Emergency:
    table = log_store.records
    here = (table.c.log == row.emergency_log, table.c.leaf == row.emergency_leaf)
    kept = connection.scalar(select(table.c.record).where(*here))
    if kept is None:
        return Emergency("", None, row.emergency_leaf)
    record = read_record(bytes(kept))
    return Emergency(record.detail, record.at, row.emergency_leaf)


def waiting(context: Context, connection: Connection, *, limit: int = 100) -> list[Waiting]:
    """Return the releases that may not leave before witnesses have answered, the oldest first."""
    table = store.sent
    query = select(*WITHOUT_BYTES).where(*store.WAITS_FOR_WITNESSES)
    rows = connection.execute(query.order_by(table.c.sent_at, table.c.recipient, table.c.sequence).limit(limit)).all()
    troubles = _troubles(connection) if rows else {}
    found = []
    for row in rows:
        proof = proof_of(context, connection, row)
        against = {each: troubles[each] for each in proof.awaited if each in troubles}
        found.append(
            Waiting(NationId(row.recipient), row.sequence, row.release_id, row.label, row.sent_at, proof, against)
        )
    return found


def _troubles(connection: Connection) -> dict[NationId, Reason]:
    table = store.channels
    query = select(table.c.partner, table.c.witness_trouble).where(table.c.witness_trouble.is_not(None))
    return {
        NationId(row.partner): Reason.of_json(row.witness_trouble)
        for row in connection.execute(query)
        if row.witness_trouble
    }
