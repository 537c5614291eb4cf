"""A DNS response policy zone: resolvers that load it answer NXDOMAIN for what is blocked.

Source: draft-vixie-dnsop-dns-rpz-00 §3 (triggers), §4 (actions). What is never blocked comes first, as passthru.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from mithaq.response.model import BlockEntry, NeverBlock
from mithaq.standards.addresses import Network
from mithaq.standards.observable import Observable

_NXDOMAIN: Final = "CNAME ."
_PASSTHRU: Final = "CNAME rpz-passthru."
_MAX_NAME_CHARS: Final = 253
_HEAD: Final = """\
$TTL {ttl}
$ORIGIN {origin}.
@ SOA localhost. hostmaster.localhost. {serial} 300 60 604800 {ttl}
@ NS localhost.
"""


def render(
    entries: Sequence[BlockEntry], never: Sequence[NeverBlock], *, origin: str, serial: int, ttl_s: int
) -> bytes:
    """Write the zone; what DNS cannot block (URLs, fingerprints) is left out."""
    records: dict[str, str] = {}
    for owner in _owners((each.observable for each in never), origin):
        records.setdefault(owner, _PASSTHRU)
    for owner in _owners((each.observable for each in entries), origin):
        records.setdefault(owner, _NXDOMAIN)
    passed = sorted(owner for owner, action in records.items() if action == _PASSTHRU)
    blocked = sorted(owner for owner, action in records.items() if action == _NXDOMAIN)
    head = _HEAD.format(ttl=ttl_s, origin=origin.rstrip("."), serial=serial)
    return (head + "".join(f"{owner} {records[owner]}\n" for owner in (*passed, *blocked))).encode()


def fits(observable: Observable, origin: str) -> bool:
    """Tell whether a zone can hold the value."""
    return any(True for _ in _owners([observable], origin))


def _owners(observables: Iterable[Observable], origin: str) -> Iterator[str]:
    """Yield the owner names that trigger on a value: a domain with everything below it, an answer's address."""
    for observable in observables:
        if observable.type == "domain":
            names: tuple[str, ...] = (observable.value, f"*.{observable.value}")
        elif observable.type in {"ipv4", "ipv6", "cidr"}:
            names = (f"{_reversed(ipaddress.ip_network(observable.value))}.rpz-ip",)
        else:
            continue
        yield from (name for name in names if len(name) + 1 + len(origin) <= _MAX_NAME_CHARS)


def _reversed(network: Network) -> str:
    """Encode a network as §3.4 does: prefix length, then the parts from the last to the first.

    >>> _reversed(ipaddress.ip_network("198.51.100.0/24"))
    '24.0.100.51.198'
    >>> _reversed(ipaddress.ip_network("2001:db8::1"))
    '128.1.zz.db8.2001'
    """
    address = network.network_address
    if isinstance(address, ipaddress.IPv4Address):
        return ".".join([str(network.prefixlen), *reversed(str(address).split("."))])
    text = str(address)
    parts = ["zz" if part == "" else part for part in text.split(":")]
    if text.startswith("::"):
        parts = parts[1:]
    if text.endswith("::"):
        parts = parts[:-1]
    return ".".join([str(network.prefixlen), *reversed(parts)])
