"""How long a release decision takes for 57 partners and 40 clauses, with all reasons, against Cedar in the same run.

The table has 40 clauses in the gate's own vocabulary: the clauses of `release.clauses` that stand between nations, and
variants of the same forms over the same facts, because the agreements of today need fewer than 40. The measured path is
the gate's: build the request, flatten it to facts, evaluate every clause, give back every reason.

Cedar gets the same table as policies and the same world as entities, parsed once and kept as handles (`PolicySet`,
`Entities`), and decides all recipients of an object in one batch call, its quickest form. Both must give the same
reasons for every decision before anything is timed.
"""

import argparse
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import cedarpy
import msgspec

from benchmarks.measure import Result, Size, in_turns
from mithaq.agreements.model import Agreement, Document, Party, Reference
from mithaq.agreements.terms import Onward, Terms
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL, TEST
from mithaq.kernel.reason import Reason
from mithaq.kernel.signing import Envelope
from mithaq.release.clauses import NATION_CLAUSES, Clause
from mithaq.release.evaluate import compile_clauses
from mithaq.release.expression import AnyOf, AtMost, Before, Condition, Equal, Fact, Holds, In, Not
from mithaq.release.facts import AgreementFacts, agreement_facts, facts_of
from mithaq.release.model import Carried, Item, Recipient, Request, Verdict
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp

PARTNERS = 57
CLAUSES = 40
AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
NATIONS = tuple(NationId(f"{chr(65 + n // 26)}{chr(65 + n % 26)}") for n in range(PARTNERS + 1))
OWN, PARTNERS_OF_OWN = NATIONS[0], NATIONS[1:]
PURPOSES = ("defence", "warning", "research", "attribution")
KINDS = ("indicator", "malware", "report", "sighting")


def _variants() -> tuple[Clause, ...]:
    """Return clauses of the same forms over the same facts, so that the table has 40."""
    f = Fact
    conditions: tuple[Condition, ...] = (
        AtMost(f("tlp"), f("tlp_red")),
        AtMost(f("pap_green"), f("pap_ceiling")),
        AtMost(f("carried_tlp"), f("tlp_ceiling")),
        AtMost(f("tlp"), f("local_ceiling")),
        Before(f("not_before"), f("not_after")),
        Before(f("not_before"), f("delete_after")),
        In(f("originator"), f("parties")),
        In(f("lane_actual"), f("lanes")),
        Not(Equal(f("recipient"), f("originator"))),
        Not(In(f("holder"), f("named_recipients"))),
        AnyOf((Holds(f("labelled")), In(f("recipient"), f("named_recipients")))),
        AnyOf((Equal(f("lane_kind"), f("lane_actual")), Not(Holds(f("withdrawn"))))),
        AnyOf((Holds(f("onward_allowed")), Not(Holds(f("local_allowed"))))),
        AnyOf((Before(f("tlp"), f("tlp_red")), Holds(f("recipient_trusted")))),
        AnyOf((AtMost(f("pap"), f("pap_green")), In(f("purpose"), f("purposes")))),
        AnyOf((Holds(f("agreement_signed")), Holds(f("agreement_suspended")))),
        AtMost(f("zero"), f("withheld_refs")),
    )
    return tuple(
        Clause(f"variant-{place}", condition, "%(recipient)s may not have it", "ask", ("recipient",))
        for place, condition in enumerate(conditions)
    )


TABLE = (NATION_CLAUSES + _variants())[:CLAUSES]
_JUDGE = compile_clauses(TABLE)


@dataclass(frozen=True)
class World:
    """Objects to be released to all partners under agreements, with what stands against some of them."""

    items: tuple[Item, ...]
    agreements: tuple[Agreement | None, ...]
    agreed: tuple[AgreementFacts, ...]
    purposes: tuple[str, ...]
    withheld_refs: tuple[int, ...]
    vetoes: tuple[frozenset[NationId], ...]
    trusted: frozenset[NationId]

    def request(self, place: int, partner: NationId) -> Request:
        """Put the question of one object and one partner."""
        return Request(
            self.items[place],
            OWN,
            Recipient("nation", partner),
            partner in self.trusted,
            self.agreements[place],
            self.purposes[place],
            self.withheld_refs[place],
            partner in self.vetoes[place],
        )

    def judge(self, place: int, partner: NationId) -> Verdict:
        """Decide as `release.rules.judge` does, under the table of 40."""
        return Verdict(_JUDGE(facts_of(self.request(place, partner), AT, self.agreed[place])))


