"""What was seen of patterns that need several events: kept until the others come, in the transaction of the hits.

Live matching and hunts write into one table, so an event from before an indicator came and one from after it make its
pattern true together, whichever is found first, and a restart loses nothing. Of each indicator and source the newest
`KEPT` events by their own time are kept, for `KEPT_FOR` after they were found; those of one hunt's part are judged
before the older ones go.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    delete,
    select,
    text,
    tuple_,
)

from mithaq.detection.hits.sights import seen_columns, seen_in
from mithaq.detection.model import Companion, Hit, Part, RuleSight, Sight, hit_id
from mithaq.detection.patterns.sequences import Seen, TooMany, ending_with
from mithaq.kernel.database import Timestamp, Transaction, insert_ignore, metadata, row_id

KEPT: Final = 256
KEPT_FOR: Final = timedelta(days=30)
_LOCK: Final = 0x73696768
_log = logging.getLogger(__name__)

pattern_sights = Table(
    "pattern_sights",
    metadata,
    row_id(),
    Column("object_row", BigInteger, nullable=False),
    Column("lane", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("event_at", Timestamp, nullable=False),
    Column("kind", Text, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    # Which observations of the pattern it satisfies, counted from 0, with commas between.
    Column("numbers", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("seen_type", Text, nullable=False),
    Column("seen_value", Text, nullable=False),
    Column("matched_type", Text, nullable=False),
    Column("matched_value", Text, nullable=False),
    Column("found_at", Timestamp, nullable=False),
    UniqueConstraint("object_row", "lane", "source", "event_id"),
    Index("pattern_sights_found", "found_at"),
)
_OF_GROUP: Final = (
    select(pattern_sights)
    .where(
        pattern_sights.c.object_row == bindparam("of_object"),
        pattern_sights.c.lane == bindparam("of_lane"),
        pattern_sights.c.source == bindparam("of_source"),
    )
    .order_by(pattern_sights.c.event_at.desc(), pattern_sights.c.event_id.desc())
    .limit(bindparam("most", type_=Integer))
)
_Group = tuple[int, str, str]


def completed(tx: Transaction, parts: Sequence[Hit]) -> list[Hit]:
    """Keep what was seen of patterns, and return the hits of those that it makes true, each with its other events."""
    if not parts:
        return []
    if tx.connection.dialect.name == "postgresql":  # the hunter finds other events of the same pattern meanwhile
        tx.connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    tx.execute(delete(pattern_sights).where(pattern_sights.c.found_at < tx.at - KEPT_FOR))
    groups: dict[_Group, list[Hit]] = defaultdict(list)
    for hit in parts:
        groups[hit.object_row, str(hit.lane), hit.source].append(hit)
    return [hit for group, new in groups.items() for hit in _taken(tx, group, new)]


def forget(tx: Transaction, object_rows: Sequence[int]) -> None:
    """Delete what was seen of indicators that are no longer held."""
    for start in range(0, len(object_rows), 500):
        part = object_rows[start : start + 500]
        tx.execute(delete(pattern_sights).where(pattern_sights.c.object_row.in_(part)))


def forget_source(tx: Transaction, source: str) -> None:
    """Delete what was seen in a source."""
    tx.execute(delete(pattern_sights).where(pattern_sights.c.source == source))


def _taken(tx: Transaction, group: _Group, new: Sequence[Hit]) -> list[Hit]:
    object_row, lane, source = group
    asked = {"of_object": object_row, "of_lane": lane, "of_source": source, "most": KEPT}
    known = {row.event_id: _hit(row, new[0]) for row in tx.connection.execute(_OF_GROUP, asked)}
    fresh = {hit.event_id: hit for hit in new if hit.event_id not in known}
    every = sorted((known | fresh).values(), key=_order)
    insert_ignore(tx, pattern_sights, [_row(tx, hit) for hit in every[-KEPT:] if hit.event_id in fresh])
    gone = [hit.event_id for hit in every[:-KEPT] if hit.event_id in known]
    if gone:
        columns = (pattern_sights.c.object_row, pattern_sights.c.lane, pattern_sights.c.source)
        tx.execute(delete(pattern_sights).where(tuple_(*columns) == group, pattern_sights.c.event_id.in_(gone)))
    return _judged(every, fresh)


def _judged(every: Sequence[Hit], fresh: Mapping[str, Hit]) -> list[Hit]:
    """Return a hit for each event that ends a pattern and was not there, or not with these events, before."""
    first = next((place for place, hit in enumerate(every) if hit.event_id in fresh), len(every))
    found = []
    for last in range(first, len(every)):
        since = max(0, last + 1 - KEPT)
        window = every[since : last + 1]
        seen = [Seen(hit.event_at, hit.event_id, _part(hit).numbers) for hit in window]
        try:
            places = ending_with(_part(every[last]).tree, seen)
        except TooMany:
            _log.warning("%s: its events can be joined in too many ways", every[last].indicator_id)
            continue
        if places is not None:
            others = [window[place] for place in places if window[place] is not window[-1]]
            found.append(replace(every[last], part=None, companions=tuple(map(_companion, others))))
    return found


def _order(hit: Hit) -> tuple[Any, str]:
    return hit.event_at, hit.event_id


def _part(hit: Hit) -> Part:
    if hit.part is None:
        raise ValueError("a whole hit is no part of a pattern")
    return hit.part


def _sight(hit: Hit) -> Sight:
    if isinstance(hit.sight, RuleSight):
        raise ValueError("a hit on a rule is no part of a pattern")
    return hit.sight


def _companion(hit: Hit) -> Companion:
    return Companion(hit.event_id, hit.event_at, hit.kind, hit.raw, _sight(hit))


def _row(tx: Transaction, hit: Hit) -> dict[str, Any]:
    return {
        "object_row": hit.object_row,
        "lane": str(hit.lane),
        "source": hit.source,
        "event_id": hit.event_id,
        "event_at": hit.event_at,
        "kind": hit.kind,
        "raw": hit.raw,
        "numbers": ",".join(map(str, sorted(_part(hit).numbers))),
        "found_at": tx.at,
        **seen_columns(_sight(hit)),
    }


def _hit(row: Any, like: Hit) -> Hit:
    """Return a kept event as the hit that it would be if it ended the pattern."""
    return replace(
        like,
        hit_id=hit_id(row.event_id, like.indicator_id, like.lane),
        event_id=row.event_id,
        event_at=row.event_at,
        kind=row.kind,
        raw=row.raw,
        sight=seen_in(row),
        part=Part(frozenset(map(int, row.numbers.split(","))), _part(like).tree),
    )


def whole_and_parts(hits: Iterable[Hit]) -> tuple[list[Hit], list[Hit]]:
    """Tell hits from events that are a part of what a pattern needs."""
    whole: list[Hit] = []
    parts: list[Hit] = []
    for hit in hits:
        (whole if hit.part is None else parts).append(hit)
    return whole, parts
