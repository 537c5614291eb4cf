"""The Sigma rules of the live detector: an engine a lane, asked of the lines that rules can concern.

A rule's key is its indicator's STIX id. What an event makes true is asked of the holdings at that instant: a version
that is not the newest standing one, or not valid, gives no match, whatever the engine still knows of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection

from mithaq.detection.model import Match, RuleSight
from mithaq.detection.rulebook import store as rule_store
from mithaq.detection.rulebook.held import SIGMA, Change, HeldRule, Outcome, index_folder, rule_of
from mithaq.detection.rulebook.keeper import MERGE_FROM, RuleKeeper
from mithaq.detection.rulebook.store import Facts, RuleStatus
from mithaq.detection.sigma.kinds import Concern
from mithaq.intelligence import watching
from mithaq.intelligence.service import Holdings
from mithaq.kernel.database import Transaction
from mithaq.kernel.lane import Lane
from mithaq.kernel.reason import Reason
from mithaq.standards.sigma import SigmaRule, read_rules
from mithaq.telemetry.blocks import Block
from mithaq.telemetry.model import Event

if TYPE_CHECKING:
    from mithaq.detection.rulebook.engines import Found
    from mithaq.detection.sigma.engine import SigmaEngine

_MAX_REMEMBERED: Final = 20_000
_LOADED_AT_ONCE: Final = 500

_Key = tuple[Lane, str]


@dataclass(slots=True)
class _LaneRules:
    """One lane's rules: the engine, made when the first is put, and what they say of themselves, by indicator."""

    engine: SigmaEngine | None = None
    facts: dict[str, Facts] = field(default_factory=dict)
    concern: Concern = field(default_factory=lambda: Concern(()))

    def learn(self, changed: Mapping[str, Facts | None]) -> None:
        for indicator_id, facts in changed.items():
            if facts is None:
                self.facts.pop(indicator_id, None)
            else:
                self.facts[indicator_id] = facts
        kinds = frozenset[str]().union(*(facts.kinds for facts in self.facts.values()))
        self.concern = Concern(kinds)


@dataclass(frozen=True, slots=True)
class _Unsaved:
    """What was found in lines whose effects are not committed yet: a correlation must not count them twice."""

    place: int
    length: int
    found: list[Found]