def build_world(seed: int, objects: int) -> World:
    """Draw objects of which most may go to most partners, as in a working alliance."""
    rnd = random.Random(seed)
    pool = [_agreement(rnd, number) for number in range(12)]
    items = tuple(_item(rnd, number) for number in range(objects))
    agreements = tuple(None if rnd.random() < 0.01 else rnd.choice(pool) for _ in items)
    purposes = tuple(PURPOSES[0] if rnd.random() < 0.9 else rnd.choice(PURPOSES) for _ in items)
    trusted = frozenset(partner for partner in PARTNERS_OF_OWN if rnd.random() < 0.95)
    vetoes = tuple(frozenset(rnd.sample(PARTNERS_OF_OWN, 3)) if rnd.random() < 0.02 else frozenset() for _ in items)
    refs = tuple(rnd.randint(1, 3) if rnd.random() < 0.02 else 0 for _ in items)
    world = World(items, agreements, (), purposes, refs, vetoes, trusted)
    directions = {
        id(agreement): {
            partner: agreement_facts(agreement, OWN, Recipient("nation", partner)) for partner in PARTNERS_OF_OWN
        }
        for agreement in {id(each): each for each in agreements}.values()
    }
    return replace(world, agreed=tuple(directions[id(each)] for each in agreements))


def _agreement(rnd: random.Random, number: int) -> Agreement:
    others = PARTNERS_OF_OWN if rnd.random() < 0.7 else rnd.sample(PARTNERS_OF_OWN, 30)
    parties = [OWN, *others]
    begins, ends = AT - timedelta(days=rnd.randint(1, 300)), AT + timedelta(days=rnd.choice([-1, 90, 300, 700]))
    document = Document(
        1,
        f"agreement--00000000-0000-4000-8000-{number:012d}",
        1,
        None,
        {"en": f"Joint defence {number}"},
        [Party(nation, "0" * 64, {"en": nation}) for nation in parties],
        Terms(
            kinds=["indicator", "malware", "sighting"],
            tlp_ceiling=rnd.choice(["TLP:GREEN", "TLP:AMBER", "TLP:AMBER", "TLP:AMBER+STRICT"]),
            pap_ceiling=rnd.choice(["PAP:AMBER", "PAP:RED"]),
            purposes=["defence", "warning"],
            onward=Onward("parties"),
            retention_days=90,
            lanes=["actual"],
        ),
        rfc3339(begins),
        rfc3339(ends),
    )
    return Agreement(document, Envelope("", b"", ()), frozenset(map(NationId, parties)), begins, ends)


def _item(rnd: random.Random, number: int) -> Item:
    own = rnd.random() < 0.7
    tlp = None if rnd.random() < 0.01 else rnd.choice([Tlp.CLEAR, Tlp.GREEN, Tlp.GREEN, Tlp.AMBER, Tlp.RED])
    return Item(
        f"indicator--{number}",
        "2026-11-23T11:00:00.000Z",
        KINDS[0] if rnd.random() < 0.9 else rnd.choice(KINDS),
        "0" * 64,
        tlp,
        rnd.choice([Pap.CLEAR, Pap.GREEN, Pap.GREEN, Pap.AMBER]),
        ACTUAL if rnd.random() < 0.97 else TEST,
        OWN if own else rnd.choice(PARTNERS_OF_OWN),
        () if own else (_carried(rnd),),
        frozenset(rnd.sample(PARTNERS_OF_OWN, 3)) if tlp is Tlp.RED else frozenset(),
        rnd.random() < 0.02,
    )


