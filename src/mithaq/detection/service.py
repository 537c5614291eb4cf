"""The use cases of detection: list and explain hits, decide about them, ask for a hunt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from mithaq.detection import store
from mithaq.detection.errors import HitDecided, UnknownHit
from mithaq.detection.hits.deciding import announce, own_opinion
from mithaq.detection.hits.feedback import opinion_of, sighting_of
from mithaq.detection.model import HUNT_ASKED, READER, Dismissal, Hit, HitState
from mithaq.detection.rulebook.held import SIGMA
from mithaq.detection.rulebook.missing_fields import MissingField, missing_fields
from mithaq.detection.rulebook.store import RuleStatus, list_rules
from mithaq.detection.rules import check_reason
from mithaq.detection.store import Decision
from mithaq.intelligence import watching
from mithaq.intelligence.model import NewObject, StoredObject
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.techniques import techniques
from mithaq.intelligence.watching import every_rule
from mithaq.kernel import journal
from mithaq.kernel.database import Database, Transaction
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL, Lane

_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class HitPage:
    """One page of hits, newest first; `next` continues it, None at the end.

    `techniques`: of ATT&CK, by the row of the object that matched.
    """

    hits: tuple[Hit, ...]
    next: int | None
    techniques: Mapping[int, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class UnderWay:
    """Hunts that have no answer yet; `parts_done` of `parts` segments are read for the one that is least far."""

    hunts: int
    parts_done: int
    parts: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything behind a hit: the event's line is in it, the object that matched stands beside it.

    `techniques`: those of ATT&CK that the object speaks of, or the holdings relate it to.
    """

    hit: Hit
    seen: StoredObject | None
    techniques: tuple[str, ...] = ()


