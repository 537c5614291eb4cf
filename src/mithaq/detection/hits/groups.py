"""The table of groups: hits of one object in one source on one value, counted as they are written down.

A page of groups costs the same however many hits there are.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    Table,
    Text,
    bindparam,
    case,
    cast,
    func,
    literal,
    select,
    tuple_,
)

from mithaq.detection.hits.sights import columns_of, erase_seen, erased_columns, level_of, sight_of
from mithaq.detection.model import Dismissal, Expectation, Group, Hit, HitState, Origin, group_key
from mithaq.kernel.database import Json, Timestamp, Transaction, insert_ignore, metadata, row_id
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane
from mithaq.standards.sigma import LEVELS

hit_groups = Table(
    "hit_groups",
    metadata,
    row_id(),
    Column("key", Text, nullable=False, unique=True),
    Column("lane", Text, nullable=False),
    Column("indicator_id", Text, nullable=False),
    Column("object_row", BigInteger, nullable=False),
    Column("source", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("seen_type", Text, nullable=False),
    Column("seen_value", Text, nullable=False),
    Column("matched_type", Text, nullable=False),
    Column("matched_value", Text, nullable=False),
    Column("rule", Json),
    Column("origin_source", Text, nullable=False),
    Column("origin_nation", Text, nullable=False),
    Column("agreement_id", Text),
    Column("agreement_version", Integer),
    Column("count", BigInteger, nullable=False),
    Column("new", BigInteger, nullable=False),
    Column("confirmed", BigInteger, nullable=False),
    Column("dismissed", BigInteger, nullable=False),
    Column("retro", BigInteger, nullable=False),
    Column("first_at", Timestamp, nullable=False),
    Column("last_at", Timestamp, nullable=False),
    Column("touched_at", Timestamp, nullable=False),
    Column("state", Text, nullable=False),
    Column("dismissed_as", Text, nullable=False, server_default=""),
    Column("warned", Json, nullable=False, server_default="[]"),
    # The place of a rule's level among Sigma's; that of the last one and one more where there is none.
    Column("level", Integer, nullable=False, server_default=str(len(LEVELS))),
    Column("expected_by", Text, nullable=False, server_default=""),
    Column("expected_until", Timestamp),
    Index("hit_groups_by_state", "lane", "state", "touched_at", "row"),
    Index("hit_groups_by_time", "lane", "touched_at", "row"),
    Index("hit_groups_by_indicator", "indicator_id"),
)

_PART: Final = 500
_NEWEST_SAYS: Final = (
    "object_row", "field", "matched_type", "matched_value", "rule", "origin_source", "origin_nation", "agreement_id",
    "agreement_version", "warned", "level",
)  # fmt: skip
_KEYS: Final = (
    select(hit_groups.c.key, hit_groups.c.row, hit_groups.c.expected_by, hit_groups.c.expected_until)
    .where(hit_groups.c.key.in_(bindparam("keys", expanding=True)))
    .order_by(hit_groups.c.row)
    .with_for_update()
)
_ERASED_KEY: Final = literal("erased:") + cast(hit_groups.c.row, Text)
_FIRST, _LAST = bindparam("first", type_=Timestamp), bindparam("last", type_=Timestamp)
_COUNT_IN: Final = (
    hit_groups.update()
    .where(hit_groups.c.row == bindparam("group"))
    .values(
        count=hit_groups.c.count + bindparam("found"),
        new=hit_groups.c.new + bindparam("found_new"),
        dismissed=hit_groups.c.dismissed + bindparam("found_expected"),
        retro=hit_groups.c.retro + bindparam("found_retro"),
        first_at=case((hit_groups.c.first_at > _FIRST, _FIRST), else_=hit_groups.c.first_at),
        last_at=case((hit_groups.c.last_at < _LAST, _LAST), else_=hit_groups.c.last_at),
        touched_at=bindparam("matched_at"),
        state=case((bindparam("found_new") > 0, HitState.NEW.value), else_=hit_groups.c.state),
        **{name: bindparam(f"newest_{name}") for name in _NEWEST_SAYS},
    )
)
_LEFT = hit_groups.c.new - bindparam("decided")
_COUNT_OUT: Final = (
    hit_groups.update()
    .where(hit_groups.c.row == bindparam("group"))
    .values(
        new=_LEFT,
        confirmed=hit_groups.c.confirmed + bindparam("found_confirmed"),
        dismissed=hit_groups.c.dismissed + bindparam("found_dismissed"),
        state=case((_LEFT > 0, HitState.NEW.value), else_=bindparam("became")),
        dismissed_as=bindparam("became_dismissed_as"),
    )
)


@dataclass(frozen=True, slots=True)
class GroupCounts:
    """How many groups a lane has, by state, and how many hits are in them."""

    new: int = 0
    confirmed: int = 0
    dismissed: int = 0
    hits_new: int = 0
    hits_confirmed: int = 0
    hits_dismissed: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a hit's group is written down, and who expects its hits, if anybody does now."""

    row: int
    expected: Expectation | None


