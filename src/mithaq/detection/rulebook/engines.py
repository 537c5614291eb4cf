"""What is done with engines of Sigma rules: rules put and loaded, events asked. Heavy: pySigma and Hyperscan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mithaq.detection.rulebook.held import Change, Outcome
from mithaq.detection.rulebook.store import Facts
from mithaq.detection.sigma.engine import Matched, SigmaEngine
from mithaq.detection.sigma.errors import TooManyRules
from mithaq.detection.sigma.kinds import Asked, kinds_of
from mithaq.detection.sigma.model import fields_of
from mithaq.detection.sigma.numbering import GATES
from mithaq.kernel.reason import Reason
from mithaq.standards.sigma import LogSource, SigmaRule, read_rules

MAX_ANSWERS: Final = 20
_ANYTHING: Final = LogSource()
_NO_SOURCE: Final = Reason(
    "sigma-no-logsource",
    "it names no log source: every event of every sensor would be asked",
    remedy="name a product or a category under logsource",
)


@dataclass(frozen=True, slots=True)
class Found:
    """An event of a block that makes a rule true, and with which of its fields."""

    asked: Asked
    matched: Matched
    answers: tuple[tuple[str, str], ...]


def load_rules(engine: SigmaEngine, texts: Mapping[str, bytes]) -> dict[str, Reason]:
    """Replace all rules of an engine by these (text by key); return why some of them are not followed."""
    problems = {key: Reason(error.code, error.message, dict(error.params)) for key, error in engine.load(texts.items())}
    problems |= sourceless(engine, texts)
    for key in problems:
        engine.drop(key)
    return problems


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


def found_in(engine: SigmaEngine, asked: Asked, text: bytes) -> list[Found]:
    """Return what one event makes true, each indicator once: of a correlation and its rules, the correlation."""
    raw = text[slice(*asked.span)]
    matched = engine.match(asked.fields, raw, asked.sources, asked.at)
    if not matched:
        return []
    last = {each.key: each for each in matched}
    return [Found(asked, each, _answers(engine, each.key, asked, raw)) for each in last.values()]


def _answers(engine: SigmaEngine, key: str, asked: Asked, raw: bytes) -> tuple[tuple[str, str], ...]:
    """Return what answered the rule's questions; the channel and number of a Windows event come last."""
    reasons = engine.reasons(key, asked.fields, raw, asked.sources)
    return tuple(sorted(reasons, key=lambda reason: reason[0] in GATES))[:MAX_ANSWERS]
