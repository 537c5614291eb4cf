"""Say what a rule asks, and what this node cannot do of it, before anybody relies on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mithaq.detection.sigma.model import fields_of
from mithaq.detection.sigma.reading import UnitReader
from mithaq.kernel.reason import Reason
from mithaq.standards.sigma import BadRule, SigmaRule, read_rules


@dataclass(frozen=True, slots=True)
class Checked:
    """One rule as a person looks at it; `problem` where it cannot be followed."""

    id: str
    title: str = ""
    level: str = ""
    techniques: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    problem: Reason | None = None


def check_rules(files: Iterable[tuple[str, bytes]]) -> Iterator[Checked]:
    """Yield each rule of files (name and bytes), those that cannot be read too."""
    reader = UnitReader()
    for name, body in files:
        for each in read_rules(body, name):
            yield _refused(each) if isinstance(each, BadRule) else _checked(reader, each)


def units_of(files: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """Yield the key and the text of each unit: a file with a correlation as a whole, else each rule by itself."""
    for name, body in files:
        found = list(read_rules(body, name))
        rules = [each for each in found if isinstance(each, SigmaRule)]
        if any(rule.correlation for rule in rules) or len(found) == 1:
            yield (rules[-1].id if rules else name), body
            continue
        for rule in rules:
            yield rule.id, rule.text


def _checked(reader: UnitReader, rule: SigmaRule) -> Checked:
    try:
        unit = reader.unit_of([rule])
    except BadRule as error:
        return _refused(error, rule)
    fields = dict.fromkeys(field for detection in unit.detections for field in fields_of(detection))
    return Checked(rule.id, rule.title, rule.level, rule.techniques, tuple(fields))


def _refused(error: BadRule, rule: SigmaRule | None = None) -> Checked:
    problem = Reason(error.code, error.message, dict(error.params))
    if rule is None:
        return Checked(error.subject, problem=problem)
    return Checked(rule.id, rule.title, rule.level, rule.techniques, problem=problem)
