"""The table of the Sigma rules that the detector follows, or cannot: what they ask is worked out there once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, Connection, Table, Text, select

from mithaq.kernel.database import Json, Transaction, metadata, upsert
from mithaq.kernel.lane import Lane
from mithaq.kernel.reason import Reason

sigma_rules = Table(
    "sigma_rules",
    metadata,
    Column("lane", Text, primary_key=True),
    Column("indicator_id", Text, primary_key=True),
    Column("object_row", BigInteger, nullable=False),
    Column("facts", Json, nullable=False),
    Column("problem", Json),
)


class Facts(msgspec.Struct, frozen=True):
    """What a rule says of itself, the kinds of events that it is asked of, and the fields that it asks.

    `kinds`: a beginning of kinds ends in a dot; none where this node reads no such events. `correlates`: it counts
    events or puts them together.
    """

    title: str = ""
    level: str = ""
    kinds: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    correlates: bool = False


@dataclass(frozen=True, slots=True)
class RuleStatus:
    """One rule of a lane as the detector has it; `problem` says why it cannot be followed."""

    lane: Lane
    indicator_id: str
    object_row: int
    facts: Facts
    problem: Reason | None = None


def save_rules(tx: Transaction, rules: Iterable[RuleStatus]) -> None:
    """Insert or replace what is known of these rules."""
    rows = [
        {
            "lane": str(each.lane),
            "indicator_id": each.indicator_id,
            "object_row": each.object_row,
            "facts": msgspec.to_builtins(each.facts),
            "problem": None if each.problem is None else each.problem.as_json(),
        }
        for each in rules
    ]
    if rows:
        upsert(tx, sigma_rules, rows, keys=("lane", "indicator_id"), changed=("object_row", "facts", "problem"))


def forget_rules(tx: Transaction, rules: Sequence[tuple[Lane, str]]) -> None:
    """Remove rules that are followed no more."""
    for lane, indicator_id in rules:
        here = (sigma_rules.c.lane == str(lane), sigma_rules.c.indicator_id == indicator_id)
        tx.execute(sigma_rules.delete().where(*here))


def list_rules(connection: Connection, lane: Lane | None = None) -> list[RuleStatus]:
    """Return the rules of a lane, or all, as the detector has them."""
    query = select(sigma_rules).order_by(sigma_rules.c.lane, sigma_rules.c.indicator_id)
    if lane is not None:
        query = query.where(sigma_rules.c.lane == str(lane))
    return [_status(row) for row in connection.execute(query)]


def _status(row: Any) -> RuleStatus:
    return RuleStatus(
        lane=Lane(row.lane),
        indicator_id=row.indicator_id,
        object_row=row.object_row,
        facts=msgspec.convert(row.facts, Facts),
        problem=None if row.problem is None else Reason.of_json(row.problem),
    )
