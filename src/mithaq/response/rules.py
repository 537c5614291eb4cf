"""Which values may be blocked: pure decisions, every failing rule named.

A value is blocked only when nothing speaks against it. The gate has judged whether it may go to the recipient at all;
here it is judged whether blocking it could harm the nation.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import datetime

from mithaq.kernel.clock import rfc3339
from mithaq.kernel.reason import Reason
from mithaq.release.model import Withheld
from mithaq.response.model import BlockEntry, Candidate, NeverBlock, Refusal
from mithaq.response.settings import BlocklistSettings
from mithaq.response.special import (
    Network,
    is_below,
    is_documentation,
    is_documentation_name,
    is_special_name,
    overlap,
    special_use,
)
from mithaq.standards.observable import Observable

BLOCKABLE = frozenset({"ipv4", "ipv6", "cidr", "domain", "url", "ja3", "ja4"})


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a value is on the network: an address range, a name, or (a fingerprint) nowhere.

    `is_zone`: blocking the name blocks everything below it.
    """

    network: Network | None = None
    name: str = ""
    is_zone: bool = False

    @property
    def is_documentation(self) -> bool:
        return (self.network is not None and is_documentation(self.network)) or (
            bool(self.name) and is_documentation_name(self.name)
        )


def reasons_against(
    candidate: Candidate,
    never: Sequence[NeverBlock],
    settings: BlocklistSettings,
    at: datetime,
    types: Set[str] = BLOCKABLE,
) -> tuple[Reason, ...]:
    """Return everything that speaks against a value at this instant; empty when it may be blocked, or looked for.

    `types`: of which types the list can hold values.
    """
    place = place_of(candidate.observable)
    reasons = (
        *(candidate.decision.reasons if isinstance(candidate.decision, Withheld) else ()),
        *_against_object(candidate, at, types),
        *_against_place(candidate.observable, place, settings),
        *_against_lists(candidate, place, never, settings),
    )
    return tuple({(reason.code, str(reason.params)): reason for reason in reasons}.values())


def sort_out(
    candidates: Iterable[Candidate],
    never: Sequence[NeverBlock],
    settings: BlocklistSettings,
    at: datetime,
    types: Set[str] = BLOCKABLE,
) -> tuple[tuple[BlockEntry, ...], tuple[Refusal, ...]]:
    """Part the candidates into entries and refusals, each value once and in a fixed order.

    A value that several objects name is blocked if one of them may be, until the last of those expires.
    """
    entries: dict[Observable, BlockEntry] = {}
    refused: list[Refusal] = []
    for candidate in sorted(candidates, key=lambda each: (each.observable, each.object_id)):
        reasons = reasons_against(candidate, never, settings, at, types)
        if reasons or candidate.valid_until is None or isinstance(candidate.decision, Withheld):
            refused.append(Refusal(candidate.observable, candidate.object_id, reasons))
            continue
        known = entries.get(candidate.observable)
        if known is None or known.expires_at < candidate.valid_until:
            entry = BlockEntry(candidate.observable, candidate.decision, candidate.valid_until)
            entries[candidate.observable] = entry
    return tuple(entries[each] for each in sorted(entries)), tuple(refused)


def place_of(observable: Observable) -> _Place:
    """Return where a value is: for a URL and an e-mail address, where its host is."""
    match observable.type:
        case "ipv4" | "ipv6" | "cidr":
            return _Place(network=ipaddress.ip_network(observable.value))
        case "domain":
            return _Place(name=observable.value, is_zone=True)
        case "email":
            return _Place(name=observable.value.rpartition("@")[2])
        case "url":
            return _place_of_host(url_parts(observable.value)[1])
        case _:
            return _Place()


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


def _place_of_host(host: str) -> _Place:
    if ":" in host or host.rpartition(".")[2].isdecimal():
        return _Place(network=ipaddress.ip_network(host))
    return _Place(name=host)


def _against_object(candidate: Candidate, at: datetime, types: Set[str]) -> Iterator[Reason]:
    if candidate.kind != "indicator":
        yield Reason("not-an-indicator", "only indicators are blocked, not a %(kind)s", {"kind": candidate.kind})
    if candidate.observable.type not in types:
        yield Reason(
            "not-blockable", "no list can block a value of the type %(type)s", {"type": candidate.observable.type}
        )
    if not candidate.lane.is_operational:
        yield Reason("lane-operational", "objects of exercises and tests are never blocked")
    if not candidate.stands:
        yield Reason("withdrawn", "whoever spoke of it has taken it back")
    if candidate.revoked:
        yield Reason("revoked", "its author has revoked it")
    if candidate.valid_until is None:
        yield Reason("no-expiry", "it never expires", remedy="give the indicator a valid_until")
    elif candidate.valid_until <= at:
        yield Reason("expired", "it expired at %(until)s", {"until": rfc3339(candidate.valid_until)})
    if candidate.valid_from is not None and candidate.valid_from > at:
        yield Reason("not-yet-valid", "it is valid from %(from)s on", {"from": rfc3339(candidate.valid_from)})


def _against_place(observable: Observable, place: _Place, settings: BlocklistSettings) -> Iterator[Reason]:
    if place.network is not None:
        use = special_use(place.network)
        if use:
            yield Reason("special-address", "its addresses are not public: %(use)s", {"use": use})
    if place.name and is_special_name(place.name):
        yield Reason("special-name", "its name is not in the public DNS")
    if place.is_documentation and not settings.permit_documentation_ranges:
        yield Reason(
            "documentation",
            "it is reserved for documentation and exists nowhere",
            remedy="for a rehearsal, permit documentation ranges in the settings",
        )
    if observable.type == "cidr":
        yield from _against_width(ipaddress.ip_network(observable.value), settings)


def _against_width(network: Network, settings: BlocklistSettings) -> Iterator[Reason]:
    least = settings.min_ipv4_prefix if network.version == 4 else settings.min_ipv6_prefix
    if network.prefixlen < least:
        yield Reason(
            "too-wide",
            "a network wider than /%(least)s could cut off many who are innocent",
            {"least": least},
            "block the addresses that are meant",
        )


def _against_lists(
    candidate: Candidate, place: _Place, never: Sequence[NeverBlock], settings: BlocklistSettings
) -> Iterator[Reason]:
    for domain in settings.national_domains:
        if place.name and _names_touch(place, domain):
            yield Reason("national-domain", "it would block the national domain %(domain)s", {"domain": domain})
    for entry in never:
        if _touches(place, entry.observable):
            yield Reason(
                "never-block",
                "it would block %(value)s, which is on the never-block list: %(note)s",
                {"value": entry.observable.value, "note": entry.note},
                "a releaser may take the entry off the list",
            )
    if candidate.is_public_suffix:
        yield Reason("public-suffix", "it is a public suffix, below which strangers have their domains")
    if candidate.warned and not (place.is_documentation and settings.permit_documentation_ranges):
        yield Reason(
            "warning-list",
            "it stands on warning lists of benign values: %(lists)s",
            {"lists": ", ".join(candidate.warned)},
        )


def _touches(place: _Place, kept: Observable) -> bool:
    """Tell whether blocking a place would block any part of what is kept free."""
    other = place_of(kept)
    if place.network is not None and other.network is not None:
        return overlap(place.network, other.network)
    return bool(place.name and other.name) and _names_touch(place, other.name)


def _names_touch(blocked: _Place, kept: str) -> bool:
    return is_below(blocked.name, kept) or (blocked.is_zone and is_below(kept, blocked.name))
