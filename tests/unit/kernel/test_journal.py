import threading
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text, func, insert, select

from mithaq.kernel import journal
from mithaq.kernel.database import Database, DatabaseFailed, Transaction, insert_ignore, upsert
from mithaq.kernel.journal import Entry, Reader
from mithaq.kernel.lane import ACTUAL
from mithaq.kernel.wake import WakeListener
from tests.databases import ready_sqlite

OWN = MetaData()
marks = Table("kernel_test_marks", OWN, Column("seq", Integer, primary_key=True), Column("reader", Text))


@pytest.fixture
def db(db: Database) -> Database:
    OWN.create_all(db.engine)
    return db


def say(db: Database, at: datetime, kind: str, count: int = 1) -> None:
    with db.write(at) as tx:
        for number in range(count):
            tx.append(kind, subject=f"thing--{number}", lane=ACTUAL, actor="node", detail={"n": number})


def test_entries_come_back_as_they_were_said_in_order(db: Database, at: datetime) -> None:
    say(db, at, "a.b", 3)
    with db.read() as connection:
        found = journal.entries(connection, 0)
    assert [(e.seq, e.kind, e.detail["n"], e.at, e.lane) for e in found] == [
        (1, "a.b", 0, at, ACTUAL),
        (2, "a.b", 1, at, ACTUAL),
        (3, "a.b", 2, at, ACTUAL),
    ]


def test_a_reader_moves_its_cursor_in_the_transaction_of_its_effects(db: Database, at: datetime) -> None:
    def handle(tx: Transaction, batch: list[Entry]) -> None:
        tx.execute(insert(marks), [{"seq": e.seq, "reader": "r"} for e in batch])
        if any(e.detail["n"] == 7 for e in batch) and fail[0]:
            raise RuntimeError("killed in the middle")

    fail = [True]
    say(db, at, "a.b", 10)
    with pytest.raises(RuntimeError):
        journal.run_once(db, Reader("r", frozenset({"a.b"}), handle), at)
    with db.read() as connection:
        assert connection.scalar(select(func.count()).select_from(marks)) == 0
    fail[0] = False
    reborn = Reader("r", frozenset({"a.b"}), handle)
    assert journal.run_once(db, reborn, at) == 10
    assert journal.run_once(db, reborn, at) == 0
    say(db, at, "a.b", 2)
    assert journal.run_once(db, reborn, at) == 2
    assert journal.run_once(db, Reader("r", frozenset({"a.b"}), handle), at) == 0, "the cursor moved a second time too"
    with db.read() as connection:
        assert connection.scalar(select(func.count()).select_from(marks)) == 12


def test_two_processes_under_one_reader_name_apply_nothing_twice(db: Database, at: datetime) -> None:
    def handle(tx: Transaction, batch: list[Entry]) -> None:
        tx.execute(insert(marks), [{"seq": e.seq, "reader": "r"} for e in batch])

    first, second = (Reader("r", frozenset({"a.b"}), handle) for _ in range(2))
    say(db, at, "other")
    assert journal.run_once(db, first, at) == journal.run_once(db, second, at) == 1
    say(db, at, "a.b", 2)
    assert journal.run_once(db, first, at) == 2
    journal.run_once(db, second, at)
    with db.read() as connection:
        assert connection.scalar(select(func.count()).select_from(marks)) == 2


def test_no_reader_skips_a_row_while_a_writer_stalls(db: Database, at: datetime) -> None:
    """A slow writer that began first commits last and must be numbered last, or readers would pass it by."""
    slow_is_in, let_it_go = threading.Event(), threading.Event()

    def slow() -> None:
        with db.write(at) as tx:
            tx.append("slow", subject="s", lane=ACTUAL, actor="node")
            slow_is_in.set()
            let_it_go.wait(10)

    thread = threading.Thread(target=slow)
    thread.start()
    slow_is_in.wait(10)
    other = Database.open(db.engine.url.render_as_string(hide_password=False))
    quick = threading.Thread(target=lambda: say(other, at, "quick"))
    quick.start()
    if db.dialect == "postgresql":
        quick.join(10)  # it overtakes the stalled writer
    with db.read() as connection:
        seen = journal.last_seq(connection)
        overtaken = [e.kind for e in journal.entries(connection, 0)]
    let_it_go.set()
    thread.join(10)
    quick.join(10)
    with db.read() as connection:
        later = [e.kind for e in journal.entries(connection, seen)]
    other.close()
    assert sorted(overtaken + later) == ["quick", "slow"]


