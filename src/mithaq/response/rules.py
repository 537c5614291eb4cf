"""Which values may be blocked: pure decisions, every failing rule named.

A value is blocked only when nothing speaks against it. The gate has judged whether it may go to the recipient at all;
here it is judged whether blocking it could harm the nation.
"""

from collections.abc import Iterable, Iterator, Sequence, Set
from datetime import datetime

from mithaq.kernel.clock import rfc3339
from mithaq.kernel.reason import Reason
from mithaq.release.model import Withheld
from mithaq.response.model import BlockEntry, Candidate, NeverBlock, Refusal
from mithaq.response.places import Kept, Place, place_of
from mithaq.response.settings import BlocklistSettings
from mithaq.response.special import is_special_name, special_use
from mithaq.standards.addresses import Range
from mithaq.standards.observable import Observable

BLOCKABLE = frozenset({"ipv4", "ipv6", "cidr", "domain", "url", "ja3", "ja4"})


class Safeguards:
    """What is kept free of every list: the never-block list, and what the settings say; made once for many values."""

    def __init__(self, never: Sequence[NeverBlock], settings: BlocklistSettings) -> None:
        self.settings = settings
        self._never = never
        self._never_kept = Kept(place_of(entry.observable) for entry in never)
        self._national_kept = Kept(Place(name=domain) for domain in settings.national_domains)

    def national(self, place: Place) -> Iterator[str]:
        """Yield the national domains of which blocking a place would block a part."""
        return (self.settings.national_domains[number] for number in self._national_kept.touched(place))

    def never(self, place: Place) -> Iterator[NeverBlock]:
        """Yield the entries of the never-block list of which blocking a place would block a part."""
        return (self._never[number] for number in self._never_kept.touched(place))


def reasons_against(
    candidate: Candidate, guards: Safeguards, at: datetime, types: Set[str] = BLOCKABLE
) -> tuple[Reason, ...]:
    """Return everything that speaks against a value at this instant; empty when it may be blocked, or looked for.

    `types`: of which types the list can hold values.
    """
    place = place_of(candidate.observable)
    reasons = (
        *(candidate.decision.reasons if isinstance(candidate.decision, Withheld) else ()),
        *_against_object(candidate, at, types),
        *_against_place(candidate.observable, place, guards.settings),
        *_against_lists(candidate, place, guards),
    )
    return tuple({(reason.code, str(reason.params)): reason for reason in reasons}.values()) if reasons else ()


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
    guards = Safeguards(never, settings)
    entries: dict[Observable, BlockEntry] = {}
    refused: list[Refusal] = []
    for candidate in sorted(candidates, key=lambda each: (each.observable, each.object_id)):
        reasons = reasons_against(candidate, guards, at, types)
        if reasons or candidate.valid_until is None or isinstance(candidate.decision, Withheld):
            refused.append(Refusal(candidate.observable, candidate.object_id, reasons))
            continue
        known = entries.get(candidate.observable)
        if known is None or known.expires_at < candidate.valid_until:
            entry = BlockEntry(candidate.observable, candidate.decision, candidate.valid_until)
            entries[candidate.observable] = entry
    return tuple(entries.values()), tuple(refused)


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


def _against_place(observable: Observable, place: Place, settings: BlocklistSettings) -> Iterator[Reason]:
    if place.network is not None:
        use = special_use(place.network)
        if use:
            yield Reason("special-address", "its addresses are not public: %(use)s", {"use": use})
    if place.name and is_special_name(place.name):
        yield Reason("special-name", "its name is not in the public DNS")
    if not settings.permit_documentation_ranges and place.is_documentation:
        yield Reason(
            "documentation",
            "it is reserved for documentation and exists nowhere",
            remedy="for a rehearsal, permit documentation ranges in the settings",
        )
    if observable.type == "cidr" and place.network is not None:
        yield from _against_width(place.network, settings)


def _against_width(network: Range, settings: BlocklistSettings) -> Iterator[Reason]:
    least = settings.min_ipv4_prefix if network.version == 4 else settings.min_ipv6_prefix
    if network.prefix < least:
        yield Reason(
            "too-wide",
            "a network wider than /%(least)s could cut off many who are innocent",
            {"least": least},
            "block the addresses that are meant",
        )


def _against_lists(candidate: Candidate, place: Place, guards: Safeguards) -> Iterator[Reason]:
    for domain in guards.national(place):
        yield Reason("national-domain", "it would block the national domain %(domain)s", {"domain": domain})
    for entry in guards.never(place):
        yield Reason(
            "never-block",
            "it would block %(value)s, which is on the never-block list: %(note)s",
            {"value": entry.observable.value, "note": entry.note},
            "a releaser may take the entry off the list",
        )
    if candidate.is_public_suffix:
        yield Reason("public-suffix", "it is a public suffix, below which strangers have their domains")
    if candidate.warned and not (guards.settings.permit_documentation_ranges and place.is_documentation):
        yield Reason(
            "warning-list",
            "it stands on warning lists of benign values: %(lists)s",
            {"lists": ", ".join(candidate.warned)},
        )
