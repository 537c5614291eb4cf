"""Look at the newest lines of each source now and then: how old its events are, and which fields they have.

This is a sample beside the path of detection, and costs it nothing: the last lines before the place up to which a
source was read, from files that are read as they lie there.
"""

import os
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from mithaq.kernel.database import Database
from mithaq.telemetry import store
from mithaq.telemetry.contents import Plain, open_content
from mithaq.telemetry.errors import BadLine
from mithaq.telemetry.folder import is_pattern, matching
from mithaq.telemetry.health import Looked
from mithaq.telemetry.model import Source
from mithaq.telemetry.parsers.line import LineParser
from mithaq.telemetry.settings import TelemetryLimits
from mithaq.telemetry.spool import PLACE, spool_folder
from mithaq.telemetry.store import Position, SourceStatus

_LOOK_BYTES: Final = 128 * 1024
_LOOK_LINES: Final = 200
_LOOK_FILES: Final = 8
_MINUTES_KEPT: Final = 7 * 24 * 60


def look(db: Database, data: Path, limits: TelemetryLimits, at: datetime) -> None:
    """Look at every source that has been read since the last look, and keep what was seen."""
    with db.read() as connection:
        asked = [
            (status, store.looked_of(connection, status.source.name), _positions(connection, data, status.source))
            for status in store.list_sources(connection)
        ]
    for status, (looked, seen_read_at), positions in asked:
        if status.last_read_at is None or status.last_read_at == seen_read_at:
            continue
        event_at = _look_at(status, looked, positions, limits, at)
        with db.write(at) as tx:
            store.save_looked(tx, status.source.name, looked, event_at=event_at, read_at=status.last_read_at)
            store.forget_minutes(tx, before=int(at.timestamp()) // 60 - _MINUTES_KEPT)


def _positions(connection: Connection, data: Path, source: Source) -> list[tuple[Path, Position]]:
    """Return the files that changed last and how far each was read."""
    if source.is_pushed:
        files = sorted(spool_folder(data, source.name).glob("*.ndjson"))
    else:
        files = matching(Path(source.path)) if is_pattern(Path(source.path)) else [Path(source.path)]
    known = {each.inode: each for each in store.positions_of(connection, source.name)}
    found = []
    for path in files[-_LOOK_FILES:]:
        try:
            position = known.get(path.stat().st_ino)
        except OSError:
            continue
        if position is not None and position.offset:
            found.append((path, position))
    return found


def _look_at(
    status: SourceStatus,
    looked: Looked,
    positions: list[tuple[Path, Position]],
    limits: TelemetryLimits,
    at: datetime,
) -> datetime | None:
    newest: datetime | None = None
    for path, position in positions:
        parser = LineParser(status.source, state=position.header, file_name=path.name)
        for line in _last_lines(path, position, limits):
            try:
                decoded = parser.decode(line, at)
            except BadLine as error:
                looked.note(str(error), line)
                continue
            if decoded is None:
                continue
            looked.learn(decoded.kind, decoded.record)
            if decoded.at is not None and (newest is None or decoded.at > newest):
                newest = decoded.at
    return newest


def _last_lines(path: Path, position: Position, limits: TelemetryLimits) -> list[bytes]:
    """Return the last lines before the place up to which a plain file was read."""
    try:
        content = open_content(path, limits)
    except OSError:
        return []
    if content is None:
        return []
    try:
        if not isinstance(content, Plain):
            return []
        start = max(0, position.offset - _LOOK_BYTES)
        block = os.pread(content.descriptor, position.offset - start, start)
    finally:
        content.close()
    lines = block.split(b"\n")[1 if start else 0 :]
    return [line for line in lines[-_LOOK_LINES:] if line and not line.startswith(PLACE)]
