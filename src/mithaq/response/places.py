"""Where values are on the network, and which of many that are kept free a value touches."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mithaq.response.special import is_documentation, is_documentation_name, zones_of
from mithaq.standards.addresses import Range, range_of
from mithaq.standards.observable import Observable


class Place(NamedTuple):
    """Where a value is on the network: an address range, a name, or (a fingerprint) nowhere.

    `is_zone`: blocking the name blocks everything below it.
    """

    network: Range | None = None
    name: str = ""
    is_zone: bool = False

    @property
    def is_documentation(self) -> bool:
        """Tell whether it is in a range, or below a name, reserved for documentation."""
        return (self.network is not None and is_documentation(self.network)) or (
            bool(self.name) and is_documentation_name(self.name)
        )


NOWHERE = Place()


def place_of(observable: Observable) -> Place:
    """Return where a value is: for a URL and an e-mail address, where its host is."""
    match observable.type:
        case "ipv4" | "ipv6" | "cidr":
            return Place(network=range_of(observable.value))
        case "domain":
            return Place(name=observable.value, is_zone=True)
        case "email":
            return Place(name=observable.value.rpartition("@")[2])
        case "url":
            return _place_of_host(url_parts(observable.value)[1])
        case _:
            return NOWHERE


def url_parts(url: str) -> tuple[str, str, str, str]:
    """Cut a canonical URL into scheme, host, port (or nothing) and the rest from the path on.

    >>> url_parts("http://evil.example:8080/a?b")
    ('http', 'evil.example', '8080', '/a?b')
    """
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    host_port = authority.rpartition("@")[2]
    if host_port.startswith("["):
        host, _, port = host_port[1:].partition("]")
        return scheme, host, port.removeprefix(":"), slash + path
    host, _, port = host_port.partition(":")
    return scheme, host, port, slash + path


class Kept:
    """Places of which no part may be blocked, each with its number in the order given; asked what a value touches.

    Cost: some look-ups a value, however many are kept.
    """

    def __init__(self, places: Iterable[Place]) -> None:
        self._names: dict[str, list[int]] = defaultdict(list)
        self._above: dict[str, list[int]] = defaultdict(list)
        self._networks: dict[int, list[tuple[int, int]]] = {4: [], 6: []}
        self._of_prefix: dict[tuple[int, int], dict[int, list[int]]] = {}
        for number, place in enumerate(places):
            if place.network is not None:
                self._keep_network(number, place.network)
            if place.name:
                self._names[place.name].append(number)
                for zone in zones_of(place.name):
                    self._above[zone].append(number)
        for of in self._networks.values():
            of.sort()

    def touched(self, place: Place) -> Sequence[int]:
        """Return the numbers, in their order, of what blocking a place would block a part of."""
        found: set[int] = set()
        if place.network is not None:
            found.update(self._containing(place.network), self._inside(place.network))
        if place.name and self._names:
            found.update(number for zone in zones_of(place.name) for number in self._names.get(zone, ()))
            if place.is_zone:
                found.update(self._above.get(place.name, ()))
        return sorted(found)

    def _keep_network(self, number: int, network: Range) -> None:
        self._networks[network.version].append((network.first, number))
        of_prefix = self._of_prefix.setdefault((network.version, network.prefix), {})
        of_prefix.setdefault(network.first, []).append(number)

    def _containing(self, asked: Range) -> Iterable[int]:
        """Yield those that hold all of a network: one look-up for each length that is kept."""
        bits = 32 if asked.version == 4 else 128
        for (version, prefix), of_prefix in self._of_prefix.items():
            if version == asked.version and prefix <= asked.prefix:
                yield from of_prefix.get(asked.first >> (bits - prefix) << (bits - prefix), ())

    def _inside(self, asked: Range) -> Iterable[int]:
        """Yield those that begin inside a network: of networks that share an address, one holds the other."""
        of = self._networks[asked.version]
        for place in range(bisect_left(of, (asked.first, -1)), len(of)):
            first, number = of[place]
            if first > asked.last:
                return
            yield number


def _place_of_host(host: str) -> Place:
    if ":" in host or host.rpartition(".")[2].isdecimal():
        return Place(network=range_of(host))
    return Place(name=host)
