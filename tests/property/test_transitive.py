"""Does an object ever reach a nation that its originator did not allow, however it is passed on?

Every nation, two agreements, every ceiling, mode of passing on, number of hops and label, judged by the gate itself
(`judge`, `carried_terms`): what each nation that has the object would give to each other one, until nothing moves.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from itertools import combinations, product

import msgspec
import pytest

from mithaq.agreements.model import Agreement, Document, Party
from mithaq.agreements.terms import Onward, Terms
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from mithaq.kernel.signing import Envelope
from mithaq.release.facts import AgreementFacts, agreement_facts
from mithaq.release.model import Carried, Item, Recipient, Request
from mithaq.release.rules import carried_terms, judge
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp
from tests.strategies import INSTANT, NATIONS

A, B, C, D = NATIONS
MODES = ("none", "parties", "named")


@dataclass(frozen=True)
class World:
    """The label of an object of A, the agreement that it first leaves under, and another one."""

    tlp: Tlp
    first: Agreement
    other: Agreement


@cache
def agreement(number: int, parties: frozenset[NationId], ceiling: Tlp, mode: str, hops: int | None) -> Agreement:
    onward = Onward(mode, nations=[D] if mode == "named" else [], max_hops=hops)  # type: ignore[arg-type]
    terms = Terms(["indicator"], ceiling.label, "PAP:RED", ["defence"], onward, 90, ["actual"])  # type: ignore[arg-type]
    begins, ends = INSTANT - timedelta(days=1), INSTANT + timedelta(days=1)
    named = [Party(nation, "0" * 64, {"en": nation}) for nation in sorted(parties)]
    name = f"agreement--00000000-0000-4000-8000-{number:012d}"
    document = Document(1, name, 1, None, {"en": "x"}, named, terms, rfc3339(begins), rfc3339(ends))
    return Agreement(document, Envelope("", b"", ()), parties, begins, ends)


_FACTS: dict[tuple[int, NationId, NationId], AgreementFacts] = {}


def facts(name: Agreement, holder: NationId, recipient: NationId) -> AgreementFacts:
    key = (id(name), holder, recipient)  # `agreement` keeps every one alive
    if key not in _FACTS:
        _FACTS[key] = agreement_facts(name, holder, Recipient("nation", recipient))
    return _FACTS[key]


def worlds(
    groups: Sequence[frozenset[NationId]], ceilings: Sequence[Tlp], hops: Sequence[int | None]
) -> Iterator[World]:
    for one, two in product((each for each in groups if A in each), groups):
        for tlp, high, low, mode, other, most in product(Tlp, ceilings, ceilings, MODES, MODES, hops):
            if (mode == "named") <= (D not in one):
                yield World(tlp, agreement(1, one, high, mode, most), agreement(2, two, low, other, None))


GROUPS = tuple(frozenset(each) for many in (2, 3, 4) for each in combinations(NATIONS, many))


def reached(world: World, *, carrying: bool) -> dict[NationId, int]:
    """Return which nations get the object and through how many hands, all passing on whatever the gate lets pass.

    Not `carrying`: each holder acts as if the object were its own, judged under its own agreement alone.
    """
    start = Item("indicator--1", rfc3339(INSTANT), "indicator", "0" * 64, world.tlp, Pap.CLEAR, ACTUAL, A)
    seen = {(A, ()): 0}
    queue: list[tuple[NationId, tuple[Carried, ...], int]] = [(A, (), 0)]
    while queue:
        holder, carried, hands = queue.pop()
        for name in (world.first,) if holder == A else (world.first, world.other):
            originator = A if carrying or holder == A else holder
            item = msgspec.structs.replace(start, originator=originator, carried=carried if carrying else ())
            for recipient in NATIONS:
                asked = Request(item, holder, Recipient("nation", recipient), True, name, "defence", status_at=INSTANT)
                if not judge(asked, INSTANT, facts(name, holder, recipient)).allowed:
                    continue
                got = (carried_terms(item, name, holder, recipient, INSTANT),)
                key = (recipient, got if carrying else ())
                if key not in seen and hands < 5:
                    seen[key] = hands + 1
                    queue.append((recipient, got, hands + 1))
    nations: dict[NationId, int] = {}
    for (nation, _), hands in seen.items():
        nations[nation] = min(hands, nations.get(nation, hands))
    return nations


def allowed(world: World) -> frozenset[NationId]:
    """Whom the originator allowed, told without the gate: from the first agreement's text alone."""
    terms = world.first.document.terms
    if world.tlp > (Tlp.parse(terms.tlp_ceiling) or Tlp.CLEAR) or world.tlp is Tlp.RED:
        return frozenset({A})
    parties = frozenset(world.first.parties)
    return parties | frozenset(NationId(each) for each in terms.onward.nations)


def leaks(some: Iterator[World], *, carrying: bool) -> tuple[int, int]:
    count = found = 0
    for world in some:
        count += 1
        nations = reached(world, carrying=carrying)
        most = 1 + (world.first.document.terms.onward.max_hops or 9)
        found += not set(nations) <= allowed(world) or (carrying and max(nations.values()) > most)
    return count, found


def few() -> Iterator[World]:
    return worlds(GROUPS[::3], (Tlp.GREEN, Tlp.RED), (None, 1))


def test_no_object_reaches_a_nation_that_its_originator_did_not_allow() -> None:
    count, found = leaks(few(), carrying=True)
    assert count > 1_000
    assert found == 0


def test_without_the_originators_terms_the_same_worlds_leak() -> None:
    count, found = leaks(few(), carrying=False)
    assert found > count / 50


@pytest.mark.deep
def test_no_object_leaks_in_the_whole_product_of_worlds() -> None:
    count, found = leaks(worlds(GROUPS, (Tlp.CLEAR, Tlp.AMBER, Tlp.RED), (None, 1)), carrying=True)
    assert count > 40_000
    assert found == 0
