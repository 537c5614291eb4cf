"""Events that together make a pattern true, found by joining everything with everything (STIX 2.1 §9.5)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from mithaq.detection.patterns.sequences import Seen, ending_with
from mithaq.standards.stix.tree import (
    Between,
    Either,
    Followed,
    Observation,
    Observing,
    Repeats,
    Together,
    Within,
    read_tree,
)

START = datetime(2026, 1, 1, tzinfo=UTC)


def ways(tree: Observing, seen: list[Seen]) -> Iterator[frozenset[int]]:
    """Yield every set of events that makes a pattern true."""
    match tree:
        case Observation(number):
            yield from (frozenset((place,)) for place, each in enumerate(seen) if number in each.numbers)
        case Either(parts):
            for part in parts:
                yield from ways(part, seen)
        case Together(parts):
            yield from joined(list(parts), seen, in_order=False)
        case Followed(parts):
            yield from joined(list(parts), seen, in_order=True)
        case Repeats(times, part):
            yield from joined([part] * times, seen, in_order=False)
        case Within(seconds, part):
            for way in ways(part, seen):
                times_ = [seen[place].at for place in way]
                if (max(times_) - min(times_)).total_seconds() <= seconds:
                    yield way
        case Between(start, stop, part):
            yield from (way for way in ways(part, seen) if all(start <= seen[place].at < stop for place in way))


def joined(parts: list[Observing], seen: list[Seen], *, in_order: bool) -> Iterator[frozenset[int]]:
    if not parts:
        yield frozenset()
        return
    for way in ways(parts[-1], seen):
        for rest in joined(parts[:-1], seen, in_order=in_order):
            after = not in_order or not rest or max(seen[p].at for p in rest) <= min(seen[p].at for p in way)
            if not rest & way and after:
                yield rest | way


def obvious(tree: Observing, seen: list[Seen]) -> bool:
    last = len(seen) - 1
    return any(last in way for way in ways(tree, seen))


_leaves = st.builds(Observation, st.integers(0, 2), st.none())
trees = st.recursive(
    _leaves,
    lambda part: st.one_of(
        st.builds(Together, st.lists(part, min_size=2, max_size=3).map(tuple)),
        st.builds(Followed, st.lists(part, min_size=2, max_size=3).map(tuple)),
        st.builds(Either, st.lists(part, min_size=2, max_size=2).map(tuple)),
        st.builds(Within, st.sampled_from([0.0, 2.0, 5.0]), part),
        st.builds(Repeats, st.integers(1, 3), part),
        st.builds(
            lambda start, length, part: Between(
                START + timedelta(seconds=start), START + timedelta(seconds=start + length), part
            ),
            st.integers(0, 4),
            st.integers(1, 9),
            part,
        ),
    ),
    max_leaves=4,
)
numbers = st.frozensets(st.integers(0, 2), min_size=1, max_size=3)
events = st.lists(st.tuples(st.integers(0, 9), numbers), min_size=1, max_size=6).map(
    lambda pairs: [
        Seen(START + timedelta(seconds=at), f"e{place}", found)
        for place, (at, found) in enumerate(sorted(pairs, key=lambda p: p[0]))
    ]
)


@settings(max_examples=400, deadline=None)
@given(trees, events)
def test_what_is_found_is_what_joining_everything_finds(tree: Observing, seen: list[Seen]) -> None:
    found = ending_with(tree, seen)
    assert (found is not None) == obvious(tree, seen)
    if found is not None:
        assert frozenset(found) in set(ways(tree, seen))
        assert found[-1] == len(seen) - 1


def test_many_events_cost_little_even_where_none_will_do() -> None:
    tree = read_tree("(([a:b = '1'] REPEATS 100 TIMES) AND ([a:b = '2'] FOLLOWEDBY [a:b = '3'])) WITHIN 90 SECONDS")
    seen = [Seen(START + timedelta(seconds=place), f"e{place}", frozenset({place % 2})) for place in range(256)]
    assert ending_with(tree, seen) is None
