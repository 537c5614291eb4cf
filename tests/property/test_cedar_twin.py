"""A second engine over the same table: Cedar decides every random case as the gate does, with the same reasons."""

import pytest

from benchmarks.judge import NATION_CLAUSES, PARTNERS, Cedar, build_world, disagreements

CASES = 100_000


@pytest.mark.deep
def test_cedar_gives_the_same_reasons_in_a_hundred_thousand_cases() -> None:
    compared, seen = 0, set()
    for seed in range(20):
        world = build_world(seed, 1 + CASES // (20 * PARTNERS))
        assert disagreements(world, Cedar(world)) == []
        compared += len(world.questions) * PARTNERS
        seen |= {reason.code for place in range(0, len(world.questions), 7) for partner in world.trusted
                 for reason in world.judge(place, partner).reasons}  # fmt: skip
    assert compared >= CASES
    assert len(seen) > len(NATION_CLAUSES) - 6, "nearly every clause refused something"
