"""The long storm of kills: several seeds, minutes each."""

from pathlib import Path

import pytest

from tests.campaign import demand_everything_once, settle, storm
from tests.coalition import running_coalition, stages_of

pytestmark = pytest.mark.deep


@pytest.mark.parametrize("seed", range(11, 16))
def test_nothing_acknowledged_is_lost_in_a_long_storm(tmp_path: Path, seed: int) -> None:
    with running_coalition(tmp_path / "coalition") as members, stages_of(members) as stages:
        feed, kills = storm(members, seed, seconds=90)
        assert kills > 30
        settle([stage.node for stage in stages], feed)
    with stages_of(members) as stages:
        demand_everything_once([stage.node for stage in stages], feed)
