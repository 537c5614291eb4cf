import os
import random
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mithaq.telemetry.settings import TelemetryLimits
from mithaq.telemetry.store import Position
from mithaq.telemetry.tail import reader_of

LIMITS = TelemetryLimits(max_line_bytes=2000, read_bytes=4000)


class Follower:
    """A tail whose positions are kept as the detector keeps them, and that can be killed at any time."""

    def __init__(self, path: Path, at: datetime, limits: TelemetryLimits = LIMITS) -> None:
        self.path, self.at, self.limits = path, at, limits
        self.kept: dict[int, Position] = {}
        self.lines: list[str] = []
        self.broken: list[str] = []
        self.restart()

    def restart(self) -> None:
        if hasattr(self, "tail"):
            self.tail.close()
        self.tail = reader_of("s", self.path, [self.kept[number] for number in sorted(self.kept)], self.limits)

    def step(self, *, crash: bool = False) -> bool:
        chunk = self.tail.next(self.at)
        if chunk is None:
            return False
        if crash:
            self.restart()
            return True
        self.lines += [line.text.decode() for line in chunk.lines]
        self.broken += [line.reason for line in chunk.broken]
        self.kept[chunk.position.generation] = chunk.position
        self.tail.committed(chunk)
        return True

    def read(self) -> list[str]:
        while self.step():
            pass
        return self.lines

    def later(self, seconds: int = 60) -> None:
        self.at += timedelta(seconds=seconds)


def append(path: Path, *lines: str) -> None:
    with path.open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


def test_lines_are_read_once_as_the_file_grows(tmp_path: Path, at: datetime) -> None:
    log = tmp_path / "conn.log"
    follower = Follower(log, at)
    assert follower.read() == []
    append(log, "a", "b")
    follower.read()
    append(log, "c")
    follower.read()
    assert follower.lines == ["a", "b", "c"]


def test_half_a_line_waits_for_its_end(tmp_path: Path, at: datetime) -> None:
    log = tmp_path / "conn.log"
    log.write_text("a\nhal")
    follower = Follower(log, at)
    assert follower.read() == ["a"]
    with log.open("a") as file:
        file.write("f\n")
    assert follower.read() == ["a", "half"]


def test_a_restart_goes_on_where_the_last_commit_was(tmp_path: Path, at: datetime) -> None:
    log = tmp_path / "conn.log"
    append(log, "a", "b")
    follower = Follower(log, at)
    follower.step(crash=True)
    follower.read()
    follower.restart()
    append(log, "c")
    assert follower.read() == ["a", "b", "c"]


@pytest.mark.parametrize("restart", [False, True])
def test_a_file_rotated_by_renaming_is_read_to_its_end(tmp_path: Path, at: datetime, restart: bool) -> None:
    log = tmp_path / "conn.log"
    append(log, "a", "b")
    follower = Follower(log, at)
    follower.read()
    append(log, "c")
    log.rename(tmp_path / "conn.log.1")
    append(log, "d")
    if restart:
        follower.restart()
    follower.read()
    append(tmp_path / "conn.log.1", "late")
    follower.read()
    assert follower.lines == ["a", "b", "c", "d", "late"]
    follower.later()
    follower.read()
    assert [each.closed for each in follower.kept.values()] == [True, False]
    assert follower.broken == []


@pytest.mark.parametrize("restart", [False, True])
def test_a_file_copied_and_truncated_is_read_to_its_end_in_the_copy(
    tmp_path: Path, at: datetime, restart: bool
) -> None:
    log = tmp_path / "conn.log"
    append(log, "a", "b")
    follower = Follower(log, at)
    follower.read()
    append(log, "c")
    (tmp_path / "conn.log.1").write_bytes(log.read_bytes())
    os.truncate(log, 0)
    append(log, "d")
    if restart:
        follower.restart()
    follower.read()
    assert sorted(follower.lines) == ["a", "b", "c", "d"]
    assert follower.broken == []


def test_a_truncated_file_that_has_grown_past_the_old_place_is_recognised(tmp_path: Path, at: datetime) -> None:
    log = tmp_path / "conn.log"
    append(log, "a")
    follower = Follower(log, at)
    follower.read()
    (tmp_path / "conn.log.1").write_bytes(log.read_bytes())
    os.truncate(log, 0)
    append(log, "b", "c", "d")
    assert follower.read() == ["a", "b", "c", "d"]


