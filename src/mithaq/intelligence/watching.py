"""What the sensors are to look for: the observables of the indicators that are active, and whose they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, cast

from sqlalchemy import Connection, Select, bindparam, select, tuple_

from mithaq.intelligence import reading
from mithaq.intelligence.model import StoredObject
from mithaq.intelligence.tables import anchors, objects, observables
from mithaq.intelligence.tokens import index_key
from mithaq.kernel.database import EPOCH
from mithaq.kernel.lane import Lane
from mithaq.kernel.reason import Reason
from mithaq.standards.observable import Observable, ObservableType
from mithaq.standards.stix import Plan, StixObject, plan_of

_PAGE: Final = 10_000
_KEYS_A_QUERY: Final = 200
_EVERY: Final = (
    select(objects.c.row, objects.c.lane, observables.c.type, observables.c.key)
    .join(objects, objects.c.row == observables.c.object)
    .where(observables.c.sufficient, *reading.ACTIVE)
)
_NAMED: Final = (
    select(observables.c.type, observables.c.key, objects.c.row, objects.c.stix_id)
    .join(objects, objects.c.row == observables.c.object)
    .where(
        tuple_(observables.c.type, observables.c.key).in_(bindparam("keys", expanding=True)),
        observables.c.sufficient,
        objects.c.lane == bindparam("lane"),
        *reading.ACTIVE,
    )
)
_RULES: Final = select(
    objects.c.row, objects.c.stix_id, objects.c.lane, objects.c.modified, objects.c.revoked, objects.c.valid_until
).where(objects.c.pattern_type == bindparam("pattern_type"), objects.c.stands)
_RULES_AMONG: Final = select(objects.c.stix_id, objects.c.lane).where(
    objects.c.row.in_(bindparam("rows", expanding=True)), objects.c.pattern_type == bindparam("pattern_type")
)
_EVERY_ANCHOR: Final = (
    select(objects.c.row, objects.c.lane, anchors.c.type, anchors.c.key)
    .join(objects, objects.c.row == anchors.c.object)
    .where(*reading.IN_FORCE)
)
_ANCHORED: Final = (
    select(anchors.c.type, anchors.c.key, objects.c.row, objects.c.stix_id)
    .join(objects, objects.c.row == anchors.c.object)
    .where(
        tuple_(anchors.c.type, anchors.c.key).in_(bindparam("keys", expanding=True)),
        objects.c.lane == bindparam("lane"),
        *reading.IN_FORCE,
    )
)
_ROWS_WITH_ANCHORS: Final = (
    select(objects.c.row).where(objects.c.row.in_(select(anchors.c.object)), *reading.IN_FORCE).order_by(objects.c.row)
)
_STANDING: Final = select(objects.c.row, objects.c.stix_id, objects.c.modified).where(
    objects.c.stix_id.in_(bindparam("ids", expanding=True)), objects.c.lane == bindparam("lane"), objects.c.stands
)


def standing_rules(connection: Connection, rows: Sequence[int], pattern_type: str) -> Iterator[StoredObject]:
    """Yield those of these objects that are rules of a language, stand, and are the newest of their versions."""
    found: dict[Lane, list[StoredObject]] = defaultdict(list)
    for stored in reading.by_rows(connection, rows):
        stix = stored.stix
        is_rule = stix.type == "indicator" and stix.pattern_type == pattern_type
        if is_rule and stored.stands and not stix.revoked and stored.made_for is None:
            found[stored.lane].append(stored)
    for lane, of_lane in found.items():
        newest = _newest(connection, sorted({stored.stix.id for stored in of_lane}), lane)
        yield from (stored for stored in of_lane if stored.row in newest)


How = Literal["values", "pattern", "together", "not"]


@dataclass(frozen=True, slots=True)
class Looked:
    """How an indicator is looked for, and why parts of it, or all, are not.

    `how`: by each of its values, by its whole pattern in one event, by events that make it true together, or not.
    """

    how: How
    left_out: tuple[Reason, ...] = ()


def looked_at(stix: StixObject) -> Looked | None:
    """Say how sensors look for an indicator; None for what has no STIX pattern."""
    if stix.type != "indicator" or stix.pattern_type not in {"", "stix"}:
        return None
    plan = plan_of(stix.pattern)
    if isinstance(plan, Plan):
        return Looked("pattern" if plan.is_one else "together", plan.left_out)
    if stix.observables:
        return Looked("values", () if plan is None else (plan,))
    return Looked("not", () if plan is None else (plan,))


def every_observable(connection: Connection, at: datetime) -> Iterator[tuple[Lane, Observable]]:
    """Yield every observable that alone makes an active indicator true, with the indicator's lane."""
    return _every(connection, _EVERY, at, lambda stored: stored.stix.observables)


