"""Kill -9 at random instants: nothing acknowledged is lost and nothing is applied twice."""

from pathlib import Path

import pytest

from tests.campaign import demand_everything_once, settle, storm
from tests.coalition import running_coalition, stages_of

pytestmark = [pytest.mark.functional, pytest.mark.long]


def test_nothing_acknowledged_is_lost_and_nothing_is_done_twice(tmp_path: Path) -> None:
    with running_coalition(tmp_path / "coalition") as members, stages_of(members) as stages:
        feed, kills = storm(members, seed=2, seconds=10)
        assert kills >= 5
        assert len(feed.indicators) >= 5
        settle([stage.node for stage in stages], feed)
    with stages_of(members) as stages:
        nodes = [stage.node for stage in stages]
        demand_everything_once(nodes, feed)
        feed.events["XB"].append(b'{"query": "a line that was acknowledged and is nowhere"}')
        with pytest.raises(AssertionError, match="1 acknowledged lines are not in the lake"):
            demand_everything_once(nodes, feed)