class Rulebook:
    """What Sigma rules this process follows, each lane for itself."""

    def __init__(self, holdings: Holdings, data: Path) -> None:
        self._holdings = holdings
        self._data = data
        self._lanes: dict[Lane, _LaneRules] = {}
        self._held: dict[_Key, HeldRule] = {}
        self._standing: dict[_Key, int | None] = {}
        self._unsaved: dict[str, _Unsaved] = {}
        self._told: dict[_Key, RuleStatus] = {}
        self.keeper = RuleKeeper(self._engine_of, self._wake)

    def load(self, connection: Connection, at: datetime) -> list[Outcome]:
        """Follow every rule that is active now, compiled as the process before left it; return what became of each."""
        outcomes: list[Outcome] = []
        told = {(each.lane, each.indicator_id): each for each in rule_store.list_rules(connection)}
        for lane, rules in self._active(connection, at).items():
            from mithaq.detection.rulebook.engines import load_rules, outcome_of

            engine = self._engine_of(lane)
            problems = load_rules(engine, {key: held.text for key, held in rules.items()})
            for key, held in rules.items():
                change, problem = Change(lane, key, held), problems.get(key)
                known = _as_told(told.get((lane, key)), change, problem)
                outcomes.append(known or outcome_of(engine, change, problem))
            if engine.beside >= MERGE_FROM:
                self.keeper.merge(lane)
        self._told = told
        self._apply(outcomes)
        return outcomes

    def untold(self, loaded: Iterable[Outcome]) -> list[Outcome]:
        """Return what became of rules that were loaded, as far as the table does not say it."""
        now = {(each.change.lane, each.change.indicator_id): each for each in loaded}
        gone = sorted(self._told.keys() - now.keys(), key=str)
        told, self._told = self._told, {}
        new = [each for key, each in now.items() if not _is_told(told.get(key), each)]
        return new + [Outcome(Change(lane, indicator_id, None)) for lane, indicator_id in gone]

    def refresh(self, connection: Connection, rows: Sequence[int], at: datetime) -> set[int]:
        """Begin to follow what these objects say now; return the rows of the rules that will be live soon."""
        changes: list[Change] = []
        for lane, stix_ids in watching.rules_among(connection, rows, SIGMA).items():
            newest = watching.newest_standing(connection, sorted(stix_ids), lane)
            stand = {each.stix.id: rule_of(each, at) for each in self._holdings.rows(connection, sorted(newest))}
            changes += [Change(lane, each, stand.get(each)) for each in sorted(stix_ids)]
            self._lane(lane)
        self.keeper.ask(changes)
        return {change.held.row for change in changes if change.held is not None} & set(rows)

    def forget(self) -> None:
        """Ask the holdings anew: something in them has changed."""
        self._standing.clear()

    def prune(self, connection: Connection, at: datetime) -> None:
        """Follow no more what is no longer held, and make the kept index anew without it."""
        active = {(lane, key) for lane, rules in self._active(connection, at).items() for key in rules}
        gone = sorted(self._held.keys() - active, key=str)
        self.keeper.ask([Change(lane, indicator_id, None) for lane, indicator_id in gone])
        for lane in {lane for lane, _ in gone}:
            self.keeper.merge(lane)

    def take(self) -> list[Outcome]:
        """Return what has come into force since the last call."""
        done = self.keeper.take()
        if done:
            self._apply(done)
        return done

    def found(self, block: Block) -> list[Found]:
        """Return what a block makes true; the same lines, should they come again, are not asked twice."""
        rules = self._lanes.get(block.source.lane)
        if rules is None or rules.engine is None or not rules.concern:
            return []
        from mithaq.detection.rulebook.engines import found_in

        before = self._unsaved.get(block.source.name)
        if before is not None and before.place != block.place:
            before = None
        asked_from = before.length if before is not None else 0
        found = list(before.found) if before is not None else []
        for asked in rules.concern.events(block):
            if asked.span[0] >= asked_from:
                found += found_in(rules.engine, asked, block.text)
        self._unsaved[block.source.name] = _Unsaved(block.place, len(block.text), found)
        return found

    def committed(self, source: str) -> None:
        """Move on: what was found of a source is in the database."""
        self._unsaved.pop(source, None)

    def matches(self, connection: Connection, block: Block, found: Sequence[Found], at: datetime) -> list[Match]:
        """Return what stands of what was found, each indicator once an event."""
        lane = block.source.lane
        self._ask(connection, lane, {each.matched.key for each in found})
        held = [self._held.get((lane, each.matched.key)) for each in found]
        standing = [
            (each, rule)
            for each, rule in zip(found, held, strict=True)
            if rule is not None and self._standing[lane, rule.indicator_id] == rule.row
        ]
        return matches_of(block, standing, at)

    def prime(self, lane: Lane, indicator_ids: Sequence[str], blocks: Iterable[Block]) -> None:
        """Let correlations see the lines before, which the process before has matched, without telling of them."""
        from mithaq.detection.sigma.engine import SigmaEngine

        rules = self._lanes[lane]
        texts = [(each, self._held[lane, each].text) for each in indicator_ids if (lane, each) in self._held]
        kinds = frozenset[str]().union(*(rules.facts[each].kinds for each, _ in texts))
        before, concern = SigmaEngine(), Concern(kinds)
        before.load(texts)
        for block in blocks:
            for asked in concern.events(block):
                before.match(asked.fields, block.text[slice(*asked.span)], asked.sources, asked.at)
        self._engine_of(lane).adopt(before)

    def correlating(self, outcomes: Iterable[Outcome]) -> dict[Lane, list[str]]:
        """Return which of the rules that came into force count events or put them together, by lane."""
        found: dict[Lane, list[str]] = defaultdict(list)
        for each in outcomes:
            if each.facts.correlates and each.problem is None:
                found[each.change.lane].append(each.change.indicator_id)
        return found

    def _active(self, connection: Connection, at: datetime) -> dict[Lane, dict[str, HeldRule]]:
        active: dict[Lane, dict[str, HeldRule]] = defaultdict(dict)
        rows = watching.every_rule(connection, SIGMA, at)
        for start in range(0, len(rows), _LOADED_AT_ONCE):
            for stored in self._holdings.rows(connection, rows[start : start + _LOADED_AT_ONCE]):
                held = rule_of(stored, at)
                if held is not None:
                    active[held.lane][held.indicator_id] = held
        return active

    def _apply(self, outcomes: Iterable[Outcome]) -> None:
        learnt: dict[Lane, dict[str, Facts | None]] = defaultdict(dict)
        for each in outcomes:
            lane, indicator_id, held = each.change.lane, each.change.indicator_id, each.change.held
            if held is None or each.problem is not None:
                self._held.pop((lane, indicator_id), None)
                learnt[lane][indicator_id] = None
            else:
                self._held[lane, indicator_id] = held
                learnt[lane][indicator_id] = each.facts
        for lane, changed in learnt.items():
            self._lane(lane).learn(changed)
        self.forget()

    def _ask(self, connection: Connection, lane: Lane, indicator_ids: set[str]) -> None:
        if len(self._standing) > _MAX_REMEMBERED:
            self.forget()
        unknown = sorted(each for each in indicator_ids if (lane, each) not in self._standing)
        if unknown:
            newest = watching.newest_standing(connection, unknown, lane)
            for each in unknown:
                held = self._held.get((lane, each))
                self._standing[lane, each] = held.row if held is not None and held.row in newest else None

    def _lane(self, lane: Lane) -> _LaneRules:
        if lane not in self._lanes:
            self._lanes[lane] = _LaneRules()
        return self._lanes[lane]

    def _engine_of(self, lane: Lane) -> SigmaEngine:
        """Return a lane's engine; the first call comes from `load` or from the keeper's thread."""
        from mithaq.detection.sigma.engine import SigmaEngine

        rules = self._lane(lane)
        if rules.engine is None:
            rules.engine = SigmaEngine(index_folder(self._data, lane))
        return rules.engine

    def _wake(self) -> None:
        waker = self._holdings.db.waker
        if waker is not None:
            waker.wake_own()


