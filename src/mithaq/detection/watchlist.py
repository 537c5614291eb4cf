"""Keep the matcher equal to the holdings: what stands is looked for, what was withdrawn or revoked is not."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Connection

from mithaq.detection.matcher import Match, Matcher
from mithaq.detection.model import Hit, Indicator, Origin, hit_id
from mithaq.intelligence.model import StoredObject
from mithaq.intelligence.service import Holdings
from mithaq.kernel.database import EPOCH
from mithaq.kernel.lane import Lane

_MAX_ORIGINS = 10_000


class Watchlist:
    """The matcher of this process, and the origin of what it matches."""

    def __init__(self, holdings: Holdings) -> None:
        self.matcher = Matcher()
        self._holdings = holdings
        self._origins: dict[int, Origin | None] = {}

    def load(self, connection: Connection, at: datetime, *, page: int) -> int:
        """Take every indicator that is active now; return how many there are."""
        after, objects = 0, self._holdings.active_indicators(connection, at, 0, page)
        while objects:
            self._take(connection, objects)
            after = objects[-1].row
            objects = self._holdings.active_indicators(connection, at, after, page)
        return len(self.matcher)

    def refresh(self, connection: Connection, rows: Sequence[int]) -> list[Indicator]:
        """Read these objects again; return the indicators among them that are looked for now."""
        self._origins.clear()
        return self._take(connection, self._holdings.rows(connection, rows))

    def forget(self, connection: Connection, gone: Iterable[tuple[str, Lane]]) -> None:
        """Look no more for objects of which a version was erased, unless another version stands."""
        self._origins.clear()
        for stix_id, lane in gone:
            self._take_newest(connection, stix_id, lane)

    def hits(self, connection: Connection, matches: Iterable[Match], at: datetime, *, retro: bool) -> list[Hit]:
        """Turn matches into hits that say who spoke of the indicator; one that no longer stands gives none."""
        found = list(matches)
        self._learn_origins(connection, {match.indicator.row for match in found})
        hits = []
        for match in found:
            origin = self._origins.get(match.indicator.row)
            if origin is not None:
                hits.append(_hit(match, origin, at, retro=retro))
        return hits

    def _take(self, connection: Connection, objects: Iterable[StoredObject]) -> list[Indicator]:
        taken = []
        for stored in objects:
            if stored.stix.type != "indicator":
                continue
            indicator = indicator_of(stored)
            if indicator is None:
                self._take_newest(connection, stored.stix.id, stored.lane)
            else:
                self.matcher.put(indicator)
                taken.append(indicator)
        return taken

    def _take_newest(self, connection: Connection, stix_id: str, lane: Lane) -> None:
        """Look for the newest version that stands, if it asks to be looked for; else for none."""
        self.matcher.drop(stix_id, lane)
        standing = [stored for stored in self._holdings.get(connection, stix_id, lane) if stored.stands]
        indicator = indicator_of(standing[0]) if standing else None
        if indicator is not None:
            self.matcher.put(indicator)

    def _learn_origins(self, connection: Connection, rows: set[int]) -> None:
        unknown = sorted(rows - self._origins.keys())
        if len(self._origins) + len(unknown) > _MAX_ORIGINS:
            self._origins.clear()
            unknown = sorted(rows)
        if not unknown:
            return
        self._origins.update(dict.fromkeys(unknown))
        for stored in self._holdings.rows(connection, unknown):
            self._origins[stored.row] = origin_of(stored)


def indicator_of(stored: StoredObject) -> Indicator | None:
    """Return what to look for, or None for an object that does not stand, is revoked, or names nothing to match.

    A protected version is for a partner: here its original is looked for.
    """
    stix = stored.stix
    if (
        stored.made_for is not None
        or stix.type != "indicator"
        or not stored.stands
        or stix.revoked
        or not stix.observables
    ):
        return None
    return Indicator(
        row=stored.row,
        indicator_id=stix.id,
        modified=stix.modified or EPOCH,
        lane=stored.lane,
        observables=stix.observables,
        valid_from=stix.valid_from,
        valid_until=stix.valid_until,
    )


def origin_of(stored: StoredObject) -> Origin | None:
    """Return who first spoke of an object and still does, or None where nobody does."""
    for provenance in stored.provenance:
        if provenance.standing == "stands":
            return Origin(provenance.source, provenance.nation, provenance.agreement_id, provenance.agreement_version)
    return None


def _hit(match: Match, origin: Origin, at: datetime, *, retro: bool) -> Hit:
    event, indicator = match.event, match.indicator
    return Hit(
        row=0,
        hit_id=hit_id(event.event_id, indicator.indicator_id, event.lane),
        event_id=event.event_id,
        event_at=event.at,
        source=event.source,
        kind=event.kind,
        raw=event.raw,
        sight=match.sight,
        indicator_id=indicator.indicator_id,
        object_row=indicator.row,
        origin=origin,
        lane=event.lane,
        retro=retro,
        matched_at=at,
    )
