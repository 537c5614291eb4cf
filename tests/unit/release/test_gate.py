import hashlib
from datetime import datetime, timedelta
from itertools import product

import msgspec
import pytest

from mithaq.agreements.terms import Baseline, Ceiling, Jurisdiction, Onward, Transform
from mithaq.kernel.lane import ACTUAL, TEST, Lane
from mithaq.release.clauses import LOCAL_CLAUSES, NATION_CLAUSES
from mithaq.release.evaluate import compile_clauses
from mithaq.release.expression import facts_in
from mithaq.release.facts import Facts, facts_of
from mithaq.release.model import PERMITTED_ACTIONS, Carried, Item, Recipient, Released, Request, Scope, Withheld
from mithaq.release.rules import carried_terms, decide, judge, retract
from mithaq.standards.pap import Pap
from mithaq.standards.severity import Severity
from mithaq.standards.tlp import Tlp
from tests.world import DEFAULT_TERMS, XA, XB, XC, XD, Treaty, changed

EXERCISE = Lane("exercise--11111111-1111-4111-8111-111111111111")
ITEM = Item("indicator--1", "2026-11-23T12:00:00.000Z", "indicator", "0" * 64, Tlp.GREEN, Pap.GREEN, ACTUAL, XA)


def request(at: datetime, *, terms: object = DEFAULT_TERMS, **changes: object) -> Request:
    agreement = Treaty(at, terms=terms).agreement  # type: ignore[arg-type]
    usual = Request(ITEM, XA, Recipient("nation", XB), True, agreement, "defence", status_at=at, protocol=1)
    return changed(usual, **changes)


def codes(question: Request, at: datetime) -> list[str]:
    return [reason.code for reason in judge(question, at).reasons]


def test_what_the_agreement_allows_is_released(at: datetime) -> None:
    released = decide(request(at), at)
    assert isinstance(released, Released)
    assert released.agreement == Treaty(at).agreement.reference
    reference = released.agreement
    decided = ["mithaq-decision-1", ITEM.id, ITEM.version, ITEM.digest, f"nation:{XB}"]
    texts = [*decided, reference.id, str(reference.version), reference.hash]
    assert released.decision == hashlib.sha256("".join(f"{text}\0" for text in texts).encode()).hexdigest()


def test_a_decision_inside_the_nation_cites_no_agreement(at: datetime) -> None:
    recipient = Recipient("constituent", "grid")
    released = decide(Request(ITEM, XA, recipient, True, None, "defence", action=1), at)
    assert isinstance(released, Released)
    texts = ["mithaq-decision-1", ITEM.id, ITEM.version, ITEM.digest, "constituent:grid", "", "", ""]
    assert released.decision == hashlib.sha256("".join(f"{text}\0" for text in texts).encode()).hexdigest()


def test_every_failing_clause_is_reported_not_only_the_first(at: datetime) -> None:
    item = changed(ITEM, kind="report", tlp=Tlp.RED, lane=TEST, is_withdrawn=True)
    question = request(at, item=item, purpose="attribution", vetoed=True, recipient_trusted=False, withheld_refs=2)
    assert codes(question, at + timedelta(days=40)) == [
        "agreement-expired", "recipient-untrusted", "status-stale", "kind", "tlp-ceiling", "tlp-red-named", "purpose",
        "lane", "withdrawn", "withheld-reference", "veto",
    ]  # fmt: skip
    withheld = decide(question, at)
    assert isinstance(withheld, Withheld)
    assert "TLP:RED is above the ceiling TLP:AMBER of the agreement" in [r.sentence() for r in withheld.reasons]
    assert all(reason.remedy_sentence() for reason in withheld.reasons)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"agreement": None}, "agreement-unknown"),
        ({"recipient": Recipient("nation", XD)}, "recipient-not-party"),
        ({"holder": XD}, "holder-not-party"),
        ({"recipient": Recipient("nation", XA)}, "recipient-self"),
        ({"recipient_trusted": False}, "recipient-untrusted"),
        ({"purpose": "law-enforcement"}, "purpose"),
        ({"item": changed(ITEM, kind="note")}, "kind"),
        ({"item": changed(ITEM, tlp=None)}, "unlabelled"),
        ({"item": changed(ITEM, tlp=Tlp.AMBER_STRICT)}, "tlp-ceiling"),
        ({"item": changed(ITEM, lane=TEST)}, "lane"),
        ({"item": changed(ITEM, originator=XC)}, "onward"),
        ({"item": changed(ITEM, is_withdrawn=True)}, "withdrawn"),
        ({"withheld_refs": 1}, "withheld-reference"),
        ({"vetoed": True}, "veto"),
    ],
)
def test_each_breach_is_named(at: datetime, change: dict[str, object], code: str) -> None:
    assert code in codes(request(at, **change), at)


