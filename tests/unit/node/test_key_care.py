"""A node's keys and card follow the officials and the calendar, also through a crash between two steps."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mithaq.kernel.clock import FixedClock
from mithaq.nations.keys import root_file, store
from mithaq.nations.keys.card_file import split_card_file
from mithaq.nations.keys.errors import KeysNotHeld
from mithaq.nations.keys.rules import unsigned
from mithaq.nations.rules import MAX_CARD_FILE_BYTES
from mithaq.node.composition import Node, compose
from mithaq.node.data_folder import DataFolder
from mithaq.node.founding import found, own_card
from mithaq.node.key_care import keyring_of, publish, settle
from mithaq.node.settings import Settings

PASSPHRASE = b"only a test's passphrase"
DAY = timedelta(days=1)


@pytest.fixture
def node(tmp_path: Path, at: datetime) -> Iterator[Node]:
    settings = Settings(nation="XA", names={"en": "A"}, contact="duty@xa.example")
    found(DataFolder(tmp_path / "XA"), settings, PASSPHRASE, at)
    made = opened(tmp_path, at)
    yield made
    made.close()


def opened(folder: Path, at: datetime) -> Node:
    return compose(folder / "XA", passphrase=PASSPHRASE, clock=FixedClock(at))


def signed(node: Node, at: datetime) -> bytes:
    """The statement that authorises what is prepared, signed by the founder."""
    founder = root_file.read(node.folder.first_root.read_bytes(), PASSPHRASE)
    wanted = keyring_of(node).prepared() or keyring_of(node).current()
    return root_file.sign(unsigned(node.own_keys.draft(wanted, at=at)), founder)


def test_a_week_later_the_card_shows_a_new_sealing_key_and_nothing_else_changes(node: Node, at: datetime) -> None:
    before = own_card(node.folder)
    assert not settle(node, at + DAY)
    assert settle(node, at + 7 * DAY)
    after = own_card(node.folder)
    assert (after.seal_key != before.seal_key, after.seal_expires_at) == (True, at + 21 * DAY)
    assert (after.online_keys, after.fingerprint) == (before.online_keys, before.fingerprint)
    assert not settle(node, at + 8 * DAY)


def test_a_crash_after_the_sealing_key_was_made_is_mended_by_the_next_call(
    node: Node, tmp_path: Path, at: datetime
) -> None:
    made = keyring_of(node).refresh_sealing(at + 7 * DAY)
    after_a_crash = opened(tmp_path, at)
    assert settle(after_a_crash, at + 7 * DAY)
    assert own_card(after_a_crash.folder).seal_key == made.key
    after_a_crash.close()


@pytest.mark.parametrize("done", ["statement", "statement and keys"])
def test_a_crash_while_a_statement_is_followed_is_mended_by_the_next_call(
    node: Node, tmp_path: Path, at: datetime, done: str
) -> None:
    prepared = keyring_of(node).prepare(["signing"])
    node.own_keys.publish(signed(node, at + DAY), at=at + DAY, actor="p")
    if done == "statement and keys":
        keyring_of(node).activate(prepared)
    after_a_crash = opened(tmp_path, at)
    assert settle(after_a_crash, at + DAY)
    assert own_card(after_a_crash.folder).online_keys == keyring_of(after_a_crash).current() == prepared
    after_a_crash.close()


def test_a_statement_about_keys_that_are_not_here_is_refused_before_it_binds(node: Node, at: datetime) -> None:
    keyring_of(node).prepare(["signing"])
    envelope = signed(node, at + DAY)
    keyring_of(node).prepare(["signing"])
    with pytest.raises(KeysNotHeld):
        publish(node, envelope, at=at + DAY, actor="p")
    with node.db.read() as connection:
        assert len(node.own_keys.row(connection)) == 1


def test_a_database_that_lost_the_statements_takes_them_from_the_card(node: Node, at: datetime) -> None:
    publish(node, signed(node, at + DAY), at=at + DAY, actor="p")
    with node.db.write(at + DAY) as tx:
        store.forget(tx, node.nation)
    assert not settle(node, at + 2 * DAY)
    with node.db.read() as connection:
        assert [each.statement.version for each in node.own_keys.row(connection)] == [1, 2]


def test_the_card_says_the_officials_newest_word(node: Node, at: datetime) -> None:
    first = publish(node, signed(node, at + DAY), at=at + DAY, actor="p")
    assert publish(node, first.envelope, at=at + 2 * DAY, actor="p") == first
    _, shown = split_card_file(node.card_bytes(), max_bytes=MAX_CARD_FILE_BYTES)
    assert (len(shown), shown[-1]) == (2, first.envelope)
