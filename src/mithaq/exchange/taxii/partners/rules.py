"""What of a nation's releases may be read over TAXII, which seals nothing, takes no receipt and tells no terms. Pure.

The sealed release comes first: it carries the terms, stands in the release log, has the cosignatures that its label
demands, and its recipient signs for it. Only what was signed for is served, and only while the terms allow that.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from mithaq.agreements.terms import Terms
from mithaq.exchange.taxii.partners.model import Given
from mithaq.kernel.lane import ACTUAL
from mithaq.kernel.reason import Reason
from mithaq.standards.tlp import Tlp

CEILING: Final = Tlp.AMBER
"""The strictest label that is read without a seal of its own, as constituents read it."""

OF_EVERYTHING: Final = frozenset(
    {
        "agreement-unknown", "agreement-unsigned", "party-unsigned", "agreement-not-yet", "agreement-expired",
        "agreement-suspended", "party-suspended", "party-left", "holder-not-party", "recipient-not-party",
        "holder-role", "recipient-role", "recipient-untrusted", "recipient-self", "recipient-unnamed",
        "recipient-excluded", "jurisdiction", "baseline",
    }
)  # fmt: skip
"""The clauses of the gate that stand against every object alike: no account of that nation works while one fails."""


def against_all(terms: Terms) -> Iterator[Reason]:
    """Yield what an agreement asks of its recipients that a TAXII client is not told."""
    if terms.handling is not None:
        yield Reason(
            "taxii-handling",
            "the agreement says how objects are kept, and a TAXII client is not told so",
            {},
            "read the objects at the partner's own node, which has the terms",
        )


def against(given: Given, nation: str, at: datetime) -> Iterator[Reason]:
    """Yield what stands against serving one object over TAXII, beside what the gate says."""
    if given.lane != str(ACTUAL):
        yield Reason("taxii-lane", "objects of the lane %(lane)s never reach a TAXII client", {"lane": given.lane})
    if given.outcome is None:
        yield Reason(
            "taxii-no-receipt",
            "%(nation)s has not confirmed release %(sequence)s: TAXII takes no receipt, the sealed release does",
            {"nation": nation, "sequence": given.sequence},
            "let the partner's node fetch the release, or carry it there as an archive",
        )
    elif given.is_refused:
        yield Reason("taxii-not-admitted", "%(nation)s did not admit it", {"nation": nation})
    if given.tlp > CEILING:
        yield Reason("taxii-label", "%(tlp)s leaves sealed only, and TAXII seals nothing", {"tlp": given.tlp.label})
    if at >= given.delete_after:
        yield Reason("taxii-retention", "the time for which %(nation)s may keep it is over", {"nation": nation})


def ending(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    """Return the reasons that stand against every object alike."""
    return tuple(reason for reason in reasons if reason.code in OF_EVERYTHING)