def test_agreements_that_are_unsigned_suspended_or_out_of_time_release_nothing(at: datetime) -> None:
    partly = Treaty(at, signers=(XA, XB)).agreement
    assert codes(request(at, agreement=partly), at) == ["agreement-unsigned"]
    suspended = changed(Treaty(at).agreement, suspended=True)
    assert codes(request(at, agreement=suspended), at) == ["agreement-suspended"]
    assert codes(request(at), at - timedelta(days=2)) == ["agreement-not-yet"]
    assert codes(request(at), at + timedelta(days=30)) == ["agreement-expired"]


def test_an_exercise_may_flow_where_the_agreement_covers_it(at: datetime) -> None:
    item = changed(ITEM, lane=EXERCISE)
    assert codes(request(at, item=item), at) == []
    narrow = msgspec.structs.replace(DEFAULT_TERMS, lanes=["actual"])
    assert codes(request(at, item=item, terms=narrow), at) == ["lane"]


def test_red_goes_to_named_recipients_only(at: datetime) -> None:
    red = msgspec.structs.replace(DEFAULT_TERMS, tlp_ceiling="TLP:RED")
    item = changed(ITEM, tlp=Tlp.RED)
    assert codes(request(at, item=item, terms=red), at) == ["tlp-red-named"]
    assert codes(request(at, item=changed(item, named_recipients=frozenset({XB})), terms=red), at) == []


def test_onward_release_is_judged_under_the_originators_terms(at: datetime) -> None:
    narrow = Treaty(at, nations=(XB, XA)).agreement
    got = carried_terms(changed(ITEM, originator=XB), narrow, XB, XA, at)
    foreign = changed(ITEM, originator=XB, carried=(got,))
    wide = request(at, item=foreign, recipient=Recipient("nation", XC))
    assert codes(wide, at) == ["onward"]
    parties = msgspec.structs.replace(DEFAULT_TERMS, onward=Onward("parties"))
    open_terms = carried_terms(foreign, Treaty(at, terms=parties).agreement, XA, XC, at)
    assert open_terms.onward_parties == frozenset(), "a wider agreement never widens what was carried"
    allowed = carried_terms(changed(ITEM, originator=XB), Treaty(at, terms=parties).agreement, XB, XA, at)
    passed = changed(wide, item=changed(foreign, carried=(allowed,)))
    assert codes(passed, at) == []
    assert codes(changed(passed, purpose="warning"), at) == []
    assert codes(passed, at + timedelta(days=91)) == ["agreement-expired", "carried-retention"]
    lowered = changed(passed, item=changed(passed.item, tlp=Tlp.CLEAR))
    assert codes(lowered, at) == ["label-lowered"]


def test_carried_terms_survive_their_journey_as_json(at: datetime) -> None:
    terms = carried_terms(ITEM, Treaty(at).agreement, XA, XB, at)
    assert Carried.of_json(terms.as_json()) == terms
    unknown = Carried.of_json(terms.as_json() | {"tlp": "TLP:PURPLE"})
    assert unknown.tlp is Tlp.RED


def test_a_clause_that_raises_counts_as_failed_and_the_others_still_speak(at: datetime) -> None:
    facts = msgspec.structs.replace(facts_of(request(at, vetoed=True), at), kinds=None)  # type: ignore[arg-type]
    reasons = compile_clauses(NATION_CLAUSES)(facts)
    assert [(r.code, r.params.get("clause")) for r in reasons] == [("clause-error", "kind"), ("veto", None)]


