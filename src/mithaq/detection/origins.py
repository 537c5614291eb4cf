"""From a match to a hit: whose word it is, whether that still stands and permits detection, and what warns of it."""

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from mithaq.detection.model import Hit, Match, Origin, RuleSight, Sight, hit_id
from mithaq.detection.rules import permits_detection
from mithaq.intelligence.errors import WarningListsFailed
from mithaq.intelligence.model import StoredObject
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.warninglists import WarningLists
from mithaq.standards.observable import Observable

_log = logging.getLogger(__name__)
_MAX_REMEMBERED: Final = 10_000


class Origins:
    """Who spoke of which version, remembered until there is news of the holdings."""

    def __init__(self, holdings: Holdings, warning_lists: WarningLists | None = None) -> None:
        self._holdings = holdings
        self._warning_lists = warning_lists
        self._known: dict[int, Origin | None] = {}
        self._warned: dict[Observable, tuple[str, ...]] = {}

    def prepare(self) -> None:
        """Have the warning lists at hand, so that the first hit does not wait until they are compiled."""
        if self._warning_lists is not None:
            try:
                self._warning_lists.names()
            except WarningListsFailed as error:  # a hit without its warning is worth more than none
                _log.error("%s (%s)", error, error.private)
                self._warning_lists = None

    def forget(self) -> None:
        """Ask the holdings anew: something in them has changed."""
        self._known.clear()

    def hits(self, connection: Connection, matches: Iterable[Match], at: datetime, *, retro: bool) -> list[Hit]:
        """Turn matches into hits that say who spoke of the indicator.

        What no longer stands gives none, nor what no standing word permits to look for. A value on a warning list gives
        a hit that says so.
        """
        found = list(matches)
        self._learn(connection, {match.indicator.row for match in found})
        spoken = ((match, self._known.get(match.indicator.row)) for match in found)
        return [
            _hit(match, origin, at, self._warnings(match.sight), retro=retro)
            for match, origin in spoken
            if origin is not None
        ]

    def _warnings(self, sight: Sight | RuleSight) -> tuple[str, ...]:
        if self._warning_lists is None or isinstance(sight, RuleSight):
            return ()
        observable = sight.matched
        if len(self._warned) > _MAX_REMEMBERED:
            self._warned.clear()
        if observable not in self._warned:
            self._warned[observable] = self._lists_with(observable)
        return self._warned[observable]

    def _lists_with(self, observable: Observable) -> tuple[str, ...]:
        self.prepare()
        return self._warning_lists.warned(observable) if self._warning_lists is not None else ()

    def _learn(self, connection: Connection, rows: set[int]) -> None:
        if len(self._known) > _MAX_REMEMBERED:
            self.forget()
        unknown = sorted(rows - self._known.keys())
        self._known.update(dict.fromkeys(unknown))
        for stored in self._holdings.rows(connection, unknown):
            self._known[stored.row] = origin_of(stored)


def origin_of(stored: StoredObject) -> Origin | None:
    """Return who first spoke of an object, still does and permits detection, or None where nobody does."""
    for provenance in stored.provenance:
        if provenance.standing == "stands" and permits_detection(provenance):
            return Origin(provenance.source, provenance.nation, provenance.agreement_id, provenance.agreement_version)
    return None


def _hit(match: Match, origin: Origin, at: datetime, warned: tuple[str, ...], *, retro: bool) -> Hit:
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
        warned=warned,
        part=match.part,
    )
