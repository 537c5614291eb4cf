"""Sources that change under the detector, and clocks that are wrong: every line is still read for what it says."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from mithaq.kernel.database import Database
from mithaq.telemetry.settings import TelemetryLimits
from tests.unit.detection.worlds import Bench, indicator

HEAD = b"#separator \\x09\n#path\tconn\n#fields\t%b\n"
PATTERN = "[network-traffic:dst_ref.value = '203.0.113.4' AND network-traffic:dst_port = 4444]"
THEN = "([domain-name:value = 'drop.example'] FOLLOWEDBY [domain-name:value = 'call.example']) WITHIN 60 SECONDS"


@pytest.fixture(params=["live", "retro", "sealed"])
def bench(request: pytest.FixtureRequest, db: Database, tmp_path: Path, at: datetime) -> Iterator[Bench]:
    """A node that is told of the indicators before the lines, after them, or once they are sealed."""
    bench = Bench(db, tmp_path, at, TelemetryLimits(segment_bytes=1) if request.param == "sealed" else None)
    bench.source()
    bench.start()
    bench.first = request.param == "live"  # type: ignore[attr-defined]
    yield bench
    bench.detector.close()


def play(bench: Bench, patterns: list[str], *blocks: bytes) -> list[str]:
    """Push the blocks one by one; return the lines of the hits."""
    known = [indicator(pattern, bench.at) for pattern in patterns]
    if bench.first:  # type: ignore[attr-defined]
        bench.store(*known)
    for block in blocks:
        bench.telemetry.push("zeek", block)
        bench.settle()
    if not bench.first:  # type: ignore[attr-defined]
        bench.store(*known)
    bench.settle()
    return sorted(hit.raw.decode() for hit in bench.hits())


def test_the_columns_of_a_zeek_log_change_in_the_middle(bench: Bench) -> None:
    row = b"1\tC1\t10.0.0.1\t203.0.113.4\t4444\n"
    changed = b"1\tC2\t4444\t203.0.113.4\t10.0.0.1\n"
    lines = (
        HEAD % b"ts\tuid\tid.orig_h\tid.resp_h\tid.resp_p" + row,
        HEAD % b"ts\tuid\tid.resp_p\tid.resp_h\tid.orig_h" + row.replace(b"C1", b"C3") + changed,
    )
    assert play(bench, [PATTERN], *lines) == ["1\tC1\t10.0.0.1\t203.0.113.4\t4444", changed.decode().strip()]


def test_keys_vanish_and_come_back_under_other_names(bench: Bench) -> None:
    lines = (
        b'{"_path":"conn","uid":"C1","ts":1,"id.resp_h":"203.0.113.4","id.resp_p":4444}\n'
        b'{"_path":"conn","uid":"C2","ts":1,"id.resp_h":"203.0.113.4"}\n'
        b'{"_path":"conn","uid":"C3","ts":1,"id":{"resp_h":"203.0.113.4","resp_p":4444}}\n'
        b'{"timestamp":"2026-11-28T00:00:00Z","event_type":"flow","dest_ip":"203.0.113.4","dest_port":4444}\n'
        b'{"_path":"conn","uid":"C4","ts":1,"id.resp_h":["203.0.113.4"],"id.resp_p":{"x":4444}}\n'
    )
    found = play(bench, [PATTERN], lines)
    assert [line[:30] for line in found] == [
        '{"_path":"conn","uid":"C1","ts',
        '{"_path":"conn","uid":"C3","ts',
        '{"timestamp":"2026-11-28T00:00',
    ]


def test_events_from_the_future_and_from_before_time_are_found_and_ordered_by_their_own_time(bench: Bench) -> None:
    def line(name: str, at: str) -> bytes:
        return b'{"_path":"dns","uid":"C","ts":"%b","query":"%b.example"}\n' % (at.encode(), name.encode())

    lines = (
        line("drop", "9999-12-31T23:59:50Z") + line("call", "9999-12-31T23:59:59.999999Z"),
        line("call", "0001-01-01T00:00:10Z") + line("drop", "0001-01-01T00:00:00Z"),
        line("drop", "2026-11-28T00:00:00Z") + line("call", "2126-11-28T00:00:00Z"),
        line("drop", "2026-11-28T00:00:00+25:00") + line("call", "1e400"),
    )
    found = play(bench, [THEN], *lines)
    assert [line for line in found if "0001-" in line or "9999-" in line] == [
        lines[1].split(b"\n")[0].decode(),
        lines[0].split(b"\n")[1].decode(),
    ]
    assert not any("2126-" in line for line in found)
