"""An index leads to single rows, and what is read there is what Arrow reads; what is damaged is told or made anew."""

import json
import random
from array import array
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mithaq.kernel.lane import ACTUAL
from mithaq.telemetry.blocks import Parsed
from mithaq.telemetry.errors import LakeBroken
from mithaq.telemetry.lake.files import files_of
from mithaq.telemetry.lake.finding import Wanted, find
from mithaq.telemetry.lake.index import ROWS_A_FRAME, SIGHTS_A_FRAME, SealedIndex, Sought, fingerprint, index_path
from mithaq.telemetry.lake.indexing import indexed_anew
from mithaq.telemetry.lake.kept_lines import rows_of
from mithaq.telemetry.lake.sealing import merge, seal
from mithaq.telemetry.lake.single import events_at
from tests.unit.telemetry.blocks import block
from tests.unit.telemetry.events import hunt, seen

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
COUNT = 2 * ROWS_A_FRAME + SIGHTS_A_FRAME
FOLDER = "lake/hour=2026-11-20T12/source=s"
HEADERS = [
    b"#separator \\x09\n#path\tdns\n#fields\tts\tuid\tid.orig_h\tquery\n" + b"#open\t%d\n" % day for day in (1, 2)
]


def lines(count: int) -> Iterator[Parsed]:
    """Yield lines of several kinds, short and long, some below one of two headers; one name is in all of them."""
    chance = random.Random(7)
    for place in range(count):
        name = f"h{place % 500}.evil.example"
        if place % 3 == 0:
            row = f"{NOON.timestamp() + place}\tU{place}\t10.0.{place % 200}.3\t{name}".encode()
            yield block(chance.choice(HEADERS) + row, NOON, place=place * 10_000).parsed()
            continue
        path = chance.choice(["dns", "http", "ssl"])
        said = {"_path": path, "ts": NOON.timestamp() + place, "id.orig_h": f"10.1.{place % 256}.9", "query": name}
        said["note"] = chance.randbytes(chance.choice((0, 10, 900))).hex()
        yield block(json.dumps(said).encode(), NOON, place=place * 10_000).parsed()


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    data = tmp_path_factory.mktemp("lake")
    stem = f"{FOLDER}/{1:012d}"
    assert seal(data, stem, 1, lines(COUNT)) == COUNT
    return data, stem


def copied(lake: tuple[Path, str], to: Path) -> tuple[Path, str]:
    data, stem = lake
    (to / stem).parent.mkdir(parents=True)
    for file in (*files_of(data, stem), index_path(data, stem)):
        (to / file.relative_to(data)).write_bytes(file.read_bytes())
    return to, stem


@pytest.mark.parametrize("seed", range(5))
def test_single_events_are_those_that_arrow_reads(lake: tuple[Path, str], seed: int) -> None:
    data, stem = lake
    index = SealedIndex.open(data, stem)
    assert index.contents.events_bytes == files_of(data, stem)[0].stat().st_size
    rows = sorted(random.Random(seed).choices(range(COUNT), k=50)) if seed else range(COUNT)
    found = list(events_at(data, stem, index, rows))
    assert found == list(rows_of(data, stem, list(rows)))
    assert len({(each.kind, each.header) for each in found}) > 3


def test_an_index_made_anew_is_the_one_that_was_sealed_and_of_a_merged_segment_too(
    lake: tuple[Path, str], tmp_path: Path
) -> None:
    data, stem = copied(lake, tmp_path)
    assert indexed_anew(data, stem) == index_path(data, stem).read_bytes()
    other = f"{FOLDER}/{2:012d}"
    seal(data, other, 2, lines(40))
    merged = merge(data, [stem, other], 2)
    assert indexed_anew(data, merged) == index_path(data, merged).read_bytes()
    (first, *_) = events_at(data, merged, SealedIndex.open(data, merged), [COUNT])
    assert first.raw == next(lines(1)).raws[0]


def test_of_one_observable_the_newest_events_are_found(lake: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    data, stem = lake
    wanted = [Wanted(0, ACTUAL, seen("domain:evil.example")), Wanted(1, ACTUAL, seen("domain:h7.evil.example"))]
    rows = list(range(COUNT))
    every = [each.event for each in hunt(data, wanted[:1], [stem])]
    assert every == list(rows_of(data, stem, rows))
    for most in (0, 1, ROWS_A_FRAME - 1, ROWS_A_FRAME, COUNT - 1, COUNT + 1):
        monkeypatch.setattr("mithaq.telemetry.lake.finding.MAX_EVENTS_A_KEY", most + 3)
        found = list(find(data, stem, SealedIndex.open(data, stem), wanted, {0: 3}))
        assert [each.event for each in found if each.key == 0] == every[max(0, COUNT - most) :]
        named = [each for each in rows if each % 500 == 7]
        assert [each.event for each in found if each.key == 1] == [every[row] for row in named[-most - 3 :]]


def test_a_flipped_bit_gives_the_truth_or_is_told(lake: tuple[Path, str], tmp_path: Path) -> None:
    data, stem = copied(lake, tmp_path)
    file = files_of(data, stem)[0]
    whole, chance = file.read_bytes(), random.Random(3)
    truth = list(rows_of(data, stem, list(range(COUNT))))
    told = 0
    for _ in range(200):
        place = chance.randrange(len(whole))
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << chance.randrange(8)]) + whole[place + 1 :])
        rows = sorted(chance.choices(range(COUNT), k=200))
        found = []
        try:
            for event in events_at(data, stem, SealedIndex.open(data, stem), rows):
                found.append(event)  # noqa: PERF402 - what came before the damage counts
        except LakeBroken:
            told += 1
        assert found == [truth[row] for row in rows[: len(found)]]
    assert told > 20


@pytest.mark.parametrize("part", ["sights", "rows", "forms"])
def test_a_damaged_part_of_an_index_is_told(lake: tuple[Path, str], tmp_path: Path, part: str) -> None:
    data, stem = copied(lake, tmp_path)
    start, end = SealedIndex.open(data, stem).contents.parts[part]
    path = index_path(data, stem)
    body = bytearray(path.read_bytes())
    body[(start + end) // 2] ^= 1
    path.write_bytes(body)
    with pytest.raises(LakeBroken):
        list(hunt(data, [Wanted(0, ACTUAL, seen("domain:evil.example"))], [stem]))
    for length in (0, 7, 8, 16, 100, len(body) - 8):
        path.write_bytes(body[:length])
        with pytest.raises(LakeBroken):
            SealedIndex.open(data, stem)


def first_form(*names: str, addresses: tuple[int, ...] = ()) -> bytes:
    """Return an index as the first programs wrote it."""
    columns = [sorted(fingerprint("actual", "domain", name) for name in names), sorted(addresses), []]
    counts = array("Q", map(len, columns)).tobytes()
    return b"mithaqv1" + counts + b"".join(array("Q", column).tobytes() for column in columns)


def test_an_index_of_the_first_form_says_what_may_be_there_and_no_rows(tmp_path: Path) -> None:
    index_path(tmp_path, "probe").write_bytes(first_form("evil.example", addresses=(0xC0000207,)))
    index = SealedIndex.open(tmp_path, "probe")
    assert not index.has_rows
    asked = (
        "domain:evil.example",
        "domain:good.example",
        "cidr:192.0.2.0/24",
        "cidr:192.0.3.0/24",
        "cidr:2001:db8::/32",
    )
    assert [index.may_hold(Sought.of(ACTUAL, seen(each))) for each in asked] == [True, False, True, False, False]
