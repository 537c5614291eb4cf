"""A word is taken back through one door, which takes along what came by way of it."""

import re
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "mithaq"
DOOR = "exchange/recalling.py"
OF_OWN_MAKING = "exchange/protecting.py"
"""Protected versions are this nation's own and leave under its own name: nobody's word for one came over others."""


def test_nobody_goes_round_the_door() -> None:
    texts = {str(path.relative_to(SOURCE)): path.read_text("utf-8") for path in SOURCE.rglob("*.py")}
    found = {name for name, text in texts.items() if re.search(r"holdings\.withdraw\(", text)}
    assert found == {DOOR, OF_OWN_MAKING}
