"""What really holds for one direction: the terms, narrowed by reservations and by the ceilings of that direction.

Everything here only ever narrows. `meet` is the one place where terms are combined: it is commutative, associative and
idempotent, and nothing passes the result that does not pass both sides.
"""

from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from datetime import datetime
from functools import lru_cache, reduce
from typing import Final, TypeVar, get_args

from mithaq.agreements.model import Document
from mithaq.agreements.terms import Narrowing, Terms
from mithaq.agreements.vocabulary import PermittedAction
from mithaq.kernel.ids import NationId
from mithaq.standards.pap import Pap
from mithaq.standards.severity import Severity
from mithaq.standards.tlp import Tlp

ACTIONS: Final = {name: place for place, name in enumerate(get_args(PermittedAction))}
"""IEP permitted actions by rank, from the narrowest to the widest."""

WIDEST_ACTION: Final = max(ACTIONS.values())
MOST_HOPS: Final = 9
"""Where an agreement names no number of nations that may pass an object on."""

ABOVE_RED: Final = int(Tlp.RED) + 1
"""Where no label needs a second person: one above the highest."""


@dataclass(frozen=True, slots=True)
class Effective:
    """What one nation may give to another under an agreement; `None` for a set means that it does not limit."""

    kinds: frozenset[str]
    tlp_ceiling: Tlp
    pap_ceiling: Pap
    purposes: frozenset[str]
    lanes: frozenset[str]
    sectors: frozenset[str] | None
    campaigns: frozenset[str] | None
    min_severity: Severity
    exclusions: frozenset[str]
    recipients: frozenset[str] | None
    excluded_recipients: frozenset[str]
    permitted_action: int
    two_person_from: int
    witnesses: int
    retention_days: int
    protected: frozenset[str]
    stored_in: frozenset[str] | None
    onward_parties: frozenset[str]
    onward_consent: bool
    constituents_tlp: Tlp | None
    max_hops: int
    public_after_days: int | None

    def meet(self, other: "Effective") -> "Effective":
        """Return what passes both."""
        return Effective(
            kinds=self.kinds & other.kinds,
            tlp_ceiling=min(self.tlp_ceiling, other.tlp_ceiling),
            pap_ceiling=min(self.pap_ceiling, other.pap_ceiling),
            purposes=self.purposes & other.purposes,
            lanes=self.lanes & other.lanes,
            sectors=_both(self.sectors, other.sectors),
            campaigns=_both(self.campaigns, other.campaigns),
            min_severity=max(self.min_severity, other.min_severity),
            exclusions=self.exclusions | other.exclusions,
            recipients=_both(self.recipients, other.recipients),
            excluded_recipients=self.excluded_recipients | other.excluded_recipients,
            permitted_action=min(self.permitted_action, other.permitted_action),
            two_person_from=min(self.two_person_from, other.two_person_from),
            witnesses=max(self.witnesses, other.witnesses),
            retention_days=min(self.retention_days, other.retention_days),
            protected=self.protected | other.protected,
            stored_in=_both(self.stored_in, other.stored_in),
            onward_parties=self.onward_parties & other.onward_parties,
            onward_consent=self.onward_consent and other.onward_consent,
            constituents_tlp=lower(self.constituents_tlp, other.constituents_tlp),
            max_hops=min(self.max_hops, other.max_hops),
            public_after_days=later(self.public_after_days, other.public_after_days),
        )

    def wider_than(self, other: "Effective") -> tuple[str, ...]:
        """Return the names of the terms in which this passes something that `other` does not."""
        met = self.meet(other)
        return tuple(each.name for each in fields(self) if getattr(met, each.name) != getattr(self, each.name))


@lru_cache(maxsize=4096)
def effective_terms(document: Document, sender: NationId, recipient: NationId) -> Effective:
    """Return what holds for what `sender` gives to `recipient`; put together once for each direction."""
    agreed = agreed_terms(document)
    narrower = [
        narrowed(agreed, reservation.narrows)
        for reservation in document.reservations
        if reservation.nation in (sender, recipient)
    ]
    ceilings = [
        replace(
            agreed,
            tlp_ceiling=Tlp.parse(each.tlp) or Tlp.CLEAR,
            pap_ceiling=Pap.parse(each.pap) or Pap.CLEAR if each.pap else agreed.pap_ceiling,
        )
        for each in document.terms.ceilings
        if each.sender in (None, sender) and each.recipient in (None, recipient)
    ]
    return reduce(Effective.meet, [*narrower, *ceilings], agreed)


