"""What became of one object: what went to whom, with what receipt and proof, on whose word, and what came back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from mithaq.exchange import store
from mithaq.exchange.context import Context
from mithaq.exchange.ledger.proof_state import ProofState, proof_of
from mithaq.exchange.ledger.releases import WITHOUT_BYTES
from mithaq.exchange.protecting import versions_of
from mithaq.intelligence import comments
from mithaq.intelligence.comments import Said
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane
from mithaq.kernel.reason import Reason


@dataclass(frozen=True, slots=True)
class Went:
    """One version of an object in one release to one nation; `refused`: why its recipient did not admit it.

    `object_id` is another than the one asked for where a protected version went instead.
    """

    recipient: NationId
    sequence: int
    release_id: str
    action: str
    object_id: str
    version: str
    agreement_id: str
    agreement_version: int
    purpose: str
    label: str
    sent_at: datetime
    outcome: str | None
    receipted_at: datetime | None
    refused: tuple[Reason, ...]
    proof: ProofState


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's word that the version with this SHA-256 goes out under an agreement."""

    agreement_id: str
    digest: str
    person: str
    at: datetime


@dataclass(frozen=True, slots=True)
class StandingOrder:
    """A releaser's decision that new objects go to the parties of an agreement."""

    agreement_id: str
    purpose: str
    ordered_by: str
    ordered_at: datetime


def went(context: Context, connection: Connection, object_id: str, lane: Lane, *, limit: int = 200) -> list[Went]:
    """Return the releases and withdrawals of an object and of its protected versions, newest first."""
    inside, whole = store.sent_objects, store.sent
    same = (whole.c.recipient == inside.c.recipient) & (whole.c.sequence == inside.c.sequence)
    names = [object_id, *versions_of(connection, object_id, lane)]
    query = (
        select(*WITHOUT_BYTES, inside.c.object_id, inside.c.version)
        .select_from(whole)
        .join(inside, same)
        .where(inside.c.object_id.in_(names), inside.c.lane == str(lane))
        .order_by(whole.c.sent_at.desc(), whole.c.recipient, whole.c.sequence.desc())
        .limit(limit)
    )
    return [_went(context, connection, row) for row in connection.execute(query).all()]


def _went(context: Context, connection: Connection, row: Any) -> Went:
    against = next((each["reasons"] for each in row.refused or () if each["object"] == row.object_id), ())
    return Went(
        NationId(row.recipient),
        row.sequence,
        row.release_id,
        row.action,
        row.object_id,
        row.version,
        row.agreement_id,
        row.agreement_version,
        row.purpose,
        row.label,
        row.sent_at,
        row.outcome,
        row.receipted_at,
        tuple(Reason.of_json(each) for each in against),
        proof_of(context, connection, row),
    )


def said_of(connection: Connection, object_id: str, lane: Lane, *, limit: int = 100) -> list[Said]:
    """Return the opinions on an object and its sightings, and those of its protected versions, newest first."""
    return comments.said_of(connection, [object_id, *versions_of(connection, object_id, lane)], lane, limit)


def approvals(connection: Connection, object_id: str, lane: Lane) -> Sequence[Approval]:
    """Return who has approved which version of an object, oldest first."""
    table = store.approvals
    query = select(table).where(table.c.object_id == object_id, table.c.lane == str(lane))
    rows = connection.execute(query.order_by(table.c.at, table.c.person))
    return [Approval(row.agreement_id, row.digest, row.person, row.at) for row in rows]


def standing_orders(connection: Connection) -> dict[str, StandingOrder]:
    """Return the standing orders by agreement."""
    rows = connection.execute(select(store.standing_orders))
    return {
        row.agreement_id: StandingOrder(row.agreement_id, row.purpose, row.ordered_by, row.ordered_at) for row in rows
    }
