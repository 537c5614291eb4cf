"""Tables of telemetry: sources, how far each file was read, what was skipped, and the segments of the lake."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    func,
    select,
)

from mithaq.kernel.database import Timestamp, Transaction, insert_ignore, metadata, row_id, upsert
from mithaq.kernel.lane import Lane
from mithaq.telemetry.health import Looked, Newest
from mithaq.telemetry.model import BrokenLine, Format, Source

sources = Table(
    "telemetry_sources",
    metadata,
    Column("name", Text, primary_key=True),
    Column("path", Text, nullable=False),
    Column("format", Text, nullable=False),
    Column("lane", Text, nullable=False),
    Column("feed", Text, nullable=False, server_default=""),
    Column("added_at", Timestamp, nullable=False),
    Column("lines", BigInteger, nullable=False, server_default="0"),
    Column("events", BigInteger, nullable=False, server_default="0"),
    Column("broken", BigInteger, nullable=False, server_default="0"),
    Column("last_read_at", Timestamp),
    # None: kept for good.
    Column("retain_days", Integer),
    Column("constituent", Text, nullable=False, server_default=""),
)
positions = Table(
    "telemetry_positions",
    metadata,
    Column("source", Text, primary_key=True),
    Column("generation", BigInteger, primary_key=True),
    Column("device", BigInteger, nullable=False),
    Column("inode", BigInteger, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("line", BigInteger, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("fingerprint_bytes", Integer, nullable=False),
    Column("header", LargeBinary, nullable=False),
    Column("skipping", Boolean, nullable=False),
    Column("closed", Boolean, nullable=False),
    Column("path", Text, nullable=False, server_default=""),
    Column("size", BigInteger, nullable=False, server_default="0"),
    Column("modified_ns", BigInteger, nullable=False, server_default="0"),
    Column("base", BigInteger),
)
broken_lines = Table(
    "telemetry_broken_lines",
    metadata,
    row_id(),
    Column("source", Text, nullable=False, index=True),
    Column("line", BigInteger, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Timestamp, nullable=False),
)
minutes = Table(
    "telemetry_minutes",
    metadata,
    Column("source", Text, primary_key=True),
    Column("minute", BigInteger, primary_key=True, autoincrement=False),
    Column("events", BigInteger, nullable=False),
)
looks = Table(
    "telemetry_looks",
    metadata,
    Column("source", Text, primary_key=True),
    Column("read_at", Timestamp, nullable=False),
    Column("event_at", Timestamp),
    Column("looked", LargeBinary, nullable=False),
)
segments = Table(
    "lake_segments",
    metadata,
    Column("segment", BigInteger, primary_key=True, autoincrement=False),
    Column("state", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("events", BigInteger, nullable=False),
    Column("opened_at", Timestamp, nullable=False),
    Column("closed_at", Timestamp),
    Column("path", Text, nullable=False, server_default=""),
    # Empty for what an earlier program wrote, an hour of several sources: it is rewritten, each source's for itself.
    Column("source", Text, nullable=False, server_default=""),
    # The version of the layout of a sealed one.
    Column("format", Integer, nullable=False, server_default="1"),
    # Why it cannot be read, or not all of it; it is left out of hunts.
    Column("trouble", Text, nullable=False, server_default=""),
    UniqueConstraint("segment", "state"),
)
OPEN, CLOSED, SEALED = "open", "closed", "sealed"
_FINISHED_KEPT = 32
_FIRST_TIME, _LAST_TIME = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
_FILES_KEPT = 50_000
_PART = 500


@dataclass(frozen=True, slots=True)
class Position:
    """How far one file of a source was read; each rotation begins a new generation.

    `offset` counts what a file expands to. `size` and `modified_ns` are those of the file when it was last read; of
    one that is no plain file they are known once it is closed. `path` is its name in a source that is a folder;
    `base` makes the place of a line of its offset in a spool, where a stream has numbered it.
    """

    source: str
    generation: int
    device: int
    inode: int
    offset: int = 0
    line: int = 0
    fingerprint: str = ""
    fingerprint_bytes: int = 0
    header: bytes = b""
    skipping: bool = False
    closed: bool = False
    path: str = ""
    size: int = 0
    modified_ns: int = 0
    base: int | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """A source's piece of the lake: `open` grows, `closed` waits to become Parquet, `sealed` is Parquet at `path`.

    `events`: until it is sealed its lines, some of which may be broken or none. `format` is the version of the layout
    of a sealed one. `trouble` says why it cannot be read, or not all of it.
    """

    segment: int
    state: str
    source: str
    bytes: int
    events: int
    opened_at: datetime
    closed_at: datetime | None = None
    path: str = ""
    format: int = 1
    trouble: str = ""

    def sealed_at(self, path: str, events: int, layout: int, trouble: str = "") -> "Segment":
        """Return the row of this segment once it is Parquet in a version of the layout."""
        return replace(self, state=SEALED, path=path, events=events, format=layout, trouble=trouble)

    def merged_at(self, path: str, parts: Sequence["Segment"]) -> "Segment":
        """Return the row that stands for these segments once they are one."""
        events, size = sum(each.events for each in parts), sum(each.bytes for each in parts)
        return replace(self, path=path, events=events, bytes=size, opened_at=parts[0].opened_at)


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """What became of a source's lines so far."""

    source: Source
    added_at: datetime
    lines: int
    events: int
    broken: int
    last_read_at: datetime | None
    retain_days: int | None = None
    constituent: str = ""


