"""The use cases of detection: list and explain hits, decide about them, ask for a hunt."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from mithaq.detection import store
from mithaq.detection.errors import HitDecided, UnknownHit, UnusableReason
from mithaq.detection.feedback import opinion_of, sighting_of
from mithaq.detection.model import HUNT_ASKED, READER, Dismissal, Hit, HitState
from mithaq.detection.settings import MAX_REASON_CHARS
from mithaq.detection.store import Decision
from mithaq.intelligence import watching
from mithaq.intelligence.model import NewObject, StoredObject
from mithaq.intelligence.service import Holdings
from mithaq.kernel import journal
from mithaq.kernel.database import Database, Transaction
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.standards.defang import refang_value

CONFIRMED = "detection.hit.confirmed"
DISMISSED = "detection.hit.dismissed"
_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class HitPage:
    """One page of hits, newest first; `next` continues it, None at the end."""

    hits: tuple[Hit, ...]
    next: int | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything behind a hit: the event's line is in it, the object that matched stands beside it."""

    hit: Hit
    seen: StoredObject | None


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
    ) -> HitPage:
        """Return one page of a lane's hits, newest first; `after` is the page's `next` before."""
        found = store.list_hits(conn, lane=lane, state=state, indicator_id=indicator_id, after=after, limit=limit + 1)
        shown = tuple(found[:limit])
        return HitPage(shown, shown[-1].row if len(found) > limit else None)

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
        return Explanation(hit, rows[0] if rows else None)

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
        _check_reason(explained.hit, why, reason)
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

    def is_hunting(self) -> bool:
        """Tell whether any hunt that was asked for has no answer yet."""
        with self._db.read() as connection:
            read_up_to = journal.last_seq(connection) - journal.lag(connection, READER)
            unread = journal.entries(connection, read_up_to, limit=1, kinds=frozenset({HUNT_ASKED}))
            return bool(unread) or bool(store.pending_hunts(connection, limit=1))

    def _opinion(self, tx: Transaction, explained: Explanation, reason: str, at: datetime) -> list[NewObject]:
        hit, seen = explained.hit, explained.seen
        if seen is None or hit.origin.is_own:
            return []
        last = store.last_opinion(tx.connection, hit.indicator_id, hit.lane)
        versions = self._holdings.get(tx.connection, last, hit.lane) if last else []
        renews = versions[0].stix if versions and versions[0].stands else None
        return opinion_of(hit, seen, self._nation, at, reason, renews)

    def _decide(self, tx: Transaction, hit: Hit, decision: Decision) -> None:
        if not store.decide(tx, hit.hit_id, decision):
            raise HitDecided("somebody has decided about this hit already", subject=hit.hit_id)
        kind = CONFIRMED if decision.state is HitState.CONFIRMED else DISMISSED
        detail = {"indicator": hit.indicator_id, "sighting": decision.sighting_id}
        if decision.dismissed_as is not None:
            detail |= {"as": decision.dismissed_as.value, "opinion": decision.opinion_id}
        tx.append(kind, subject=hit.hit_id, lane=hit.lane, actor=decision.by, detail=detail)

    def _rows_of(self, connection: Connection, stix_ids: Sequence[str], lane: Lane) -> list[int]:
        versions = (self._holdings.get(connection, stix_id, lane) for stix_id in stix_ids)
        return [stored.row for found in versions for stored in found[:1]]

    def _active_rows(self, connection: Connection, at: datetime) -> list[int]:
        rows: list[int] = []
        page = self._holdings.active_indicators(connection, at, 0, _PAGE)
        while page:
            rows.extend(stored.row for stored in page)
            page = self._holdings.active_indicators(connection, at, page[-1].row, _PAGE)
        return sorted({*rows, *watching.rows_with_anchors(connection, at)})


def _check_reason(hit: Hit, why: Dismissal, reason: str) -> None:
    """Refuse a reason that cannot go with an opinion: it is an own word, and outlives the indicator and the event."""
    if len(reason) > MAX_REASON_CHARS:
        raise UnusableReason("a reason has at most %(limit)s characters", limit=MAX_REASON_CHARS)
    if why is not Dismissal.FALSE_POSITIVE:
        return
    if not reason:
        raise UnusableReason("say why it is a false positive: the originator decides by it")
    written = refang_value(reason).casefold()
    sights = (hit.sight, *(each.sight for each in hit.companions))
    values = {value for sight in sights for value in (sight.seen.value, sight.matched.value) if value}
    if any(value.casefold() in written for value in values):
        raise UnusableReason("leave the value out of the reason: the reason stays when the indicator is deleted")