def test_a_commit_wakes_a_listener_and_a_rollback_does_not(db: Database, at: datetime, tmp_path: Path) -> None:
    with WakeListener(tmp_path / "run", "test") as listener:
        say(db, at, "a.b")
        assert listener.wait(5)
        with pytest.raises(ZeroDivisionError), db.write(at) as tx:
            tx.append("a.b", subject="x", lane=ACTUAL, actor="node")
            raise ZeroDivisionError
        assert not listener.wait(0.05)
    with db.read() as connection:
        assert journal.last_seq(connection) == 1


def test_a_listener_in_a_very_deep_folder_is_woken_too(tmp_path: Path, at: datetime) -> None:
    deep = tmp_path.joinpath(*["a-rather-long-folder-name"] * 6)
    deep.mkdir(parents=True)
    database = Database.open(ready_sqlite(tmp_path / "deep.db"), run_dir=deep)
    with WakeListener(deep, "deep") as listener:
        say(database, at, "a.b")
        assert listener.wait(5)
    database.close()


def test_a_full_disk_changes_nothing_and_says_so(tmp_path: Path, at: datetime) -> None:
    database = Database.open(ready_sqlite(tmp_path / "full.db"))
    with database.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar() or 0
    with pytest.raises(DatabaseFailed), database.write(at) as tx:
        tx.connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
        for number in range(2000):
            tx.append("a.b", subject=f"thing--{number}", lane=ACTUAL, actor="node", detail={"n": "x" * 500})
    with database.read() as connection:
        assert journal.last_seq(connection) == 0
    database.close()


def test_inserting_what_is_there_changes_nothing_and_upserting_changes_it(db: Database, at: datetime) -> None:
    rows = [{"seq": number, "reader": "r"} for number in range(3)]
    with db.write(at) as tx:
        insert_ignore(tx, marks, rows[:1])
        insert_ignore(tx, marks, [row | {"reader": "new"} for row in rows])
        insert_ignore(tx, marks, [])
        upsert(tx, marks, [{"seq": 2, "reader": "other"}], keys=["seq"], changed=["reader"])
    with db.read() as connection:
        assert [row.reader for row in connection.execute(select(marks).order_by(marks.c.seq))] == ["r", "new", "other"]


def test_a_database_that_cannot_be_reached_is_named() -> None:
    absent = Database.open("postgresql+psycopg://nobody@127.0.0.1:9/nothing?connect_timeout=2")
    with pytest.raises(DatabaseFailed, match="cannot be read"), absent.read():
        pass
    absent.close()


def test_a_reader_prepares_what_it_handles_while_the_writer_is_free(db: Database, at: datetime) -> None:
    seen: list[tuple[str, bool, list[int]]] = []

    def note(step: str, batch: list[Entry]) -> None:
        seen.append((step, db._writing.locked(), [entry.seq for entry in batch]))

    say(db, at, "a.b", 3)
    say(db, at, "c.d")
    kinds, prepare = frozenset({"a.b"}), lambda batch: note("prepare", batch)
    reader = Reader("r", kinds, lambda _, batch: note("handle", batch), 2, prepare=prepare)
    while journal.run_once(db, reader, at):
        pass
    assert seen == [
        ("prepare", False, [1, 2]), ("handle", True, [1, 2]),
        ("prepare", False, [3]), ("handle", True, [3]),
    ]  # fmt: skip
