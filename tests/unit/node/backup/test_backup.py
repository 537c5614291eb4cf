"""A node that goes on working is in its backup as it was at one instant."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select

from mithaq.intelligence.tables import objects
from mithaq.kernel import journal
from mithaq.kernel.database import Database
from mithaq.kernel.journal import Entry
from mithaq.kernel.keystore import Keys
from mithaq.kernel.keystore import read as read_keys
from mithaq.node.backup.errors import BackupFailed, RestoreRefused
from mithaq.node.backup.rehearsal import examine
from mithaq.node.backup.service import backup, rehearsed, restore
from mithaq.node.backup.snapshot import snapshot
from mithaq.node.composition import Node, compose
from mithaq.node.settings import read_settings
from tests.databases import postgresql
from tests.unit.node.backup.conftest import PASSPHRASE, add_indicator
from tests.unit.node.conftest import KEY_PASSPHRASE


@contextmanager
def going_on(step: Callable[[int], None]) -> Iterator[None]:
    """Repeat a step in another thread until the block ends; its failure fails the test."""
    stop, failed = threading.Event(), list[Exception]()

    def loop() -> None:
        number = 100
        try:
            while not stop.is_set():
                step(number)
                number += 1
        except Exception as error:  # noqa: BLE001 - told by the test's own thread
            failed.append(error)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert not failed, failed


def entries_of(db: Database) -> list[Entry]:
    with db.read() as connection:
        return journal.entries(connection, 0, limit=1_000_000)


def bodies_of(node: Node) -> dict[int, bytes]:
    with node.db.read() as connection:
        return {row: bytes(body) for row, body in connection.execute(select(objects.c.row, objects.c.body))}


def test_a_backup_taken_while_the_node_writes_is_a_prefix_of_its_journal(
    node: Node, tmp_path: Path, at: datetime
) -> None:
    add_indicator(node, 1, at)
    with going_on(lambda number: add_indicator(node, number, at + timedelta(seconds=number))):
        for number in range(3):
            backup(node.folder, node.db, node.nation, tmp_path / f"{number}.backup", PASSPHRASE, at)
    whole, held = entries_of(node.db), bodies_of(node)
    for number in range(3):
        restored = restore(tmp_path / f"{number}.backup", tmp_path / f"again-{number}", PASSPHRASE)
        again = compose(restored.root)
        found, bodies = entries_of(again.db), bodies_of(again)
        again.close()
        assert found == whole[: len(found)]
        assert len(found) == restored.manifest.journal > 0
        assert bodies == {row: held[row] for row in bodies}
        assert {row for entry in found for row in entry.detail.get("rows", ())} == bodies.keys()


def test_keys_card_and_settings_come_back_byte_for_byte_and_the_keys_still_closed(
    node: Node, sealed: Path, tmp_path: Path
) -> None:
    root = restore(sealed, tmp_path / "again", PASSPHRASE).root
    for name in ("card.json", "keys/node.keys"):
        assert (root / name).read_bytes() == (node.data / name).read_bytes()
        assert (root / name).stat().st_mode & 0o077 == 0
    assert isinstance(read_keys(root / "keys" / "node.keys", KEY_PASSPHRASE), Keys)
    settings = [read_settings(each / "mithaq.toml") for each in (root, node.data)]
    assert msgspec.structs.replace(settings[1], database="") == settings[0]


def test_a_restored_node_never_writes_to_the_database_of_the_node_it_was_made_of(sealed: Path, tmp_path: Path) -> None:
    root = restore(sealed, tmp_path / "again", PASSPHRASE).root
    again = compose(root)
    assert again.db.engine.url.database == str(root / "mithaq.db")
    again.close()


def test_a_backup_of_either_database_is_restored_into_an_empty_postgresql(
    node: Node, sealed: Path, tmp_path: Path, postgres_target: str, at: datetime
) -> None:
    root = restore(sealed, tmp_path / "again", PASSPHRASE, database=postgres_target).root
    again = compose(root)
    assert again.db.dialect == "postgresql"
    assert entries_of(again.db) == entries_of(node.db)
    add_indicator(again, 9, at)
    again.exchange.veto("indicator--x", None, at=at, actor="person--1")
    assert len(bodies_of(again)) == 4
    again.close()
    with pytest.raises(RestoreRefused, match="not empty"):
        restore(sealed, tmp_path / "other", PASSPHRASE, database=postgres_target)
    assert not (tmp_path / "other").exists()


@pytest.fixture
def postgres_target(postgres_server: str) -> Iterator[str]:
    with postgresql(postgres_server) as url:
        yield url


def test_a_rehearsal_reads_everything_and_leaves_nothing(
    sealed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "tmp"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    with rehearsed(sealed, PASSPHRASE) as restored:
        assert list(place.iterdir())
        report = examine(restored)
    assert (report.nation, report.journal) == ("XA", 4)
    assert list(place.iterdir()) == []


def test_an_existing_file_and_a_short_passphrase_are_refused_and_nothing_is_left(
    node: Node, tmp_path: Path, at: datetime
) -> None:
    there = tmp_path / "there"
    there.write_bytes(b"mine")
    with pytest.raises(BackupFailed, match="nothing was overwritten"):
        backup(node.folder, node.db, node.nation, there, PASSPHRASE, at)
    with pytest.raises(BackupFailed, match="fewer than 16"):
        backup(node.folder, node.db, node.nation, tmp_path / "new", b"short", at)
    with pytest.raises(BackupFailed, match="No such file"):
        backup(node.folder, node.db, node.nation, tmp_path / "absent" / "new", PASSPHRASE, at)
    assert there.read_bytes() == b"mine"
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".part" or path.name == "new") == []


def test_two_backups_at_once_are_refused_and_leftovers_of_a_killed_one_are_cleared(
    node: Node, tmp_path: Path, at: datetime
) -> None:
    with snapshot(node.folder, node.db), pytest.raises(BackupFailed, match="another backup"):
        backup(node.folder, node.db, node.nation, tmp_path / "second", PASSPHRASE, at)
    left = node.data / ".backup-stage"
    left.mkdir()
    (left / "database.sqlite").write_bytes(b"half")
    backup(node.folder, node.db, node.nation, tmp_path / "third", PASSPHRASE, at)
    assert not left.exists()
