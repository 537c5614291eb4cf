"""What an observable satisfies that was seen: itself, the names above it, the networks around it.

Nothing is compared by substring, so `notevil.example` never satisfies `evil.example`.
"""

import ipaddress
from collections.abc import Iterable, Iterator
from typing import Final

from mithaq.standards.observable import Observable, names_above

_NETWORKS: Final = {"ipv4": ipaddress.IPv4Network, "ipv6": ipaddress.IPv6Network}
_BITS: Final = {"ipv4": 32, "ipv6": 128}


class Reach:
    """Which lengths of networks are looked for, so that an address is asked for in no others."""

    def __init__(self) -> None:
        self._lengths: dict[str, set[int]] = {kind: set() for kind in _BITS}

    def add(self, observables: Iterable[Observable]) -> None:
        """Look for these too."""
        for observable in observables:
            if observable.type == "cidr":
                kind = "ipv6" if ":" in observable.value else "ipv4"
                self._lengths[kind].add(int(observable.value.partition("/")[2]))

    def satisfied(self, seen: Observable) -> Iterator[Observable]:
        """Yield every observable that an indicator could name and this one satisfies."""
        yield seen
        if seen.type == "domain":
            yield from (Observable("domain", name) for name in names_above(seen.value))
        elif seen.type in _BITS and self._lengths[seen.type]:
            address = int(ipaddress.ip_address(seen.value))
            for length in self._lengths[seen.type]:
                shift = _BITS[seen.type] - length
                network = _NETWORKS[seen.type]((address >> shift << shift, length))
                yield Observable("cidr", str(network))