def _carried(rnd: random.Random) -> Carried:
    return Carried(
        NATIONS[1],
        Reference("agreement--1", 1, "0" * 64),
        rnd.choice([Tlp.CLEAR, Tlp.GREEN]),
        Pap.GREEN,
        frozenset({"defence"}),
        "parties",
        frozenset(rnd.sample(PARTNERS_OF_OWN, 50)),
        rnd.random() < 0.5,
        AT + timedelta(days=rnd.choice([-1, 30, 60])),
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
        case Holds(fact):
            return _term(fact)
        case Not(inner):
            return f"!({cedar_condition(inner)})"
        case AnyOf(conditions):
            return " || ".join(f"({cedar_condition(each)})" for each in conditions)


_CONSTANTS = {"tlp_red": "4", "pap_green": "1", "local_ceiling": "2", "lane_actual": '"actual"', "zero": "0"}
_OF_RECIPIENT = {"recipient": "code", "recipient_trusted": "trusted"}
_OF_REQUEST = frozenset({"at", "holder", "purpose"})
_OF_BOTH = {
    "onward_allowed": "resource.onward_parties.contains(principal.code)",
    "vetoed": "resource.vetoed_for.contains(principal.code)",
}


def _term(fact: Fact) -> str:
    name = fact.name
    if name in _CONSTANTS:
        return _CONSTANTS[name]
    if name in _OF_BOTH:
        return _OF_BOTH[name]
    if name in _OF_RECIPIENT:
        return f"principal.{_OF_RECIPIENT[name]}"
    if name in _OF_REQUEST:
        return f"context.{name}"
    return f"resource.{name}" if name not in _OF_AGREEMENT else f"resource.agreement.{_OF_AGREEMENT[name]}"


_OF_AGREEMENT = {
    "agreement_known": "known", "agreement_signed": "signed", "agreement_suspended": "suspended",
    **{name: name for name in (
        "not_before", "not_after", "parties", "kinds", "tlp_ceiling", "pap_ceiling", "purposes", "lanes")},
}  # fmt: skip


def cedar_policies(table: Sequence[Clause]) -> str:
    """Write the clause table as Cedar policies: all is permitted that no clause forbids."""
    forbidden = (
        f'@id("{clause.id}") forbid(principal, action, resource) unless {{ {cedar_condition(clause.condition)} }};'
        for clause in table
    )
    return "permit(principal, action, resource);\n" + "\n".join(forbidden)


class Cedar:
    """The peer: policies and entities parsed once, requests decided in batches."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._policies = cedarpy.PolicySet.from_str(cedar_policies(TABLE))
        agreements: dict[str, AgreementFacts] = {}
        names = []
        for agreement, agreed in zip(world.agreements, world.agreed, strict=True):
            names.append(agreement.document.id if agreement else "none")
            agreements[names[-1]] = agreed
        base = [_entity("Agreement", name, _agreement_attributes(name, it)) for name, it in agreements.items()]
        base += [
            _entity("Nation", partner, {"code": partner, "trusted": partner in world.trusted})
            for partner in PARTNERS_OF_OWN
        ]
        objects = [self._object(place, name) for place, name in enumerate(names)]
        self._entities = cedarpy.Entities.from_json_str(json.dumps(base + objects))

    def _object(self, place: int, agreement: str) -> dict[str, object]:
        world = self._world
        facts = facts_of(world.request(place, PARTNERS_OF_OWN[0]), AT, world.agreed[place])
        parties = [terms.onward_parties for terms in world.items[place].carried]
        names = (
            "kind", "labelled", "tlp", "pap", "lane_kind", "originator", "local_allowed", "carried_tlp",
            "carried_purposes", "delete_after", "named_recipients", "withdrawn", "withheld_refs",
        )  # fmt: skip
        attributes = {name: _plain(getattr(facts, name)) for name in names} | {
            "agreement": {"__entity": {"type": "Agreement", "id": agreement}},
            "onward_parties": sorted(frozenset.intersection(*parties)) if parties else [],
            "vetoed_for": sorted(world.vetoes[place]),
        }
        return _entity("Object", str(place), attributes)

    def decide(self, place: int) -> list[cedarpy.AuthzResult]:
        """Decide one object for all partners in one call."""
        resource = f'Object::"{place}"'
        context = {"at": _plain(AT), "holder": OWN, "purpose": self._world.purposes[place]}
        asked = {"action": 'Action::"release"', "resource": resource, "context": context}
        requests = [{"principal": f'Nation::"{partner}"', **asked} for partner in PARTNERS_OF_OWN]
        return cedarpy.is_authorized_batch(requests, self._policies, self._entities)


def _agreement_attributes(name: str, agreed: AgreementFacts) -> dict[str, object]:
    return {key: _plain(value) for key, value in msgspec.structs.asdict(agreed).items()} | {"known": name != "none"}


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
    for place in range(len(world.items)):
        for partner, result in zip(PARTNERS_OF_OWN, cedar.decide(place), strict=True):
            ours: tuple[Reason, ...] = world.judge(place, partner).reasons
            if {reason.code for reason in ours} != reasons_of(result):
                found.append(
                    f"{place} to {partner}: {[reason.code for reason in ours]} != {sorted(reasons_of(result))}"
                )
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
        "clauses": len(TABLE),
    }
    peer = {
        "us_per_decision": round(taken["cedar"] / decisions * 1e6, 3),
        "ratio": round(taken["cedar"] / taken["mithaq"], 2),
    }
    return Result(figures, runs, {"cedar": peer})