def add_source(tx: Transaction, source: Source, *, retain_days: int | None = None, constituent: str = "") -> bool:
    """Keep a new source; tell whether its name was free."""
    if get_source(tx.connection, source.name) is not None:
        return False
    row = {
        "name": source.name,
        "path": source.path,
        "format": source.format.value,
        "lane": str(source.lane),
        "feed": source.feed,
        "added_at": tx.at,
        "retain_days": retain_days,
        "constituent": constituent,
    }
    insert_ignore(tx, sources, [row])
    return True


def change_feed(tx: Transaction, name: str, feed: str) -> None:
    """Let what a source gives come from elsewhere."""
    tx.execute(sources.update().where(sources.c.name == name).values(feed=feed))


def remove_source(tx: Transaction, name: str) -> bool:
    """Forget a source and its positions; its events stay in the lake."""
    tx.execute(positions.delete().where(positions.c.source == name))
    tx.execute(broken_lines.delete().where(broken_lines.c.source == name))
    tx.execute(minutes.delete().where(minutes.c.source == name))
    tx.execute(looks.delete().where(looks.c.source == name))
    return tx.execute(sources.delete().where(sources.c.name == name)).rowcount == 1


def list_sources(connection: Connection) -> list[SourceStatus]:
    """Return every source with its counts, by name."""
    return [_status(row) for row in connection.execute(select(sources).order_by(sources.c.name))]


def get_source(connection: Connection, name: str) -> SourceStatus | None:
    """Return one source with its counts."""
    row = connection.execute(select(sources).where(sources.c.name == name)).one_or_none()
    return None if row is None else _status(row)


def positions_of(connection: Connection, source: str) -> list[Position]:
    """Return the positions of a source, oldest first: the open ones, and the newest of those that are finished."""
    query = select(positions).where(positions.c.source == source)
    rows = connection.execute(query.order_by(positions.c.generation)).mappings()
    return [Position(**row) for row in rows]


def save_position(tx: Transaction, position: Position) -> None:
    """Remember how far a file was read; a file finished long ago is forgotten."""
    changed = [column.name for column in positions.c if not column.primary_key]
    upsert(tx, positions, [asdict(position)], keys=("source", "generation"), changed=changed)
    if position.closed:
        kept = _FILES_KEPT if position.path else _FINISHED_KEPT
        long_ago = positions.c.generation < position.generation - kept
        tx.execute(positions.delete().where(positions.c.source == position.source, long_ago, positions.c.closed))


def count_events(tx: Transaction, source: str, *, events: int, broken: int) -> None:
    """Add to a source's counts what only the sealing of its lines told."""
    counted = {"events": sources.c.events + events, "broken": sources.c.broken + broken}
    tx.execute(sources.update().where(sources.c.name == source).values(**counted))


def count_lines(tx: Transaction, source: str, *, lines: int, events: int, broken: int) -> None:
    """Add to a source's counts, and to those of this minute; what was passed over before a line came is no reading."""
    counted: dict[str, Any] = {
        "lines": sources.c.lines + lines,
        "events": sources.c.events + events,
        "broken": sources.c.broken + broken,
    }
    if lines:
        counted["last_read_at"] = tx.at
    tx.execute(sources.update().where(sources.c.name == source).values(**counted))
    if lines:
        _count_minute(tx, source, events)


def _count_minute(tx: Transaction, source: str, events: int) -> None:
    minute = int(tx.at.timestamp()) // 60
    this = (minutes.c.source == source, minutes.c.minute == minute)
    if not tx.execute(minutes.update().where(*this).values(events=minutes.c.events + events)).rowcount:
        insert_ignore(tx, minutes, [{"source": source, "minute": minute, "events": events}])