def every_anchor(connection: Connection, at: datetime) -> Iterator[tuple[Lane, Observable]]:
    """Yield everything by which lines are found that may satisfy an indicator's whole pattern, with its lane."""
    return _every(connection, _EVERY_ANCHOR, at, lambda stored: stored.stix.anchors)


def rows_with_anchors(connection: Connection, at: datetime) -> list[int]:
    """Return the rows of the indicators in force whose whole pattern is judged."""
    return list(connection.scalars(_ROWS_WITH_ANCHORS, {"at": at}))


def looked_for(
    connection: Connection, wanted: Iterable[Observable], lane: Lane, at: datetime, *, anchored: bool = True
) -> dict[Observable, list[int]]:
    """Return, for each of these, the rows of the active indicators that it makes true, or whose pattern it anchors.

    Of an indicator its newest version that stands counts, and no other. `anchored`: False where the caller knows that
    nothing of the lane has an anchor.
    """
    keys = {(item.type, index_key(item)): item for item in wanted}
    named: dict[Observable, list[Any]] = defaultdict(list)
    asked = list(keys)
    for start in range(0, len(asked), _KEYS_A_QUERY):
        part = {"keys": asked[start : start + _KEYS_A_QUERY], "lane": lane.value, "at": at}
        for query in (_NAMED, _ANCHORED) if anchored else (_NAMED,):
            for row in connection.execute(query, part):
                named[keys[cast("ObservableType", row.type), row.key]].append(row)
    newest = _newest(connection, sorted({row.stix_id for rows in named.values() for row in rows}), lane)
    return {item: sorted({row.row for row in rows} & newest) for item, rows in named.items()}


def _every(
    connection: Connection, query: Select[Any], at: datetime, of: Callable[[StoredObject], Iterable[Observable]]
) -> Iterator[tuple[Lane, Observable]]:
    """Yield what a table has; what is too long for it is read from the objects."""
    lanes: dict[str, Lane] = {}
    hashed: list[int] = []
    found = connection.execution_options(yield_per=_PAGE).execute(query, {"at": at})
    for row, lane, kind, key in found:
        if key.startswith("sha256:"):
            hashed.append(row)
            continue
        yield lanes.get(lane) or lanes.setdefault(lane, Lane(lane)), Observable(kind, key)
    for start in range(0, len(hashed), _PAGE):
        for stored in reading.by_rows(connection, hashed[start : start + _PAGE]):
            yield from ((stored.lane, each) for each in of(stored))


def every_rule(connection: Connection, pattern_type: str, at: datetime) -> list[int]:
    """Return the rows of the active indicators in one language of rules; of each the newest version that stands."""
    newest: dict[tuple[str, str], Any] = {}
    for row in connection.execute(_RULES, {"pattern_type": pattern_type}):
        known = newest.setdefault((row.lane, row.stix_id), row)
        if (row.modified or EPOCH, row.row) > (known.modified or EPOCH, known.row):
            newest[row.lane, row.stix_id] = row
    active = (row for row in newest.values() if not row.revoked and (row.valid_until is None or row.valid_until > at))
    return sorted(row.row for row in active)


def rules_among(connection: Connection, rows: Sequence[int], pattern_type: str) -> dict[Lane, set[str]]:
    """Return the ids of the indicators among these rows that are rules in one language, by lane."""
    found: dict[Lane, set[str]] = defaultdict(set)
    for start in range(0, len(rows), _KEYS_A_QUERY):
        part = {"rows": list(rows[start : start + _KEYS_A_QUERY]), "pattern_type": pattern_type}
        for row in connection.execute(_RULES_AMONG, part):
            found[Lane(row.lane)].add(row.stix_id)
    return found


def newest_standing(connection: Connection, stix_ids: Sequence[str], lane: Lane) -> set[int]:
    """Return the row of the newest version that stands of each of these objects, whatever it says."""
    return _newest(connection, stix_ids, lane)


def _newest(connection: Connection, stix_ids: Sequence[str], lane: Lane) -> set[int]:
    """Return the row of the newest version that stands of each of these objects."""
    newest: dict[str, tuple[datetime, int]] = {}
    for start in range(0, len(stix_ids), _KEYS_A_QUERY):
        part = {"ids": stix_ids[start : start + _KEYS_A_QUERY], "lane": lane.value}
        for row in connection.execute(_STANDING, part):
            version = (row.modified or EPOCH, row.row)
            newest[row.stix_id] = max(version, newest.get(row.stix_id, version))
    return {row for _, row in newest.values()}
