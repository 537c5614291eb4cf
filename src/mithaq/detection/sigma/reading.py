"""Read a rule's YAML into the predicates and the condition that the engine indexes: pySigma with its pipelines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any as Anything
from typing import Final

from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.correlations import SigmaCorrelationCondition, SigmaCorrelationRule
from sigma.exceptions import SigmaError
from sigma.pipelines.sysmon.sysmon import sysmon_pipeline
from sigma.pipelines.windows.windows import windows_logsource_pipeline
from sigma.rule import SigmaRule as ParsedRule

from mithaq.detection.sigma import settings
from mithaq.detection.sigma.limits import check_detection
from mithaq.detection.sigma.model import All, Any, Condition, Correlation, Detection, Leaf, Not, Unit
from mithaq.detection.sigma.values import Predicates
from mithaq.standards.sigma import BadRule, LogSource, SigmaRule, read_rules

_WINDOWS: Final = "windows"
_TYPES: Final = frozenset({"event_count", "value_count", "temporal", "temporal_ordered"})
_FAILURES: Final = (SigmaError, ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError)
"""pySigma expects what its own tools read; a foreign rule may be of any shape."""


class UnitReader:
    """Read units; one for each thread, because a pipeline keeps state while it works."""

    def __init__(self) -> None:
        self._pipeline = sysmon_pipeline() + windows_logsource_pipeline()

    def read(self, text: bytes, name: str = "") -> Unit:
        """Return the unit in a file: one rule, or correlations and the rules beside them.

        Raises:
            BadRule: one of its rules cannot be followed, or there is more than one rule and no correlation.
        """
        rules = []
        for rule in read_rules(text, name):
            if isinstance(rule, BadRule):
                raise rule
            rules.append(rule)
        return self.unit_of(rules, name)

    def unit_of(self, rules: list[SigmaRule], name: str = "") -> Unit:
        """Return the unit of rules that were read already.

        Raises:
            BadRule: as `read` does.
        """
        correlated = [rule for rule in rules if rule.correlation]
        if not rules:
            raise BadRule("there is no rule in it", subject=name)
        if len(rules) > 1 and not correlated:
            raise BadRule("more than one rule, and no correlation of them: put each by itself", subject=rules[0].id)
        if len({rule.id for rule in rules}) < len(rules):
            raise BadRule("two rules with one id", subject=rules[0].id)
        correlations = tuple(_correlation(rule) for rule in correlated)
        detections = tuple(self._detection(rule) for rule in rules if not rule.correlation)
        aloud = {each for rule in correlated if _generates(rule) for each in _references(rule)}
        silent = tuple(each.id for each in detections if correlated and aloud.isdisjoint({each.id, each.name}))
        return Unit((correlated or rules)[-1].id, detections, correlations, silent)

    def _detection(self, rule: SigmaRule) -> Detection:
        check_detection(rule.fields["detection"], rule.id)
        predicates = Predicates(rule.id)
        try:
            parsed = ParsedRule.from_dict({key: rule.fields[key] for key in ("title", "logsource", "detection")})
            before = len(parsed.detection.detections)
            self._pipeline.apply(parsed)
            covered = len(parsed.detection.detections) > before
            conditions = [_condition(each.parse(), predicates) for each in parsed.detection.parsed_condition]
        except _FAILURES as error:
            if isinstance(error, BadRule):
                raise
            said = (str(error) or type(error).__name__).splitlines()[0]
            raise BadRule("cannot be read: %(problem)s", subject=rule.id, problem=said[:300]) from error
        condition = conditions[0] if len(conditions) == 1 else Any(tuple(conditions))
        return Detection(rule.id, rule.name, predicates.all(), condition, _route(rule.logsource, covered=covered))


def _route(source: LogSource, *, covered: bool) -> LogSource:
    """Return of which events to ask a rule; what a pipeline made a part of the condition is not asked twice."""
    return LogSource(_WINDOWS) if covered and source.product == _WINDOWS else source


def _condition(node: object, predicates: Predicates) -> Condition:
    match node:
        case ConditionAND():
            return _flat(All, [_condition(each, predicates) for each in node.args])
        case ConditionOR():
            return _flat(Any, [_condition(each, predicates) for each in node.args])
        case ConditionNOT():
            inner = _condition(node.args[0], predicates)
            return inner.of if isinstance(inner, Not) else Not(inner)
        case ConditionFieldEqualsValueExpression():
            return predicates.of_field(node.field, node.value)
        case ConditionValueExpression():
            return predicates.of_line(node.value)
        case _:
            raise predicates.bad("the condition refers to no selection")


def _flat(kind: type[All] | type[Any], of: list[Condition]) -> Condition:
    inner: list[Condition] = []
    for each in of:
        inner.extend(each.of if isinstance(each, kind) else [each])
    leaves = [each for each in inner if isinstance(each, Leaf)]
    unique = list(dict.fromkeys(leaves)) + [each for each in inner if not isinstance(each, Leaf)]
    return unique[0] if len(unique) == 1 else kind(tuple(unique))


def _generates(rule: SigmaRule) -> bool:
    return bool(rule.fields["correlation"].get("generate"))


def _references(rule: SigmaRule) -> list[str]:
    found = rule.fields["correlation"].get("rules")
    return [str(each) for each in (found if isinstance(found, list) else [found])]


def _correlation(rule: SigmaRule) -> Correlation:
    body: Mapping[str, Anything] = rule.fields["correlation"]
    kind = str(body.get("type"))
    if kind not in _TYPES:
        raise BadRule("correlations of the type %(type)s are not computed", subject=rule.id, type=kind[:40])
    try:
        parsed = SigmaCorrelationRule.from_dict({"title": rule.title, "correlation": dict(body)})
    except _FAILURES as error:
        said = (str(error) or type(error).__name__).splitlines()[0]
        raise BadRule("cannot be read: %(problem)s", subject=rule.id, problem=said[:300]) from error
    return _checked(rule, kind, parsed)


def _checked(rule: SigmaRule, kind: str, parsed: SigmaCorrelationRule) -> Correlation:
    condition = parsed.condition
    if not isinstance(condition, SigmaCorrelationCondition):
        raise BadRule("a condition written as text is not computed: name the rules and a count", subject=rule.id)
    if parsed.timespan.seconds > settings.MAX_TIMESPAN_S:
        raise BadRule("a timespan longer than %(max)s seconds", subject=rule.id, max=settings.MAX_TIMESPAN_S)
    if condition.count > settings.MAX_GROUP_EVENTS:
        raise BadRule("a count larger than %(max)s", subject=rule.id, max=settings.MAX_GROUP_EVENTS)
    counted = condition.fieldref if isinstance(condition.fieldref, list) else [condition.fieldref]
    references = tuple(dict.fromkeys(str(each.reference) for each in parsed.rules or ()))
    if not references:
        raise BadRule("a correlation of no rules", subject=rule.id)
    if len(references) > settings.MAX_SELECTIONS:
        raise BadRule("a correlation of more than %(max)s rules", subject=rule.id, max=settings.MAX_SELECTIONS)
    return Correlation(
        id=rule.id,
        name=rule.name,
        type=kind,  # type: ignore[arg-type]
        rules=references,
        group_by=tuple(parsed.group_by or ()),
        timespan_s=parsed.timespan.seconds,
        operator=condition.op.name.lower(),  # type: ignore[arg-type]
        count=condition.count,
        counted=tuple(str(each) for each in counted if each is not None),
        aliases={
            alias.alias: {reference.reference: str(field) for reference, field in alias.mapping.items()}
            for alias in parsed.aliases
        },
    )
