"""The lake and the lines that wait are in a backup as the database of the same instant names them."""

from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mithaq.detection.hunts.hunter import Hunter
from mithaq.detection.settings import DetectionLimits
from mithaq.kernel.clock import FixedClock
from mithaq.kernel.lane import ACTUAL
from mithaq.node.backup.rehearsal import examine
from mithaq.node.backup.service import backup, restore
from mithaq.node.backup.snapshot import SEALED_SUFFIXES
from mithaq.node.composition import Node, compose
from mithaq.standards.observable import Observable
from mithaq.telemetry.blocks import Block
from mithaq.telemetry.lake.index import Sought
from mithaq.telemetry.lake.open_segment import read_segment, segment_path
from mithaq.telemetry.lake.tape import Tape
from mithaq.telemetry.model import Format
from mithaq.telemetry.settings import TelemetryLimits
from mithaq.telemetry.spool import spool_folder
from mithaq.telemetry.store import CLOSED, OPEN, SEALED, Segment, list_segments
from tests.unit.node.backup.conftest import PASSPHRASE
from tests.unit.node.backup.test_backup import going_on
from tests.unit.telemetry.blocks import block


@pytest.fixture
def db_url(tmp_path: Path) -> str:
    """The lake lies beside the database, whichever it is."""
    return f"sqlite:///{tmp_path / 'unused.db'}"


def lines(start: int, count: int, at: datetime) -> Block:
    text = b"".join(b'{"query": "h%d.example"}\n' % number for number in range(start, start + count))
    return block(text, at, source="sensor", place=start << 20)


def keep(node: Node, tape: Tape, new: Block, at: datetime) -> None:
    grown = tape.append(new, at)
    with node.db.write(at) as tx:
        tape.save(tx, grown)
    tape.committed(grown)


def test_an_open_segment_is_kept_to_its_committed_length(node: Node, tmp_path: Path, at: datetime) -> None:
    tape = Tape(node.db, node.data, TelemetryLimits())
    assert tape.start()
    keep(node, tape, lines(0, 5, at), at)
    tape.append(lines(5, 5, at), at)  # written, never committed
    backup(node.folder, node.db, "XA", tmp_path / "b", PASSPHRASE, at)
    tape.close()
    restored = restore(tmp_path / "b", tmp_path / "again", PASSPHRASE)
    (segment,) = segments_of(restored.root)
    path = segment_path(restored.root, segment.segment)
    assert path.stat().st_size == segment.bytes
    assert list(read_segment(path, segment.bytes)) == [lines(0, 5, at)]
    assert examine(restored).events == 5


def segments_of(root: Path) -> list[Segment]:
    with closing(compose(root)) as node, node.db.read() as connection:
        return list_segments(connection, (OPEN, CLOSED, SEALED))


def test_segments_that_are_sealed_and_merged_meanwhile_are_in_it_whole(
    node: Node, tmp_path: Path, at: datetime
) -> None:
    tape = Tape(node.db, node.data, TelemetryLimits(segment_bytes=1))
    assert tape.start()
    hunter = Hunter(node.db, node.holdings, node.data, DetectionLimits(segments_before_merge=3))

    def turn(number: int) -> None:
        later = at + timedelta(minutes=number)
        keep(node, tape, lines(number * 10, 10, later), later)
        tape.turn(later)
        hunter.run(FixedClock(later))
        tape.refresh()

    with going_on(turn):
        for number in range(5):
            backup(node.folder, node.db, "XA", tmp_path / f"{number}", PASSPHRASE, at)
    tape.close()
    kept = (node.data / "lake").glob("hour=*/source=sensor/*")
    assert {path.name.partition(".")[2] for path in kept} == {suffix[1:] for suffix in SEALED_SUFFIXES}
    seen = []
    for number in range(5):
        restored = restore(tmp_path / f"{number}", tmp_path / f"again-{number}", PASSPHRASE)
        report = examine(restored)
        seen.append(report.events)
        with closing(compose(restored.root)) as again:
            opened = Tape(again.db, again.data, TelemetryLimits())
            assert opened.start()
            assert not report.sealed_segments or opened.may_hold(
                [Sought.of(ACTUAL, Observable("domain", "h1000.example"))]
            )
            opened.close()
    assert seen == sorted(seen)
    assert seen[-1] > 0


def test_pushed_lines_that_wait_are_kept_and_read_on_from_the_same_place(
    node: Node, tmp_path: Path, at: datetime
) -> None:
    node.telemetry.add_source("sensor", path="", line_format=Format.AUTO, by="p", at=at)
    node.telemetry.push("sensor", b'{"a":1}\n{"a":2}\n')
    (spooled,) = spool_folder(node.data, "sensor").glob("*.ndjson")
    with spooled.open("ab") as file:
        file.write(b'{"a":3')  # a line that is being written
    backup(node.folder, node.db, "XA", tmp_path / "b", PASSPHRASE, at)
    root = restore(tmp_path / "b", tmp_path / "again", PASSPHRASE).root
    assert (root / "spool" / "sensor" / spooled.name).read_bytes() == b'{"a":1}\n{"a":2}\n'
    assert not list(node.data.rglob(".backup-stage"))
