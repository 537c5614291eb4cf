"""Where partners' cards are kept."""

from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    LargeBinary,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from mithaq.kernel.database import Timestamp, Transaction, metadata
from mithaq.kernel.ids import NationId
from mithaq.nations.keys.store import signing_keys, statements
from mithaq.nations.model import Card, Partner, Standing
from mithaq.nations.rules import read_card

partners = Table(
    "partners",
    metadata,
    Column("nation", Text, primary_key=True),
    Column("card", LargeBinary, nullable=False),
    Column("issued_at", Timestamp, nullable=False),
    Column("standing", Text, nullable=False),
    Column("added_at", Timestamp, nullable=False),
)


def find(connection: Connection, nation: NationId) -> Partner | None:
    """Return one partner."""
    row = connection.execute(_ONE, {"nation": nation}).one_or_none()
    return _partner(row) if row else None


def all_partners(connection: Connection) -> list[Partner]:
    """Return every partner by code."""
    return [_partner(row) for row in connection.execute(_ALL)]


def save(tx: Transaction, partner: Partner, card: bytes, *, is_new: bool) -> None:
    """Insert a partner, or replace its card."""
    values = {"card": card, "issued_at": partner.card.issued_at, "standing": str(partner.standing)}
    if is_new:
        tx.execute(insert(partners).values(nation=partner.nation, added_at=partner.added_at, **values))
    else:
        tx.execute(update(partners).where(partners.c.nation == partner.nation).values(**values))


def set_standing(tx: Transaction, nation: NationId, standing: Standing) -> None:
    """Change a partner's standing."""
    tx.execute(update(partners).where(partners.c.nation == nation).values(standing=str(standing)))


def remove(tx: Transaction, nation: NationId) -> None:
    """Forget a partner's card."""
    tx.execute(delete(partners).where(partners.c.nation == nation))


def _with_status() -> Select[Any]:
    """Select partners, each with its newest key statement."""
    newest = (
        select(statements.c.nation, func.max(statements.c.version).label("version"))
        .group_by(statements.c.nation)
        .subquery()
    )
    same = and_(statements.c.nation == newest.c.nation, statements.c.version == newest.c.version)
    status = select(statements).join(newest, same).subquery()
    current = and_(signing_keys.c.nation == partners.c.nation, signing_keys.c.retired_at.is_(None))
    whole = partners.outerjoin(status, partners.c.nation == status.c.nation).outerjoin(signing_keys, current)
    return select(
        partners,
        signing_keys.c.public.label("authorised_key"),
        status.c.issued_at.label("status_at"),
        status.c.expires_at.label("status_expires_at"),
        status.c.version.label("statement_version"),
    ).select_from(whole)


_ONE = _with_status().where(partners.c.nation == bindparam("nation"))
_ALL = _with_status().order_by(partners.c.nation)
"""Asked for at every release, and long to put together: once in a process is enough."""


def _partner(row: Any) -> Partner:
    card = _known_card(bytes(row.card), row.issued_at)
    return Partner(
        card,
        Standing(row.standing),
        row.added_at,
        row.status_at,
        row.status_expires_at,
        row.statement_version or 0,
        bytes(row.authorised_key or b""),
    )


@lru_cache(maxsize=512)
def _known_card(card: bytes, issued_at: datetime) -> Card:
    """Verify a stored card once in this process, as of its issue."""
    return read_card(card, issued_at)
