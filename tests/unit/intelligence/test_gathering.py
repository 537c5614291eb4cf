"""Before, while and after parts are gathered, the index says the same."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from mithaq.intelligence import store
from mithaq.intelligence.gathering import Gathering
from mithaq.intelligence.model import HeldWord
from mithaq.intelligence.postings import (
    PART_ROWS,
    SEGMENT_BITS,
    SEGMENT_REACH,
    WHOLE,
    bits_in_segment,
    encode_whole,
    places_of,
)
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.tables import postings, tombstones
from mithaq.kernel.database import Database
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL, TEST
from mithaq.standards.tlp import Tlp
from tests.conftest import AT
from tests.databases import ready_sqlite
from tests.unit.intelligence.test_finding import (
    emptied,
    happen,
    histories,
    many_rows,
    new_object,
    paged,
    plainly,
    queries,
)

SEGMENT_ROWS = 1 << SEGMENT_BITS
_GATHERING = """
import sys
from mithaq.intelligence.gathering import Gathering
from mithaq.kernel.database import Database
from tests.conftest import AT

gathering = Gathering(Database.open(sys.argv[1]), 1)
while True:
    print(gathering.step(AT), flush=True)
"""
REPORT = {"type": "report", "name": "shared words", "confidence": 7}


def index_of(connection: Connection) -> dict[int, set[bytes]]:
    """Return the tokens of every row, whatever lies where."""
    found: dict[int, set[bytes]] = {}
    for segment, token, part, stored in connection.execute(select(postings)).all():
        for place in places_of(bits_in_segment(segment, part, stored)):
            found.setdefault((segment << SEGMENT_BITS) + place, set()).add(token)
    return found


def leap(db: Database, rows: int) -> None:
    """Let the next object's row be so many further."""
    with db.write(AT) as tx:
        row = store.next_row(tx.connection) + rows - 1
        tx.execute(tombstones.insert(), [{"row": row, "stix_id": f"report--{row}", "lane": "actual", "erased_at": AT}])


def put(db: Database, first: int, count: int, fields: dict[str, Any] = REPORT) -> list[int]:
    with db.write(AT) as tx:
        new = [new_object(AT, first + each, 0, "XA", Tlp.GREEN, ACTUAL, fields) for each in range(count)]
        return list(Holdings(db).store(tx, new).rows)


def erase(db: Database, rows: list[int]) -> None:
    with db.write(AT) as tx:
        Holdings(db).erase(tx, [HeldWord(row, NationId("XA"), "release--1") for row in rows])


def filled(db: Database) -> list[list[int]]:
    """Hold three parts in the first segment, the last reaching into the second, and one there."""
    found = [put(db, 0, 5)]
    leap(db, PART_ROWS)
    found.append(put(db, 100, 5))
    leap(db, SEGMENT_ROWS - found[-1][-1] - 4)
    found.append(put(db, 200, 9))
    leap(db, PART_ROWS)
    return [*found, put(db, 300, 5)]


def gather(db: Database) -> int:
    gathering = Gathering(db)
    return sum(1 for _ in iter(lambda: gathering.step(AT), False))


