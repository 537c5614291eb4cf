"""How long a release decision takes for 57 partners and the gate's whole clause table, with all reasons, against Cedar.

The table is the gate's own, `release.clauses.NATION_CLAUSES`, and the agreements use the whole vocabulary: ceilings for
single directions, reservations, roles, sectors, campaigns, severity, exclusions, jurisdiction and so on. The measured
path is the gate's: build the request, flatten it to facts, evaluate every clause, give back every reason. What one
agreement says for one direction is computed once for all objects, as a node does.

Cedar gets the same table as policies and the same world as entities, parsed once and kept as handles (`PolicySet`,
`Entities`), and decides all recipients of an object in one batch call, its quickest form. What depends on the
originators' terms is handed to it computed. Both must give the same reasons for every decision before one is timed.
"""

import argparse
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import assert_never, get_args

import cedarpy
import msgspec

from benchmarks.measure import Result, Size, in_turns
from mithaq.agreements.model import Agreement, Document, Entry, Party, Reference, Reservation
from mithaq.agreements.terms import Baseline, Ceiling, Jurisdiction, Narrowing, Onward, Terms, Transform
from mithaq.agreements.vocabulary import ContentClass, PartyRole, Sector
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL, TEST
from mithaq.kernel.signing import Envelope
from mithaq.release.clauses import NATION_CLAUSES, Clause
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
from mithaq.release.facts import AgreementFacts, Facts, agreement_facts, facts_of
from mithaq.release.model import Carried, Item, Recipient, Request, Scope, Verdict
from mithaq.release.rules import judge
from mithaq.standards.pap import Pap
from mithaq.standards.severity import Severity
from mithaq.standards.tlp import Tlp

PARTNERS = 57
AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
NATIONS = tuple(NationId(f"{chr(65 + n // 26)}{chr(65 + n % 26)}") for n in range(PARTNERS + 1))
OWN, PARTNERS_OF_OWN = NATIONS[0], NATIONS[1:]
PURPOSES = ("defence", "warning", "research", "attribution")
KINDS = ("indicator", "malware", "report", "sighting")
SECTORS: tuple[Sector, ...] = ("energy", "healthcare", "water")
CAMPAIGNS = tuple(f"campaign--00000000-0000-4000-8000-{number:012d}" for number in range(3))

Directions = dict[NationId, AgreementFacts]


@dataclass(frozen=True)
class World:
    """Objects to be released to all partners under agreements, with what stands against some of them."""

    questions: tuple[Request, ...]
    agreed: tuple[Directions, ...]
    vetoes: tuple[frozenset[NationId], ...]
    consents: tuple[frozenset[NationId], ...]
    trusted: frozenset[NationId]
    confirmed: dict[NationId, datetime]
    protocols: dict[NationId, int]

    def request(self, place: int, partner: NationId) -> Request:
        """Put the question of one object and one partner."""
        asked = self.questions[place]
        return Request(
            asked.item,
            OWN,
            Recipient("nation", partner),
            partner in self.trusted,
            asked.agreement,
            asked.purpose,
            asked.withheld_refs,
            partner in self.vetoes[place],
            self.confirmed[partner],
            asked.approvals,
            partner in self.consents[place],
            asked.exposes,
            self.protocols[partner],
        )

    def judge(self, place: int, partner: NationId) -> Verdict:
        """Decide as a node does."""
        return judge(self.request(place, partner), AT, self.agreed[place][partner])


def build_world(seed: int, objects: int) -> World:
    """Draw objects of which about a quarter may go to a given partner; the others meet two or three reasons each."""
    rnd = random.Random(seed)
    pool = [_agreement(rnd, number) for number in range(12)]
    questions = tuple(_question(rnd, number, pool) for number in range(objects))
    known = {id(each.agreement): each.agreement for each in questions}
    directions = {
        key: {partner: agreement_facts(each, OWN, Recipient("nation", partner)) for partner in PARTNERS_OF_OWN}
        for key, each in known.items()
    }
    return World(
        questions,
        tuple(directions[id(each.agreement)] for each in questions),
        tuple(frozenset(rnd.sample(PARTNERS_OF_OWN, 3)) if rnd.random() < 0.02 else frozenset() for _ in questions),
        tuple(frozenset(rnd.sample(PARTNERS_OF_OWN, 20)) if rnd.random() < 0.2 else frozenset() for _ in questions),
        frozenset(partner for partner in PARTNERS_OF_OWN if rnd.random() < 0.95),
        {
            partner: AT - timedelta(days=40 if rnd.random() < 0.05 else rnd.randint(0, 20))
            for partner in PARTNERS_OF_OWN
        },
        {partner: 1 if rnd.random() < 0.1 else 2 for partner in PARTNERS_OF_OWN},
    )


