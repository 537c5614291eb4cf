"""Look at a restored node as its own program would: does it open, and is everything there?"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select, text

from mithaq.kernel import canonical
from mithaq.kernel.clock import from_rfc3339
from mithaq.kernel.database import Database, journal
from mithaq.kernel.errors import Error
from mithaq.kernel.signing import read_envelope
from mithaq.nations.model import Card
from mithaq.nations.rules import read_card
from mithaq.node.backup.errors import BadBackup
from mithaq.node.backup.service import Restored
from mithaq.node.backup.snapshot import sealed_files
from mithaq.node.data_folder import DataFolder
from mithaq.node.founding import database_url
from mithaq.node.migrations import migrate
from mithaq.node.settings import read_settings
from mithaq.telemetry.lake.open_segment import read_segment, segment_path
from mithaq.telemetry.store import CLOSED, OPEN, SEALED, list_segments


@dataclass(frozen=True, slots=True)
class Report:
    """What a rehearsal has found to be whole."""

    nation: str
    made_at: datetime
    rows: int
    journal: int
    events: int
    sealed_segments: int
    files: int


def examine(restored: Restored) -> Report:
    """Open a restored node, bring it to this program's revision, and read what it holds.

    Raises:
        BadBackup: it would not come to life; says what is missing.
    """
    folder, manifest = DataFolder(restored.root), restored.manifest
    card = _card(folder)
    settings = read_settings(folder.settings)
    if settings.nation != card.nation or restored.head.nation != card.nation:
        raise BadBackup("settings, card and backup name different nations", subject=card.nation)
    if not folder.keys.exists():
        raise BadBackup("the key file is missing", subject=card.nation)
    url = database_url(folder, settings)
    migrate(url)
    db = Database.open(url)
    try:
        with db.read() as connection:
            _check_integrity(connection)
            _check_journal(connection, manifest.journal)
            events, sealed = _check_lake(restored, connection)
    finally:
        db.close()
    return Report(
        nation=card.nation,
        made_at=restored.head.made_at,
        rows=sum(manifest.rows.values()),
        journal=manifest.journal,
        events=events,
        sealed_segments=sealed,
        files=len(manifest.members),
    )


def _card(folder: DataFolder) -> Card:
    try:
        data = folder.card.read_bytes()
        issued = from_rfc3339(canonical.loads(read_envelope(data).payload)["issued_at"])
        return read_card(data, issued)
    except (OSError, Error, KeyError, ValueError) as error:
        raise BadBackup("the card of the nation is missing or changed", private=str(error)) from error


def _check_integrity(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        return
    verdict = connection.scalar(text("PRAGMA integrity_check(1)"))
    if verdict != "ok" or connection.execute(text("PRAGMA foreign_key_check")).first():
        raise BadBackup("the database is damaged: %(detail)s", detail=str(verdict)[:200])


def _check_journal(connection: Connection, last: int) -> None:
    count, newest = connection.execute(select(func.count(), func.coalesce(func.max(journal.c.seq), 0))).one()
    if (count, newest) != (last, last):
        raise BadBackup("the journal ends at %(newest)s with %(count)s entries", newest=newest, count=count)


def _check_lake(restored: Restored, connection: Connection) -> tuple[int, int]:
    events = 0
    for segment in list_segments(connection, (OPEN, CLOSED)):
        path = segment_path(restored.root, segment.segment)
        found = sum(block.line_count for block in read_segment(path, segment.bytes))
        if found != segment.events:
            raise BadBackup("the lake misses events of the segment %(segment)s", segment=segment.segment)
        events += found
    sealed = list_segments(connection, (SEALED,))
    for segment in sealed:
        if not segment.trouble and not all(path.is_file() for path in sealed_files(restored.root, segment)):
            raise BadBackup("the lake misses the segment %(segment)s", segment=segment.segment)
    return events + sum(segment.events for segment in sealed), len(sealed)
