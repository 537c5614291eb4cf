"""How a source does: rate, lag, silence, fields that stopped coming, samples of what could not be read."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mithaq.kernel.database import Database
from mithaq.telemetry.health import MAX_SAMPLES, Looked, Newest, Vitals, usual_gap_s, vitals
from mithaq.telemetry.looking import look
from mithaq.telemetry.model import Format, Source
from mithaq.telemetry.service import Telemetry
from mithaq.telemetry.settings import TelemetryLimits
from tests.unit.telemetry.test_service import read


@pytest.fixture
def telemetry(db: Database, tmp_path: Path) -> Telemetry:
    return Telemetry(db, tmp_path)


def line(at: datetime, number: int, **more: object) -> str:
    fields = "".join(f',"{name}":"{value}"' for name, value in more.items())
    return f'{{"@timestamp":"{at.isoformat()}","query":"n{number}.example"{fields}}}\n'


def state(telemetry: Telemetry, at: datetime) -> Vitals:
    (reading,) = telemetry.readings(at)
    return reading.vitals


def add(telemetry: Telemetry, at: datetime, path: str = "") -> Source:
    return telemetry.add_source("dns", path=path, line_format=Format.AUTO, by="operator", at=at)


def test_a_source_that_comes_regularly_is_silent_after_a_while_and_one_that_is_new_is_not() -> None:
    regular = list(range(0, 200, 2))
    assert usual_gap_s(regular) == 600
    assert usual_gap_s(regular[:5]) is None
    assert usual_gap_s([minute * 60 for minute in range(100)]) == 3 * 3600
    with_a_night = [*regular, *(1000 + minute for minute in regular)]
    assert usual_gap_s(with_a_night) == 600, "one long gap is not usual"


def test_silence_is_told_only_of_a_source_that_has_a_habit(at: datetime) -> None:
    minute = int(at.timestamp()) // 60
    every_minute = [(minute - 100 + each, 1) for each in range(90)]
    quiet = Newest(at - timedelta(minutes=11), None, None)
    assert vitals(every_minute, Looked(), quiet, at).is_silent
    assert not vitals(every_minute, Looked(), Newest(at - timedelta(minutes=9), None, None), at).is_silent
    assert not vitals(every_minute[:3], Looked(), quiet, at).is_silent
    assert not vitals([], Looked(), Newest(None, None, None), at).is_silent


def test_rate_lag_and_reading_come_from_what_was_read(
    db: Database, telemetry: Telemetry, tmp_path: Path, at: datetime
) -> None:
    source = add(telemetry, at)
    assert state(telemetry, at).lag_s is None
    for minute in range(6):
        now = at + timedelta(minutes=minute)
        telemetry.push("dns", "".join(line(now - timedelta(seconds=90), each) for each in range(60)).encode())
        assert read(db, source, tmp_path, now) == 60
        look(db, tmp_path, TelemetryLimits(), now)
    after = state(telemetry, at + timedelta(minutes=6))
    assert after.events_per_s == 1.0
    assert after.lag_s == 90
    assert after.silent_s == 60
    assert state(telemetry, at + timedelta(hours=1)).events_per_s == 0


def test_a_field_that_stops_coming_is_named_and_a_change_that_stays_becomes_usual(
    db: Database, telemetry: Telemetry, tmp_path: Path, at: datetime
) -> None:
    log = tmp_path / "dns.log"
    source = add(telemetry, at, str(log))

    def write(count: int, now: datetime, **more: object) -> None:
        with log.open("a") as file:
            file.writelines(line(now, each, **more) for each in range(count))
        read(db, source, tmp_path, now)
        look(db, tmp_path, TelemetryLimits(), now)

    write(150, at, client="10.0.0.1", rare="x")
    write(150, at + timedelta(seconds=1), client="10.0.0.1")
    assert state(telemetry, at).gone == (("dns", "rare"),)
    write(150, at + timedelta(seconds=2), ip="10.0.0.1")
    assert state(telemetry, at).gone == (("dns", "client"), ("dns", "rare"))
    for turn in range(60):
        write(150, at + timedelta(seconds=3 + turn), ip="10.0.0.1")
    assert state(telemetry, at).gone == ()


def test_lines_that_cannot_be_read_are_shown_bounded_and_the_newest_first(
    db: Database, telemetry: Telemetry, tmp_path: Path, at: datetime
) -> None:
    source = add(telemetry, at)
    bad = [f"bad {number} ".encode() + b"\xff\0" + b"x" * 5000 for number in range(30)]
    telemetry.push("dns", b"\n".join(bad))
    read(db, source, tmp_path, at)
    look(db, tmp_path, TelemetryLimits(), at)
    samples = state(telemetry, at).samples
    assert len(samples) == MAX_SAMPLES
    assert [sample.text[:7] for sample in samples[:2]] == ["bad 29 ", "bad 28 "]
    assert all(len(sample.text) <= 300 and "\0" not in sample.text for sample in samples)
    assert "neither a JSON object" in samples[0].reason


def test_events_from_the_future_and_from_before_time_do_not_harm_a_look(
    db: Database, telemetry: Telemetry, tmp_path: Path, at: datetime
) -> None:
    source = add(telemetry, at)
    future = b'{"@timestamp":"9999-12-31T23:59:59Z","query":"a.example"}\n'
    telemetry.push("dns", future + b'{"@timestamp":"0001-01-01T00:00:00Z","query":"a.example"}\n')
    assert read(db, source, tmp_path, at) == 2
    look(db, tmp_path, TelemetryLimits(), at)
    assert state(telemetry, at).lag_s is None
    telemetry.push("dns", line(at + timedelta(hours=1), 1).encode())
    read(db, source, tmp_path, at + timedelta(seconds=1))
    assert state(telemetry, at) is not None


def test_a_hostile_record_does_not_grow_what_is_kept() -> None:
    looked = Looked()
    for number in range(200):
        looked.learn(f"kind{number}", {f"f{number}.{each}": {"a" * 500: {"b": {"c": 1}}} for each in range(500)})
    assert len(looked.kinds) <= 40
    assert all(len(each.counts) <= 300 for each in looked.kinds.values())
