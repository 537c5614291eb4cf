import json
import resource
import signal
from datetime import datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mithaq.kernel.lane import ACTUAL, TEST, Lane
from mithaq.standards.observable import Observable
from mithaq.telemetry.blocks import Parsed
from mithaq.telemetry.errors import LakeBroken
from mithaq.telemetry.lake.files import files_of, remove, sweep
from mithaq.telemetry.lake.finding import Wanted
from mithaq.telemetry.lake.index import SealedIndex, Sought, index_path
from mithaq.telemetry.lake.layout import sealed_stem
from mithaq.telemetry.lake.open_segment import OpenSegment, WriterLock, read_segment, segment_path
from mithaq.telemetry.lake.sealing import merge, seal
from mithaq.telemetry.model import event_id
from mithaq.telemetry.parsers.fields import observables_of
from tests.conftest import AT
from tests.unit.telemetry.blocks import block
from tests.unit.telemetry.events import hunt, parsed, seen

EVENTS = [
    parsed(AT, "one", "domain:a.b.evil.example", "ipv4:192.0.2.7"),
    parsed(AT, "two", "domain:notevil.example", "ipv4:192.0.3.7"),
    parsed(AT, "three", "ipv6:2001:db8::7", "url:http://bad.example/a", "md5:" + "0" * 32),
    parsed(AT, "four", "domain:evil.example", "domain:evil.example", lane=TEST),
    parsed(AT, "five", "ja3:" + "0" * 32, "email:a@mail.example", "ipv4:192.0.2.255"),
]


BLOCKS = [block(b"one\n", AT), block(b"two\nthree\n", AT, place=4), block(b"four", AT, place=14)]


def sealed(data: Path, number: int, events: list[Parsed]) -> str:
    stem = sealed_stem("s", number, AT)
    assert seal(data, stem, number, events) == len(events)
    return stem


def hunted(data: Path, stems: list[str], *wanted: str, lane: Lane = ACTUAL) -> dict[str, list[str]]:
    asked = [Wanted(key, lane, seen(text)) for key, text in enumerate(wanted)]
    found: dict[str, list[str]] = {text: [] for text in wanted}
    for each in hunt(data, asked, stems):
        found[wanted[each.key]].append(each.event.raw.decode())
    return {text: sorted(names) for text, names in found.items()}


def test_a_hunt_finds_exactly_what_the_sealed_segments_hold(tmp_path: Path, at: datetime) -> None:
    stems = [sealed(tmp_path, number, part) for number, part in enumerate((EVENTS[:2], EVENTS[2:]))]
    assert hunted(
        tmp_path,
        stems,
        "domain:evil.example",
        "domain:b.evil.example",
        "domain:vil.example",
        "cidr:192.0.2.0/24",
        "cidr:2001:db8::/32",
        "ipv4:192.0.3.7",
        "md5:" + "0" * 32,
        "url:http://bad.example/a",
        "email:a@mail.example",
        "ipv4:203.0.113.1",
    ) == {
        "domain:evil.example": ["one"],
        "domain:b.evil.example": ["one"],
        "domain:vil.example": [],
        "cidr:192.0.2.0/24": ["five", "one"],
        "cidr:2001:db8::/32": ["three"],
        "ipv4:192.0.3.7": ["two"],
        "md5:" + "0" * 32: ["three"],
        "url:http://bad.example/a": ["three"],
        "email:a@mail.example": ["five"],
        "ipv4:203.0.113.1": [],
    }
    assert hunted(tmp_path, stems, "domain:evil.example", lane=TEST) == {"domain:evil.example": ["four"]}


def test_what_is_found_says_what_was_seen_where_and_keeps_the_line(tmp_path: Path, at: datetime) -> None:
    stem = sealed(tmp_path, 1, EVENTS)
    (found,) = hunt(tmp_path, [Wanted(7, ACTUAL, seen("domain:evil.example"))], [stem])
    assert found.key == 7
    assert found.field == "f_domain"
    assert found.seen == seen("domain:a.b.evil.example")
    assert (found.event.event_id, found.event.at, found.event.raw) == (event_id("s", 0, b"one"), at, b"one")


def test_merged_segments_hold_what_their_parts_held(tmp_path: Path, at: datetime) -> None:
    stems = [sealed(tmp_path, number, [each]) for number, each in enumerate(EVENTS)]
    before = hunted(tmp_path, stems, "domain:evil.example", "cidr:192.0.2.0/24", "url:http://bad.example/a")
    merged = merge(tmp_path, stems, 4)
    for stem in stems:
        remove(tmp_path, stem)
    assert hunted(tmp_path, [merged], *before) == before
    index = SealedIndex.open(tmp_path, merged)
    assert index.may_hold(Sought.of(ACTUAL, seen("domain:evil.example")))
    again = merge(tmp_path, [merged, sealed(tmp_path, 9, EVENTS[:1])], 9)
    assert again != merged


def test_files_that_no_segment_names_are_swept_away(tmp_path: Path, at: datetime) -> None:
    kept = sealed(tmp_path, 1, EVENTS)
    orphan = sealed(tmp_path, 2, EVENTS)
    (tmp_path / f"{kept}.events.parquet.part").touch()
    sweep(tmp_path, {kept})
    names = {path.name for path in (tmp_path / kept).parent.iterdir()}
    stem = kept.rpartition("/")[2]
    assert names == {f"{stem}.events.parquet", f"{stem}.values.parquet", f"{stem}.index"}
    assert orphan != kept


