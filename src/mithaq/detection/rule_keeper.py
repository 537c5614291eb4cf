"""Put Sigma rules into the engines beside the detector's work, in a thread of its own: matching never waits for it.

Compiling is Hyperscan's, which lets other threads go on meanwhile. What was put is taken by the detector, which then
knows that the rule is live.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Final

from mithaq.detection.rule_store import Facts
from mithaq.detection.sigma.engine import SigmaEngine
from mithaq.detection.sigma.errors import TooManyRules
from mithaq.detection.sigma.kinds import kinds_of
from mithaq.detection.sigma.model import fields_of
from mithaq.detection.sigma.tier import GATES
from mithaq.kernel.lane import Lane
from mithaq.kernel.reason import Reason
from mithaq.standards.sigma import LogSource, SigmaRule, read_rules

_log = logging.getLogger(__name__)
AT_ONCE: Final = 64
"""Rules that become live together, so that the first of thousands need not wait for the last."""

MERGE_FROM: Final = 100
"""So many rules beside the large index are worth making it anew."""

_ANYTHING: Final = LogSource()
_NO_SOURCE: Final = Reason(
    "sigma-no-logsource",
    "it names no log source: every event of every sensor would be asked",
    remedy="name a product or a category under logsource",
)


@dataclass(frozen=True, slots=True)
class HeldRule:
    """One version of an indicator that is a Sigma rule; `text` may hold a correlation and its rules."""

    row: int
    indicator_id: str
    lane: Lane
    modified: datetime
    text: bytes
    valid_from: datetime | None
    valid_until: datetime | None


@dataclass(frozen=True, slots=True)
class Change:
    """What is to stand under an indicator's id: this version, or nothing any more."""

    lane: Lane
    indicator_id: str
    held: HeldRule | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a change: it is in force, or the rule cannot be followed."""

    change: Change
    facts: Facts = field(default_factory=Facts)
    problem: Reason | None = None


class RuleKeeper:
    """Apply changes to engines one after the other; the thread begins with the first of them.

    `engine_of` gives a lane's engine; `news` is called from the thread when there is something to take.
    """

    def __init__(self, engine_of: Callable[[Lane], SigmaEngine], news: Callable[[], None]) -> None:
        self._engine_of = engine_of
        self._news = news
        self._changed = threading.Condition()
        self._waiting: deque[Change] = deque()
        self._merging: dict[Lane, None] = {}
        self._done: list[Outcome] = []
        self._working = False
        self._stopping = False
        self._failure: Exception | None = None
        self._thread: threading.Thread | None = None

    def ask(self, changes: Sequence[Change]) -> None:
        """Apply these changes as soon as those before them are."""
        if changes:
            with self._changed:
                self._waiting.extend(changes)
                self._begin()

    def merge(self, lane: Lane) -> None:
        """Make one index of a lane's rules, and keep it for the next process, once nothing else waits."""
        with self._changed:
            self._merging[lane] = None
            self._begin()

    def take(self) -> list[Outcome]:
        """Return what has come into force since the last call, in order.

        Raises:
            Exception: the thread ended with it; no rule comes into force any more.
        """
        with self._changed:
            if self._failure is not None:
                raise self._failure
            done, self._done = self._done, []
            return done

    def is_busy(self) -> bool:
        """Tell whether a change is not in force yet, or was not taken."""
        with self._changed:
            return self._failure is not None or bool(self._waiting or self._done) or self._working

    def wait(self, timeout_s: float) -> bool:
        """Wait until every change is in force; False where it takes longer."""
        with self._changed:
            return self._changed.wait_for(lambda: not (self._waiting or self._working), timeout_s)

    def close(self) -> None:
        """Begin nothing more; an index that is being made is left unfinished when the process ends."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def _begin(self) -> None:
        self._changed.notify_all()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="sigma rules", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        try:
            while (work := self._next()) is not None:
                if isinstance(work, Lane):
                    self._merge(work)
                else:
                    self._tell([each for lane, part in work for each in put(self._engine_of(lane), part)])
        except Exception as error:  # noqa: BLE001 - the boundary of the thread: the detector ends with it
            with self._changed:
                self._failure, self._working = error, False
                self._changed.notify_all()
            self._news()

    def _next(self) -> list[tuple[Lane, list[Change]]] | Lane | None:
        with self._changed:
            self._changed.wait_for(lambda: bool(self._stopping or self._waiting or self._merging))
            if self._stopping:
                return None
            if not self._waiting:
                lane = next(iter(self._merging))
                del self._merging[lane]
                return lane
            self._working = True
            part = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
            return [(lane, list(each)) for lane, each in groupby(part, lambda change: change.lane)]

    def _tell(self, outcomes: Sequence[Outcome]) -> None:
        with self._changed:
            self._done += outcomes
            self._working = False
            for lane in {each.change.lane for each in outcomes}:
                if self._engine_of(lane).beside >= MERGE_FROM:
                    self._merging[lane] = None
            self._changed.notify_all()
        self._news()

    def _merge(self, lane: Lane) -> None:
        try:
            self._engine_of(lane).merge()
        except OSError as error:  # a full disk: matching goes on, and the next process compiles anew
            _log.warning("the index of Sigma rules cannot be kept: %s", error)


def put(engine: SigmaEngine, changes: Sequence[Change]) -> list[Outcome]:
    """Let these changes stand in an engine; return what became of each, the last change of an indicator counting."""
    last = {change.indicator_id: change for change in changes}
    wanted = {key: change.held.text for key, change in last.items() if change.held is not None}
    for key in last.keys() - wanted.keys():
        engine.drop(key)
    try:
        refused = dict(engine.put_all(wanted.items()))
    except TooManyRules as error:
        problems = dict.fromkeys(wanted, Reason(error.code, error.message, dict(error.params)))
    else:
        problems = {key: Reason(error.code, error.message, dict(error.params)) for key, error in refused.items()}
    problems |= sourceless(engine, wanted)
    for key in problems:
        engine.drop(key)
    return [outcome_of(engine, change, problems.get(change.indicator_id)) for change in changes]


def outcome_of(engine: SigmaEngine, change: Change, problem: Reason | None) -> Outcome:
    """Return what became of a change, with what its rule says of itself where it is in force."""
    unit = engine.unit(change.indicator_id)
    if change.held is None:
        return Outcome(change)
    rules = [each for each in read_rules(change.held.text) if isinstance(each, SigmaRule)]
    title, level = (rules[-1].title, rules[-1].level) if rules else ("", "")
    if unit is None:
        return Outcome(change, Facts(title, level), problem)
    fields = dict.fromkeys(name for each in unit.detections for name in fields_of(each) if name not in GATES)
    kinds = sorted(kinds_of(unit))
    return Outcome(change, Facts(title, level, tuple(kinds), tuple(fields), bool(unit.correlations)), problem)


def sourceless(engine: SigmaEngine, keys: Iterable[str]) -> dict[str, Reason]:
    """Return which of these units have a rule that names no log source, with the reason not to follow it."""
    units = ((key, engine.unit(key)) for key in keys)
    return {
        key: _NO_SOURCE
        for key, unit in units
        if unit is not None and any(each.route == _ANYTHING for each in unit.detections)
    }
