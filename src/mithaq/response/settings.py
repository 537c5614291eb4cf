"""The limits of blocklists, with their units."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BlocklistSettings:
    """What is never blocked beside the node's own list, and how the lists are written.

    `permit_documentation_ranges` is for rehearsals alone: the address ranges and names that the standards reserve
    for documentation exist nowhere, so blocking them protects nobody.
    """

    national_domains: tuple[str, ...] = ()
    permit_documentation_ranges: bool = False
    min_ipv4_prefix: int = 24
    min_ipv6_prefix: int = 48
    rpz_origin: str = "rpz.mithaq.invalid"
    rpz_ttl_s: int = 60
    suricata_action: str = "drop"
    suricata_first_sid: int = 500_000_000