def test_every_fact_missing_at_once_releases_nothing(at: datetime) -> None:
    blank = Facts(**dict.fromkeys((f.name for f in msgspec.structs.fields(Facts) if f.required), None))  # type: ignore[arg-type]
    for clauses in (NATION_CLAUSES, LOCAL_CLAUSES):
        assert compile_clauses(clauses)(blank)


def test_clauses_have_unique_ids_known_facts_and_end_with_the_veto() -> None:
    for clauses in (NATION_CLAUSES, LOCAL_CLAUSES):
        assert len({clause.id for clause in clauses}) == len(clauses)
        assert clauses[-1].id == "veto"
        known = {f.name for f in msgspec.structs.fields(Facts)}
        for clause in clauses:
            assert {*facts_in(clause.condition), *clause.shown} <= known
            assert all(f"%({name})s" in clause.message for name in clause.shown)


def test_no_clause_can_be_dropped_without_a_case_that_notices(at: datetime) -> None:
    """Mutation: for every clause some request fails on it alone or among others, so its loss is seen."""
    item = changed(ITEM, kind="note", tlp=None, pap=None, lane=TEST, originator=XC, is_withdrawn=True)
    terms = msgspec.structs.replace(DEFAULT_TERMS, pap_ceiling="PAP:CLEAR", lanes=["actual"])
    got = changed(carried_terms(item, Treaty(at).agreement, XC, XA, at), purposes=frozenset(), delete_after=at, hops=10)
    lowered = changed(item, tlp=Tlp.CLEAR, carried=(changed(got, tlp=Tlp.RED),))
    worst = Request(item, XD, Recipient("nation", XD), False, None, "x", 1, True)
    bad = request(at, terms=terms, item=lowered, vetoed=True, withheld_refs=1, purpose="x")
    early, late = at - timedelta(days=9), at + timedelta(days=99)
    partly = changed(bad, agreement=changed(Treaty(at, signers=(XA,)).agreement, suspended=True))
    cases = [(worst, at), (bad, early), (bad, late), (partly, at), *every_narrow_term(at)]
    seen = {code for question, when in cases for code in codes(question, when)}
    assert {clause.id for clause in NATION_CLAUSES} <= seen


def every_narrow_term(at: datetime) -> list[tuple[Request, datetime]]:
    """One question that fails on every term that an agreement need not have, and one to a party that is not bound."""
    content = Scope(content=frozenset({"personal-data"}))
    terms = msgspec.structs.replace(
        DEFAULT_TERMS, sectors=["energy"], campaigns=["campaign--11111111-1111-4111-8111-111111111111"],
        min_severity="high", exclusions=["personal-data"], recipients=[XC], excluded_recipients=[XB],
        transforms=[Transform("victim-identity", "drop")], two_person_from="TLP:CLEAR",
        jurisdiction=Jurisdiction([XC]), baseline=Baseline(2), ceilings=[Ceiling("TLP:CLEAR", recipient=XB)],
    )  # fmt: skip
    narrow = request(at, terms=terms, item=changed(ITEM, scope=content, tlp=Tlp.AMBER), status_at=None)
    treaty = Treaty(at).agreement
    left = changed(treaty, leaving={XB: at}, suspended_parties=frozenset({XB}), signed_by=frozenset({XA}))
    observing = [msgspec.structs.replace(each, role="observer") for each in treaty.document.parties]
    observed = changed(treaty, document=msgspec.structs.replace(treaty.document, parties=observing))
    return [(narrow, at), (request(at, agreement=left), at), (request(at, agreement=observed), at)]


