"""What partners may read over TAXII, as this node's own people see it, and what is withheld there and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, select

from mithaq.exchange.context import Context
from mithaq.exchange.store import sent, sent_objects
from mithaq.exchange.taxii.partners import store
from mithaq.exchange.taxii.partners.judging import PartnerJudge
from mithaq.exchange.taxii.partners.model import PartnerAccount, PartnerShelf
from mithaq.kernel.ids import NationId
from mithaq.kernel.reason import Reason

NEWEST: Final = 200
"""Of how many of the newest objects released to a nation it is told which are withheld over TAXII."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One object that was released to a nation and is withheld over TAXII now, with all reasons."""

    object_id: str
    version: str
    lane: str
    sequence: int
    sent_at: datetime
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Laid:
    """One collection: its accounts, how much lies on its shelf, what stands against all of it, and what is withheld."""

    shelf: PartnerShelf
    accounts: Sequence[PartnerAccount]
    size: int
    against: tuple[Reason, ...]
    withheld: Sequence[Kept]


def laid_for(context: Context, connection: Connection, nation: NationId, at: datetime) -> list[Laid]:
    """Return the collections of a nation, judged at an instant."""
    judge = PartnerJudge(context, connection, at)
    return [
        Laid(
            shelf,
            store.accounts_of(connection, shelf.id),
            store.size(connection, shelf.id),
            judge.against_all(nation, shelf.agreement_id),
            withheld(connection, judge, shelf),
        )
        for shelf in store.all_shelves(connection)
        if shelf.nation == nation
    ]


def withheld(connection: Connection, judge: PartnerJudge, shelf: PartnerShelf) -> list[Kept]:
    """Return what of the newest objects that went to a nation is withheld over TAXII now, newest first."""
    same = (sent.c.recipient == sent_objects.c.recipient) & (sent.c.sequence == sent_objects.c.sequence)
    query = (
        select(sent_objects, sent.c.sent_at)
        .join(sent, same)
        .where(
            sent.c.recipient == shelf.nation,
            sent.c.agreement_id == shelf.agreement_id,
            sent.c.action == "release",
            sent_objects.c.object_row.is_not(None),
        )
        .order_by(sent.c.sequence.desc(), sent_objects.c.object_id)
        .limit(NEWEST)
    )
    rows = {row.object_row: row for row in reversed(connection.execute(query).all())}
    decided = judge.decide(list(rows), shelf)
    return [
        Kept(row.object_id, row.version, row.lane, row.sequence, row.sent_at, decision.reasons)
        for row in reversed(rows.values())
        if (decision := decided.get(row.object_row)) is not None and not decision.released
    ]
