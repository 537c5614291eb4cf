"""Which fields the rules for a source's events ask, and these events do not have: such rules find nothing there.

What events have is known from the newest lines of a source, looked at now and then; with fewer than a hundred of a
kind nothing is said of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from mithaq.detection.rulebook import store as rule_store
from mithaq.detection.rulebook.store import RuleStatus
from mithaq.detection.sigma.fields import canonical_name
from mithaq.detection.sigma.kinds import is_among, sources_of
from mithaq.kernel.lane import Lane
from mithaq.telemetry import store as telemetry_store
from mithaq.telemetry.health import KindFields

_LEAST_LINES: Final = 100
_MAX_TOLD: Final = 20
_MAX_RULES: Final = 3
_WINDOWS: Final = "windows."


@dataclass(frozen=True, slots=True)
class MissingField:
    """A field that rules for events of a kind ask and these have not; `rules` are the titles of a few of them."""

    kind: str
    field: str
    count: int
    rules: tuple[str, ...]


def missing_fields(connection: Connection) -> dict[str, tuple[MissingField, ...]]:
    """Return for each source the fields that it lacks for rules, those that the most rules ask first."""
    rules: dict[Lane, list[RuleStatus]] = defaultdict(list)
    for each in rule_store.list_rules(connection):
        if each.problem is None:
            rules[each.lane].append(each)
    if not rules:
        return {}
    found: dict[str, tuple[MissingField, ...]] = {}
    for status in telemetry_store.list_sources(connection):
        looked, _ = telemetry_store.looked_of(connection, status.source.name)
        missing = lacking(looked.kinds, rules.get(status.source.lane, ()))
        if missing:
            found[status.source.name] = missing
    return found


def lacking(kinds: Mapping[str, KindFields], rules: Iterable[RuleStatus]) -> tuple[MissingField, ...]:
    """Return what events of these kinds lack of what the rules for them ask, the most wanted first. Pure."""
    held = list(rules)
    found = [
        MissingField(kind, name, len(titles), tuple(titles[:_MAX_RULES]))
        for kind, known in kinds.items()
        if known.lines >= _LEAST_LINES
        for name, titles in _asked_in_vain(kind, known, held).items()
    ]
    return tuple(sorted(found, key=lambda each: (-each.count, each.kind, each.field))[:_MAX_TOLD])


def _asked_in_vain(kind: str, known: KindFields, rules: Iterable[RuleStatus]) -> dict[str, list[str]]:
    present = _present(kind, known)
    asked: dict[str, list[str]] = defaultdict(list)
    for rule in rules:
        if is_among(kind, rule.facts.kinds):
            for name in rule.facts.fields:
                if canonical_name(name) not in present:
                    asked[name].append(rule.facts.title)
    return asked


def _present(kind: str, known: KindFields) -> set[str]:
    """Return the fields that events of a kind have, as rules name them."""
    if kind.startswith(_WINDOWS):  # the event's own data, however deep the shipper puts it
        return {canonical_name(path.rpartition(".")[2]) for path in known.counts}
    fields, _ = sources_of(kind, dict.fromkeys(known.counts, "there"))
    return {canonical_name(name) for name in fields}