def matches_of(block: Block, standing: Sequence[tuple[Found, HeldRule]], at: datetime) -> list[Match]:
    """Return the matches of rules that stand and are valid at this instant."""
    valid = [(each, rule) for each, rule in standing if rule.is_valid(at)]
    spans = sorted({each.asked.span for each, _ in valid})
    events = dict(zip(spans, block.events_at(spans), strict=True))
    return [match_of(events[each.asked.span], each, rule) for each, rule in valid]


def match_of(event: Event, found: Found, rule: HeldRule) -> Match:
    """Return the match of a rule that an event makes true, with what a hit says of it."""
    title, level = _named(rule.text).get(found.matched.rule, ("", ""))
    sight = RuleSight(found.matched.rule, title, level, found.answers, found.matched.events)
    return Match(event, sight, rule.indicator)


@lru_cache(maxsize=1_000)
def _named(text: bytes) -> dict[str, tuple[str, str]]:
    rules = (each for each in read_rules(text) if isinstance(each, SigmaRule))
    return {rule.id: (rule.title, rule.level) for rule in rules}


def _as_told(told: RuleStatus | None, change: Change, problem: Reason | None) -> Outcome | None:
    """Return what the table says of a rule that was loaded, where it is of this version and nothing has changed."""
    if told is None or change.held is None or (told.object_row, told.problem) != (change.held.row, problem):
        return None
    return Outcome(change, told.facts, problem)


def _is_told(told: RuleStatus | None, outcome: Outcome) -> bool:
    held = outcome.change.held
    now = (held.row if held is not None else None, outcome.facts, outcome.problem)
    return told is not None and (told.object_row, told.facts, told.problem) == now


def save(tx: Transaction, outcomes: Iterable[Outcome]) -> None:
    """Write down what came into force and what cannot be followed."""
    last = {(each.change.lane, each.change.indicator_id): each for each in outcomes}
    gone = [key for key, each in last.items() if each.change.held is None]
    rule_store.forget_rules(tx, gone)
    rule_store.save_rules(
        tx,
        [
            RuleStatus(lane, indicator_id, each.change.held.row, each.facts, each.problem)
            for (lane, indicator_id), each in last.items()
            if each.change.held is not None
        ],
    )
