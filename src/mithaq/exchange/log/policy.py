"""Who has to have cosigned before an object may leave, and how a checkpoint is judged by it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from mithaq.agreements.effective import effective_terms
from mithaq.agreements.model import Agreement
from mithaq.kernel.ids import NationId
from mithaq.kernel.tlog.policy import Group, Policy
from mithaq.kernel.tlog.vkey import VerifierKey
from mithaq.nations.model import Card
from mithaq.nations.names import witness_keys
from mithaq.standards.tlp import Tlp

STRICT_FROM = Tlp.AMBER
"""An object under this label or a stricter one leaves only after its leaf was witnessed."""

Witnesses = Mapping[NationId, tuple[VerifierKey, VerifierKey]]


@dataclass(frozen=True, slots=True)
class Requirement:
    """So many of these nations must have cosigned."""

    nations: frozenset[NationId]
    needed: int


NOBODY = Requirement(frozenset(), 0)


def requirement(agreement: Agreement | None, sender: NationId, recipient: NationId) -> Requirement:
    """Return who may witness a release from a sender to a recipient, and how many of them must.

    Never more than there are other parties. What goes under no agreement, a withdrawal, needs nobody.
    """
    if agreement is None:
        return NOBODY
    others = agreement.parties - {sender}
    needed = effective_terms(agreement.document, sender, recipient).witnesses
    return Requirement(others, min(needed, len(others)))


def keys_of(card: Card) -> tuple[VerifierKey, VerifierKey]:
    """Return a nation's witness keys, as its card states them."""
    return witness_keys(card.nation, card.witness_ed25519, card.witness_mldsa44)


def policy_of(log: VerifierKey, witnesses: Witnesses, needed: int) -> Policy:
    """Return the policy: this log, and so many of these nations, each with both of its keys."""
    keys: dict[str, VerifierKey] = {}
    groups: dict[str, Group] = {}
    for nation, (ed25519, mldsa44) in sorted(witnesses.items()):
        names = (f"{nation}-ed25519", f"{nation}-ml-dsa-44")
        keys |= dict(zip(names, (ed25519, mldsa44), strict=True))
        groups[nation] = Group(len(names), names)
    if not needed or not witnesses:
        return Policy((log,), keys, groups, "none")
    members = tuple(sorted(witnesses))
    return Policy((log,), keys, groups | {"parties": Group(min(needed, len(members)), members)}, "parties")
