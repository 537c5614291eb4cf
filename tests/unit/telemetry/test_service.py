import gzip
from datetime import datetime
from pathlib import Path

import pytest

from mithaq.kernel import journal
from mithaq.kernel.database import Database
from mithaq.kernel.lane import ACTUAL
from mithaq.telemetry import store
from mithaq.telemetry.errors import BadSource, PushRefused, UnknownSource
from mithaq.telemetry.intake import Intake
from mithaq.telemetry.model import Format, Source
from mithaq.telemetry.service import Telemetry
from mithaq.telemetry.settings import TelemetryLimits


@pytest.fixture
def telemetry(db: Database, tmp_path: Path) -> Telemetry:
    return Telemetry(db, tmp_path, TelemetryLimits(max_push_bytes=1000, broken_lines_kept=3))


def add(telemetry: Telemetry, at: datetime, name: str = "zeek", path: str = "") -> Source:
    return telemetry.add_source(name, path=path, line_format=Format.AUTO, by="operator", at=at)


def read(db: Database, source: Source, data: Path, at: datetime) -> int:
    with db.read() as connection:
        positions = store.positions_of(connection, source.name)
    intake = Intake(source, data, positions, TelemetryLimits(broken_lines_kept=3))
    count = 0
    while (batch := intake.next(at)) is not None:
        with db.write(at) as tx:
            intake.save(tx, batch)
        intake.committed(batch)
        count += len(batch.events)
    intake.close()
    return count


def test_a_source_is_added_listed_and_told_to_the_detector(telemetry: Telemetry, db: Database, at: datetime) -> None:
    source = add(telemetry, at)
    assert [each.status.source for each in telemetry.readings(at)] == [source]
    with db.read() as connection:
        (entry,) = journal.entries(connection, 0)
    assert (entry.kind, entry.subject, entry.lane) == ("telemetry.sources.changed", "zeek", ACTUAL)


@pytest.mark.parametrize("name", ["", "../etc", "Zeek", "a b", "a/b", ".hidden", "x" * 64])
def test_a_name_that_could_leave_the_spool_is_refused(telemetry: Telemetry, at: datetime, name: str) -> None:
    with pytest.raises(BadSource):
        add(telemetry, at, name)


def test_a_taken_name_and_a_relative_path_are_refused(telemetry: Telemetry, at: datetime) -> None:
    add(telemetry, at)
    for name, path in (("zeek", ""), ("relative", "conn.log")):
        with pytest.raises(BadSource):
            add(telemetry, at, name, path)


def test_a_folder_is_every_file_in_it(telemetry: Telemetry, db: Database, at: datetime, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    source = add(telemetry, at, "folder", str(folder))
    assert source.path == str(folder / "*")
    assert telemetry.readings(at)[0].trouble == ""
    (folder / "a.json").write_bytes(b'{"query":"a.example"}\n')
    (folder / "b.json.gz").write_bytes(gzip.compress(b'{"query":"b.example"}\n{"query":"c.example"}\n'))
    assert telemetry.readings(at)[0].waiting_bytes > 0
    assert read(db, source, tmp_path, at) == 3
    assert telemetry.readings(at)[0].waiting_bytes == 0
    assert read(db, source, tmp_path, at) == 0, "a new detector goes on where the last one was"


def test_pushed_lines_are_counted_read_and_no_longer_waiting(
    telemetry: Telemetry, db: Database, at: datetime, tmp_path: Path
) -> None:
    source = add(telemetry, at)
    assert telemetry.push("zeek", b'{"query":"a.example"}\n{"query":"b.example"}\nbroken') == 3
    assert telemetry.readings(at)[0].waiting_bytes > 0
    assert read(db, source, tmp_path, at) == 2
    reading = telemetry.readings(at)[0]
    assert reading.waiting_bytes == 0
    assert (reading.status.lines, reading.status.events, reading.status.broken) == (3, 2, 1)
    (broken,) = telemetry.broken("zeek", limit=10)
    assert (broken.line, broken.offset) == (3, 44)
    assert "neither a JSON object" in broken.reason
    assert read(db, source, tmp_path, at) == 0


def test_only_the_newest_broken_lines_are_kept_and_all_are_counted(
    telemetry: Telemetry, db: Database, at: datetime, tmp_path: Path
) -> None:
    source = add(telemetry, at)
    for number in range(5):
        telemetry.push("zeek", b"broken %d\n" % number * 2)
        read(db, source, tmp_path, at)
    assert telemetry.readings(at)[0].status.broken == 10
    assert [each.line for each in telemetry.broken("zeek", limit=10)] == [10, 9, 8]


def test_pushing_too_much_or_to_nobody_is_refused(telemetry: Telemetry, at: datetime, tmp_path: Path) -> None:
    add(telemetry, at)
    add(telemetry, at, "file", str(tmp_path / "conn.log"))
    with pytest.raises(PushRefused):
        telemetry.push("zeek", b"x" * 1001)
    for name in ("nobody", "file"):
        with pytest.raises(UnknownSource):
            telemetry.push(name, b"{}")


def test_a_file_that_is_not_there_is_shown_as_trouble(telemetry: Telemetry, at: datetime, tmp_path: Path) -> None:
    add(telemetry, at, "file", str(tmp_path / "conn.log"))
    assert telemetry.readings(at)[0].trouble.startswith("conn.log: No such file")


def test_a_tsv_log_goes_on_after_a_restart_in_its_middle(
    telemetry: Telemetry, db: Database, at: datetime, tmp_path: Path
) -> None:
    log = tmp_path / "dns.log"
    log.write_bytes(b"#separator \\x09\n#path\tdns\n#fields\tts\tquery\n#types\ttime\tstring\n1.0\ta.example\n")
    source = add(telemetry, at, "file", str(log))
    assert read(db, source, tmp_path, at) == 1
    with log.open("a") as file:
        file.write("2.0\tb.example\n")
    assert read(db, source, tmp_path, at) == 1


def test_a_removed_source_is_unknown(telemetry: Telemetry, at: datetime) -> None:
    add(telemetry, at)
    telemetry.remove_source("zeek", by="operator", at=at)
    assert telemetry.readings(at) == []
    with pytest.raises(UnknownSource):
        telemetry.remove_source("zeek", by="operator", at=at)
    with pytest.raises(UnknownSource):
        telemetry.broken("zeek", limit=1)
