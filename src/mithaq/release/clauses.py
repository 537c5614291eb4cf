"""The clauses of the gate, as data; the national veto is the last."""

from dataclasses import dataclass

from mithaq.release.expression import (
    AllOf,
    AnyOf,
    AtMost,
    Before,
    Condition,
    Disjoint,
    Equal,
    Fact,
    Holds,
    In,
    Not,
    Within,
)


@dataclass(frozen=True, slots=True)
class Clause:
    """One condition of a release: what must hold, what to say when it does not, and what would mend it."""

    id: str
    condition: Condition
    message: str
    remedy: str
    shown: tuple[str, ...] = ()


def _f(name: str) -> Fact:
    return Fact(name)


NATION_CLAUSES = (
    Clause(
        "agreement-unknown",
        Holds(_f("agreement_known")),
        "no agreement was named, or it is unknown here",
        "name an agreement that both nations have signed",
    ),
    Clause(
        "agreement-unsigned",
        Holds(_f("agreement_signed")),
        "not as many parties have signed the agreement as it asks for",
        "collect the missing signatures",
    ),
    Clause(
        "party-unsigned",
        AllOf((Not(In(_f("holder"), _f("unsigned"))), Not(In(_f("recipient"), _f("unsigned"))))),
        "%(holder)s or %(recipient)s has not signed the agreement and is not bound by it",
        "collect the missing signature",
        ("holder", "recipient"),
    ),
    Clause(
        "agreement-not-yet",
        AtMost(_f("not_before"), _f("at")),
        "the agreement is not yet in force",
        "wait until it enters into force",
    ),
    Clause("agreement-expired", Before(_f("at"), _f("not_after")), "the agreement has expired", "renew the agreement"),
    Clause(
        "agreement-suspended",
        Not(Holds(_f("agreement_suspended"))),
        "the agreement is suspended",
        "end the suspension, or use another agreement",
    ),
    Clause(
        "party-suspended",
        AllOf((Not(In(_f("holder"), _f("suspended_parties"))), Not(In(_f("recipient"), _f("suspended_parties"))))),
        "%(holder)s or %(recipient)s is suspended under the agreement",
        "wait until the suspension has ended, or use another agreement",
        ("holder", "recipient"),
    ),
    Clause(
        "party-left",
        Before(_f("at"), _f("leaves_at")),
        "%(holder)s or %(recipient)s has withdrawn from the agreement",
        "use another agreement",
        ("holder", "recipient"),
    ),
    Clause(
        "holder-not-party",
        In(_f("holder"), _f("parties")),
        "this nation is no party to the agreement",
        "use another agreement",
    ),
    Clause(
        "recipient-not-party",
        In(_f("recipient"), _f("parties")),
        "%(recipient)s is no party to the agreement",
        "use an agreement to which the recipient is a party",
        ("recipient",),
    ),
    Clause(
        "holder-role",
        Not(In(_f("holder"), _f("only_receivers"))),
        "the role of this nation in the agreement is not to give objects",
        "use another agreement",
    ),
    Clause(
        "recipient-role",
        Not(In(_f("recipient"), _f("observers"))),
        "the role of %(recipient)s in the agreement is not to receive objects",
        "use another agreement",
        ("recipient",),
    ),
    Clause(
        "recipient-untrusted",
        Holds(_f("recipient_trusted")),
        "the key of %(recipient)s is not confirmed, or the partner is suspended",
        "compare the fingerprint by voice and confirm it",
        ("recipient",),
    ),
    Clause(
        "status-stale",
        AnyOf((Before(_f("tlp"), _f("tlp_amber")), Before(_f("at"), _f("status_until")))),
        "the keys of %(recipient)s were last confirmed too long ago for %(tlp)s",
        "ask the partner for a new key statement",
        ("recipient", "tlp"),
    ),
    Clause(
        "recipient-self",
        Not(Equal(_f("holder"), _f("recipient"))),
        "this nation does not release to itself",
        "name a partner",
    ),
    Clause(
        "recipient-unnamed",
        AnyOf((Holds(_f("any_recipient")), In(_f("recipient"), _f("recipients")))),
        "%(recipient)s is not among the nations that receive objects under the agreement",
        "use another agreement",
        ("recipient",),
    ),
    Clause(
        "recipient-excluded",
        Not(In(_f("recipient"), _f("excluded_recipients"))),
        "%(recipient)s is excluded from receiving objects under the agreement",
        "use another agreement",
        ("recipient",),
    ),
    Clause(
        "jurisdiction",
        AnyOf((Holds(_f("any_jurisdiction")), Within(_f("stored_in"), _f("jurisdictions")))),
        "%(recipient)s keeps objects where the agreement does not allow it",
        "use another agreement",
        ("recipient",),
    ),
    Clause(
        "baseline",
        AtMost(_f("protocol_needed"), _f("protocol")),
        "the node of %(recipient)s speaks a protocol older than the agreement asks for",
        "ask the partner to update its node",
        ("recipient",),
    ),
    Clause(
        "kind",
        In(_f("kind"), _f("kinds")),
        "objects of type %(kind)s are not shared under the agreement",
        "use an agreement that covers this type",
        ("kind",),
    ),
    Clause(
        "sector",
        AnyOf((Holds(_f("any_sector")), Within(_f("sectors"), _f("scope_sectors")))),
        "the object states no sector, or one outside the scope of the agreement",
        "state the sector, or use an agreement that covers it",
    ),
    Clause(
        "campaign",
        AnyOf((Holds(_f("any_campaign")), Not(Disjoint(_f("campaigns"), _f("scope_campaigns"))))),
        "the object belongs to no campaign that the agreement covers",
        "name the campaign, or use another agreement",
    ),
    Clause(
        "severity",
        AtMost(_f("min_severity"), _f("severity")),
        "the stated severity of the object is below what the agreement covers",
        "state the severity, or use another agreement",
    ),
    Clause(
        "excluded-content",
        Disjoint(_f("content"), _f("exclusions")),
        "the object holds content that the agreement excludes",
        "make a version without that content",
    ),
    Clause(
        "unlabelled",
        Holds(_f("labelled")),
        "the object carries no TLP label and counts as TLP:RED",
        "label the object",
    ),
    Clause(
        "tlp-ceiling",
        AtMost(_f("tlp"), _f("tlp_ceiling")),
        "%(tlp)s is above the ceiling %(tlp_ceiling)s of the agreement",
        "lower the label if you are the originator, or use an agreement with a higher ceiling",
        ("tlp", "tlp_ceiling"),
    ),
    Clause(
        "tlp-red-named",
        AnyOf((Before(_f("tlp"), _f("tlp_red")), In(_f("recipient"), _f("named_recipients")))),
        "TLP:RED goes to named recipients only, and %(recipient)s is not named",
        "name the recipient on the object",
        ("recipient",),
    ),
    Clause(
        "pap-ceiling",
        AtMost(_f("pap"), _f("pap_ceiling")),
        "%(pap)s is above the ceiling %(pap_ceiling)s of the agreement (without a PAP label, PAP:RED)",
        "label the object, or use an agreement with a higher ceiling",
        ("pap", "pap_ceiling"),
    ),
    Clause(
        "purpose",
        In(_f("purpose"), _f("purposes")),
        "the purpose %(purpose)s is not among those of the agreement",
        "release for a purpose of the agreement",
        ("purpose",),
    ),
    Clause(
        "lane",
        In(_f("lane_kind"), _f("lanes")),
        "the lane %(lane_kind)s is not covered by the agreement",
        "use an agreement that covers this lane",
        ("lane_kind",),
    ),
    Clause(
        "unprotected",
        Disjoint(_f("exposes"), _f("protected")),
        "the object shows what the agreement protects",
        "make a protected version of the object",
    ),
    Clause(
        "second-person",
        AnyOf((Before(_f("tlp"), _f("two_person_from")), AtMost(_f("persons_needed"), _f("approvals")))),
        "%(tlp)s is released by two persons together, and %(approvals)s approved it",
        "ask a second person to approve the release",
        ("tlp", "approvals"),
    ),
    Clause(
        "onward",
        AnyOf((Equal(_f("holder"), _f("originator")), Holds(_f("onward_allowed")))),
        "%(originator)s, the originator, does not allow passing it on to %(recipient)s",
        "ask the originator for consent",
        ("originator", "recipient"),
    ),
    Clause(
        "hops",
        Before(_f("hops"), _f("max_hops")),
        "it has passed through as many nations as the originator allows",
        "ask the originator for consent",
    ),
    Clause(
        "label-lowered",
        AtMost(_f("carried_tlp"), _f("tlp")),
        "the label is below the originator's %(carried_tlp)s",
        "restore the originator's label",
        ("carried_tlp",),
    ),
    Clause(
        "carried-purpose",
        AnyOf((Equal(_f("holder"), _f("originator")), In(_f("purpose"), _f("carried_purposes")))),
        "the originator did not release it for the purpose %(purpose)s",
        "ask the originator for consent",
        ("purpose",),
    ),
    Clause(
        "carried-retention",
        Before(_f("at"), _f("delete_after")),
        "the time for which the originator allowed to keep it is over",
        "delete the object",
    ),
    Clause("withdrawn", Not(Holds(_f("withdrawn"))), "the object is withdrawn", "release the corrected version"),
    Clause(
        "withheld-reference",
        Equal(_f("withheld_refs"), _f("zero")),
        "it refers to %(withheld_refs)s objects that the recipient may not know of",
        "release those objects, or make a version without the references",
        ("withheld_refs",),
    ),
    Clause("veto", Not(Holds(_f("vetoed"))), "a national veto stands against it", "ask the director to lift the veto"),
)
"""Between nations. Every clause holds, or nothing leaves."""

