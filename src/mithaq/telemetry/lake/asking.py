"""The answer to a question as one Ibis expression over the tables of sealed segments, for whatever engine has them.

What a person wrote is a literal of the expression, never a part of a query's text.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import ibis
from ibis import _

from mithaq.kernel.lane import Lane
from mithaq.telemetry.lake.columns import Holds
from mithaq.telemetry.lake.finding import Wanted
from mithaq.telemetry.lake.hunting import sights
from mithaq.telemetry.lake.layout import ORDERED, in_order
from mithaq.telemetry.lake.question import FIELDS, Condition, Operator, Question, range_of

SHOWN = ("event_id", "at", "source", "kind", "raw")
"""What an answer has of each event."""


def answer(events: Any, values: Any, question: Question, *, asked_at: datetime, limit: int) -> Any:
    """Return the newest events that a question seeks, at most `limit`; `values` may be None where it names no values.

    Shapes:
        events, values: Ibis tables as `layout.EVENTS` and `layout.VALUES` describe them.
    """
    found = events.filter(_.lane == question.lane)
    if question.sources:
        found = found.filter(_.source.isin(list(question.sources)))
    begins = question.begins(asked_at)
    if begins is not None:
        found = found.filter(_["at"] >= begins)
    if question.until is not None:
        found = found.filter(_["at"] < question.until)
    for condition in question.conditions:
        found = found.filter(holds(found, condition))
    if question.values:
        found = found.semi_join(_rows_with(values, question), ["segment", "row"])
    return found.order_by([ibis.desc("at"), "event_id"]).limit(limit).select(*SHOWN)


def holds(events: Any, condition: Condition) -> Any:
    """Return the condition as a truth of each row."""
    column = events[condition.field]
    match condition.operator:
        case Operator.THERE:
            return column.notnull()
        case Operator.ABSENT:
            return column.isnull()
        case Operator.IN_NETWORK:
            low, high = map(in_order, range_of(condition.value))
            ordered = events[ORDERED[condition.field]]
            return (ordered >= low) & (ordered <= high)
        case Operator.IS:
            return _is(column, condition)
        case Operator.IS_NOT:
            return ~_is(column, condition).fill_null(False)
        case Operator.AT_LEAST:
            return column >= int(condition.value)
        case Operator.AT_MOST:
            return column <= int(condition.value)
        case Operator.CONTAINS:
            return column.lower().contains(_lowered(condition))
        case Operator.BEGINS:
            return column.lower().startswith(_lowered(condition))
        case Operator.ENDS:
            return column.lower().endswith(_lowered(condition))


def _is(column: Any, condition: Condition) -> Any:
    match FIELDS[condition.field]:
        case Holds.NUMBER:
            return column == int(condition.value)
        case Holds.ADDRESSES | Holds.NAMES:
            return column.contains(condition.value)
        case Holds.ADDRESS:
            return column == condition.value
        case _:
            return column.lower() == _lowered(condition)


def _lowered(condition: Condition) -> Any:
    """Return the value in lower case as the engine itself makes it, so that both sides are folded alike."""
    return ibis.literal(condition.value).lower()


def _rows_with(values: Any, question: Question) -> Any:
    lane = Lane.parse(question.lane)
    wanted: Sequence[Wanted] = [Wanted(key, lane, each) for key, each in enumerate(question.observables())]
    return sights(values, wanted).select("segment", "row").distinct()
