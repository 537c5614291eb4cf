"""Addresses and networks as ranges of whole numbers, which are compared many times faster than objects of addresses."""

import ipaddress
from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Range(NamedTuple):
    """The addresses of one network, from the first to the last; `version`: 4 or 6."""

    version: int
    first: int
    last: int

    @property
    def prefix(self) -> int:
        """Return how many leading bits all its addresses share."""
        return (32 if self.version == 4 else 128) - (self.last - self.first).bit_length()

    def touches(self, other: "Range") -> bool:
        """Tell whether both share an address."""
        return self.version == other.version and self.first <= other.last and other.first <= self.last


def range_of(canonical: str) -> Range:
    """Return the range of an address or a network in canonical form.

    >>> range_of("198.51.100.0/24") == Range(4, 0xC6336400, 0xC63364FF)
    True

    Raises:
        ValueError: it is none, or not in canonical form.
    """
    parts = canonical.split(".")
    if len(parts) == 4 and all(map(str.isdecimal, parts)):
        one, two, three, four = map(int, parts)
        if canonical == f"{one}.{two}.{three}.{four}" and max(one, two, three, four) < 256:
            first = (one << 24) | (two << 16) | (three << 8) | four
            return Range(4, first, first)
    network = ipaddress.ip_network(canonical)
    return Range(network.version, int(network.network_address), int(network.broadcast_address))


class Named:
    """Networks that share no address, each with a name; asked which of them a range touches."""

    def __init__(self, networks: Iterable[tuple[str, str]]) -> None:
        found = sorted((range_of(text), name) for text, name in networks)
        self._of = {version: [each for each in found if each[0].version == version] for version in (4, 6)}
        self._lasts = {version: [each.last for each, _ in of] for version, of in self._of.items()}

    def first_touched(self, asked: Range) -> str:
        """Return the name of the lowest network with which a range shares an address, or an empty text."""
        of = self._of[asked.version]
        place = bisect_left(self._lasts[asked.version], asked.first)
        return of[place][1] if place < len(of) and of[place][0].first <= asked.last else ""
