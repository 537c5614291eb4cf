"""What made a hit, as columns of a table: an observable that was seen, or the rule that an event made true."""

from typing import Any, Final

from sqlalchemy import ColumnElement, Table, bindparam, select

from mithaq.detection.model import RuleSight, Sight
from mithaq.kernel.database import Transaction
from mithaq.standards.observable import Observable
from mithaq.standards.sigma import LEVELS

REDACTED: Final = "[erased]"
"""Stands where a hit named a value whose object was deleted."""
_OF_OBSERVABLES: Final = ("field", "seen_type", "seen_value", "matched_type", "matched_value")


def level_of(sight: Sight | RuleSight) -> int:
    """Return the place of a rule's level among Sigma's, or the place after all of them where there is none."""
    return LEVELS.index(sight.level) if sight.level in LEVELS else len(LEVELS)


def columns_of(sight: Sight | RuleSight) -> dict[str, Any]:
    """Return the columns; those of observables are empty for a rule, and `rule` is null for an observable."""
    if isinstance(sight, RuleSight):
        return {**dict.fromkeys(_OF_OBSERVABLES, ""), "rule": _rule(sight)}
    return {**seen_columns(sight), "rule": None}


def seen_columns(sight: Sight) -> dict[str, str]:
    """Return the columns of an observable that was seen, in a table that knows no rules."""
    return {
        "field": sight.field,
        "seen_type": sight.seen.type,
        "seen_value": sight.seen.value,
        "matched_type": sight.matched.type,
        "matched_value": sight.matched.value,
    }


def erased_columns(*, of_rule: bool) -> dict[str, Any]:
    """Return the columns that show values, without any."""
    if of_rule:
        return {"seen_value": "", "matched_value": "", "rule": _rule(RuleSight("", REDACTED, "", ()))}
    return {"seen_value": REDACTED, "matched_value": REDACTED}


def erase_seen(tx: Transaction, table: Table, here: ColumnElement[bool]) -> None:
    """Erase what was seen, in these rows of a table with such columns; what was looked for stays."""
    tx.execute(table.update().where(here, table.c.rule.is_(None)).values(seen_value=REDACTED))
    of_rules = tx.execute(select(table.c.row, table.c.rule).where(here, table.c.rule.is_not(None))).all()
    if of_rules:
        change = table.update().where(table.c.row == bindparam("of_row")).values(rule=bindparam("left"))
        tx.execute(change, [{"of_row": each.row, "left": {**each.rule, "answers": []}} for each in of_rules])


def sight_of(row: Any) -> Sight | RuleSight:
    """Return what a row's columns say."""
    if row.rule is None:
        return seen_in(row)
    told = row.rule
    answers = tuple((str(name), str(value)) for name, value in told["answers"])
    return RuleSight(told["id"], told["title"], told["level"], answers, told["events"])


def seen_in(row: Any) -> Sight:
    """Return the observable that a row's columns say was seen."""
    seen, matched = Observable(row.seen_type, row.seen_value), Observable(row.matched_type, row.matched_value)
    return Sight(row.field, seen, matched)


def _rule(sight: RuleSight) -> dict[str, Any]:
    return {
        "id": sight.rule_id,
        "title": sight.title,
        "level": sight.level,
        "answers": [list(each) for each in sight.answers],
        "events": sight.events,
    }
