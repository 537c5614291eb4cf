"""Addresses and names that are nobody's on the Internet, so blocking them harms one's own network or nobody.

Source: IANA special-purpose address registries (RFC 6890), multicast (RFC 5771, RFC 4291), special-use domain names
(RFC 6761).
"""

from collections.abc import Set
from typing import Final

from mithaq.standards.addresses import Named, Range

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
_SPECIAL_NAMES: Final = frozenset(
    {"arpa", "alt", "home.arpa", "internal", "invalid", "local", "localhost", "onion", "test"}
)
_DOCUMENTATION_NAMES: Final = frozenset({"example", "example.com", "example.net", "example.org"})

_SPECIAL_NETWORKS: Final = Named(_SPECIAL)
_DOCUMENTATION_NETWORKS: Final = Named((text, text) for text in _DOCUMENTATION)


def special_use(network: Range) -> str:
    """Return what special use an address or network overlaps with, or an empty text.

    >>> from mithaq.standards.addresses import range_of
    >>> special_use(range_of("10.1.2.3"))
    'private use'
    """
    return _SPECIAL_NETWORKS.first_touched(network)


def is_documentation(network: Range) -> bool:
    """Tell whether an address or network overlaps with a range reserved for documentation."""
    return bool(_DOCUMENTATION_NETWORKS.first_touched(network))


def is_special_name(name: str) -> bool:
    """Tell whether a name lies in a domain that is not in the public DNS."""
    return is_below_any(name, _SPECIAL_NAMES)


def is_documentation_name(name: str) -> bool:
    """Tell whether a name lies in a domain reserved for documentation."""
    return is_below_any(name, _DOCUMENTATION_NAMES)


def is_below_any(name: str, domains: Set[str]) -> bool:
    """Tell whether a name is one of some domains, or lies below one.

    >>> is_below_any("notevil.example", {"evil.example"})
    False
    """
    return any(each in domains for each in zones_of(name))


def zones_of(name: str) -> list[str]:
    """Return a name and every domain above it.

    >>> zones_of("www.evil.example")
    ['www.evil.example', 'evil.example', 'example']
    """
    found = [name]
    while (dot := name.find(".")) >= 0:
        name = name[dot + 1 :]
        found.append(name)
    return found