class Detection:
    """What was found in this node's telemetry, and what people made of it."""

    def __init__(self, db: Database, holdings: Holdings, nation: NationId) -> None:
        self._db = db
        self._holdings = holdings
        self._nation = nation

    def hits(
        self,
        conn: Connection,
        lane: Lane = ACTUAL,
        after: int | None = None,
        limit: int = 100,
        *,
        state: HitState | None = None,
        indicator_id: str | None = None,
        group: int | None = None,
    ) -> HitPage:
        """Return one page of a lane's hits, newest first; `after` is the page's `next` before."""
        found = store.list_hits(
            conn, lane=lane, state=state, indicator_id=indicator_id, group=group, after=after, limit=limit + 1
        )
        shown = tuple(found[:limit])
        techniques = self._techniques(conn, sorted({hit.object_row for hit in shown}))
        return HitPage(shown, shown[-1].row if len(found) > limit else None, techniques)

    def counts(self, conn: Connection, lane: Lane = ACTUAL) -> store.HitCounts:
        """Count a lane's hits by what was decided about them."""
        return store.count_hits(conn, lane)

    def explain(self, conn: Connection, hit_id: str) -> Explanation:
        """Return a hit with the object that matched.

        Raises:
            UnknownHit: there is none of that identifier.
        """
        hit = store.get_hit(conn, hit_id)
        if hit is None:
            raise UnknownHit("there is no such hit", subject=hit_id[:80])
        rows = self._holdings.rows(conn, [hit.object_row])
        if not rows:
            return Explanation(hit, None)
        return Explanation(hit, rows[0], techniques(conn, rows)[hit.object_row])

    def confirm(self, hit_id: str, by: str, at: datetime) -> str:
        """Confirm a hit: its sighting goes into the holdings and back to the originator; return the sighting's id.

        Raises:
            UnknownHit: there is none of that identifier.
            HitDecided: somebody has decided about it, or the object that matched is gone.
        """
        with self._db.read() as connection:
            explained = self.explain(connection, hit_id)
        if explained.seen is None:
            raise HitDecided("the object that matched is no longer held", subject=hit_id)
        sighting = sighting_of(explained.hit, explained.seen, self._nation, at)
        sighting_id = sighting[0].stix.id
        with self._db.write(at) as tx:
            self._decide(tx, explained.hit, Decision(HitState.CONFIRMED, by, sighting_id))
            self._holdings.store(tx, sighting)
        return sighting_id

    def dismiss(self, hit_id: str, by: str, at: datetime, *, why: Dismissal, reason: str = "") -> str:
        """Dismiss a hit; a false positive becomes an opinion on the indicator, whose id is returned, else nothing.

        The opinion goes into the holdings and back to the originator, with the reason as its explanation. Each nation
        has one opinion on an indicator: another false positive renews it. Nothing is said of an indicator that is no
        longer held, or of this nation's own, about which it decides itself.

        Raises:
            UnknownHit: there is none of that identifier.
            HitDecided: somebody has decided about it.
            UnusableReason: a false positive without a reason, or one that quotes the value or is too long.
        """
        reason = reason.strip()
        with self._db.read() as connection:
            explained = self.explain(connection, hit_id)
        check_reason(explained.hit, why, reason)
        with self._db.write(at) as tx:
            opinion = self._opinion(tx, explained, reason, at) if why is Dismissal.FALSE_POSITIVE else []
            opinion_id = opinion[0].stix.id if opinion else ""
            decision = Decision(HitState.DISMISSED, by, dismissed_as=why, reason=reason, opinion_id=opinion_id)
            self._decide(tx, explained.hit, decision)
            self._holdings.store(tx, opinion)
        return opinion_id

    def ask_hunt(self, by: str, at: datetime, stix_ids: Sequence[str] = (), lane: Lane = ACTUAL) -> int:
        """Ask the detector to hunt through the lake for these indicators, by default for all that are active."""
        with self._db.read() as connection:
            rows = self._rows_of(connection, stix_ids, lane) if stix_ids else self._active_rows(connection, at)
        for start in range(0, len(rows), _PAGE):
            with self._db.write(at) as tx:
                detail = {"rows": rows[start : start + _PAGE]}
                tx.append(HUNT_ASKED, subject=f"hunt:{len(rows)}", lane=lane, actor=by, detail=detail)
        return len(rows)

    def sigma_rules(self, conn: Connection, lane: Lane = ACTUAL) -> list[RuleStatus]:
        """Return the Sigma rules of a lane as the detector has them, those that it cannot follow too."""
        return list_rules(conn, lane)

    def missing_fields(self, conn: Connection) -> dict[str, tuple[MissingField, ...]]:
        """Return for each source the fields that Sigma rules for its events ask and these do not have."""
        return missing_fields(conn)

    def hunts_under_way(self, conn: Connection) -> UnderWay:
        """Return how many hunts have no answer yet, and how far the one is that is least far."""
        return UnderWay(*store.hunts_under_way(conn))

    def is_hunting(self) -> bool:
        """Tell whether any hunt that was asked for has no answer yet."""
        with self._db.read() as connection:
            read_up_to = journal.last_seq(connection) - journal.lag(connection, READER)
            unread = journal.entries(connection, read_up_to, limit=1, kinds=frozenset({HUNT_ASKED}))
            return bool(unread) or bool(store.pending_hunts(connection, limit=1))

    def _techniques(self, conn: Connection, rows: Sequence[int]) -> dict[int, tuple[str, ...]]:
        found: dict[int, tuple[str, ...]] = {}
        for start in range(0, len(rows), _PAGE):
            found |= techniques(conn, self._holdings.rows(conn, rows[start : start + _PAGE]))
        return found

    def _opinion(self, tx: Transaction, explained: Explanation, reason: str, at: datetime) -> list[NewObject]:
        hit, seen = explained.hit, explained.seen
        if seen is None or hit.origin.is_own:
            return []
        return opinion_of(hit, seen, self._nation, at, reason, own_opinion(tx.connection, self._holdings, hit))

    def _decide(self, tx: Transaction, hit: Hit, decision: Decision) -> None:
        if not store.decide(tx, hit.hit_id, decision):
            raise HitDecided("somebody has decided about this hit already", subject=hit.hit_id)
        announce(tx, hit, decision)

    def _rows_of(self, connection: Connection, stix_ids: Sequence[str], lane: Lane) -> list[int]:
        versions = (self._holdings.get(connection, stix_id, lane) for stix_id in stix_ids)
        return [stored.row for found in versions for stored in found[:1]]

    def _active_rows(self, connection: Connection, at: datetime) -> list[int]:
        rows: list[int] = []
        page = self._holdings.active_indicators(connection, at, 0, _PAGE)
        while page:
            rows.extend(stored.row for stored in page)
            page = self._holdings.active_indicators(connection, at, page[-1].row, _PAGE)
        return sorted({*rows, *watching.rows_with_anchors(connection, at), *every_rule(connection, SIGMA, at)})
