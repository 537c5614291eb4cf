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
    """How one term is kept, and the clauses or the construction behind a prevented one.

    `sentence` holds `%(value)s` where one value makes a whole sentence; a term of several parts has none here and is
    said by `node/agreements_in_words`.
    """

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
    TermRule("onward", "prevent", "", ("onward", "hops", "constituents", "audience")),
    TermRule(
        "retention_days",
        "oblige",
        "",
        ("carried-retention",),
    ),
    TermRule("lanes", "prevent", "Lanes that may be used: %(value)s.", ("lane",)),
    TermRule("ceilings", "prevent", "", ("tlp-ceiling", "pap-ceiling")),
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
    TermRule("transforms", "prevent", "", ("unprotected",)),
    TermRule("attribution", "prevent", "", ("unprotected",)),
    TermRule("affected_party", "oblige", ""),
    TermRule("two_person_from", "prevent", "From %(value)s on, two persons release together.", ("second-person",)),
    TermRule(
        "witnesses",
        "prevent",
        "",
        construction="release log",
    ),
    TermRule(
        "status_max_age_days",
        "prevent",
        "",
        ("status-stale",),
    ),
    TermRule(
        "suspension_by",
        "prevent",
        "",
        ("agreement-suspended", "party-suspended"),
    ),
    TermRule(
        "recipients_confidential",
        "prevent",
        "",
        construction="one sealed envelope a recipient",
    ),
    TermRule("review_after_days", "oblige", ""),
    TermRule("recall_hours", "oblige", ""),
    TermRule("feedback", "oblige", ""),
    TermRule("response_times", "oblige", ""),
    TermRule("notification", "oblige", ""),
    TermRule("emergency_contact", "oblige", ""),
    TermRule("compelled_disclosure", "oblige", ""),
    TermRule("reciprocity", "audit", ""),
    TermRule("research", "audit", ""),
    TermRule("handling", "audit", ""),
    TermRule("baseline", "prevent", "", ("baseline",)),
    TermRule("jurisdiction", "prevent", "", ("jurisdiction",)),
    TermRule("audit", "audit", ""),
    TermRule("leaving", "oblige", "", ("party-left",)),
    TermRule("accession", "audit", ""),
    TermRule("dispute", "audit", ""),
    TermRule("no_warranty", "audit", ""),
)


def agreed_rules(terms: Terms) -> list[TermRule]:
    """Return the rules of the terms that an agreement has, in the order of the vocabulary."""
    written = msgspec.to_builtins(terms)
    return [rule for rule in TERMS if rule.name in written]
