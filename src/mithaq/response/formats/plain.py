"""A plain list: one value a line, addresses first, then domains, then URLs; nothing that another line covers."""

import ipaddress
from collections.abc import Iterable, Sequence

from mithaq.response.model import BlockEntry
from mithaq.standards.addresses import Network

KINDS = {"address": ("ipv4", "ipv6", "cidr"), "domain": ("domain",), "url": ("url",)}


def render(entries: Sequence[BlockEntry], kinds: Iterable[str] = tuple(KINDS)) -> bytes:
    """Write the entries of these kinds; firewalls want one kind a list, so ask for one."""
    lines: list[str] = []
    for kind in kinds:
        values = sorted({each.observable.value for each in entries if each.observable.type in KINDS[kind]})
        lines.extend(_without_covered(values) if kind == "address" else values)
    return "".join(f"{line}\n" for line in lines).encode()


def _without_covered(values: Iterable[str]) -> list[str]:
    """Leave out addresses and networks inside a listed network, in numeric order: overlaps are errors to firewalls."""
    networks = sorted(map(ipaddress.ip_network, values), key=_order)
    kept: list[Network] = []
    for network in networks:
        if not kept or not _covers(kept[-1], network):
            kept.append(network)
    return [str(each.network_address) if each.num_addresses == 1 else str(each) for each in kept]


def _order(network: Network) -> tuple[int, int, int]:
    return network.version, int(network.network_address), network.prefixlen


def _covers(wide: Network, network: Network) -> bool:
    return wide.version == network.version and int(network.broadcast_address) <= int(wide.broadcast_address)