def agreed_terms(document: Document) -> Effective:
    """Return the terms as all parties agreed them, before any reservation."""
    terms = document.terms
    onward = terms.onward
    parties = frozenset(party.nation for party in document.parties)
    passing = {"parties": parties, "named": frozenset(onward.nations)}.get(onward.mode, frozenset())
    protected = {transform.fields for transform in terms.transforms}
    if terms.attribution == "must-not":
        protected.add("source-identity")
    return Effective(
        kinds=frozenset(terms.kinds),
        tlp_ceiling=Tlp.parse(terms.tlp_ceiling) or Tlp.CLEAR,
        pap_ceiling=Pap.parse(terms.pap_ceiling) or Pap.CLEAR,
        purposes=frozenset(terms.purposes),
        lanes=frozenset(terms.lanes),
        sectors=_limit(terms.sectors),
        campaigns=_limit(terms.campaigns),
        min_severity=Severity.parse(terms.min_severity or ""),
        exclusions=frozenset(terms.exclusions),
        recipients=_limit(terms.recipients),
        excluded_recipients=frozenset(terms.excluded_recipients),
        permitted_action=ACTIONS[terms.permitted_actions] if terms.permitted_actions else WIDEST_ACTION,
        two_person_from=_from_label(terms),
        witnesses=terms.witnesses,
        retention_days=terms.retention_days,
        protected=frozenset(protected),
        stored_in=_limit(terms.jurisdiction.stored_in) if terms.jurisdiction else None,
        onward_parties=passing,
        onward_consent=onward.mode == "originator-consent",
        constituents_tlp=_constituents(terms),
        max_hops=1 + (onward.max_hops or MOST_HOPS),
        public_after_days=onward.public_after_days,
    )


def narrowed(agreed: Effective, by: Narrowing) -> Effective:
    """Return the terms with what a reservation says put in their place; `wider_than` tells whether it widens."""
    changes: dict[str, object] = {
        name: frozenset(value)
        for name in ("kinds", "purposes", "lanes", "sectors", "campaigns", "exclusions", "excluded_recipients")
        if (value := getattr(by, name)) is not None
    }
    changes |= {name: value for name in ("witnesses", "retention_days") if (value := getattr(by, name)) is not None}
    if by.tlp_ceiling:
        changes["tlp_ceiling"] = Tlp.parse(by.tlp_ceiling)
    if by.pap_ceiling:
        changes["pap_ceiling"] = Pap.parse(by.pap_ceiling)
    if by.min_severity:
        changes["min_severity"] = Severity.parse(by.min_severity)
    if by.permitted_actions:
        changes["permitted_action"] = ACTIONS[by.permitted_actions]
    if by.two_person_from:
        changes["two_person_from"] = int(Tlp.parse(by.two_person_from) or Tlp.CLEAR)
    if by.onward == "none":
        changes |= {"onward_parties": frozenset(), "onward_consent": False, "public_after_days": None}
    if by.constituents is False:
        changes["constituents_tlp"] = None
    return replace(agreed, **changes)  # type: ignore[arg-type]


def _limit(values: Collection[str]) -> frozenset[str] | None:
    return frozenset(values) if values else None


def _both(left: frozenset[str] | None, right: frozenset[str] | None) -> frozenset[str] | None:
    if left is None or right is None:
        return right if left is None else left
    return left & right


def lower(left: Tlp | None, right: Tlp | None) -> Tlp | None:
    """Return the lower of two ceilings; none at all is below every one."""
    return None if left is None or right is None else min(left, right)


_When = TypeVar("_When", int, datetime)


def later(left: _When | None, right: _When | None) -> _When | None:
    """Return the later of two instants or numbers of days; never is later than any."""
    return None if left is None or right is None else max(left, right)


def _from_label(terms: Terms) -> int:
    return ABOVE_RED if terms.two_person_from is None else int(Tlp.parse(terms.two_person_from) or Tlp.CLEAR)


def _constituents(terms: Terms) -> Tlp | None:
    """TLP 2.0: AMBER reaches the clients of an organisation, which for a CERT are its constituents; STRICT does not."""
    if not terms.onward.constituents:
        return None
    named = Tlp.parse(terms.onward.constituents_tlp) if terms.onward.constituents_tlp else None
    return Tlp.AMBER if named is None else min(named, Tlp.AMBER)