def minutes_of(connection: Connection, source: str) -> list[tuple[int, int]]:
    """Return the minutes in which lines of a source came, with the number of their events, oldest first."""
    query = select(minutes.c.minute, minutes.c.events).where(minutes.c.source == source)
    return [(row.minute, row.events) for row in connection.execute(query.order_by(minutes.c.minute))]


def forget_minutes(tx: Transaction, *, before: int) -> None:
    """Remove the counts of minutes that are long over."""
    tx.execute(minutes.delete().where(minutes.c.minute < before))


def looked_of(connection: Connection, source: str) -> tuple[Looked, datetime | None]:
    """Return what was seen of a source's newest lines, and when those were read."""
    row = connection.execute(select(looks).where(looks.c.source == source)).one_or_none()
    return (Looked(), None) if row is None else (msgspec.json.decode(row.looked, type=Looked), row.read_at)


def newest_of(connection: Connection, status: "SourceStatus") -> Newest:
    """Return when a source was read last, and the newest event that was seen of it."""
    row = connection.execute(select(looks).where(looks.c.source == status.source.name)).one_or_none()
    return Newest(status.last_read_at, None if row is None else row.event_at, None if row is None else row.read_at)


def save_looked(tx: Transaction, source: str, looked: Looked, *, event_at: datetime | None, read_at: datetime) -> None:
    """Keep what was seen of a source's newest lines; an event's time that no database holds is left out."""
    kept = event_at if event_at is not None and _FIRST_TIME <= event_at <= _LAST_TIME else None
    row = {"source": source, "read_at": read_at, "event_at": kept, "looked": msgspec.json.encode(looked)}
    upsert(tx, looks, [row], keys=("source",), changed=("read_at", "event_at", "looked"))


def save_broken(tx: Transaction, lines: Sequence[BrokenLine], *, keep: int) -> None:
    """Keep the newest broken lines of a source; older ones are only counted."""
    if not lines:
        return
    rows = [{**asdict(line), "at": tx.at} for line in lines[-keep:]]
    tx.execute(broken_lines.insert(), rows)
    source = lines[0].source
    newest = select(broken_lines.c.row).where(broken_lines.c.source == source)
    limit = tx.connection.scalar(newest.order_by(broken_lines.c.row.desc()).offset(keep - 1).limit(1))
    if limit is not None:
        tx.execute(broken_lines.delete().where(broken_lines.c.source == source, broken_lines.c.row < limit))


def list_broken(connection: Connection, source: str, *, limit: int) -> list[BrokenLine]:
    """Return the newest broken lines of a source."""
    query = select(broken_lines).where(broken_lines.c.source == source)
    rows = connection.execute(query.order_by(broken_lines.c.row.desc()).limit(limit))
    return [BrokenLine(row.source, row.line, row.offset, row.reason) for row in rows]


def list_segments(connection: Connection, states: Iterable[str]) -> list[Segment]:
    """Return the segments in these states, oldest first."""
    of_now = segments.c.state.in_(sorted(states)), segments.c.source != ""
    query = select(segments).where(*of_now).order_by(segments.c.segment)
    return [Segment(**row) for row in connection.execute(query).mappings()]


def last_segment(connection: Connection) -> int:
    """Return the newest segment's number, 0 where there is none."""
    return connection.scalar(select(func.coalesce(func.max(segments.c.segment), 0))) or 0


def save_segment(tx: Transaction, segment: Segment) -> None:
    """Insert or replace a segment's row."""
    changed = [column.name for column in segments.c if not column.primary_key]
    upsert(tx, segments, [asdict(segment)], keys=("segment",), changed=changed)


def forget_segments(tx: Transaction, numbers: Sequence[int]) -> None:
    """Remove the rows of segments that were merged into another one, or whose time is over."""
    for start in range(0, len(numbers), _PART):
        tx.execute(segments.delete().where(segments.c.segment.in_(numbers[start : start + _PART])))


def _status(row: Any) -> SourceStatus:
    source = Source(row.name, row.path, Format(row.format), Lane(row.lane), row.feed)
    return SourceStatus(
        source,
        row.added_at,
        row.lines,
        row.events,
        row.broken,
        row.last_read_at,
        row.retain_days,
        row.constituent,
    )


def retain(tx: Transaction, source: str, days: int | None) -> bool:
    """Keep what a source gives for so long; tell whether there is such a source."""
    return tx.execute(sources.update().where(sources.c.name == source).values(retain_days=days)).rowcount == 1
