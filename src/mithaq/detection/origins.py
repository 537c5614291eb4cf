"""From a match to a hit: whose word it is that what was seen is bad, and whether that word still stands."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from mithaq.detection.model import Hit, Match, Origin, hit_id
from mithaq.intelligence.model import StoredObject
from mithaq.intelligence.service import Holdings

_MAX_REMEMBERED: Final = 10_000


class Origins:
    """Who spoke of which version, remembered until there is news of the holdings."""

    def __init__(self, holdings: Holdings) -> None:
        self._holdings = holdings
        self._known: dict[int, Origin | None] = {}

    def forget(self) -> None:
        """Ask the holdings anew: something in them has changed."""
        self._known.clear()

    def hits(self, connection: Connection, matches: Iterable[Match], at: datetime, *, retro: bool) -> list[Hit]:
        """Turn matches into hits that say who spoke of the indicator; one that no longer stands gives none."""
        found = list(matches)
        self._learn(connection, {match.indicator.row for match in found})
        spoken = ((match, self._known.get(match.indicator.row)) for match in found)
        return [_hit(match, origin, at, retro=retro) for match, origin in spoken if origin is not None]

    def _learn(self, connection: Connection, rows: set[int]) -> None:
        if len(self._known) > _MAX_REMEMBERED:
            self.forget()
        unknown = sorted(rows - self._known.keys())
        self._known.update(dict.fromkeys(unknown))
        for stored in self._holdings.rows(connection, unknown):
            self._known[stored.row] = origin_of(stored)


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
        part=match.part,
    )