leaps = st.sampled_from([0, PART_ROWS // 2, PART_ROWS, PART_ROWS + 1, SEGMENT_ROWS - PART_ROWS, SEGMENT_ROWS])


@settings(
    max_examples=12,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    history=histories(),
    between=st.lists(st.tuples(leaps, st.integers(0, 4), st.sampled_from([0, 0, 1, 2])), min_size=12, max_size=12),
    chunk=st.integers(1, 12),
    asked=st.lists(queries, min_size=4, max_size=8),
    limit=st.integers(1, 4),
)
def test_what_is_gathered_in_the_middle_of_a_history_is_found_as_a_plain_look_finds_it(
    db: Database, history: list[Any], between: list[tuple[int, int, int]], chunk: int, asked: list[str], limit: int
) -> None:
    holdings = Holdings(db)
    with emptied(db):
        gathering = Gathering(db, chunk)
        for step, (rows, turns, erased) in zip(history, between, strict=False):
            if rows:
                leap(db, rows)
            happen(holdings, step)
            for _ in range(turns):
                gathering.step(AT)
            if erased:  # many at once, of several parts
                with db.read() as connection:
                    present = many_rows(connection)
                erase(db, present[::erased])
        with db.read() as connection:
            held = holdings.rows(connection, many_rows(connection))
            assert set(index_of(connection)) == {item.row for item in held}
            for query in asked:
                for lane in (ACTUAL, TEST):
                    expected = [item.row for item in reversed(held) if item.lane == lane and plainly(item, query)]
                    assert paged(holdings, connection, query, lane, limit) == expected, query


@given(places=st.frozensets(st.integers(0, SEGMENT_REACH - 1)) | st.integers(0, SEGMENT_REACH).map(range))
def test_rows_of_a_segment_are_read_as_they_were_stored(places: frozenset[int] | range) -> None:
    bits = sum(1 << place for place in places)
    assert bits_in_segment(3, WHOLE, encode_whole(bits)) == bits


def test_every_state_on_the_way_says_the_same(db: Database) -> None:
    rows = filled(db)
    with db.read() as connection:
        before = index_of(connection)
        postings_before = len(connection.execute(select(postings)).all())
    gathering = Gathering(db, 1)
    steps = 0
    while gathering.step(AT):
        steps += 1
        with db.read() as connection:
            assert index_of(connection) == before
    with db.read() as connection:
        left = connection.execute(select(postings.c.segment, postings.c.token, postings.c.part)).all()
    assert {part for segment, _, part in left if segment == 0} == {WHOLE}
    assert {part for segment, _, part in left if segment == 1} == {rows[3][0]}, "the newest segment is left alone"
    assert steps == len([part for segment, _, part in left if segment == 0])
    assert len(left) < postings_before
    assert not Gathering(db).step(AT)


def test_a_token_of_one_part_stays_where_it_is(db: Database) -> None:
    filled(db)
    alone = put(db, 400, 1, REPORT | {"name": "alone"})
    leap(db, SEGMENT_ROWS)
    leap(db, PART_ROWS)
    put(db, 500, 1)
    gather(db)
    with db.read() as connection:
        parts = dict(connection.execute(select(postings.c.token, postings.c.part)).all())
    assert parts[b"alone"] <= alone[0]
    assert parts[b"alone"] != WHOLE


def test_after_a_stop_another_goes_on(db: Database) -> None:
    filled(db)
    with db.read() as connection:
        before = index_of(connection)
    first = Gathering(db, 2)
    first.step(AT)
    assert gather(db)
    assert not first.step(AT), "what another process has done is not done again"
    with db.read() as connection:
        assert index_of(connection) == before


def test_a_killed_process_loses_nothing(db: Database) -> None:
    filled(db)
    with db.read() as connection:
        before = index_of(connection)
    url = db.engine.url.render_as_string(hide_password=False)
    with subprocess.Popen([sys.executable, "-c", _GATHERING, url], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"True\n"
        process.kill()
    with db.read() as connection:
        assert index_of(connection) == before
    gather(db)  # what the other process had not come to, if it was ended in time
    with db.read() as connection:
        assert index_of(connection) == before


@pytest.mark.parametrize("turns", [0, 1, 2, 99])
def test_words_withdrawn_given_again_and_erased_are_followed_wherever_they_are(db: Database, turns: int) -> None:
    rows = filled(db)
    gathering = Gathering(db, 3)
    for _ in range(turns):
        gathering.step(AT)
    holdings = Holdings(db)
    with db.write(AT) as tx:
        for number in (2, 103, 207, 301):
            holdings.withdraw(tx, f"report--5b8f0b1e-1234-4abc-8def-{number:012x}", ACTUAL, NationId("XA"), "back")
    with db.write(AT) as tx:
        again = [new_object(AT, number, 0, "XB", Tlp.RED, ACTUAL, REPORT) for number in (103, 208)]
        holdings.store(tx, again)
    erase(db, [rows[0][0], rows[2][8]])
    for query in ("", "shared", "tlp:red", "from:xb -tlp:green", "is:withdrawn", "is:any", "is:any confidence>6"):
        with db.read() as connection:
            held = holdings.rows(connection, many_rows(connection))
            expected = [item.row for item in reversed(held) if plainly(item, query)]
            assert paged(holdings, connection, query, ACTUAL, 500) == expected, query
    gather(db)
    erase(db, [row for part in rows for row in part if row not in (rows[0][0], rows[2][8])])
    with db.read() as connection:
        assert set(index_of(connection)) == {rows[1][3], rows[2][8]}, "the words of another nation stand"


def test_a_gathered_segment_takes_no_new_rows(db: Database) -> None:
    rows = filled(db)
    gather(db)
    erase(db, rows[3])
    more = put(db, 600, 3)
    with db.read() as connection:
        found = paged(Holdings(db), connection, "shared", ACTUAL, 4)
        assert found == sorted((row for part in (*rows[:3], more) for row in part), reverse=True)
    with db.read() as connection:
        parts = connection.execute(select(postings.c.part).where(postings.c.segment == 1)).scalars().all()
    assert set(parts) == {more[0]}


def test_an_erased_word_is_in_no_file_although_it_was_gathered(tmp_path: Path, at: datetime) -> None:
    db = Database.open(ready_sqlite(tmp_path / "holdings.db"))
    secret = REPORT | {"name": "Zzyzxword", "labels": ["Zzyzxlabel"]}
    rows = put(db, 0, 1, secret)
    leap(db, PART_ROWS)
    rows += put(db, 1, 2, secret)
    rows += put(db, 3, 1, secret | {"name": "other"})
    leap(db, SEGMENT_ROWS)
    put(db, 9, 1)
    gather(db)
    with db.read() as connection:
        gathered = connection.execute(select(postings.c.part).where(postings.c.token == b"zzyzxword")).scalars().all()
    assert gathered == [WHOLE]
    erase(db, rows[:3])
    assert db.wipe_log()
    files = [path.read_bytes() for path in tmp_path.iterdir() if path.is_file()]
    assert not any(b"zzyzxword" in data or b"Zzyzxword" in data for data in files)
    assert any(b"zzyzxlabel" in data for data in files), "the other's words stay"
    db.close()
