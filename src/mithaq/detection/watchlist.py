"""What is looked for, and whose it is: a prefilter that may say yes too often, and the holdings, which decide.

An observable that a line really has is asked of the holdings at that instant, so what expired, was revoked or
withdrawn, and what another lane looks for, gives no match, whatever the prefilter still knows of it.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from mithaq.detection.model import Hit, Indicator, Match, Origin, Sight, hit_id
from mithaq.detection.prefilter.choice import prefilter
from mithaq.detection.prefilter.model import Prefilter
from mithaq.intelligence import watching
from mithaq.intelligence.model import StoredObject
from mithaq.intelligence.service import Holdings
from mithaq.kernel.database import EPOCH
from mithaq.kernel.lane import Lane
from mithaq.standards.observable import Observable, names_above
from mithaq.telemetry.blocks import Block
from mithaq.telemetry.model import Event

_MAX_REMEMBERED: Final = 20_000
_LOAD: Final = 50_000
_NETWORKS: Final = {"ipv4": ipaddress.IPv4Network, "ipv6": ipaddress.IPv6Network}
_BITS: Final = {"ipv4": 32, "ipv6": 128}


class Watchlist:
    """What this process looks for. Its answers of the holdings are remembered until there is news of them."""

    def __init__(self, holdings: Holdings) -> None:
        self._holdings = holdings
        self._lanes: dict[Lane, _LaneWatch] = {}
        self._verdicts: dict[tuple[Lane, Observable], tuple[int, ...]] = {}
        self._indicators: dict[int, Indicator | None] = {}
        self._origins: dict[int, Origin | None] = {}

    def load(self, connection: Connection, at: datetime) -> int:
        """Look for everything that is active now; return how many observables that are."""
        count = 0
        waiting: dict[Lane, list[Observable]] = {}
        for lane, observable in watching.every_observable(connection, at):
            part = waiting.setdefault(lane, [])
            part.append(observable)
            count += 1
            if len(part) >= _LOAD:
                self._watch(lane).add(part)
                waiting[lane] = []
        for lane, part in waiting.items():
            self._watch(lane).add(part)
        return count

    def refresh(self, connection: Connection, rows: Sequence[int]) -> list[Indicator]:
        """Read these objects again; return the indicators among them that are looked for now."""
        self.forget()
        taken = [each for each in map(indicator_of, self._holdings.rows(connection, rows)) if each is not None]
        for indicator in taken:
            self._watch(indicator.lane).add(indicator.observables)
        return taken

    def forget(self) -> None:
        """Ask the holdings anew: something in them has changed."""
        self._verdicts.clear()
        self._indicators.clear()
        self._origins.clear()

    def candidates(self, block: Block) -> list[Event]:
        """Return the events of the lines that may have something that is looked for."""
        watch = self._lanes.get(block.source.lane)
        return [] if watch is None else list(block.events_at(watch.lines.candidates(block.text)))

    def matches(self, connection: Connection, events: Sequence[Event], at: datetime) -> list[Match]:
        """Return what these events satisfy of what is active at this instant, each indicator once an event."""
        asked = {
            (event.lane, wanted)
            for event in events
            for _, seen in event.observables
            for wanted in self._satisfied(event.lane, seen)
        }
        self._ask(connection, asked, at)
        return [match for event in events for match in self._matches(event, at)]

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

    def _watch(self, lane: Lane) -> "_LaneWatch":
        if lane not in self._lanes:
            self._lanes[lane] = _LaneWatch()
        return self._lanes[lane]

    def _satisfied(self, lane: Lane, seen: Observable) -> Iterator[Observable]:
        """Yield every observable that this one satisfies: itself, the names above it, the networks around it."""
        yield seen
        if seen.type == "domain":
            yield from (Observable("domain", name) for name in names_above(seen.value))
        elif seen.type in _BITS:
            watch = self._lanes.get(lane)
            yield from () if watch is None else watch.networks_around(seen)

    def _ask(self, connection: Connection, asked: set[tuple[Lane, Observable]], at: datetime) -> None:
        unknown = asked - self._verdicts.keys()
        if len(self._verdicts) + len(unknown) > _MAX_REMEMBERED:
            self.forget()
            unknown = asked
        for lane in {lane for lane, _ in unknown}:
            wanted = [observable for of, observable in unknown if of == lane]
            self._verdicts.update(dict.fromkeys(((lane, each) for each in wanted), ()))
            for observable, rows in watching.looked_for(connection, wanted, lane, at).items():
                self._verdicts[lane, observable] = tuple(rows)
        named = {row for key in asked for row in self._verdicts[key]}
        for stored in self._holdings.rows(connection, sorted(named - self._indicators.keys())):
            self._indicators[stored.row] = indicator_of(stored)
            self._origins[stored.row] = origin_of(stored)

    def _matches(self, event: Event, at: datetime) -> list[Match]:
        found: dict[str, Match] = {}
        for field, seen in event.observables:
            for wanted in self._satisfied(event.lane, seen):
                for row in self._verdicts[event.lane, wanted]:
                    indicator = self._indicators.get(row)
                    if indicator is not None and indicator.indicator_id not in found and indicator.is_valid(at):
                        found[indicator.indicator_id] = Match(event, Sight(field, seen, wanted), indicator)
        return list(found.values())

    def _learn_origins(self, connection: Connection, rows: set[int]) -> None:
        unknown = sorted(rows - self._origins.keys())
        self._origins.update(dict.fromkeys(unknown))
        for stored in self._holdings.rows(connection, unknown):
            self._origins[stored.row] = origin_of(stored)


class _LaneWatch:
    """The prefilter of one lane, and which lengths of networks are in it."""

    def __init__(self) -> None:
        self.lines: Prefilter = prefilter()
        self._lengths: dict[str, set[int]] = {"ipv4": set(), "ipv6": set()}

    def add(self, observables: Sequence[Observable]) -> None:
        self.lines.add(observables)
        for observable in observables:
            if observable.type == "cidr":
                kind = "ipv6" if ":" in observable.value else "ipv4"
                self._lengths[kind].add(int(observable.value.partition("/")[2]))

    def networks_around(self, seen: Observable) -> Iterator[Observable]:
        lengths = self._lengths[seen.type]
        if not lengths:
            return
        address = int(ipaddress.ip_address(seen.value))
        for length in lengths:
            shift = _BITS[seen.type] - length
            network = _NETWORKS[seen.type]((address >> shift << shift, length))
            yield Observable("cidr", str(network))


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
