"""The conformance program against a real node, founded and run by the commands of the README."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.run import CASES, cases
from tests.running import RunningNode, founded, free_port, serving, until

pytestmark = pytest.mark.functional


def conformance(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "conformance", *arguments], capture_output=True, text=True, timeout=500
    )


@pytest.fixture(scope="module")
def partner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningNode, Path]]:
    """A node that has confirmed both played nations and signed their agreement, as an operator would."""
    folder = tmp_path_factory.mktemp("conformance")
    made = conformance("nations", str(folder / "nations"), "--port", str(free_port()))
    assert made.returncode == 0, made.stderr
    with serving(founded(folder)) as node:
        for line in made.stdout.splitlines():
            card, fingerprint = line.split("\t")
            node.run("partner", "add", card)
            node.run("partner", "confirm", Path(card).stem, "--fingerprint", fingerprint)
        drafted = conformance("agreement", str(folder / "nations"), "--card", str(node.root / "card.json"))
        assert drafted.returncode == 0, drafted.stderr
        (known,) = node.json("agreement", "import", drafted.stdout.strip())
        node.run("agreement", "sign", known["id"])
        yield node, folder / "nations"


def test_every_case_names_its_story_and_its_verdict() -> None:
    assert {path.parent.name for path in CASES.glob("*/case.toml")} == {case.name for case in cases()}
    assert len({case.what for case in cases()}) == len(cases())


@pytest.mark.long
def test_a_node_holds_every_case_and_keeps_nothing_that_it_refused(partner: tuple[RunningNode, Path]) -> None:
    node, folder = partner
    ran = conformance("run", str(folder), "--node", node.url, "--json")
    outcomes = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [each for each in outcomes if not each["passed"]] == [], node.log()
    assert len(outcomes) == len(cases())
    admitted = sum(case.expect == "admitted" for case in cases()) + len(cases())
    until(lambda: len(node.json("object", "search", "type:indicator", "--limit", "500")) == admitted, 10)
