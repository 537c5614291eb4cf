"""Tables and queries of partners' collections: shelves, what lies on them, what is to be judged, accounts."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    delete,
    false,
    func,
    select,
    update,
)

from mithaq.exchange.store import sent, sent_objects
from mithaq.exchange.taxii.model import Collection
from mithaq.exchange.taxii.partners.model import PartnerAccount, PartnerShelf
from mithaq.exchange.taxii.placing import ShelfTables, lying
from mithaq.kernel.database import EPOCH, Json, Timestamp, Transaction, metadata, row_id, upsert
from mithaq.kernel.ids import NationId
from mithaq.kernel.reason import Reason
from mithaq.nations.people.store import digest
from mithaq.standards.tlp import Tlp

_Big = BigInteger().with_variant(Integer, "sqlite")

shelves = Table(
    "taxii_partner_shelves",
    metadata,
    row_id("id"),
    Column("collection", Text, nullable=False, unique=True),
    Column("nation", Text, nullable=False),
    Column("agreement_id", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Column("last_added", Timestamp, nullable=False),
    Column("key", LargeBinary, nullable=False),
    UniqueConstraint("nation", "agreement_id"),
)
"""One shelf for each nation and agreement; `collection` is the id that TAXII shows."""

shelved = Table(
    "taxii_partner_shelved",
    metadata,
    *lying("taxii_partner_shelved", shelves),
    Column("until", Timestamp, nullable=False, index=True),
    # As on the shelves of constituents.
    Column("has_siblings", Boolean, nullable=False, server_default=false()),
)
due = Table(
    "taxii_partner_due",
    metadata,
    Column("shelf", _Big, ForeignKey(shelves.c.id), primary_key=True, autoincrement=False),
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("mark", _Big, nullable=False),
)
"""Which releases are to be judged anew for a shelf; `mark` is the journal's number of the newest cause."""

accounts = Table(
    "taxii_partner_accounts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("shelf", _Big, ForeignKey(shelves.c.id), nullable=False, index=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Column("expires_at", Timestamp, nullable=False),
    Column("revoked_at", Timestamp),
    Column("ended_for", Json, nullable=False),
    Column("used_at", Timestamp),
    Column("refused_at", Timestamp),
)
"""With what partners' programs sign in; of a secret only the digest is kept."""

on_shelves = ShelfTables(shelves, shelved)

_ORDERED = select(shelves).order_by(shelves.c.nation, shelves.c.id)
_BY_ID = select(shelves).where(shelves.c.id == bindparam("id"))
_OF_AGREEMENT = select(shelves).where(
    shelves.c.nation == bindparam("nation"), shelves.c.agreement_id == bindparam("agreement_id")
)
_BY_SECRET = select(accounts).where(accounts.c.digest == bindparam("digest"))
_DUE = (
    select(due.c.shelf, due.c.sequence, due.c.mark)
    .order_by(due.c.shelf, due.c.sequence)
    .limit(bindparam("limit", type_=Integer))
)
_DONE = delete(due).where(
    due.c.shelf == bindparam("of_shelf"), due.c.sequence == bindparam("of_sequence"), due.c.mark == bindparam("of_mark")
)
_RELEASES = select(shelves.c.id, sent.c.sequence).join(
    sent, (sent.c.recipient == shelves.c.nation) & (sent.c.agreement_id == shelves.c.agreement_id)
)
_HOLDING = _RELEASES.join(
    sent_objects, (sent_objects.c.recipient == sent.c.recipient) & (sent_objects.c.sequence == sent.c.sequence)
)


def add_shelf(tx: Transaction, nation: NationId, agreement_id: str, title: str) -> PartnerShelf:
    """Give a nation its shelf under an agreement; what was released to it is to be judged."""
    made = shelves.insert().values(
        collection=str(uuid.uuid4()),
        nation=nation,
        agreement_id=agreement_id,
        title=title,
        created_at=tx.at,
        last_added=EPOCH,
        key=secrets.token_bytes(32),
    )
    row = tx.execute(made.returning(*shelves.c)).one()
    call_for(tx, 0, shelves.c.id == row.id)
    return _shelf(row)


def all_shelves(connection: Connection) -> list[PartnerShelf]:
    """Return every shelf, by nation."""
    return [_shelf(row) for row in connection.execute(_ORDERED)]


def shelf(connection: Connection, shelf_id: int) -> PartnerShelf | None:
    """Return a shelf by its number."""
    row = connection.execute(_BY_ID, {"id": shelf_id}).first()
    return _shelf(row) if row else None


def find_shelf(connection: Connection, nation: NationId, agreement_id: str) -> PartnerShelf | None:
    """Return the shelf of a nation under an agreement."""
    row = connection.execute(_OF_AGREEMENT, {"nation": nation, "agreement_id": agreement_id}).first()
    return _shelf(row) if row else None


