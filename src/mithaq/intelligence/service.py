"""The holdings' use cases: store, find, withdraw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection

from mithaq.intelligence import comments, erasing, finding, lookup, reading, store
from mithaq.intelligence.lookup import LookedUp
from mithaq.intelligence.model import (
    ErasedObject,
    Erasure,
    GivenWord,
    HeldWord,
    NewObject,
    Page,
    ProposalHeld,
    StoredObject,
    StoreReport,
)
from mithaq.intelligence.rules import identity_of, plan
from mithaq.intelligence.search import parse_query
from mithaq.intelligence.settings import CHUNK_OBJECTS, MAX_SEARCH_LIMIT
from mithaq.kernel.database import Database, Transaction
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane
from mithaq.kernel.reason import Reason
from mithaq.standards.observable import Observable

KNOWLEDGE = "intelligence.knowledge"
"""What the journal says of objects under a publisher's word, which are nobody's news."""

_Item = TypeVar("_Item")
_NO_AGREEMENT = Reason("partner-object-without-agreement", "a partner's object is held only under an agreement")


class Holdings:
    """Everything this node knows, each object as its original bytes with everyone who said it."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def store(self, tx: Transaction, objects: Sequence[NewObject]) -> StoreReport:
        """Store objects inside the caller's transaction; one that is refused never stops the rest.

        A journal entry `intelligence.stored` is written for each chunk and lane in which something changed.
        """
        store.lock(tx)
        reports = [self._store_chunk(tx, chunk) for chunk in _chunks(objects)]
        return StoreReport(
            stored=sum(report.stored for report in reports),
            duplicates=sum(report.duplicates for report in reports),
            refused=tuple(refusal for report in reports for refusal in report.refused),
            rows=tuple(row for report in reports for row in report.rows),
        )

    def get(self, conn: Connection, stix_id: str, lane: Lane) -> list[StoredObject]:
        """Return every version of an object that is held, newest first; empty if it is not held."""
        return reading.versions(conn, stix_id, lane)

    def rows(self, conn: Connection, row_ids: Sequence[int]) -> list[StoredObject]:
        """Return objects by their rows, as the journal names them, in row order."""
        return [item for chunk in _chunks(row_ids) for item in reading.by_rows(conn, chunk)]

    def since(self, conn: Connection, at: datetime, after_row: int, limit: int) -> list[StoredObject]:
        """Return objects of every lane that came in at `at` or later, in row order after `after_row`."""
        return reading.since(conn, at, after_row, limit)

    def names(self, conn: Connection, object_type: str) -> frozenset[str]:
        """Return the names of every standing object of a type."""
        return reading.names(conn, object_type)

    def search(self, conn: Connection, query: str, lane: Lane, after: int | None, limit: int, *, at: datetime) -> Page:
        """Return one page of the objects a search finds at an instant, newest first; `after`: the last page's `next`.

        Cost: a few milliseconds among a million objects, whatever is asked for.

        Raises:
            BadQuery: the search cannot be understood.
        """
        count = max(1, min(limit, MAX_SEARCH_LIMIT))
        found = finding.search(conn, parse_query(query), lane, after=after, limit=count + 1, at=at)
        shown = tuple(found[:count])
        return Page(shown, shown[-1].row if len(found) > count else None)

    def known(self, conn: Connection, observables: Sequence[Observable], lane: Lane) -> dict[Observable, list[int]]:
        """Return, for each observable that a standing object names, the rows of those objects."""
        found: dict[Observable, list[int]] = {}
        for chunk in _chunks(observables):
            found.update(reading.known(conn, chunk, lane))
        return found

    def look_up(self, conn: Connection, lines: Sequence[str], lane: Lane) -> list[LookedUp]:
        """Return what is known of the values on many lines, in any spelling, in order.

        Raises:
            TooMuch: there are more lines than are looked up at once.
        """
        return lookup.look_up(conn, lines, lane)

    def active_indicators(self, conn: Connection, at: datetime, after_row: int, limit: int) -> list[StoredObject]:
        """Return indicators to match with, in row order after `after_row`.

        They stand, are not revoked, and have not expired at `at`; `valid_from` may lie ahead and is for the matcher
        to honour. Every lane is returned: the caller keeps them apart.
        """
        return reading.active_indicators(conn, at, after_row, limit)

    def withdraw(
        self,
        tx: Transaction,
        stix_id: str,
        lane: Lane,
        by_nation: NationId,
        reason: str,
        *,
        only: Sequence[int] | None = None,
        back_to_older: bool = False,
    ) -> tuple[int, ...]:
        """Take back a nation's word for an object, or `only` for these rows; return the rows that no longer stand.

        Other nations' words for it are left as they are: while one of them stands, so does the object, with the labels
        that these give it. A nation that never gave its word changes nothing. `back_to_older`: the newest version that
        the nation still says stands again, which is for who takes back single versions; a recall is about all.
        """
        store.lock(tx)
        done, actor = store.withdraw(tx, stix_id, lane, by_nation, reason, only), f"nation:{by_nation}"
        if done.fallen:
            detail = {"rows": list(done.fallen)}
            tx.append("intelligence.withdrawn", subject=stix_id, lane=lane, actor=actor, detail=detail)
        risen = store.let_stand_again(tx, stix_id, lane, by_nation) if back_to_older else []
        if done.relabelled or risen:
            detail = {"rows": sorted({*done.relabelled, *risen})}
            tx.append("intelligence.stored", subject=stix_id, lane=lane, actor=actor, detail=detail)
        return done.fallen

    def words_of(self, conn: Connection, nation: NationId, release_id: str) -> list[GivenWord]:
        """Return what one release of a partner gave, with the terms it carries."""
        return erasing.words_of(conn, nation, release_id)

    def erase(self, tx: Transaction, words: Sequence[HeldWord]) -> Erasure:
        """Delete nations' words for good, and every version that no other word holds; at most a chunk at a time.

        The entry `intelligence.erased` names what is gone and what stays under another word, so that whoever keeps
        a copy of a value erases it too. Proposals that carry what is gone are withdrawn and go with it.
        """
        store.lock(tx)
        done = erasing.erase(tx, words)
        copies = erasing.proposals_made_from(tx.connection, done.erased)
        if copies:
            done = self._erase_proposals(tx, done, copies)
        gone: dict[Lane, list[tuple[int, str]]] = {}
        for each in done.erased:
            gone.setdefault(each.lane, []).append((each.row, each.stix_id))
        kept = erasing.kept_in_lanes(tx.connection, done.kept)
        for lane in sorted({*gone, *kept}, key=str):
            pairs = gone.get(lane, [])
            detail = {
                "rows": [row for row, _ in pairs],
                "objects": [stix_id for _, stix_id in pairs],
                "kept": kept.get(lane, []),
            }
            subject = pairs[0][1] if pairs else words[0].release_id or words[0].nation
            tx.append("intelligence.erased", subject=subject, lane=lane, actor="node", detail=detail)
        return done

    def _erase_proposals(self, tx: Transaction, done: Erasure, copies: Sequence[ProposalHeld]) -> Erasure:
        """Withdraw and erase the words for proposals that no partner gave; name those that partners gave."""
        for each in copies:
            for nation in each.by_us:
                reason = "what it would change was erased"
                self.withdraw(tx, each.stix_id, each.lane, nation, reason, only=[each.row])
        ours = erasing.erase_proposals(tx, [each.row for each in copies if each.by_us])
        copied = tuple(each for each in copies if each.by_partners)
        return Erasure((*done.erased, *ours.erased), (*done.kept, *ours.kept), copied)

    def erased(self, conn: Connection, rows: Sequence[int]) -> list[ErasedObject]:
        """Return what is left of rows, as the journal names them, that were erased since."""
        return [item for chunk in _chunks(rows) for item in erasing.tombstones_of(conn, chunk)]

    def keep_original(self, tx: Transaction, media_type: str, body: bytes) -> str:
        """Keep a foreign file from which objects are converted; return the name for `Provenance.original`."""
        return store.keep_original(tx, media_type, body)

    def original(self, conn: Connection, name: str) -> bytes | None:
        """Return a kept foreign file, byte for byte."""
        return reading.original(conn, name)

    def _store_chunk(self, tx: Transaction, chunk: Sequence[NewObject]) -> StoreReport:
        refused = [(new.stix.id, _NO_AGREEMENT) for new in chunk if _lacks_agreement(new)]
        batch = [(new, new.digest) for new in chunk if not _lacks_agreement(new)]
        held = store.held_versions(tx.connection, (identity_of(new) for new, _ in batch))
        decided = plan(batch, held, store.next_row(tx.connection))
        store.write_plan(tx, decided)
        comments.keep(tx, decided.versions)
        _tell(tx, decided.touched)
        return StoreReport(
            stored=len(decided.versions),
            duplicates=decided.duplicates,
            refused=(*refused, *decided.refused),
            rows=tuple(decided.touched),
        )


def _lacks_agreement(new: NewObject) -> bool:
    return new.provenance.source == "partner" and new.provenance.agreement_id is None


def _tell(tx: Transaction, touched: Mapping[int, NewObject]) -> None:
    """Write one journal entry for each lane and giver of a chunk."""
    groups: dict[tuple[Lane, NationId, bool], list[int]] = {}
    for row, new in touched.items():
        is_published = new.provenance.source == "publisher"
        groups.setdefault((new.lane, new.provenance.nation, is_published), []).append(row)
    for (lane, nation, is_published), rows in groups.items():
        subject, detail = touched[rows[0]].stix.id, {"rows": rows}
        if is_published:
            tx.append(KNOWLEDGE, subject=subject, lane=lane, actor=f"publisher:{nation}", detail=detail)
        else:
            tx.append("intelligence.stored", subject=subject, lane=lane, actor=f"nation:{nation}", detail=detail)


def _chunks(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    for start in range(0, len(items), CHUNK_OBJECTS):
        yield items[start : start + CHUNK_OBJECTS]