def _question(rnd: random.Random, number: int, pool: Sequence[Agreement]) -> Request:
    return Request(
        _item(rnd, number),
        OWN,
        Recipient("nation", OWN),
        False,
        None if rnd.random() < 0.01 else rnd.choice(pool),
        PURPOSES[0] if rnd.random() < 0.9 else rnd.choice(PURPOSES),
        rnd.randint(1, 3) if rnd.random() < 0.02 else 0,
        approvals=rnd.choice([1, 2, 2]),
        exposes=frozenset({"free-text"} if rnd.random() < 0.9 else {"free-text", "victim-identity"}),
    )


def _agreement(rnd: random.Random, number: int) -> Agreement:
    others = PARTNERS_OF_OWN if rnd.random() < 0.7 else rnd.sample(PARTNERS_OF_OWN, 30)
    nations = [OWN, *others]
    begins, ends = (
        AT - timedelta(days=rnd.randint(1, 300)),
        AT + timedelta(days=rnd.choice([-1, 20, 90, 150, 300, 400, 500, 600, 700, 800])),
    )
    unsigned = frozenset(rnd.sample(others, 2)) if rnd.random() < 0.3 else frozenset()
    entry = Entry("count", len(nations) - len(unsigned)) if unsigned else Entry()
    narrows = Narrowing(
        tlp_ceiling="TLP:GREEN", exclusions=["classified", "personal-data"], two_person_from="TLP:GREEN"
    )
    document = Document(
        1,
        f"agreement--00000000-0000-4000-8000-{number:012d}",
        1,
        None,
        {"en": f"Joint defence {number}"},
        [_party(rnd, nation) for nation in nations],
        _terms(rnd, others),
        rfc3339(begins),
        rfc3339(ends),
        entry,
        reservations=tuple(Reservation(nation, narrows) for nation in rnd.sample(others, 3)),
    )
    suspended = frozenset(rnd.sample(others, 1)) if rnd.random() < 0.3 else frozenset()
    leaving = {nation: AT + timedelta(days=rnd.choice([-1, 30])) for nation in rnd.sample(others, 2)}
    signed = frozenset(nations) - unsigned
    return Agreement(document, Envelope("", b"", ()), signed, begins, ends, False, suspended, leaving=leaving)


def _party(rnd: random.Random, nation: NationId) -> Party:
    role: PartyRole = "party" if nation == OWN or rnd.random() < 0.9 else rnd.choice(["associate", "observer"])
    return Party(nation, "0" * 64, {"en": nation}, role, stored_in=(nation, "ZZ") if rnd.random() < 0.05 else ())


def _terms(rnd: random.Random, others: Sequence[NationId]) -> Terms:
    """Draw terms that limit everything a little."""
    some = rnd.random() < 0.5
    return Terms(
        kinds=["indicator", "malware", "sighting"],
        tlp_ceiling=rnd.choice(["TLP:GREEN", "TLP:AMBER", "TLP:AMBER", "TLP:AMBER", "TLP:AMBER+STRICT"]),
        pap_ceiling=rnd.choice(["PAP:AMBER", "PAP:RED"]),
        purposes=["defence", "warning"],
        onward=Onward("parties"),
        retention_days=90,
        lanes=["actual"],
        ceilings=[Ceiling("TLP:GREEN", recipient=nation, pap="PAP:GREEN") for nation in rnd.sample(others, 4)],
        sectors=list(SECTORS[:2]) if some else [],
        campaigns=list(CAMPAIGNS[:2]) if rnd.random() < 0.1 else [],
        min_severity="medium" if some else None,
        exclusions=["classified"],
        recipients=[OWN, *rnd.sample(others, 25)] if rnd.random() < 0.1 else [],
        excluded_recipients=rnd.sample(others, 2),
        transforms=[Transform("victim-identity", "drop")] if some else [],
        two_person_from="TLP:AMBER" if some else None,
        baseline=Baseline(2) if rnd.random() < 0.3 else None,
        jurisdiction=Jurisdiction(list(NATIONS)) if some else None,
    )