def call_for(tx: Transaction, mark: int, *where: Any) -> None:
    """Have all releases of some shelves judged anew; `where` speaks of `shelves` and `sent`."""
    _call(tx, mark, tx.execute(_RELEASES.where(*where)))


def call_for_objects(tx: Transaction, mark: int, *where: Any) -> None:
    """Have the releases that hold some objects judged anew; `where` speaks of `sent_objects`."""
    _call(tx, mark, tx.execute(_HOLDING.where(*where).distinct()))


def _call(tx: Transaction, mark: int, found: Iterable[Any]) -> None:
    rows = [{"shelf": shelf_id, "sequence": sequence, "mark": mark} for shelf_id, sequence in found]
    upsert(tx, due, rows, keys=("shelf", "sequence"), changed=("mark",))


def next_due(connection: Connection, limit: int) -> Sequence[Any]:
    """Return the next releases to be judged, all of one shelf."""
    rows = connection.execute(_DUE, {"limit": limit}).all()
    return [row for row in rows if row.shelf == rows[0].shelf]


def settle(tx: Transaction, judged: Sequence[Any]) -> bool:
    """Take judged releases off the list; tell whether none was called for again meanwhile."""
    asked = [{"of_shelf": row.shelf, "of_sequence": row.sequence, "of_mark": row.mark} for row in judged]
    return sum(tx.execute(_DONE, one).rowcount for one in asked) == len(asked)


def size(connection: Connection, shelf_id: int) -> int:
    """Return how many objects lie on a shelf."""
    return connection.scalar(select(func.count()).where(shelved.c.shelf == shelf_id)) or 0


def take_off(tx: Transaction, shelf_id: int | None, rows: Iterable[int]) -> None:
    """Take rows off one shelf, or off all."""
    on = () if shelf_id is None else (shelved.c.shelf == shelf_id,)
    tx.execute(delete(shelved).where(shelved.c.object.in_(list(rows)), *on))


def has_outlived(connection: Connection, at: datetime) -> bool:
    """Tell whether something lies on a shelf that its nation must have deleted."""
    return connection.execute(select(shelved.c.object).where(shelved.c.until <= at).limit(1)).first() is not None


def take_off_outlived(tx: Transaction) -> None:
    """Take off what the nations must have deleted."""
    tx.execute(delete(shelved).where(shelved.c.until <= tx.at))


def add_account(tx: Transaction, value: PartnerAccount, secret: str) -> None:
    """Insert an account; of its secret only the digest is kept."""
    tx.execute(
        accounts.insert().values(
            id=value.id,
            shelf=value.shelf,
            digest=digest(secret),
            name=value.name,
            created_by=value.created_by,
            created_at=value.created_at,
            expires_at=value.expires_at,
            ended_for=[],
        )
    )


def account_of(connection: Connection, secret: str) -> PartnerAccount | None:
    """Return the account of a secret."""
    row = connection.execute(_BY_SECRET, {"digest": digest(secret)}).first()
    return _account(row) if row else None


def accounts_of(connection: Connection, shelf_id: int) -> list[PartnerAccount]:
    """Return the accounts of a shelf, newest first."""
    query = select(accounts).where(accounts.c.shelf == shelf_id)
    return [_account(row) for row in connection.execute(query.order_by(accounts.c.created_at.desc(), accounts.c.id))]


def live_accounts(connection: Connection, at: datetime) -> list[PartnerAccount]:
    """Return the accounts that would let somebody in now."""
    query = select(accounts).where(accounts.c.revoked_at.is_(None), accounts.c.expires_at > at)
    return [_account(row) for row in connection.execute(query.order_by(accounts.c.id))]


def change_account(tx: Transaction, account_id: str, **fields: Any) -> None:
    """Write fields of an account."""
    tx.execute(update(accounts).where(accounts.c.id == account_id).values(**fields))


def end_account(tx: Transaction, account_id: str, reasons: Sequence[Reason] = ()) -> bool:
    """End an account; tell whether it was in use."""
    live = (accounts.c.id == account_id, accounts.c.revoked_at.is_(None))
    ended = {"revoked_at": tx.at, "ended_for": [reason.as_json() for reason in reasons]}
    return tx.execute(update(accounts).where(*live).values(**ended)).rowcount == 1


def _shelf(row: Any) -> PartnerShelf:
    collection = Collection(
        id=row.collection,
        alias=row.agreement_id,
        title=row.title,
        description="",
        purpose="",
        action=0,
        types=frozenset(),
        labels=frozenset(),
        can_read=True,
        can_write=False,
        floor=Tlp.RED,
        created_at=row.created_at,
    )
    return PartnerShelf(row.id, NationId(row.nation), row.agreement_id, collection, row.last_added, bytes(row.key))


def _account(row: Any) -> PartnerAccount:
    return PartnerAccount(
        row.id,
        row.shelf,
        row.name,
        row.created_by,
        row.created_at,
        row.expires_at,
        row.revoked_at,
        tuple(Reason.of_json(each) for each in row.ended_for),
        row.used_at,
        row.refused_at,
    )
