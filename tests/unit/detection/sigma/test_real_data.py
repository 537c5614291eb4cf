"""Real rules on real events: every regression case, and the hits of the obvious reading."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest
import yaml

from mithaq.detection.sigma.engine import SigmaEngine
from mithaq.detection.sigma.events import Broken, read_events
from mithaq.detection.sigma.fields import flatten
from mithaq.standards.sigma import BadRule, SigmaRule, read_rule, read_rules
from tests.sigma_data import rule_texts, unpacked, windows_lines
from tests.sigma_oracle import Oracle


@pytest.fixture(scope="module")
def folder(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("sigma")
    unpacked(data_dir, "sigma-rules.tar.gz", into)
    return unpacked(data_dir, "sigma-regression-given.tar.gz", into)


@pytest.fixture(scope="module")
def rules(folder: Path) -> dict[str, bytes]:
    found = [each for text in rule_texts(folder).values() for each in read_rules(text)]
    return {each.id: each.text for each in found if isinstance(each, SigmaRule)}


def test_every_rule_of_sigmahq_is_read_and_every_limit_leaves_room(folder: Path) -> None:
    texts = rule_texts(folder)
    refused = [each for text in texts.values() for each in read_rules(text) if isinstance(each, BadRule)]
    assert len(texts) > 3_000
    assert refused == []


def test_every_regression_case_fires_its_rule(folder: Path, rules: dict[str, bytes]) -> None:
    """The official rule: at least as many events as the case says."""
    cases = [yaml.safe_load(path.read_text()) for path in sorted(folder.glob("regression_data/**/info.yml"))]
    tests = [
        (case["rule_metadata"][0]["id"], folder / test["path"], test.get("match_count", 1))
        for case in cases
        for test in case.get("regression_tests_info") or ()
        if test["type"] == "evtx"
    ]
    engine = SigmaEngine()
    assert engine.load([(rule, rules[rule]) for rule in {rule for rule, _, _ in tests}]) == []
    missed = []
    for rule, path, wanted in tests:
        events = list(read_events(path))
        assert not any(isinstance(event, Broken) for event in events)
        hits = sum(
            rule in {matched.rule for matched in engine.match(event.fields, event.raw, event.sources)}
            for event in events
            if not isinstance(event, Broken)
        )
        if hits < wanted:
            missed.append((rule, wanted, hits))
    assert len(tests) >= 100
    assert missed == []


def _disagreements(engine: SigmaEngine, oracles: list[Oracle], lines: list[bytes]) -> tuple[list[object], int]:
    different: list[object] = []
    hits = 0
    for line in lines:
        fields, sources = flatten(msgspec.json.decode(line))
        found = {matched.rule for matched in engine.match(fields, line, sources)}
        expected = {oracle.id for oracle in oracles if oracle.matches(fields, line)}
        hits += len(expected)
        if found != expected:
            different.append((sorted(found ^ expected), line[:300]))
    return different, hits


def test_the_hits_on_windows_events_are_those_of_the_obvious_reading(data_dir: Path, rules: dict[str, bytes]) -> None:
    drawn = random.Random(1)
    windows = sorted(rule for rule, text in rules.items() if read_rule(text).logsource.product == "windows")
    chosen = drawn.sample(windows, 120)
    engine = SigmaEngine()
    assert engine.load([(rule, rules[rule]) for rule in chosen]) == []
    lines = [line for _, all_lines in windows_lines(data_dir) for line in drawn.sample(all_lines[:-3], 5)]
    different, _ = _disagreements(engine, [Oracle(rules[rule]) for rule in chosen], lines)
    assert different == []


@pytest.mark.long
def test_all_windows_rules_hit_as_the_obvious_reading_says(data_dir: Path, rules: dict[str, bytes]) -> None:
    chosen = [rule for rule, text in rules.items() if read_rule(text).logsource.product == "windows"]
    engine = SigmaEngine()
    refused = engine.load([(rule, rules[rule]) for rule in chosen])
    oracles = [Oracle(rules[rule]) for rule in chosen if rule not in dict(refused)]
    drawn = random.Random(2)
    lines = [line for _, all_lines in windows_lines(data_dir) for line in drawn.sample(all_lines[:-3], 20)]
    different, hits = _disagreements(engine, oracles, lines)
    assert hits > 5
    assert different == []
