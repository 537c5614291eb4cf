"""Take words out of the holdings for good: a version that nobody's word holds any more is gone with its index."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, select, tuple_

from mithaq.intelligence.model import Erasure, GivenWord, HeldWord
from mithaq.intelligence.postings import reindex
from mithaq.intelligence.store import following, refresh
from mithaq.intelligence.tables import comments, instructions, objects, observables, provenance, tombstones
from mithaq.intelligence.tokens import fixed_tokens
from mithaq.kernel.database import Transaction
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane
from mithaq.standards.stix import parse


def erase(tx: Transaction, words: Sequence[HeldWord]) -> Erasure:
    """Delete these words; what no word holds any more is deleted, the rest is worked out again.

    Cost: a few statements whatever their number; at most one chunk at a time.
    """
    if not words:
        return Erasure((), ())
    rows = sorted({word.row for word in words})
    present = set(tx.connection.scalars(select(objects.c.row).where(objects.c.row.in_(rows))))
    named = tuple_(provenance.c.object, provenance.c.nation, provenance.c.release_id)
    with following(tx, sorted(present)):
        tx.execute(delete(provenance).where(named.in_([(word.row, word.nation, word.release_id) for word in words])))
        held = set(tx.connection.scalars(select(provenance.c.object).where(provenance.c.object.in_(rows))))
        kept = sorted(held & present)
        refresh(tx, kept)
        gone = _delete(tx, sorted(present - held))
    # What followed from the words is out of the index; now what followed from the bytes.
    reindex(tx, {row.row: fixed_tokens(parse(bytes(row.body)), Lane(row.lane)) for row in gone}, {})
    return Erasure(tuple((row.row, row.stix_id, Lane(row.lane)) for row in gone), tuple(kept))


def words_of(connection: Connection, nation: NationId, release_id: str) -> list[GivenWord]:
    """Return the words that one release of a nation gave, with the terms they carry."""
    query = (
        select(provenance.c.object, provenance.c.carried, objects.c.stix_id, objects.c.modified)
        .join(objects, objects.c.row == provenance.c.object)
        .where(provenance.c.release_id == release_id, provenance.c.nation == nation)
        .order_by(provenance.c.row)
    )
    return [GivenWord(row.object, row.stix_id, row.modified, row.carried) for row in connection.execute(query)]


def _delete(tx: Transaction, rows: Sequence[int]) -> Sequence[Row[Any]]:
    """Delete versions and leave their tombstones; return what they were."""
    if not rows:
        return ()
    query = select(objects.c.row, objects.c.stix_id, objects.c.lane, objects.c.body).where(objects.c.row.in_(rows))
    gone = tx.execute(query.order_by(objects.c.row)).all()
    for table in (instructions, observables, comments):
        tx.execute(delete(table).where(table.c.object.in_(rows)))
    tx.execute(delete(objects).where(objects.c.row.in_(rows)))
    tx.execute(
        tombstones.insert(),
        [{"row": row.row, "stix_id": row.stix_id, "lane": row.lane, "erased_at": tx.at} for row in gone],
    )
    return gone


def kept_in_lanes(connection: Connection, rows: Iterable[int]) -> dict[Lane, list[int]]:
    """Return rows by their lane."""
    found: dict[Lane, list[int]] = {}
    query = select(objects.c.row, objects.c.lane).where(objects.c.row.in_(list(rows))).order_by(objects.c.row)
    for row in connection.execute(query):
        found.setdefault(Lane(row.lane), []).append(row.row)
    return found