def places_of(tx: Transaction, hits: Sequence[Hit]) -> dict[str, Place]:
    """Return the place of each hit's group by its key, made where there is none; other writers wait for this one."""
    first = {group_key(hit): hit for hit in hits}
    keys = sorted(first)
    insert_ignore(tx, hit_groups, [_begun(key, first[key]) for key in keys])
    found: dict[str, Place] = {}
    for start in range(0, len(keys), _PART):
        for row in tx.execute(_KEYS, {"keys": keys[start : start + _PART]}):
            expected = _expected(row)
            found[row.key] = Place(row.row, expected if expected is not None and tx.at < expected.until else None)
    return found


def count_in(tx: Transaction, hits: Sequence[Hit], places: Mapping[str, Place]) -> None:
    """Count hits that were written down in their groups; a group with a new one waits to be decided again."""
    together: dict[int, list[Hit]] = defaultdict(list)
    for hit in hits:
        together[places[group_key(hit)].row].append(hit)
    if together:
        tx.execute(_COUNT_IN, [_added(row, together[row]) for row in sorted(together)])


def count_out(tx: Transaction, group: int, decided: int, state: HitState, dismissed_as: Dismissal | None) -> None:
    """Count that so many hits of a group are no longer new; with the state NEW, a negative number gives them back."""
    values = {
        "group": group,
        "decided": decided,
        "found_confirmed": decided if state is HitState.CONFIRMED else 0,
        "found_dismissed": decided if state is not HitState.CONFIRMED else 0,
        "became": state.value,
        "became_dismissed_as": dismissed_as or "",
    }
    tx.execute(_COUNT_OUT, values)


def expect(tx: Transaction, group: int, expected: Expectation | None) -> None:
    """Remember who expects further hits of a group, and until when; None ends it."""
    by, until = (expected.by, expected.until) if expected is not None else ("", None)
    tx.execute(hit_groups.update().where(hit_groups.c.row == group).values(expected_by=by, expected_until=until))


def get_group(connection: Connection, row: int) -> Group | None:
    """Return one group by its number."""
    found = connection.execute(select(hit_groups).where(hit_groups.c.row == row)).one_or_none()
    return None if found is None else _group(found)


def list_groups(
    connection: Connection,
    lane: Lane,
    *,
    state: HitState | None = None,
    level: str | None = None,
    after: tuple[datetime, int] | None = None,
    limit: int = 100,
) -> list[Group]:
    """Return a lane's groups, the one with the newest match first; `after`: when and which the page before ended.

    `level` leaves out rules of a lower level of Sigma's; what has none is never left out.
    """
    query = select(hit_groups).where(hit_groups.c.lane == str(lane), hit_groups.c.count > 0)
    if state is not None:
        query = query.where(hit_groups.c.state == state.value)
    if level is not None:
        query = query.where(hit_groups.c.level >= LEVELS.index(level))
    if after is not None:
        place = tuple_(hit_groups.c.touched_at, hit_groups.c.row)
        query = query.where(place < tuple_(bindparam("at", after[0], type_=Timestamp), after[1]))
    ordered = query.order_by(hit_groups.c.touched_at.desc(), hit_groups.c.row.desc()).limit(limit)
    return [_group(row) for row in connection.execute(ordered)]