def _item(rnd: random.Random, number: int) -> Item:
    own = rnd.random() < 0.7
    tlp = (
        None
        if rnd.random() < 0.01
        else rnd.choice([Tlp.CLEAR, Tlp.GREEN, Tlp.GREEN, Tlp.GREEN, Tlp.GREEN, Tlp.AMBER, Tlp.AMBER, Tlp.RED])
    )
    return Item(
        f"indicator--{number}",
        "2026-11-23T11:00:00.000Z",
        KINDS[0] if rnd.random() < 0.9 else rnd.choice(KINDS),
        "0" * 64,
        tlp,
        rnd.choice([Pap.CLEAR, Pap.GREEN, Pap.GREEN, Pap.AMBER]),
        ACTUAL if rnd.random() < 0.97 else TEST,
        OWN if own else rnd.choice(PARTNERS_OF_OWN),
        () if own else tuple(_carried(rnd) for _ in range(rnd.randint(1, 2))),
        frozenset(rnd.sample(PARTNERS_OF_OWN, 3)) if tlp is Tlp.RED else frozenset(),
        rnd.random() < 0.02,
        Scope(
            frozenset({SECTORS[0]} if rnd.random() < 0.9 else SECTORS),
            frozenset({CAMPAIGNS[0]} if rnd.random() < 0.9 else ()),
            Severity.UNSTATED
            if rnd.random() < 0.1
            else rnd.choice([Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL]),
            frozenset(get_args(ContentClass)[:1] if rnd.random() < 0.03 else ()),
        ),
    )


def _carried(rnd: random.Random) -> Carried:
    return Carried(
        NATIONS[1],
        Reference("agreement--1", 1, "0" * 64),
        rnd.choice([Tlp.CLEAR, Tlp.GREEN]),
        Pap.GREEN,
        frozenset({"defence"}),
        rnd.choice(["parties", "parties", "originator-consent"]),
        frozenset(rnd.sample(PARTNERS_OF_OWN, 50)),
        Tlp.GREEN,
        AT + timedelta(days=rnd.choice([-1, 10, 30, 60, 90])),
        excluded=frozenset(rnd.sample(PARTNERS_OF_OWN, 2)),
        hops=rnd.randint(1, 2),
        max_hops=rnd.choice([2, 3, 4, 5]),
    )


def cedar_condition(condition: Condition) -> str:
    """Write a condition in Cedar's language."""
    match condition:
        case AtMost(left, right):
            return f"{_term(left)} <= {_term(right)}"
        case Before(left, right):
            return f"{_term(left)} < {_term(right)}"
        case Equal(left, right):
            return f"{_term(left)} == {_term(right)}"
        case In(member, group):
            return f"{_term(group)}.contains({_term(member)})"
        case Within(part, whole):
            return f"!({_term(part)}.isEmpty()) && {_term(whole)}.containsAll({_term(part)})"
        case Disjoint(left, right):
            return f"!({_term(left)}.containsAny({_term(right)}))"
        case Holds(fact):
            return _term(fact)
        case Not(inner):
            return f"!({cedar_condition(inner)})"
        case AnyOf(conditions):
            return " || ".join(f"({cedar_condition(each)})" for each in conditions)
        case AllOf(conditions):
            return " && ".join(f"({cedar_condition(each)})" for each in conditions)
        case _:
            assert_never(condition)


_CONSTANTS = {each.name: json.dumps(each.default) for each in msgspec.structs.fields(Facts) if not each.required}
_OF_REQUEST = frozenset({"at", "holder", "purpose"})
_OF_BOTH = frozenset({"onward_allowed", "vetoed"})
_OF_PARTNER = ("agreement_known", "recipient", "recipient_trusted", "status_until", "protocol")
_OF_DIRECTION = frozenset(AgreementFacts.__struct_fields__) - {"status_max_age"}
_OF_OBJECT = tuple(
    name
    for name in Facts.__struct_fields__
    if not {name} & {*_CONSTANTS, *_OF_REQUEST, *_OF_BOTH, *_OF_PARTNER, *AgreementFacts.__struct_fields__}
)


def _term(fact: Fact) -> str:
    name = fact.name
    if name in _CONSTANTS:
        return _CONSTANTS[name]
    if name in _OF_BOTH:
        return f"resource.{name}.contains(principal.recipient)"
    if name in _OF_REQUEST:
        return f"context.{name}"
    return f"resource.{name}" if name in _OF_OBJECT else f"principal.{name}"


def cedar_policies(table: Sequence[Clause]) -> str:
    """Write the clause table as Cedar policies: all is permitted that no clause forbids."""
    forbidden = (
        f'@id("{clause.id}") forbid(principal, action, resource) unless {{ {cedar_condition(clause.condition)} }};'
        for clause in table
    )
    return "permit(principal, action, resource);\n" + "\n".join(forbidden)


