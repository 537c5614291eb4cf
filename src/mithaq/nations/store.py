"""Where partners' cards are kept."""

from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Column, Connection, LargeBinary, Table, Text, delete, insert, select, update

from mithaq.kernel.database import Timestamp, Transaction, metadata
from mithaq.kernel.ids import NationId
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
    row = connection.execute(select(partners).where(partners.c.nation == nation)).one_or_none()
    return _partner(row) if row else None


def all_partners(connection: Connection) -> list[Partner]:
    """Return every partner by code."""
    return [_partner(row) for row in connection.execute(select(partners).order_by(partners.c.nation))]


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


def _partner(row: Any) -> Partner:
    return Partner(_known_card(bytes(row.card), row.issued_at), Standing(row.standing), row.added_at)


@lru_cache(maxsize=512)
def _known_card(card: bytes, issued_at: datetime) -> Card:
    """Verify a stored card once in this process, as of its issue."""
    return read_card(card, issued_at)