texts = st.sampled_from(
    [
        *("domain:evil.example", "domain:a.evil.example", "domain:notevil.example", "domain:b.example"),
        *("ipv4:192.0.2.1", "ipv4:192.0.2.200", "ipv4:198.51.100.1", "ipv6:2001:db8::1", "ipv6:2001:db8:1::1"),
        *("url:http://evil.example/", "md5:" + "a" * 32, "ja3:" + "a" * 32, "email:a@mail.example"),
    ]
)
asked = st.one_of(
    texts,
    st.sampled_from(["cidr:192.0.2.0/25", "cidr:192.0.0.0/16", "cidr:2001:db8::/48", "cidr:2001:db8::/32"]),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(texts, min_size=1, max_size=4), min_size=1, max_size=5), asked)
def test_an_index_denies_nothing_that_is_there_and_leads_to_the_events_that_have_it(
    tmp_path_factory: pytest.TempPathFactory, lines: list[list[str]], wanted: str
) -> None:
    data = tmp_path_factory.mktemp("lake")
    events = [parsed(AT, f"line {place}", *line) for place, line in enumerate(lines)]
    stem = sealed(data, 1, events)
    observable = seen(wanted)
    named = ([each for _, each in observables_of(event.records[0])] for event in events)
    having = [place for place, here in enumerate(named) if any(_satisfies(each, wanted) for each in here)]
    index = SealedIndex.open(data, stem)
    assert index.may_hold(Sought.of(ACTUAL, observable)) >= bool(having)
    if observable.type != "cidr":
        assert index.may_hold(Sought.of(ACTUAL, observable)) is bool(having)
        assert not index.may_hold(Sought.of(TEST, observable))
    found = list(hunt(data, [Wanted(0, ACTUAL, observable)], [stem]))
    assert [each.event.raw for each in found] == [b"line %d" % place for place in having]
    assert all(_satisfies(each.seen, wanted) for each in found)
    assert not list(hunt(data, [Wanted(0, TEST, observable)], [stem]))


def _satisfies(there: Observable, wanted: str) -> bool:
    import ipaddress

    kind, value = there.type, there.value
    asked_kind, _, asked_value = wanted.partition(":")
    if asked_kind == "cidr" and kind in {"ipv4", "ipv6"}:
        network = ipaddress.ip_network(asked_value)
        address = ipaddress.ip_address(value)
        return address.version == network.version and address in network
    if kind == asked_kind == "domain":
        return value == asked_value or value.endswith("." + asked_value)
    return (kind, value) == (asked_kind, asked_value)


def test_a_damaged_index_is_told_and_not_believed(tmp_path: Path) -> None:
    index_path(tmp_path, "probe").write_bytes(b"mithaqv1" + b"\1" * 24)
    with pytest.raises(LakeBroken, match="damaged"):
        SealedIndex.open(tmp_path, "probe")
    index_path(tmp_path, "probe").write_bytes(b"short")
    with pytest.raises(LakeBroken, match="damaged"):
        SealedIndex.open(tmp_path, "probe")


def test_the_open_segment_is_cut_back_to_what_was_committed(tmp_path: Path) -> None:
    segment = OpenSegment(tmp_path, 1, 0)
    committed = segment.append(BLOCKS[0])
    segment.committed(committed)
    segment.append(BLOCKS[1])
    segment.close()
    again = OpenSegment(tmp_path, 1, committed)
    length = again.append(BLOCKS[2])
    again.close()
    assert list(read_segment(segment_path(tmp_path, 1), length)) == [BLOCKS[0], BLOCKS[2]]


def test_a_segment_shorter_than_what_was_committed_is_told(tmp_path: Path) -> None:
    segment = OpenSegment(tmp_path, 1, 0)
    length = segment.append(BLOCKS[1])
    segment.close()
    with pytest.raises(LakeBroken, match="damaged"):
        list(read_segment(segment_path(tmp_path, 1), length + 1))


def test_a_full_disk_is_told_and_nothing_counts_as_committed(tmp_path: Path) -> None:
    segment = OpenSegment(tmp_path, 1, 0)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        with pytest.raises(LakeBroken, match="cannot be written"):
            segment.append(BLOCKS[1])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert list(read_segment(segment_path(tmp_path, 1), segment.append(BLOCKS[1]))) == [BLOCKS[1]]
    segment.close()


def test_only_one_process_writes_the_open_segment(tmp_path: Path) -> None:
    first, second = WriterLock(tmp_path), WriterLock(tmp_path)
    assert first.acquire()
    assert not second.acquire()
    first.release()
    assert second.acquire()
    second.release()


def test_events_survive_the_way_through_the_lake(tmp_path: Path) -> None:
    stem = sealed(tmp_path, 1, EVENTS)
    merged = merge(tmp_path, [stem], 1)
    found = hunt(tmp_path, [Wanted(0, ACTUAL, seen("cidr:192.0.0.0/8"))], [merged])
    assert sorted(each.event.raw for each in found) == [b"five", b"one", b"two"]


def test_one_hostile_line_does_not_fill_the_lake_and_costs_no_other_line(tmp_path: Path, at: datetime) -> None:
    many = [f"10.{number >> 8}.{number & 255}.1" for number in range(3_000)]
    text = b"".join(json.dumps({"ip": each}).encode() + b"\n" for each in (many, "192.0.2.7"))
    stem = sealed_stem("s", 1, AT)
    assert seal(tmp_path, stem, 1, [block(text, at).parsed()]) == 2
    rows = pq.read_table(files_of(tmp_path, stem)[1], partitioning=None).to_pylist()
    assert sum(row["rows"] == [0] for row in rows) == 2_001
    assert [row["value"] for row in rows if row["rows"] == [1]] == ["192.0.2.7"]
