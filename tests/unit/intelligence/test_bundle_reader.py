"""A large bundle is read by a process beside the one that stores: what comes of it is the same, whatever is in it."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select

from mithaq.intelligence.errors import ConfinedFailed, TooMuch
from mithaq.intelligence.imports import bundle
from mithaq.intelligence.imports.bundle import import_bundle
from mithaq.intelligence.imports.confined import bundle_reader
from mithaq.intelligence.imports.confined.bundle_pieces import Readied
from mithaq.intelligence.imports.confined.bundle_reader import read_ahead
from mithaq.intelligence.model import ImportReport, ImportTerms, NewObject, StoreReport
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.settings import CLI_FILE, Door
from mithaq.intelligence.tables import anchors, objects, observables, postings, provenance
from mithaq.kernel.database import Database, DatabaseFailed, Transaction
from mithaq.kernel.journal import entries
from mithaq.kernel.lane import ACTUAL, TEST
from mithaq.standards import stix
from tests.databases import ready_sqlite
from tests.unit.intelligence.test_imports import UUID, indicator
from tests.unit.intelligence.test_imports import bundle as bundled

Import = Callable[[bytes, Door, ImportTerms], tuple[ImportReport, list[list[object]]]]
GOOD = [indicator(number, labels=["apt", "PAP:GREEN"], name="Crane of the الهجوم") for number in range(8)]
GOOD.append(indicator(8, pattern="[domain-name:value = 'a.example' AND url:value = 'https://a.example/x']"))
BAD = [
    indicator(1, id=None),
    indicator(2, revoked="yes"),
    b'{"type":"x-a","id":"x-a--1","a":NaN}',
    b'{"id":"x-deep--3","a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
]
BUNDLES = {
    "good": bundled(*GOOD),
    "bad among good": bundled(*(body for pair in zip(GOOD, BAD * 3, strict=False) for body in pair)),
    "cut in the middle": bundled(*GOOD)[:-200],
    "rubbish behind": bundled(*GOOD) + b" and more",
    "a list": b"[" + b",".join(GOOD) + b"]",
    "one object alone": GOOD[0],
    "twice the same": bundled(*GOOD, *GOOD),
    "one larger than the door takes": bundled(GOOD[0], indicator(7, description="x" * 5_000), GOOD[1]),
}


@pytest.fixture
def once(tmp_path: Path, at: datetime) -> Import:
    """Return a function that imports into a database of its own and says what stands in it."""
    made = iter(range(10))

    def run(data: bytes, door: Door, terms: ImportTerms) -> tuple[ImportReport, list[list[object]]]:
        db = Database.open(ready_sqlite(tmp_path / f"{next(made)}.db"))
        report = import_bundle(Holdings(db), io.BytesIO(data), door=door, terms=terms, warning_lists=None, at=at)
        with db.read() as connection:
            tables = (objects, observables, anchors, postings, provenance)
            rows = [[tuple(row) for row in connection.execute(select(table))] for table in tables]
        db.close()
        return report, [list(map(repr, table)) for table in rows]

    return run


@pytest.mark.parametrize("data", BUNDLES.values(), ids=BUNDLES)
@pytest.mark.parametrize("lane", [ACTUAL, TEST])
def test_both_ways_store_and_tell_the_same(
    once: Import, terms: ImportTerms, monkeypatch: pytest.MonkeyPatch, data: bytes, lane: object
) -> None:
    given, door = replace(terms, lane=lane), replace(CLI_FILE, max_object_bytes=4_000)
    here = once(data, door, given)
    monkeypatch.setattr(bundle, "AHEAD_FROM_BYTES", 1)
    beside = once(data, door, given)
    assert beside == here
    assert here[1][0], "something was stored"


def test_both_ways_fill_the_index_alike_over_several_transactions(
    tmp_path: Path, terms: ImportTerms, at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = bundled(*(indicator(100_000 + number, id=f"indicator--{UUID[:-5]}{number:06}") for number in range(3)))
    many = [
        indicator(number, id=f"indicator--{UUID[:-5]}{number:06}", labels=[f"of{number % 7}"])
        for number in range(2_300)
    ]
    many[1_500:1_510] = BAD  # the second transaction is one of whole batches, the first and the third are not
    held = []
    for ahead_from in (1 << 30, 1):
        monkeypatch.setattr(bundle, "AHEAD_FROM_BYTES", ahead_from)
        db = Database.open(ready_sqlite(tmp_path / f"{ahead_from}.db"))
        for data in (few, bundled(*many, *many[:5]), bundled(*many[::2], indicator(9, name="another"))):
            import_bundle(Holdings(db), io.BytesIO(data), door=CLI_FILE, terms=terms, warning_lists=None, at=at)
        with db.read() as connection:
            held.append([tuple(row) for row in connection.execute(select(postings))])
        db.close()
    assert held[0] == held[1]
    assert len({part for _, _, part, _ in held[0]}) > 2, "there are several parts"


def numbered(count: int) -> list[bytes]:
    return [indicator(number, id=f"indicator--{UUID[:-5]}{number:06}") for number in range(count)]


@pytest.mark.parametrize("ahead_from", [1 << 30, 1])
def test_what_is_stored_beside_the_reading_follows_the_bundles_order(
    db: Database, terms: ImportTerms, at: datetime, monkeypatch: pytest.MonkeyPatch, ahead_from: int
) -> None:
    monkeypatch.setattr(bundle, "AHEAD_FROM_BYTES", ahead_from)
    data = io.BytesIO(bundled(*numbered(2_100)))
    report = import_bundle(Holdings(db), data, door=CLI_FILE, terms=terms, warning_lists=None, at=at)
    with db.read() as connection:
        held = connection.scalars(select(objects.c.stix_id).order_by(objects.c.row)).all()
        told = [entry.detail["rows"] for entry in entries(connection, 0)]
    assert report.stored == 2_100
    assert list(held) == [f"indicator--{UUID[:-5]}{number:06}" for number in range(2_100)]
    assert told == [list(range(first, min(first + 1_000, 2_101))) for first in (1, 1_001, 2_001)]


def test_refusals_are_told_in_the_bundles_order(db: Database, terms: ImportTerms, at: datetime) -> None:
    many = numbered(1_100)
    other = indicator(5, id=f"indicator--{UUID[:-5]}{5:06}", name="changed")
    data = io.BytesIO(bundled(*many[:900], BAD[0], other, *many[900:], BAD[1]))
    report = import_bundle(Holdings(db), data, door=CLI_FILE, terms=terms, warning_lists=None, at=at)
    assert [name for name, _ in report.refused] == ["#900", f"indicator--{UUID[:-5]}{5:06}", f"indicator--{UUID}2"]


class FullDisk(Holdings):
    """Holdings whose disk is full when the second chunk comes, and not before or after."""

    chunks = 0

    def store(self, tx: Transaction, objects: Sequence[NewObject]) -> StoreReport:
        report = super().store(tx, objects)
        self.chunks += 1
        if self.chunks == 2:
            raise DatabaseFailed("the disk is full")
        return report


def test_after_what_cannot_be_stored_nothing_more_is(db: Database, terms: ImportTerms, at: datetime) -> None:
    data = io.BytesIO(bundled(*numbered(4_100)))
    with pytest.raises(DatabaseFailed):
        import_bundle(FullDisk(db), data, door=CLI_FILE, terms=terms, warning_lists=None, at=at)
    with db.read() as connection:
        assert connection.scalar(select(func.count()).select_from(objects)) == 1_000


@pytest.mark.parametrize("data", [b"no bundle at all", b"", b'{"objects":['])
def test_what_is_no_bundle_at_all_is_the_same_error(
    once: Import, terms: ImportTerms, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    with pytest.raises(stix.BadBundle) as here:
        once(data, CLI_FILE, terms)
    monkeypatch.setattr(bundle, "AHEAD_FROM_BYTES", 1)
    with pytest.raises(stix.BadBundle) as beside:
        once(data, CLI_FILE, terms)
    assert str(beside.value) == str(here.value)


def test_a_doors_limit_holds_for_both(once: Import, terms: ImportTerms, monkeypatch: pytest.MonkeyPatch) -> None:
    few, small = replace(CLI_FILE, max_objects=5), replace(CLI_FILE, max_bytes=600)
    here, _ = once(BUNDLES["good"], few, terms)
    with pytest.raises(TooMuch):
        once(BUNDLES["good"], small, terms)
    monkeypatch.setattr(bundle, "AHEAD_FROM_BYTES", 1)
    beside, rows = once(BUNDLES["good"], few, terms)
    assert beside == here
    assert (beside.stored, len(rows[0]), beside.broken is not None) == (5, 5, True)
    with pytest.raises(TooMuch):
        once(BUNDLES["good"], small, terms)


def test_the_reader_is_ahead_and_its_objects_are_as_read_here() -> None:
    found = list(read_ahead(io.BytesIO(BUNDLES["good"]), ACTUAL, 1_000_000))
    assert [each.stix for batch in found for each in batch.told if isinstance(each, Readied)] == [
        stix.parse(body) for body in GOOD
    ]


def test_a_reader_that_dies_is_told_and_keeps_what_it_read(
    once: Import, terms: ImportTerms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle, "AHEAD_FROM_BYTES", 1)
    monkeypatch.setattr(bundle_reader, "BUNDLE_MEMORY_BYTES", 1 << 20)
    with pytest.raises(ConfinedFailed):
        once(BUNDLES["good"], CLI_FILE, terms)


def test_what_the_source_raises_comes_after_what_was_read() -> None:
    class Failing:
        """Gives a whole bundle but for its end, then fails."""

        def __init__(self) -> None:
            self.data = io.BytesIO(BUNDLES["good"][:-2])

        def read(self, size: int, /) -> bytes:
            if piece := self.data.read(size):
                return piece
            raise TooMuch("too much")

    found = []
    with pytest.raises(TooMuch):
        found.extend(read_ahead(Failing(), ACTUAL, 1_000_000))
    del found


def test_who_stops_reading_leaves_no_process() -> None:
    endless = io.BytesIO(bundled(*(GOOD * 3_000)))
    reading = read_ahead(endless, ACTUAL, 1_000_000)
    first = next(reading).told[0]
    assert isinstance(first, Readied)
    assert first.stix.id == f"indicator--{UUID}0"
    reading.close()
    assert list(reading) == []
