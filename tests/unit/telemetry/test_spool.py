import threading
from datetime import datetime
from pathlib import Path

import pytest

from mithaq.telemetry.errors import PushRefused
from mithaq.telemetry.settings import TelemetryLimits
from mithaq.telemetry.spool import Spool, spool_folder
from mithaq.telemetry.tail import reader_of

LIMITS = TelemetryLimits(max_line_bytes=100, max_push_bytes=1000, spool_segment_bytes=50, max_spool_bytes=2000)


def kept(data: Path) -> list[str]:
    return [line for path in sorted(spool_folder(data, "s").glob("*.ndjson")) for line in path.read_text().split()]


def test_pushed_lines_are_kept_whole_and_counted(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    assert spool.append("s", b'{"a":1}\n{"a":2}', LIMITS) == 2
    assert spool.append("s", b'\r\n{"a":3}\r\n\n', LIMITS) == 1
    assert spool.append("s", b"\n", LIMITS) == 0
    assert kept(tmp_path) == ['{"a":1}', '{"a":2}', '{"a":3}']


def test_a_body_beyond_the_limit_is_refused_and_nothing_of_it_is_kept(tmp_path: Path) -> None:
    with pytest.raises(PushRefused, match="the body is larger than 1000 bytes"):
        Spool(tmp_path).append("s", b"x\n" * 501, LIMITS)
    with pytest.raises(PushRefused, match="line 2 is longer than 100 bytes"):
        Spool(tmp_path).append("s", b"x\n" + b"y" * 101, LIMITS)
    assert kept(tmp_path) == []


def test_a_spool_that_nobody_reads_fills_up_to_its_limit(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    with pytest.raises(PushRefused, match="the spool is full"):
        for _ in range(100):
            spool.append("s", b"x" * 90, LIMITS)
    assert sum(path.stat().st_size for path in spool_folder(tmp_path, "s").glob("*")) <= 2000


def test_a_line_cut_by_a_crash_does_not_swallow_the_next(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append("s", b"a", LIMITS)
    path = next(spool_folder(tmp_path, "s").glob("*.ndjson"))
    with path.open("a") as file:
        file.write('{"cut')
    spool.append("s", b"b", LIMITS)
    assert kept(tmp_path) == ["a", '{"cut', "b"]


def test_lines_pushed_by_many_at_once_while_being_read_are_all_read_once(tmp_path: Path, at: datetime) -> None:
    spool = Spool(tmp_path)
    spool_folder(tmp_path, "s").mkdir(parents=True)
    tail = reader_of("s", spool_folder(tmp_path, "s"), [], TelemetryLimits())

    def push(who: int) -> None:
        for number in range(40):
            spool.append("s", b"%d-%d\n%d-%d.5" % (who, number, who, number), LIMITS)

    threads = [threading.Thread(target=push, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    read: list[bytes] = []
    while any(thread.is_alive() for thread in threads) or tail.waiting_bytes():
        while (chunk := tail.next(at)) is not None:
            read += [line.text for line in chunk.lines]
            tail.committed(chunk)
    while (chunk := tail.next(at)) is not None:
        read += [line.text for line in chunk.lines]
        tail.committed(chunk)
    tail.close()
    expected = [b"%d-%d%s" % (who, number, half) for who in range(4) for number in range(40) for half in (b"", b".5")]
    assert sorted(read) == sorted(expected)
