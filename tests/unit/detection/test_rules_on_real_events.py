"""Real rules on real events through a real detector: live and in retrospect, the hits of the obvious reading."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec
import pytest
import yaml

from mithaq.detection.sigma.events import Event, read_events
from mithaq.detection.sigma.fields import flatten
from mithaq.kernel.database import Database
from mithaq.standards.sigma import likely_rule_id
from tests.databases import ready_sqlite
from tests.sigma_data import rule_texts, unpacked, windows_lines
from tests.sigma_oracle import Oracle
from tests.unit.detection.test_rulebook import sealed, sigma
from tests.unit.detection.worlds import Bench

_CASES, _LINES_A_SET = 25, 2


Replayed = tuple[dict[str, bytes], list[bytes], set[tuple[str, bytes]]]


@pytest.fixture(scope="module")
def replayed(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Replayed:
    """Return rules that have a regression case, lines of the cases and of every set of events, and the hits."""
    into = tmp_path_factory.mktemp("sigma")
    unpacked(data_dir, "sigma-rules.tar.gz", into)
    folder = unpacked(data_dir, "sigma-regression-given.tar.gz", into)
    known = {likely_rule_id(text): text for text in rule_texts(folder).values()}
    drawn = random.Random(3)
    cases = [yaml.safe_load(path.read_text()) for path in sorted(folder.glob("regression_data/**/info.yml"))]
    tests = [
        (case["rule_metadata"][0]["id"], folder / test["path"])
        for case in cases
        for test in case.get("regression_tests_info") or ()
        if test["type"] == "evtx"
    ]
    chosen = drawn.sample(tests, _CASES)
    lines = [b"".join(each.raw.split(b"\n")) for _, path in chosen for each in read_events(path) if _is_event(each)]
    lines += [line for _, some in windows_lines(data_dir) for line in drawn.sample(some[:-3], _LINES_A_SET)]
    rules = {rule: known[rule] for rule, _ in chosen}
    return rules, list(dict.fromkeys(lines)), _expected(rules, lines)


def _is_event(each: object) -> bool:
    return isinstance(each, Event)


def _expected(rules: dict[str, bytes], lines: Sequence[bytes]) -> set[tuple[str, bytes]]:
    oracles = [Oracle(text) for text in rules.values()]
    read = [(line, flatten(msgspec.json.decode(line))[0]) for line in lines]
    return {(oracle.id, line) for oracle in oracles for line, fields in read if oracle.matches(fields, line)}


@pytest.mark.parametrize("when", ["live", "unsealed", "sealed", "live after a crash"])
def test_the_hits_are_those_of_the_obvious_reading(replayed: Replayed, tmp_path: Path, at: datetime, when: str) -> None:
    texts, lines, expected = replayed
    bench = Bench(Database.open(ready_sqlite(tmp_path / "node.db")), tmp_path, at)
    bench.source()
    bench.start()
    held = {rule: sigma(text, at) for rule, text in texts.items()}
    if when.startswith("live"):
        bench.store(*held.values())
        bench.settle()
    if when == "live after a crash":
        bench.crash()
    bench.telemetry.push("zeek", b"\n".join(lines))
    bench.settle()
    if when == "sealed":
        sealed(bench)
    bench.store(*held.values())
    bench.settle()
    names = {each.stix.id: rule for rule, each in held.items()}
    hits = bench.hits()
    assert {(names[hit.indicator_id], hit.raw) for hit in hits} == expected
    assert len(hits) > _CASES
    assert all(hit.retro is not when.startswith("live") for hit in hits)
    bench.detector.close()
    bench.db.close()