@pytest.mark.parametrize(
    ("terms", "item", "code"),
    [
        ({"sectors": ["energy"]}, {}, "sector"),
        ({"sectors": ["energy"]}, {"scope": Scope(sectors=frozenset({"energy", "water"}))}, "sector"),
        ({"campaigns": ["campaign--11111111-1111-4111-8111-111111111111"]}, {}, "campaign"),
        ({"min_severity": "high"}, {"scope": Scope(severity=Severity.MEDIUM)}, "severity"),
        ({"exclusions": ["personal-data"]}, {"scope": Scope(content=frozenset({"personal-data"}))}, "excluded-content"),
        ({"recipients": [XC]}, {}, "recipient-unnamed"),
        ({"excluded_recipients": [XB]}, {}, "recipient-excluded"),
        ({"jurisdiction": Jurisdiction([XC])}, {}, "jurisdiction"),
        ({"baseline": Baseline(2)}, {}, "baseline"),
        ({"transforms": [Transform("free-text", "drop")]}, {}, "unprotected"),
        ({"attribution": "must-not"}, {}, "unprotected"),
        ({"two_person_from": "TLP:GREEN"}, {}, "second-person"),
        ({"ceilings": [Ceiling("TLP:CLEAR", sender=XA)]}, {}, "tlp-ceiling"),
        ({"ceilings": [Ceiling("TLP:CLEAR", recipient=XB)]}, {}, "tlp-ceiling"),
    ],
)
def test_each_term_that_need_not_be_agreed_stops_what_it_names_and_nothing_else(
    at: datetime, terms: dict[str, object], item: dict[str, object], code: str
) -> None:
    narrow = msgspec.structs.replace(DEFAULT_TERMS, **terms)
    assert codes(request(at, terms=narrow, item=changed(ITEM, **item)), at) == [code]


def test_a_ceiling_for_one_direction_leaves_the_others_alone(at: datetime) -> None:
    narrow = msgspec.structs.replace(DEFAULT_TERMS, ceilings=[Ceiling("TLP:CLEAR", sender=XB, recipient=XC)])
    assert codes(request(at, terms=narrow), at) == []
    assert codes(request(at, terms=narrow, holder=XB, recipient=Recipient("nation", XC),
                         item=changed(ITEM, originator=XB)), at) == ["tlp-ceiling"]  # fmt: skip


def test_keys_that_were_confirmed_too_long_ago_stop_amber_and_leave_green(at: datetime) -> None:
    stale = at - timedelta(days=DEFAULT_TERMS.status_max_age_days)
    assert codes(request(at, status_at=stale), at) == []
    assert codes(request(at, status_at=stale, item=changed(ITEM, tlp=Tlp.AMBER)), at) == ["status-stale"]


def test_who_has_left_who_is_suspended_and_who_only_observes_gets_nothing(at: datetime) -> None:
    treaty = Treaty(at).agreement
    assert codes(request(at, agreement=changed(treaty, leaving={XB: at})), at) == ["party-left"]
    assert codes(request(at, agreement=changed(treaty, leaving={XC: at})), at) == []
    assert codes(request(at, agreement=changed(treaty, leaving={XB: at + timedelta(days=1)})), at) == []
    suspended = changed(treaty, suspended_parties=frozenset({XB}))
    assert codes(request(at, agreement=suspended), at) == ["party-suspended"]
    roles = {XA: "party", XB: "observer", XC: "associate"}
    parties = [msgspec.structs.replace(each, role=roles[each.nation]) for each in treaty.document.parties]  # type: ignore[index]
    mixed = changed(treaty, document=msgspec.structs.replace(treaty.document, parties=parties))
    assert codes(request(at, agreement=mixed), at) == ["recipient-role"]
    assert codes(request(at, agreement=mixed, recipient=Recipient("nation", XC)), at) == []
    assert codes(request(at, agreement=mixed, holder=XC, item=changed(ITEM, originator=XC),
                         recipient=Recipient("nation", XA)), at) == ["holder-role"]  # fmt: skip


def test_consent_and_time_open_what_the_originator_keeps(at: datetime) -> None:
    terms = msgspec.structs.replace(DEFAULT_TERMS, onward=Onward("originator-consent", public_after_days=10))
    got = carried_terms(changed(ITEM, originator=XB), Treaty(at, terms=terms).agreement, XB, XA, at)
    passed = request(at, item=changed(ITEM, originator=XB, carried=(got,)), recipient=Recipient("nation", XC))
    assert codes(passed, at) == ["onward"]
    assert codes(changed(passed, consented=True), at) == []
    assert codes(passed, at + timedelta(days=10)) == []
    barred = changed(passed, item=changed(passed.item, carried=(changed(got, excluded=frozenset({XC})),)))
    assert codes(changed(barred, consented=True), at) == ["onward"], "exclusion wins"
    far = changed(passed, consented=True, item=changed(passed.item, carried=(changed(got, hops=got.max_hops),)))
    assert codes(far, at) == ["hops"]


