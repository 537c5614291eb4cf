"""Withheld means invisible: two worlds that differ only in withheld objects give a partner the same.

The clock is an argument; the identifiers of releases come from a counter; keys are the same in both worlds. What is
random beyond that is the sealing and the hedged half of a signature, so the decrypted, verified documents are compared,
with the lengths of all frames, their numbers and the receipts.

An object that refers to a withheld one held here is withheld with it (`withheld-reference`), so the worlds differ in
it too: the partner gets neither. What stays is that a later version of an object that the partner has may be missing,
as it would be if it had never been written.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mithaq.exchange.orders import Orders
from mithaq.exchange.receipts import Receipts
from mithaq.exchange.receiving.service import Receiving
from mithaq.exchange.release_document import RELEASE_TYPE
from mithaq.intelligence.model import NewObject, Provenance
from mithaq.kernel.lane import ACTUAL, TEST, Lane
from mithaq.kernel.signing import verify
from mithaq.standards import stix
from mithaq.standards.pap import pap_of
from mithaq.standards.tlp import Tlp, tlp_of
from tests.country import Country, alliance, fetch, give_receipts, indicator
from tests.strategies import INSTANT
from tests.world import XA, XB, Treaty, keys_of

HIDDEN = ("above-ceiling", "unlabelled", "vetoed", "other-lane", "refers", "vetoed-late", "exercise-late", "big-late")
"""Why an object is withheld: `vetoed-late` and those after it were planned for the partner and refused at the fetch."""


QUICKLY = (Phase.explicit, Phase.reuse, Phase.generate)
"""A life takes a second, and the cases by name are small already: nothing is shrunk."""

LATE = HIDDEN[HIDDEN.index("vetoed-late") :]
LANES = {"other-lane": TEST, "exercise-late": Lane("exercise--11111111-1111-4111-8111-111111111111")}


@dataclass(frozen=True)
class Thing:
    """One object, and why it is withheld, or None."""

    number: int
    hidden: str | None = None


@dataclass(frozen=True)
class Bundle:
    """What is taken in at once, and whether the partner asks for releases afterwards."""

    things: tuple[Thing, ...]
    asks: bool


def body_of(thing: Thing) -> bytes:
    """Its bytes; what is withheld refers to the released objects before it, and `refers` to a withheld one."""
    changes: dict[str, Any] = {}
    match thing.hidden:
        case "above-ceiling":
            changes = {"tlp": Tlp.AMBER_STRICT}
        case "unlabelled":
            changes = {"object_marking_refs": []}
        case "refers":
            changes = {"x_seen_with_ref": "indicator--00000000-0000-4000-8000-000000000900"}
        case "big-late":
            changes = {"description": "x" * 1_500_000}
    return indicator(thing.number, **changes)


def store(country: Country, things: Sequence[Thing], at: datetime) -> None:
    """Take in a bundle, in one transaction."""
    new: list[NewObject] = []
    for thing in things:
        body = body_of(thing)
        parsed = stix.parse(body)
        tlp = tlp_of(parsed.object_marking_refs)
        tlp, pap = Tlp.RED if tlp is None else tlp, pap_of(parsed.labels)
        provenance = Provenance("own", country.nation, None, None, None, None, tlp, pap, {}, at)
        new.append(NewObject(body, parsed, LANES.get(thing.hidden or "", ACTUAL), provenance, None))
    with country.db.write(at) as tx:
        report = country.context.holdings.store(tx, new)
    assert not report.refused


def veto(country: Country, thing: Thing, at: datetime) -> None:
    Orders(country.context).veto(stix.parse(body_of(thing)).id, None, at=at, actor="person--director")


def seen_by_partner(bundles: Sequence[Bundle]) -> list[Any]:
    """Live through one world and return everything that the partner got, and what it answered."""
    at = INSTANT
    treaty = Treaty(at, (XA, XB))
    with tempfile.TemporaryDirectory() as folder:
        sender, partner = alliance(Path(folder), (XA, XB), at, treaty)
        sender.context = replace(sender.context, ids=counted())
        sender.order(treaty, at)
        sender.plan(at)
        got: list[Any] = []
        for bundle in bundles:
            for thing in bundle.things:
                if thing.hidden == "vetoed":
                    veto(sender, thing, at)
            store(sender, bundle.things, at)
            sender.plan(at)
            for thing in bundle.things:
                if thing.hidden in LATE:
                    veto(sender, thing, at)
            got += ask(sender, partner, at) if bundle.asks else []
        return got + ask(sender, partner, at)


def counted() -> Callable[[str], str]:
    """A source of identifiers that draws the same ones in every world."""
    numbers = count(1)
    return lambda kind: f"{kind}--00000000-0000-4000-8000-{next(numbers):012d}"


def ask(sender: Country, partner: Country, at: datetime) -> list[Any]:
    """Fetch until nothing comes; return what is inside each frame, its length and number, and the receipts."""
    got: list[Any] = []
    while frames := fetch(sender, partner, at):
        for frame in frames:
            envelope, _ = frame.open(partner.context.signer)
            document = verify(envelope, keys_of(XA).signing.verify_key, RELEASE_TYPE, subject="release")
            outcome = Receiving(partner.context).take(sender.nation, frame, at)
            got.append((document, len(frame.sealed), len(frame.header_bytes), frame.header.sequence, outcome))
        owed = Receipts(partner.context).due(sender.nation)
        got += [(each.release_id, each.sequence, each.outcome, each.refused) for each in owed]
        give_receipts(sender, partner, at)
    return got


@st.composite
def lives(draw: st.DrawFn) -> list[Bundle]:
    """Up to four bundles of released and withheld objects; one that others refer to may be held and withheld."""
    kinds = st.none() | st.none() | st.sampled_from(HIDDEN)
    drawn = draw(st.lists(st.tuples(st.lists(kinds, min_size=1, max_size=4), st.booleans()), min_size=1, max_size=4))
    numbers = count(1)
    bundles = [Bundle(tuple(Thing(next(numbers), hidden) for hidden in each), asks) for each, asks in drawn]
    if any(thing.hidden == "refers" for bundle in bundles for thing in bundle.things):
        bundles.insert(0, Bundle((Thing(900, "unlabelled"),), False))
    return bundles


def without_withheld(bundles: Sequence[Bundle]) -> list[Bundle]:
    """The world in which what is withheld never was; the partner asks at the same instants."""
    return [Bundle(tuple(each for each in bundle.things if each.hidden is None), bundle.asks) for bundle in bundles]


@settings(max_examples=5, deadline=None, phases=QUICKLY, suppress_health_check=[HealthCheck.too_slow])
@given(lives())
def test_two_worlds_that_differ_in_what_is_withheld_are_one_world_to_a_partner(bundles: list[Bundle]) -> None:
    assert seen_by_partner(bundles) == seen_by_partner(without_withheld(bundles))


@pytest.mark.deep
@settings(max_examples=150, deadline=None, phases=QUICKLY, suppress_health_check=[HealthCheck.too_slow])
@given(lives())
def test_many_pairs_of_worlds_are_one_world_to_a_partner(bundles: list[Bundle]) -> None:
    assert seen_by_partner(bundles) == seen_by_partner(without_withheld(bundles))


@pytest.mark.parametrize("hidden", HIDDEN)
def test_what_is_withheld_leaves_no_trace_wherever_it_stands(hidden: str) -> None:
    """Before, between and after what is released: in one bundle with it, and each alone."""
    referred = Bundle((Thing(900, "unlabelled"),), False)
    row = [Thing(1, hidden), Thing(2), Thing(3, hidden), Thing(4, hidden), Thing(5), Thing(6, hidden)]
    together = [referred, Bundle(tuple(row), True)]
    apart = [referred, *(Bundle((each,), each.number % 3 == 0) for each in row)]
    for bundles in (together, apart):
        seen = seen_by_partner(bundles)
        assert seen, "the partner gets what is not withheld"
        assert seen == seen_by_partner(without_withheld(bundles))


def test_the_comparison_notices_an_object_more() -> None:
    few = [Bundle((Thing(1),), True)]
    assert seen_by_partner(few) != seen_by_partner([*few, Bundle((Thing(2),), False)])
