"""Addresses and names that are nobody's on the Internet, so blocking them harms one's own network or nobody.

Source: IANA special-purpose address registries (RFC 6890), multicast (RFC 5771, RFC 4291), special-use domain names
(RFC 6761).
"""

import ipaddress
from typing import Final

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_SPECIAL: Final = (
    ("0.0.0.0/8", "this network"),
    ("10.0.0.0/8", "private use"),
    ("100.64.0.0/10", "shared address space"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link local"),
    ("172.16.0.0/12", "private use"),
    ("192.0.0.0/24", "protocol assignments"),
    ("192.88.99.0/24", "6to4 relay"),
    ("192.168.0.0/16", "private use"),
    ("198.18.0.0/15", "benchmarking"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved"),
    ("::/127", "loopback"),
    ("::ffff:0:0/96", "mapped addresses"),
    ("64:ff9b::/96", "translation"),
    ("64:ff9b:1::/48", "translation"),
    ("100::/64", "discard only"),
    ("2001::/23", "protocol assignments"),
    ("2002::/16", "6to4"),
    ("5f00::/16", "segment routing"),
    ("fc00::/7", "unique local"),
    ("fe80::/10", "link local"),
    ("ff00::/8", "multicast"),
)
_DOCUMENTATION: Final = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20")
_SPECIAL_NAMES: Final = ("arpa", "alt", "home.arpa", "internal", "invalid", "local", "localhost", "onion", "test")
_DOCUMENTATION_NAMES: Final = ("example", "example.com", "example.net", "example.org")

_SPECIAL_NETWORKS: Final = tuple((ipaddress.ip_network(text), name) for text, name in _SPECIAL)
_DOCUMENTATION_NETWORKS: Final = tuple(ipaddress.ip_network(text) for text in _DOCUMENTATION)


def special_use(network: Network) -> str:
    """Return what special use an address or network overlaps with, or an empty text.

    >>> special_use(ipaddress.ip_network("10.1.2.3"))
    'private use'
    """
    return next((name for special, name in _SPECIAL_NETWORKS if overlap(special, network)), "")


def is_documentation(network: Network) -> bool:
    """Tell whether an address or network overlaps with a range reserved for documentation."""
    return any(overlap(each, network) for each in _DOCUMENTATION_NETWORKS)


def is_special_name(name: str) -> bool:
    """Tell whether a name lies in a domain that is not in the public DNS."""
    return any(is_below(name, each) for each in _SPECIAL_NAMES)


def is_documentation_name(name: str) -> bool:
    """Tell whether a name lies in a domain reserved for documentation."""
    return any(is_below(name, each) for each in _DOCUMENTATION_NAMES)


def is_below(name: str, domain: str) -> bool:
    """Tell whether a name is a domain or lies below it.

    >>> is_below("notevil.example", "evil.example")
    False
    """
    return name == domain or name.endswith("." + domain)


def overlap(one: Network, other: Network) -> bool:
    """Tell whether two networks share an address."""
    if isinstance(one, ipaddress.IPv4Network):
        return isinstance(other, ipaddress.IPv4Network) and one.overlaps(other)
    return isinstance(other, ipaddress.IPv6Network) and one.overlaps(other)