def oracle(
    tlp: int, ceiling: int, kind: bool, purpose: bool, party: bool, trusted: bool, own: bool, veto: bool
) -> bool:
    """An independent rule of thumb: all of these, and the label at most the ceiling."""
    return kind and purpose and party and trusted and own and not veto and tlp <= ceiling and tlp < 4


def test_the_gate_agrees_with_an_independent_oracle_on_the_whole_product(at: datetime) -> None:
    flags = (False, True)
    facts = facts_of(request(at), at)
    judge_facts = compile_clauses(NATION_CLAUSES)
    released = 0
    for tlp, ceiling, kind, purpose, party, trusted, own, veto in product(
        Tlp, Tlp, flags, flags, flags, flags, flags, flags
    ):
        state = msgspec.structs.replace(
            facts,
            tlp=tlp,
            tlp_ceiling=ceiling,
            kind="indicator" if kind else "note",
            purpose="defence" if purpose else "attribution",
            recipient=XB if party else XD,
            recipient_trusted=trusted,
            originator=XA if own else XC,
            vetoed=veto,
        )
        expected = oracle(tlp, ceiling, kind, purpose, party, trusted, own, veto)
        assert (not judge_facts(state)) == expected
        released += expected
    assert 0 < released < 100


def local(at: datetime, item: Item, action: str = "externally-visible-indirect-actions") -> list[str]:
    rank = PERMITTED_ACTIONS.index(action)
    return codes(Request(item, XA, Recipient("sensor", "dns"), True, None, "defence", action=rank), at)


@pytest.mark.parametrize(
    ("action", "highest"),
    [
        ("none", Pap.RED),
        ("contact-for-instruction", Pap.AMBER),
        ("internally-visible-actions", Pap.AMBER),
        ("externally-visible-indirect-actions", Pap.GREEN),
        ("externally-visible-direct-actions", Pap.GREEN),
    ],
)
def test_the_more_an_adversary_could_notice_the_lower_the_pap_that_permits_it(
    at: datetime, action: str, highest: Pap
) -> None:
    passing = [pap for pap in Pap if not local(at, changed(ITEM, pap=pap), action)]
    assert passing == [pap for pap in Pap if pap <= highest]
    assert (local(at, changed(ITEM, pap=None), action) == []) == (action == "none"), "no label is PAP:RED"


def test_who_does_not_say_what_will_be_done_is_taken_to_do_the_most(at: datetime) -> None:
    asked = Request(changed(ITEM, pap=Pap.AMBER), XA, Recipient("constituent", "grid"), True, None, "defence")
    assert "pap-action" in codes(asked, at)


def test_constituents_and_sensors_get_what_labels_and_originators_permit(at: datetime) -> None:
    assert local(at, ITEM) == []
    assert local(at, changed(ITEM, tlp=Tlp.AMBER_STRICT)) == ["audience"]
    assert local(at, changed(ITEM, pap=None)) == ["pap-action"]
    assert local(at, changed(ITEM, lane=EXERCISE)) == ["lane-operational"]
    carried = carried_terms(changed(ITEM, originator=XB), Treaty(at).agreement, XB, XA, at)
    assert local(at, changed(ITEM, originator=XB, carried=(carried,))) == ["constituents"]
    open_terms = msgspec.structs.replace(DEFAULT_TERMS, onward=Onward("none", constituents=True))
    carried = carried_terms(changed(ITEM, originator=XB), Treaty(at, terms=open_terms).agreement, XB, XA, at)
    assert local(at, changed(ITEM, originator=XB, carried=(carried,))) == []


def test_only_the_gate_makes_a_released(at: datetime) -> None:
    with pytest.raises(TypeError, match="only the gate"):
        Released(ITEM, Recipient("nation", XB), None, "defence", object())
    assert retract("indicator--1", ACTUAL, XB, was_released=False) is None
    assert retract("indicator--1", ACTUAL, XB, was_released=True) is not None