class Cedar:
    """The peer: policies and entities parsed once, requests decided in batches.

    A principal is a partner as one agreement sees it, a resource is an object with what its originators allow.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._policies = cedarpy.PolicySet.from_str(cedar_policies(NATION_CLAUSES))
        entities: dict[str, dict[str, object]] = {}
        for place in range(len(world.questions)):
            of_partner = {partner: self._facts(place, partner) for partner in PARTNERS_OF_OWN}
            for partner, facts in of_partner.items():
                name = self._principal(place, partner)
                if name not in entities:
                    entities[name] = _entity("Partner", name, _plainly(facts, (*_OF_PARTNER, *_OF_DIRECTION)))
            for_whom = {
                name: [partner for partner, facts in of_partner.items() if getattr(facts, name)] for name in _OF_BOTH
            }
            attributes = _plainly(of_partner[PARTNERS_OF_OWN[0]], _OF_OBJECT) | for_whom
            entities[str(place)] = _entity("Object", str(place), attributes)
        self._entities = cedarpy.Entities.from_json_str(json.dumps(list(entities.values())))

    def _facts(self, place: int, partner: NationId) -> Facts:
        return facts_of(self._world.request(place, partner), AT, self._world.agreed[place][partner])

    def _principal(self, place: int, partner: NationId) -> str:
        agreement = self._world.questions[place].agreement
        return f"{agreement.document.id if agreement else 'none'}/{partner}"

    def decide(self, place: int) -> list[cedarpy.AuthzResult]:
        """Decide one object for all partners in one call."""
        context = {"at": _plain(AT), "holder": OWN, "purpose": self._world.questions[place].purpose}
        asked = {"action": 'Action::"release"', "resource": f'Object::"{place}"', "context": context}
        requests = [
            {"principal": f'Partner::"{self._principal(place, partner)}"', **asked} for partner in PARTNERS_OF_OWN
        ]
        return cedarpy.is_authorized_batch(requests, self._policies, self._entities)


def _plainly(facts: Facts, names: Sequence[str]) -> dict[str, object]:
    return {name: _plain(getattr(facts, name)) for name in names}


def _entity(kind: str, name: str, attributes: dict[str, object]) -> dict[str, object]:
    return {"uid": {"type": kind, "id": name}, "attrs": attributes, "parents": []}


def _plain(value: object) -> object:
    match value:
        case datetime():
            return int(value.timestamp() * 1000)
        case bool() | str():
            return value
        case int():
            return int(value)
        case frozenset():
            return sorted(value)
    raise TypeError(type(value).__name__)


def reasons_of(result: cedarpy.AuthzResult) -> set[str]:
    """Return the ids of the clauses that stood against a release, in Cedar's words."""
    return set() if result.allowed else set(result.diagnostics.id_annotations_by_reason.values())


def disagreements(world: World, cedar: Cedar) -> list[str]:
    """Compare every decision with all its reasons."""
    found = []
    for place in range(len(world.questions)):
        for partner, result in zip(PARTNERS_OF_OWN, cedar.decide(place), strict=True):
            ours = [reason.code for reason in world.judge(place, partner).reasons]
            if set(ours) != reasons_of(result):
                found.append(f"{place} to {partner}: {ours} != {sorted(reasons_of(result))}")
    return found


def measure(size: Size, options: argparse.Namespace) -> Result:
    """Time both over the same objects and partners, in turns."""
    del options
    objects, runs = size.of(20, 100, 400), size.of(3, 15, 41)
    world = build_world(size.seed, objects)
    cedar = Cedar(world)
    if different := disagreements(world, cedar):
        raise AssertionError(f"{len(different)} decisions differ, the first: {different[0]}")

    def ours() -> None:
        for place in range(objects):
            for partner in PARTNERS_OF_OWN:
                world.judge(place, partner)

    def theirs() -> None:
        for place in range(objects):
            for result in cedar.decide(place):
                reasons_of(result)

    taken = in_turns({"mithaq": ours, "cedar": theirs}, runs)
    decisions = objects * PARTNERS
    figures = {
        "us_per_decision": round(taken["mithaq"] / decisions * 1e6, 3),
        "partners": PARTNERS,
        "clauses": len(NATION_CLAUSES),
    }
    peer = {
        "us_per_decision": round(taken["cedar"] / decisions * 1e6, 3),
        "ratio": round(taken["cedar"] / taken["mithaq"], 2),
    }
    return Result(figures, runs, {"cedar": peer})
