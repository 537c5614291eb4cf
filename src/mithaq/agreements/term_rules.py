"""Every term of an agreement: how it is kept, and by what.

*Prevent*: the gate's clauses named here refuse a release that breaks the term, or the construction named makes a breach
impossible. *Oblige*: the node does it or runs a clock on it. *Audit*: the node keeps the evidence; people judge it.
"""

from dataclasses import dataclass
from typing import Literal

import msgspec

from mithaq.agreements.terms import Terms

KeptBy = Literal["prevent", "oblige", "audit"]


@dataclass(frozen=True, slots=True)
class TermRule:
    """How one term is kept, its plain sentence, and the clauses or the construction behind a prevented one."""

    name: str
    kept_by: KeptBy
    sentence: str
    clauses: tuple[str, ...] = ()
    construction: str = ""


TERMS = (
    TermRule("kinds", "prevent", "Only these kinds of object are shared: %(value)s.", ("kind",)),
    TermRule(
        "tlp_ceiling",
        "prevent",
        "Nothing labelled above %(value)s is shared; an unlabelled object counts as TLP:RED.",
        ("unlabelled", "tlp-ceiling", "tlp-red-named"),
    ),
    TermRule("pap_ceiling", "prevent", "Nothing labelled above %(value)s is shared.", ("pap-ceiling",)),
    TermRule(
        "purposes", "prevent", "Objects serve these purposes and no other: %(value)s.", ("purpose", "carried-purpose")
    ),
    TermRule(
        "onward", "prevent", "Passing on to third parties: %(value)s.", ("onward", "hops", "constituents", "audience")
    ),
    TermRule(
        "retention_days",
        "oblige",
        "The recipient deletes an object %(value)s days after it was released.",
        ("carried-retention",),
    ),
    TermRule("lanes", "prevent", "Lanes that may be used: %(value)s.", ("lane",)),
    TermRule("ceilings", "prevent", "Lower ceilings in single directions: %(value)s.", ("tlp-ceiling", "pap-ceiling")),
    TermRule("sectors", "prevent", "Only objects that state one of these sectors are shared: %(value)s.", ("sector",)),
    TermRule("campaigns", "prevent", "Only objects of these campaigns are shared: %(value)s.", ("campaign",)),
    TermRule(
        "min_severity", "prevent", "Only objects whose stated severity is at least %(value)s are shared.", ("severity",)
    ),
    TermRule("exclusions", "prevent", "Content that is never shared: %(value)s.", ("excluded-content",)),
    TermRule("recipients", "prevent", "Only these nations receive objects: %(value)s.", ("recipient-unnamed",)),
    TermRule(
        "excluded_recipients",
        "prevent",
        "These nations receive no objects: %(value)s.",
        ("recipient-excluded", "onward"),
    ),
    TermRule(
        "permitted_actions", "prevent", "The widest action a recipient may take: %(value)s.", ("action-not-permitted",)
    ),
    TermRule("transforms", "prevent", "Done to an object before it leaves: %(value)s.", ("unprotected",)),
    TermRule("attribution", "prevent", "Naming the source to others: %(value)s.", ("unprotected",)),
    TermRule("affected_party", "oblige", "Telling an affected party: %(value)s."),
    TermRule("two_person_from", "prevent", "From %(value)s on, two persons release together.", ("second-person",)),
    TermRule(
        "witnesses",
        "prevent",
        "An object labelled TLP:AMBER or stricter leaves after %(value)s other nations have witnessed the release log.",
        construction="release log",
    ),
    TermRule(
        "status_max_age_days",
        "prevent",
        "A nation whose keys were not confirmed for %(value)s days receives nothing from TLP:AMBER on.",
        ("status-stale",),
    ),
    TermRule(
        "suspension_by",
        "prevent",
        "Any party suspends for itself at once; %(value)s parties together suspend another.",
        ("agreement-suspended", "party-suspended"),
    ),
    TermRule(
        "recipients_confidential",
        "prevent",
        "Recipients do not learn of each other: %(value)s.",
        construction="one sealed envelope a recipient",
    ),
    TermRule("review_after_days", "oblige", "The recipient reviews an object after %(value)s days."),
    TermRule("recall_hours", "oblige", "A recall is carried out within %(value)s hours."),
    TermRule("feedback", "oblige", "Sightings and false positives are reported back: %(value)s."),
    TermRule("response_times", "oblige", "Requests are acknowledged and answered in time: %(value)s."),
    TermRule("notification", "oblige", "Own incidents are told to the other parties: %(value)s."),
    TermRule("emergency_contact", "oblige", "An emergency contact answers at any hour: %(value)s."),
    TermRule("compelled_disclosure", "oblige", "When a court or law compels disclosure: %(value)s."),
    TermRule("reciprocity", "audit", "Answers to be given, shown and never enforced: %(value)s."),
    TermRule("research", "audit", "What research may make of objects: %(value)s."),
    TermRule("handling", "audit", "How objects are kept: %(value)s."),
    TermRule("baseline", "prevent", "What a party’s node must be able to do: %(value)s.", ("baseline",)),
    TermRule("jurisdiction", "prevent", "Where objects may be stored: %(value)s.", ("jurisdiction",)),
    TermRule("audit", "audit", "Who may ask for proofs: %(value)s."),
    TermRule("leaving", "oblige", "Withdrawing from the agreement: %(value)s.", ("party-left",)),
    TermRule("accession", "audit", "Another nation joins: %(value)s."),
    TermRule("dispute", "audit", "Disputes go, in this order, to: %(value)s."),
    TermRule("no_warranty", "audit", "Objects come as they are, without warranty: %(value)s."),
)


def agreed_rules(terms: Terms) -> list[TermRule]:
    """Return the rules of the terms that an agreement has, in the order of the vocabulary."""
    written = msgspec.to_builtins(terms)
    return [rule for rule in TERMS if rule.name in written]
