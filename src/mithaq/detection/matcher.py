"""Which of a few indicators does an event satisfy? Exact, in memory, without I/O: for a hunt, which knows them all.

Each kind of observable has one dictionary; domains are looked up with all their parents, addresses with every prefix
length in use. Nothing is compared by substring, so `notevil.example` never satisfies `evil.example`.
"""

import ipaddress
from collections.abc import Iterator
from datetime import datetime

from mithaq.detection.model import Indicator, Match, Sight
from mithaq.kernel.lane import Lane
from mithaq.standards.observable import Observable, names_above
from mithaq.telemetry.model import Event

_BITS = {"ipv4": 32, "ipv6": 128}
_NETWORKS = {"ipv4": ipaddress.IPv4Network, "ipv6": ipaddress.IPv6Network}


class Matcher:
    """All indicators of this node; each lane is matched for itself.

    Cost: an event of five observables takes about ten dictionary lookups, whatever the number of indicators.
    """

    def __init__(self) -> None:
        self._lanes: dict[Lane, _LaneIndex] = {}

    def __len__(self) -> int:
        return sum(len(index.indicators) for index in self._lanes.values())

    def put(self, indicator: Indicator) -> bool:
        """Look for this indicator from now on in the place of its older version; tell whether it is news."""
        return self._lanes.setdefault(indicator.lane, _LaneIndex()).put(indicator)

    def drop(self, indicator_id: str, lane: Lane) -> None:
        """Look for this indicator no more; unknown ones are none the worse."""
        if index := self._lanes.get(lane):
            index.drop(indicator_id)

    def match(self, event: Event, at: datetime) -> list[Match]:
        """Return the indicators valid at this instant that the event satisfies, each once."""
        index = self._lanes.get(event.lane)
        if index is None:
            return []
        found: dict[str, Match] = {}
        for field, seen in event.observables:
            for matched, indicator in index.look_up(seen):
                if indicator.indicator_id not in found and indicator.is_valid(at):
                    found[indicator.indicator_id] = Match(event, Sight(field, seen, matched), indicator)
        return list(found.values())


class _LaneIndex:
    """The indicators of one lane."""

    __slots__ = ("_exact", "_networks", "indicators")

    def __init__(self) -> None:
        self.indicators: dict[str, Indicator] = {}
        self._exact: dict[str, dict[str, list[Indicator]]] = {}
        self._networks: dict[str, dict[int, dict[int, list[Indicator]]]] = {"ipv4": {}, "ipv6": {}}

    def put(self, indicator: Indicator) -> bool:
        known = self.indicators.get(indicator.indicator_id)
        if known is not None:
            if (known.modified, known.row) >= (indicator.modified, indicator.row):
                return False
            self.drop(known.indicator_id)
        self.indicators[indicator.indicator_id] = indicator
        for observable in indicator.observables:
            self._bucket(observable).append(indicator)
        return True

    def drop(self, indicator_id: str) -> None:
        indicator = self.indicators.pop(indicator_id, None)
        if indicator is None:
            return
        for observable in indicator.observables:
            bucket = self._bucket(observable)
            bucket.remove(indicator)
            if not bucket:
                self._forget(observable)

    def look_up(self, seen: Observable) -> Iterator[tuple[Observable, Indicator]]:
        """Yield the indicators that this observable satisfies, with the observable each one names."""
        exact = self._exact.get(seen.type)
        if exact:
            above = names_above(seen.value) if seen.type == "domain" else ()
            for name in (seen.value, *above):
                for indicator in exact.get(name, ()):
                    yield (seen if name is seen.value else Observable(seen.type, name)), indicator
        networks = self._networks.get(seen.type)
        if networks:
            yield from self._look_up_networks(seen, networks)

    def _look_up_networks(
        self, seen: Observable, networks: dict[int, dict[int, list[Indicator]]]
    ) -> Iterator[tuple[Observable, Indicator]]:
        address = int(ipaddress.ip_address(seen.value))
        bits = _BITS[seen.type]
        for prefix, buckets in networks.items():
            shift = bits - prefix
            for indicator in buckets.get(address >> shift, ()):
                network = _NETWORKS[seen.type]((address >> shift << shift, prefix))
                yield Observable("cidr", str(network)), indicator

    def _bucket(self, observable: Observable) -> list[Indicator]:
        if observable.type == "cidr":
            kind, prefix, key = _network_key(observable.value)
            return self._networks[kind].setdefault(prefix, {}).setdefault(key, [])
        return self._exact.setdefault(observable.type, {}).setdefault(observable.value, [])

    def _forget(self, observable: Observable) -> None:
        """Remove an empty bucket, so that no prefix length is asked for in vain."""
        if observable.type == "cidr":
            kind, prefix, key = _network_key(observable.value)
            del self._networks[kind][prefix][key]
            if not self._networks[kind][prefix]:
                del self._networks[kind][prefix]
            return
        del self._exact[observable.type][observable.value]


def _network_key(value: str) -> tuple[str, int, int]:
    network = ipaddress.ip_network(value)
    kind = "ipv4" if network.version == 4 else "ipv6"
    return kind, network.prefixlen, int(network.network_address) >> (network.max_prefixlen - network.prefixlen)
