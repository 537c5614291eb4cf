"""Compressed files, EVTX files and folders: every line once, whatever happens to the files and to the reader."""

import bz2
import gzip
import lzma
import os
import random
import shutil
import tarfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import msgspec
import pytest
import zstandard

from mithaq.kernel.lane import ACTUAL
from mithaq.telemetry.contents import open_content
from mithaq.telemetry.model import Format, Source
from mithaq.telemetry.parsers.line import LineParser
from mithaq.telemetry.settings import TelemetryLimits
from tests.unit.telemetry.test_tail import LIMITS, Follower, append

COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstandard.ZstdCompressor().compress,
}
NAMES = sorted(COMPRESSORS)


def text(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def many(count: int) -> list[str]:
    return [f"line {number} {random.Random(number).getrandbits(200):x}" for number in range(count)]


@pytest.mark.parametrize("name", NAMES)
def test_a_compressed_file_is_read_to_its_end_once(name: str, tmp_path: Path, at: datetime) -> None:
    path = tmp_path / f"conn.log.{name}"
    lines = many(2000)
    compress = COMPRESSORS[name]
    path.write_bytes(compress(text(*lines[:700])) + compress(text(*lines[700:])))
    follower = Follower(path, at)
    for _ in range(7):
        follower.step()
    follower.restart()
    assert follower.read() == lines
    follower.restart()
    assert follower.read() == lines
    assert follower.broken == []
    path.with_name("new").write_bytes(compress(text("another")))
    path.with_name("new").rename(path)
    assert follower.read() == [*lines, "another"]


@pytest.mark.parametrize("name", NAMES)
def test_a_line_has_the_same_place_in_a_file_and_in_its_compressed_form(
    name: str, tmp_path: Path, at: datetime
) -> None:
    lines = text(*many(50))
    (tmp_path / "a").write_bytes(lines)
    (tmp_path / "b").write_bytes(COMPRESSORS[name](lines))
    places = []
    for path in (tmp_path / "a", tmp_path / "b"):
        follower = Follower(path, at)
        follower.step()
        chunk = follower.tail.next(at)
        assert chunk is not None
        places.append([(line.place, line.text) for line in chunk.lines])
    assert places[0] == places[1]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_was_rotated_and_compressed_while_nobody_looked_is_read(
    name: str, tmp_path: Path, at: datetime
) -> None:
    log = tmp_path / "conn.log"
    append(log, "a", "b")
    follower = Follower(log, at)
    follower.read()
    follower.tail.close()
    for number in (3, 2, 1):  # three rotations, the oldest one holds the rest of what was followed
        append(log, f"rest of {number}")
        (tmp_path / f"conn.log.{number}.{name}").write_bytes(COMPRESSORS[name](log.read_bytes()))
        log.unlink()
        append(log, f"first after {number}")
    follower.restart()
    follower.read()
    follower.later()
    assert sorted(follower.read()) == sorted(
        ["a", "b", "rest of 3", "first after 3", "rest of 2", "first after 2", "rest of 1", "first after 1"]
    )
    assert follower.broken == []


@pytest.mark.parametrize("name", NAMES)
def test_a_compressed_file_is_read_while_it_is_written(name: str, tmp_path: Path, at: datetime) -> None:
    lines = many(3000)
    whole = COMPRESSORS[name](text(*lines))
    path = tmp_path / f"conn.log.{name}"
    path.write_bytes(whole[:40])
    follower = Follower(path, at)
    for end in (len(whole) // 3, len(whole) // 2, len(whole)):
        follower.read()
        path.write_bytes(whole[:end])
    assert follower.read() == lines
    assert follower.broken == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("harm", ["cut", "damaged"])
def test_a_compressed_file_that_is_cut_or_damaged_is_read_as_far_as_it_goes_and_told(
    name: str, harm: str, tmp_path: Path, at: datetime
) -> None:
    lines = many(3000)
    whole = COMPRESSORS[name](text(*lines))
    middle = len(whole) // 2
    path = tmp_path / f"conn.log.{name}"
    path.write_bytes(whole[:middle] if harm == "cut" else whole[:middle] + b"\xff" * 500 + whole[middle + 500 :])
    os.utime(path, (at.timestamp(), at.timestamp()))
    follower = Follower(tmp_path / "*", at)
    follower.read()
    assert follower.broken == [], "somebody may still be writing it"
    follower.later(61)
    follower.read()
    intact = max(0, len(follower.lines) - 1) if harm == "cut" else min(10, len(follower.lines))
    assert follower.lines[:intact] == lines[:intact]
    assert [reason.partition(":")[0] for reason in follower.broken] == ["the rest of the file cannot be read"]
    follower.restart()
    assert follower.step() is False


def test_a_bomb_ends_at_its_limit(tmp_path: Path, at: datetime) -> None:
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(b"\0" * 50_000_000))
    os.utime(path, (0, 0))
    limits = TelemetryLimits(max_line_bytes=2000, read_bytes=4000, max_expanded_bytes=1_000_000)
    follower = Follower(tmp_path / "*", at, limits)
    assert follower.read() == []
    assert "expands to more than 1000000 bytes" in follower.broken[-1]


def test_a_line_of_a_hundred_million_bytes_is_skipped_and_the_next_one_read(tmp_path: Path, at: datetime) -> None:
    path = tmp_path / "x.log.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"a\n")
        for _ in range(100):
            file.write(b"x" * 1_000_000)
        file.write(b"\nb\n")
    follower = Follower(path, at, TelemetryLimits())
    assert follower.read() == ["a", "b"]
    assert follower.broken == ["longer than 1048576 bytes"]


# -- folders --------------------------------------------------------------------------------------------------------


def test_every_matching_file_of_a_folder_is_read_and_new_ones_as_they_come(tmp_path: Path, at: datetime) -> None:
    append(tmp_path / "a.log", "a1")
    append(tmp_path / "b.txt", "no")
    append(tmp_path / ".c.log", "hidden")
    (tmp_path / "d.log").mkdir()
    follower = Follower(tmp_path / "*.log", at)
    assert follower.read() == ["a1"]
    append(tmp_path / "b.log", "b1")
    append(tmp_path / "a.log", "a2")
    assert sorted(follower.read()) == ["a1", "a2", "b1"]
    follower.restart()
    append(tmp_path / "b.log", "b2")
    assert sorted(follower.read()) == ["a1", "a2", "b1", "b2"]


def test_no_file_of_a_folder_keeps_the_others_waiting(tmp_path: Path, at: datetime) -> None:
    for name in ("a", "b"):
        append(tmp_path / f"{name}.log", *(f"{name} {'x' * 1000} {number}" for number in range(50)))
    follower = Follower(tmp_path / "*.log", at)
    for _ in range(8):
        follower.step()
    assert {line[0] for line in follower.lines} == {"a", "b"}


def test_more_files_than_may_be_open_are_all_read_and_all_followed(tmp_path: Path, at: datetime) -> None:
    limits = TelemetryLimits(max_line_bytes=2000, read_bytes=4000, max_open_files=3)
    follower = Follower(tmp_path / "*", at, limits)
    wanted = []
    for turn in range(4):
        for number in range(10):
            append(tmp_path / f"f{number}", f"{number} {turn}")
            wanted.append(f"{number} {turn}")
        for _ in range(5):
            follower.read()
            follower.later(2)
    assert sorted(follower.lines) == sorted(wanted)
    assert len(list(Path("/proc/self/fd").iterdir())) < 200


def test_a_file_that_was_read_and_then_deleted_is_no_loss_and_one_that_was_not_is(tmp_path: Path, at: datetime) -> None:
    append(tmp_path / "a", "a")
    append(tmp_path / "b", "b")
    follower = Follower(tmp_path / "*", at)
    follower.read()
    follower.tail.close()
    (tmp_path / "a").unlink()
    append(tmp_path / "b", "never read")
    (tmp_path / "b").unlink()
    follower.restart()
    assert follower.read() == ["a", "b"]
    assert follower.broken == []
    append(tmp_path / "c", *many(200))
    follower.step()
    follower.step()
    follower.tail.close()
    (tmp_path / "c").unlink()
    follower.restart()
    follower.read()
    assert [reason.partition(";")[0] for reason in follower.broken] == ["the file was rotated away or deleted"]


def test_two_files_that_begin_alike_and_both_stay_are_two(tmp_path: Path, at: datetime) -> None:
    head = [f"#same header {'x' * 1200}"]
    append(tmp_path / "a", *head, "a")
    follower = Follower(tmp_path / "*", at)
    follower.read()
    append(tmp_path / "b", *head, "b", "b2")
    os.utime(tmp_path / "b", (0, 0))
    follower.later(2)
    assert follower.read() == [*head, "a", *head, "b", "b2"]


def test_a_folders_zeek_logs_are_named_by_their_files(tmp_path: Path, at: datetime) -> None:
    (tmp_path / "conn.2026-11-23.log").write_bytes(b'{"ts":1.5,"uid":"C","id.orig_h":"10.0.0.1"}\n')
    (tmp_path / "dns.log.gz").write_bytes(gzip.compress(b'{"ts":1.5,"uid":"D","id.orig_h":"10.0.0.1"}\n'))
    follower = Follower(tmp_path / "*", at)
    kinds = {}
    source = Source("s", str(tmp_path / "*"), Format.AUTO, ACTUAL)
    while (chunk := follower.tail.next(at)) is not None:
        parser = LineParser(source, state=chunk.position.header, file_name="*")
        for line in chunk.lines:
            event = parser.parse(line.text, line.place, at)
            assert event is not None
            kinds[chunk.position.path] = event.kind
        follower.tail.committed(chunk)
    assert kinds == {"conn.2026-11-23.log": "zeek.conn", "dns.log.gz": "zeek.dns"}


def test_equal_lines_of_two_files_have_two_places(tmp_path: Path, at: datetime) -> None:
    append(tmp_path / "a.log", "same")
    append(tmp_path / "b.log", "same")
    os.utime(tmp_path / "b.log", (0, 0))
    os.utime(tmp_path / "a.log", (0, 0))
    follower = Follower(tmp_path / "*", at)
    places = set()
    while (chunk := follower.tail.next(at)) is not None:
        places |= {line.place for line in chunk.lines}
        follower.tail.committed(chunk)
    assert len(places) == 2
    assert all(0 <= place < 1 << 63 for place in places)


@pytest.mark.parametrize("seed", range(30))
def test_whatever_happens_to_a_folder_every_line_is_read_once(seed: int, tmp_path: Path, at: datetime) -> None:
    """Files grow, are renamed, are compressed, and the reader is killed between any two of its steps."""
    chance = random.Random(seed)
    limits = TelemetryLimits(max_line_bytes=2000, read_bytes=4000, max_open_files=chance.choice([2, 256]))
    follower = Follower(tmp_path / "*", at, limits)
    written: list[str] = []
    for turn in range(60):
        path = tmp_path / f"{chance.choice('abc')}.log"
        for _ in range(chance.randrange(4)):
            written.append(f"{path.name} {len(written)} {'y' * chance.randrange(900)}")
            append(path, written[-1])
        match chance.randrange(7):
            case 0 if path.exists():
                path.rename(tmp_path / f"{path.name}.{turn}")
            case 1 if path.exists():
                name = chance.choice(NAMES)
                packed = tmp_path / f".{turn}"
                packed.write_bytes(COMPRESSORS[name](path.read_bytes()))
                packed.rename(tmp_path / f"{path.name}.{turn}.{name}")
                path.unlink()
            case 2:
                follower.restart()
            case 3:
                follower.step(crash=True)
        for _ in range(chance.randrange(6)):
            follower.step()
        follower.later(chance.choice([0, 2, 30]))
    for _ in range(4):
        follower.read()
        follower.later(61)
    assert sorted(follower.lines) == sorted(written)
    assert follower.broken == []


@pytest.mark.parametrize("seed", range(10))
def test_a_folders_file_that_is_copied_and_truncated_loses_nothing(seed: int, tmp_path: Path, at: datetime) -> None:
    chance = random.Random(seed)
    follower = Follower(tmp_path / "*.log", at)
    written: list[str] = []
    path = tmp_path / "a.log"
    for turn in range(20):
        for _ in range(chance.randrange(1, 4)):
            written.append(f"{len(written)} {'y' * chance.randrange(900)}")
            append(path, written[-1])
        follower.step()
        follower.step()
        if chance.randrange(3) == 0:
            follower.later(2)
            follower.step()
            shutil.copy(path, tmp_path / f"a.log.{turn}")
            os.truncate(path, 0)
        if chance.randrange(4) == 0:
            follower.restart()
        follower.later(2)
        follower.step()
    for _ in range(4):
        follower.read()
        follower.later(61)
    assert sorted(follower.lines) == sorted(written)
    assert follower.broken == []


# -- EVTX -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def evtx_files(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Real event logs of the Sigma regression cases, with several records first."""
    folder = tmp_path_factory.mktemp("evtx")
    with tarfile.open(data_dir / "sigma" / "sigma-regression-given.tar.gz") as archive:
        archive.extractall(folder, [each for each in archive if each.name.endswith(("evtx", "json"))], filter="data")
    return sorted(folder.rglob("*.evtx"), key=lambda path: (-path.with_suffix(".json").stat().st_size, path))


def test_an_evtx_file_gives_the_events_that_are_known_of_it(
    evtx_files: list[Path], tmp_path: Path, at: datetime
) -> None:
    for path in evtx_files[:6]:
        folder = tmp_path / path.stem
        folder.mkdir()
        shutil.copy(path, folder / "log.evtx")
        follower = Follower(folder / "*.evtx", at, TelemetryLimits())
        follower.read()
        follower.restart()
        lines = follower.read()
        given = path.with_suffix(".json").read_bytes()
        known = msgspec.json.decode(
            given if given.lstrip()[:1] == b"[" else b"[" + given.replace(b"}\n{", b"},{") + b"]"
        )
        read = [msgspec.json.decode(line) for line in lines]
        wanted = {each["Event"]["System"]["EventRecordID"] for each in known}
        assert wanted <= {each["Event"]["System"]["EventRecordID"] for each in read}
        assert follower.broken == []
        for line in lines:
            event = LineParser(Source("s", "", Format.WINDOWS, ACTUAL)).parse(line.encode(), 0, at)
            assert event is not None
            assert event.kind.startswith("windows.")


def test_an_evtx_file_that_is_copied_again_unchanged_gives_nothing_new(
    evtx_files: list[Path], tmp_path: Path, at: datetime
) -> None:
    target = tmp_path / "log.evtx"
    shutil.copy(evtx_files[0], target)
    follower = Follower(tmp_path / "*", at, TelemetryLimits())
    lines = list(follower.read())
    assert lines
    shutil.copy(evtx_files[0], tmp_path / "again")
    (tmp_path / "again").rename(target)
    follower.later(2)
    assert follower.read() == lines
    shutil.copy(evtx_files[1], tmp_path / "other")
    (tmp_path / "other").rename(target)
    follower.later(2)
    assert len(follower.read()) > len(lines), "another log under the same name is another log"


@pytest.mark.parametrize("harm", ["cut", "noise", "zeros", "only the magic"])
def test_a_hostile_evtx_file_ends_its_reader_and_nothing_else(
    harm: str, evtx_files: list[Path], tmp_path: Path, at: datetime
) -> None:
    whole = evtx_files[0].read_bytes()
    chance = random.Random(7)
    harmed = {
        "cut": whole[: len(whole) // 2 + 100],
        "noise": whole[:4700] + chance.randbytes(3000) + whole[7700:],
        "zeros": whole[:4700] + bytes(len(whole) - 4700),
        "only the magic": b"ElfFile\0" + bytes(100),
    }[harm]
    path = tmp_path / "log.evtx"
    path.write_bytes(harmed)
    os.utime(path, (0, 0))
    append(tmp_path / "z.log", "the rest goes on")
    follower = Follower(tmp_path / "*", at, TelemetryLimits())
    follower.read()
    assert "the rest goes on" in follower.lines
    assert follower.step() is False
    if harm in {"noise", "only the magic"}:
        assert follower.broken


def test_an_evtx_reader_that_needs_too_much_memory_is_ended_and_told(
    evtx_files: list[Path], tmp_path: Path, at: datetime
) -> None:
    shutil.copy(evtx_files[0], tmp_path / "log.evtx")
    os.utime(tmp_path / "log.evtx", (0, 0))
    follower = Follower(tmp_path / "*", at, TelemetryLimits(evtx_memory_bytes=8 << 20))
    assert follower.read() == []
    assert "its reader ended with" in follower.broken[0]


def test_a_pipe_and_a_folder_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert open_content(tmp_path / "pipe", LIMITS) is None
    assert open_content(tmp_path, LIMITS) is None
    assert open_content(tmp_path / "missing", LIMITS) is None