def test_a_truncated_file_without_a_copy_is_read_anew_and_the_gap_is_told(tmp_path: Path, at: datetime) -> None:
    log = tmp_path / "conn.log"
    append(log, "a", "b")
    follower = Follower(log, at)
    follower.read()
    os.truncate(log, 0)
    append(log, "c")
    assert follower.read() == ["a", "b", "c"]
    assert [reason.split(";")[0] for reason in follower.broken] == ["the file was rotated away or deleted"]


def test_a_file_that_vanished_while_nobody_looked_is_told(tmp_path: Path, at: datetime) -> None:
    log = tmp_path / "conn.log"
    append(log, "a")
    follower = Follower(log, at)
    follower.read()
    log.unlink()
    append(log, "b")
    follower.restart()
    assert follower.read() == ["a", "b"]
    assert len(follower.broken) == 1


def test_the_last_line_of_a_rotated_file_needs_no_line_feed(tmp_path: Path, at: datetime) -> None:
    log = tmp_path / "conn.log"
    log.write_text("a\nlast")
    follower = Follower(log, at)
    follower.read()
    log.rename(tmp_path / "conn.log.1")
    append(log, "b")
    follower.read()
    assert follower.lines == ["a", "b"]
    follower.later()
    assert follower.read() == ["a", "b", "last"]


def test_a_line_beyond_the_limit_is_told_and_the_next_is_read(tmp_path: Path, at: datetime) -> None:
    log = tmp_path / "conn.log"
    append(log, "a", "x" * 50_000, "b", "y" * 2_001, "z" * 2_000)
    follower = Follower(log, at)
    follower.read()
    assert [len(line) for line in follower.lines] == [1, 1, 2_000]
    assert follower.broken == ["longer than 2000 bytes"] * 2


def test_a_line_beyond_the_limit_may_still_be_growing_at_a_restart(tmp_path: Path, at: datetime) -> None:
    log = tmp_path / "conn.log"
    log.write_text("x" * 9_000)
    follower = Follower(log, at)
    follower.read()
    follower.restart()
    with log.open("a") as file:
        file.write("x\nb\n")
    assert follower.read() == ["b"]
    assert len(follower.broken) == 1


def test_segments_of_a_spool_are_read_in_order_and_removed(tmp_path: Path, at: datetime) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    follower = Follower(spool, at)
    append(spool / "000000000001.ndjson", "a")
    append(spool / "000000000002.ndjson", "b")
    assert follower.read() == ["a", "b"]
    assert [path.name for path in spool.iterdir()] == ["000000000002.ndjson"]
    follower.restart()
    append(spool / "000000000002.ndjson", "c")
    assert follower.read() == ["a", "b", "c"]


def test_equal_lines_at_the_same_offset_of_two_segments_are_two_places(tmp_path: Path, at: datetime) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    append(spool / "000000000001.ndjson", "same")
    append(spool / "000000000002.ndjson", "same")
    tail = reader_of("s", spool, [], LIMITS)
    places = set()
    while (chunk := tail.next(at)) is not None:
        places |= {line.place for line in chunk.lines}
        tail.committed(chunk)
    tail.close()
    assert len(places) == 2


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("rotation", ["rename", "copy"])
def test_whatever_rotates_and_crashes_every_line_is_read_exactly_once(
    tmp_path: Path, at: datetime, rotation: str, seed: int
) -> None:
    chance = random.Random(seed)
    log = tmp_path / "conn.log"
    append(log, "first")
    follower = Follower(log, at)
    follower.step()
    written, rotations = ["first"], 0
    for _ in range(300):
        match chance.choice(["write", "write", "write", "read", "crash", "restart", "rotate", "later"]):
            case "write":
                lines = [f"{len(written) + place}:{'x' * chance.randint(0, 300)}" for place in range(5)]
                written += lines
                append(log, *lines)
            case "read":
                follower.step()
            case "crash":
                follower.step(crash=True)
            case "restart":
                follower.restart()
            case "rotate" if log.exists() and log.stat().st_size:
                rotations += 1
                rotate(log, tmp_path / f"conn.log.{rotations}", rotation)
            case "later":
                follower.later(3)
    for _ in range(3):
        follower.later()
        follower.read()
    assert sorted(follower.lines) == sorted(written)
    assert follower.broken == []


def rotate(log: Path, target: Path, rotation: str) -> None:
    if rotation == "rename":
        log.rename(target)
        return
    target.write_bytes(log.read_bytes())
    os.truncate(log, 0)