def count_groups(connection: Connection, lane: Lane) -> GroupCounts:
    """Count a lane's groups by state, and the hits in all of them by what was decided."""
    sums = (func.sum(column) for column in (hit_groups.c.new, hit_groups.c.confirmed, hit_groups.c.dismissed))
    query = select(hit_groups.c.state, func.count(), *sums).where(hit_groups.c.lane == str(lane))
    rows = connection.execute(query.group_by(hit_groups.c.state)).all()
    groups = {row[0]: row[1] for row in rows}
    new, confirmed, dismissed = (sum(int(row[place]) for row in rows) for place in (2, 3, 4))
    return GroupCounts(**groups, hits_new=new, hits_confirmed=confirmed, hits_dismissed=dismissed)


def redact_groups(tx: Transaction, rows: Sequence[int]) -> None:
    """Erase what these groups show and are found by; a hit that comes later begins another group."""
    for start in range(0, len(rows), _PART):
        here = hit_groups.c.row.in_(rows[start : start + _PART])
        for of_rule, kind in ((False, hit_groups.c.rule.is_(None)), (True, hit_groups.c.rule.is_not(None))):
            tx.execute(hit_groups.update().where(here, kind).values(key=_ERASED_KEY, **erased_columns(of_rule=of_rule)))


def redact_source(tx: Transaction, source: str) -> None:
    """Erase what was seen in a source, and what its groups are found by; a later hit begins another group."""
    here = hit_groups.c.source == source
    tx.execute(hit_groups.update().where(here).values(key=_ERASED_KEY))
    erase_seen(tx, hit_groups, here)


def _begun(key: str, hit: Hit) -> dict[str, Any]:
    counts = dict.fromkeys(("count", "new", "confirmed", "dismissed", "retro"), 0)
    return _newest(hit) | columns_of(hit.sight) | counts | {
        "key": key,
        "lane": str(hit.lane),
        "indicator_id": hit.indicator_id,
        "source": hit.source,
        "first_at": hit.event_at,
        "last_at": hit.event_at,
        "touched_at": hit.matched_at,
        "state": HitState.NEW.value,
    }  # fmt: skip


def _newest(hit: Hit) -> dict[str, Any]:
    said = {name: value for name, value in columns_of(hit.sight).items() if name in _NEWEST_SAYS}
    return said | {
        "object_row": hit.object_row,
        "origin_source": hit.origin.source,
        "origin_nation": hit.origin.nation,
        "agreement_id": hit.origin.agreement_id,
        "agreement_version": hit.origin.agreement_version,
        "warned": list(hit.warned),
        "level": level_of(hit.sight),
    }


def _added(group: int, hits: Sequence[Hit]) -> dict[str, Any]:
    said = {f"newest_{name}": value for name, value in _newest(hits[-1]).items()}
    return said | {
        "group": group,
        "found": len(hits),
        "found_new": sum(hit.state is HitState.NEW for hit in hits),
        "found_expected": sum(hit.state is HitState.DISMISSED for hit in hits),
        "found_retro": sum(hit.retro for hit in hits),
        "first": min(hit.event_at for hit in hits),
        "last": max(hit.event_at for hit in hits),
        "matched_at": hits[-1].matched_at,
    }


def _group(row: Any) -> Group:
    return Group(
        row=row.row,
        lane=Lane(row.lane),
        indicator_id=row.indicator_id,
        object_row=row.object_row,
        source=row.source,
        sight=sight_of(row),
        origin=Origin(row.origin_source, NationId(row.origin_nation), row.agreement_id, row.agreement_version),
        count=row._mapping["count"],  # noqa: SLF001  # a row has a method of that name
        new=row.new,
        confirmed=row.confirmed,
        dismissed=row.dismissed,
        retro=row.retro,
        first_at=row.first_at,
        last_at=row.last_at,
        touched_at=row.touched_at,
        state=HitState(row.state),
        dismissed_as=Dismissal(row.dismissed_as) if row.dismissed_as else None,
        warned=tuple(row.warned),
        expected=_expected(row),
    )


def _expected(row: Any) -> Expectation | None:
    return Expectation(row.expected_by, row.expected_until) if row.expected_until is not None else None
