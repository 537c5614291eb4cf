"""Take words out of the holdings for good: a version that nobody's word holds any more is gone with its index.

A proposal carries the object that it would change. So with a version go the proposals that were made from it: those of
this nation's own at once, those that came under a partner's word with that word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, delete, func, select, tuple_

from mithaq.intelligence.model import ErasedObject, Erasure, GivenWord, HeldWord, ProposalHeld
from mithaq.intelligence.postings import reindex
from mithaq.intelligence.store import following, refresh
from mithaq.intelligence.tables import (
    anchors,
    comments,
    inbox,
    instructions,
    misp_event_objects,
    misp_events,
    objects,
    observables,
    originals,
    provenance,
    tombstones,
)
from mithaq.intelligence.tokens import fixed_tokens
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.database import Transaction
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane
from mithaq.standards.stix import parse
from mithaq.standards.stix.comment import comment_of

NO_RELEASE: Final = ""
"""Stands for the release of a word that came in none: a constituent's."""


def erase(tx: Transaction, words: Sequence[HeldWord]) -> Erasure:
    """Delete these words; what no word holds any more is deleted, the rest is worked out again.

    Cost: a few statements whatever their number; at most one chunk at a time.
    """
    if not words:
        return Erasure((), ())
    named = tuple_(provenance.c.object, provenance.c.nation, func.coalesce(provenance.c.release_id, NO_RELEASE))
    return _erase(tx, {word.row for word in words}, named.in_([(w.row, w.nation, w.release_id) for w in words]))


def erase_proposals(tx: Transaction, rows: Iterable[int]) -> Erasure:
    """Delete every word but partners' for these proposals, and those that no word holds then."""
    numbers = set(rows)
    return _erase(tx, numbers, (provenance.c.object.in_(numbers)) & (provenance.c.source != "partner"))


def _erase(tx: Transaction, numbers: Iterable[int], words: ColumnElement[bool]) -> Erasure:
    rows = sorted(numbers)
    present = set(tx.connection.scalars(select(objects.c.row).where(objects.c.row.in_(rows))))
    files = select(provenance.c.original).where(words, provenance.c.original.is_not(None)).distinct()
    named = list(tx.connection.scalars(files))
    with following(tx, sorted(present)):
        tx.execute(delete(provenance).where(words))
        held = set(tx.connection.scalars(select(provenance.c.object).where(provenance.c.object.in_(rows))))
        kept = sorted(held & present)
        refresh(tx, kept)
        gone = _delete(tx, sorted(present - held))
    _delete_files(tx, named)
    # What followed from the words is out of the index; now what followed from the bytes.
    reindex(tx, {row.row: fixed_tokens(parse(bytes(row.body)), Lane(row.lane)) for row in gone}, {})
    return Erasure(tuple(ErasedObject(row.row, row.stix_id, Lane(row.lane), row.modified) for row in gone), tuple(kept))


def _delete_files(tx: Transaction, digests: Sequence[str]) -> None:
    """Delete the foreign files, with the events in them, that no word names any more."""
    if not digests:
        return
    named = set(tx.connection.scalars(select(provenance.c.original).where(provenance.c.original.in_(digests))))
    named |= set(tx.connection.scalars(select(inbox.c.original).where(inbox.c.original.in_(digests))))
    gone = sorted(set(digests) - named)
    events = select(misp_events.c.id).where(misp_events.c.original.in_(gone))
    tx.execute(delete(misp_event_objects).where(misp_event_objects.c.event.in_(events)))
    tx.execute(delete(misp_events).where(misp_events.c.original.in_(gone)))
    tx.execute(delete(originals).where(originals.c.digest.in_(gone)))


def proposals_made_from(connection: Connection, erased: Iterable[ErasedObject]) -> list[ProposalHeld]:
    """Return the proposals that are held and carry a version that was erased.

    Also those that name a version which is not held, where no version of their object is held any more.
    """
    gone: dict[tuple[str, str], set[str]] = {}
    for each in erased:
        gone.setdefault((each.stix_id, str(each.lane)), set()).add(rfc3339(each.modified) if each.modified else "")
    ids = sorted({stix_id for stix_id, _ in gone})
    if not ids:
        return []
    still = select(objects.c.stix_id, objects.c.lane).where(objects.c.stix_id.in_(ids))
    held = {(row.stix_id, row.lane) for row in connection.execute(still)}
    query = (
        select(objects.c.row, objects.c.stix_id, objects.c.lane, objects.c.body)
        .where(
            objects.c.row.in_(select(comments.c.object).where(comments.c.about.in_(ids))),
            objects.c.type == "note",
        )
        .order_by(objects.c.row)
    )
    found = {}
    for row in connection.execute(query):
        comment = comment_of(bytes(row.body))
        about = (comment.about[0], row.lane) if comment.proposed is not None else None
        if about in gone and (about not in held or comment.based_on in gone[about]):
            found[row.row] = (row.stix_id, Lane(row.lane))
    return _with_words(connection, found)


def _with_words(connection: Connection, notes: Mapping[int, tuple[str, Lane]]) -> list[ProposalHeld]:
    """Return proposals with whose words they are held by."""
    table = provenance
    query = select(table.c.object, table.c.nation, table.c.source).where(table.c.object.in_(list(notes)))
    words: dict[int, list[Any]] = {}
    for row in connection.execute(query.order_by(table.c.row)):
        words.setdefault(row.object, []).append(row)
    return [
        ProposalHeld(
            number,
            *notes[number],
            by_us=tuple(dict.fromkeys(NationId(word.nation) for word in found if word.source != "partner")),
            by_partners=tuple(dict.fromkeys(NationId(word.nation) for word in found if word.source == "partner")),
        )
        for number, found in words.items()
    ]


def tombstones_of(connection: Connection, rows: Sequence[int]) -> list[ErasedObject]:
    """Return what is left of rows that were erased; a row that is held is none of them."""
    query = select(tombstones).where(tombstones.c.row.in_(rows)).order_by(tombstones.c.row)
    return [ErasedObject(row.row, row.stix_id, Lane(row.lane)) for row in connection.execute(query)]


def words_without_release(connection: Connection, nation: NationId, rows: Sequence[int]) -> list[GivenWord]:
    """Return the words for some rows that somebody gave in no release, with the terms they carry."""
    query = (
        select(provenance.c.object, provenance.c.carried, objects.c.stix_id, objects.c.modified)
        .join(objects, objects.c.row == provenance.c.object)
        .where(provenance.c.object.in_(rows), provenance.c.nation == nation, provenance.c.release_id.is_(None))
        .order_by(provenance.c.row)
    )
    return [GivenWord(row.object, row.stix_id, row.modified, row.carried) for row in connection.execute(query)]


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
    columns = (objects.c.row, objects.c.stix_id, objects.c.lane, objects.c.modified, objects.c.body)
    query = select(*columns).where(objects.c.row.in_(rows))
    gone = tx.execute(query.order_by(objects.c.row)).all()
    for table in (instructions, observables, anchors, comments):
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