LOCAL_CLAUSES = (
    Clause(
        "lane-operational",
        Equal(_f("lane_kind"), _f("lane_actual")),
        "objects of the lane %(lane_kind)s never reach an operational export",
        "nothing: exercises and tests stay in their lane",
        ("lane_kind",),
    ),
    Clause(
        "unlabelled", Holds(_f("labelled")), "the object carries no TLP label and counts as TLP:RED", "label the object"
    ),
    Clause(
        "audience",
        AtMost(_f("tlp"), _f("local_ceiling")),
        "%(tlp)s does not reach %(recipient)s",
        "ask the originator for a lower label",
        ("tlp", "recipient"),
    ),
    Clause(
        "pap-action",
        AnyOf(
            (
                AtMost(_f("pap"), _f("pap_green")),
                AllOf((AtMost(_f("pap"), _f("pap_amber")), AtMost(_f("action"), _f("action_internal")))),
                Equal(_f("action"), _f("action_none")),
            )
        ),
        "%(pap)s does not permit an action as visible as this one (without a PAP label, PAP:RED)",
        "label the object, or ask the originator for a lower PAP label",
        ("pap",),
    ),
    Clause(
        "constituents",
        AnyOf(
            (
                Equal(_f("holder"), _f("originator")),
                Equal(_f("recipient"), _f("originator")),
                Holds(_f("local_allowed")),
            )
        ),
        "%(originator)s, the originator, does not allow passing it on to constituents",
        "ask the originator for consent",
        ("originator",),
    ),
    Clause(
        "action-not-permitted",
        AtMost(_f("action"), _f("permitted_action")),
        "%(originator)s, the originator, does not permit an action as visible as this one",
        "ask the originator for consent",
        ("originator",),
    ),
    Clause(
        "carried-purpose",
        AnyOf((Equal(_f("holder"), _f("originator")), In(_f("purpose"), _f("carried_purposes")))),
        "the originator did not release it for the purpose %(purpose)s",
        "ask the originator for consent",
        ("purpose",),
    ),
    Clause(
        "label-lowered",
        AtMost(_f("carried_tlp"), _f("tlp")),
        "the label is below the originator's %(carried_tlp)s",
        "restore the originator's label",
        ("carried_tlp",),
    ),
    Clause(
        "carried-retention",
        Before(_f("at"), _f("delete_after")),
        "the time for which the originator allowed to keep it is over",
        "delete the object",
    ),
    Clause("withdrawn", Not(Holds(_f("withdrawn"))), "the object is withdrawn", "use the corrected version"),
    Clause(
        "withheld-reference",
        Equal(_f("withheld_refs"), _f("zero")),
        "it refers to %(withheld_refs)s objects that the recipient may not know of",
        "release those objects, or make a version without the references",
        ("withheld_refs",),
    ),
    Clause("veto", Not(Holds(_f("vetoed"))), "a national veto stands against it", "ask the director to lift the veto"),
)
"""Inside the nation: constituents and sensors."""
