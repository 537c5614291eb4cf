"""Tables of response: what is never blocked, and which lists were published with which serial."""

import hashlib

from sqlalchemy import BigInteger, Column, Connection, Table, Text, UniqueConstraint, select

from mithaq.kernel.database import Timestamp, Transaction, insert_ignore, metadata, row_id
from mithaq.response.model import NeverBlock
from mithaq.standards.observable import Observable

never_block = Table(
    "never_block",
    metadata,
    row_id(),
    Column("type", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("added_by", Text, nullable=False),
    Column("added_at", Timestamp, nullable=False),
    UniqueConstraint("type", "value"),
)
publications = Table(
    "blocklist_publications",
    metadata,
    Column("recipient", Text, primary_key=True),
    Column("format", Text, primary_key=True),
    Column("serial", BigInteger, nullable=False),
    Column("digest", Text, nullable=False),
    Column("published_at", Timestamp, nullable=False),
)


def add_never(tx: Transaction, entry: NeverBlock) -> None:
    """Keep an entry, if it is not there yet."""
    row = {
        "type": entry.observable.type,
        "value": entry.observable.value,
        "note": entry.note,
        "added_by": entry.added_by,
        "added_at": entry.added_at,
    }
    insert_ignore(tx, never_block, [row])


def remove_never(tx: Transaction, observable: Observable) -> bool:
    """Forget an entry; tell whether there was one."""
    key = (never_block.c.type == observable.type, never_block.c.value == observable.value)
    return tx.execute(never_block.delete().where(*key)).rowcount == 1


def list_never(connection: Connection) -> tuple[NeverBlock, ...]:
    """Return the never-block list in a fixed order."""
    rows = connection.execute(select(never_block).order_by(never_block.c.type, never_block.c.value))
    return tuple(NeverBlock(Observable(row.type, row.value), row.note, row.added_by, row.added_at) for row in rows)


def next_serial(tx: Transaction, recipient: str, list_format: str, content: bytes) -> tuple[int, bool]:
    """Return the serial of this content, the last one's if nothing changed, and whether something did.

    It counts up from the day as `YYYYMMDDnn` (RFC 1912 §2.2) and never goes back.
    """
    digest = hashlib.sha256(content).hexdigest()
    key = (publications.c.recipient == recipient, publications.c.format == list_format)
    last = tx.connection.execute(select(publications).where(*key)).one_or_none()
    if last is not None and last.digest == digest:
        return int(last.serial), False
    serial = max(int(tx.at.strftime("%Y%m%d00")), last.serial + 1 if last is not None else 0)
    row = {"serial": serial, "digest": digest, "published_at": tx.at}
    if last is None:
        tx.execute(publications.insert().values(recipient=recipient, format=list_format, **row))
    else:
        tx.execute(publications.update().where(*key).values(**row))
    return serial, True
