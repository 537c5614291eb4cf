"""The key file over time: weekly sealing keys, rotation of signing keys, and crashes between the steps."""

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mithaq.kernel import keystore, sealing
from mithaq.kernel.keystore import Keys
from mithaq.kernel.sealing import BadSeal
from mithaq.kernel.signing import verify
from mithaq.nations.errors import SignerRefused
from mithaq.nations.keys.errors import KeysNotHeld
from mithaq.nations.keys.keyring import USES, FileKeyring, Keyring, RemoteKeyring
from mithaq.nations.signer import LocalSigner, RemoteSigner, SignerServer
from tests.world import XA

PASSPHRASE = b"only a test's passphrase"
DAY = timedelta(days=1)
KIND = "application/vnd.mithaq.test+json"


@pytest.fixture
def ring(tmp_path: Path, at: datetime) -> FileKeyring:
    keystore.write(tmp_path / "node.keys", Keys.generate(at), PASSPHRASE)
    return reopened(tmp_path)


def reopened(folder: Path) -> FileKeyring:
    """The key file as a process that is started anew finds it."""
    return FileKeyring.open(folder / "node.keys", XA, PASSPHRASE)


@pytest.fixture
def remote(ring: FileKeyring, tmp_path: Path) -> Iterator[RemoteKeyring]:
    with SignerServer(tmp_path / "run", ring.keys, XA, ring) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        signer = RemoteSigner(tmp_path / "run")
        yield RemoteKeyring(signer)
        signer.close()
        server.shutdown()


def test_a_sealing_key_gives_way_after_a_week_and_not_before(ring: FileKeyring, tmp_path: Path, at: datetime) -> None:
    first = ring.sealing()
    assert ring.refresh_sealing(at + 7 * DAY - timedelta(seconds=1)) == first
    second = ring.refresh_sealing(at + 7 * DAY)
    assert (second.made_at, second.key != first.key) == (at + 7 * DAY, True)
    assert ring.refresh_sealing(at + 8 * DAY) == second
    assert reopened(tmp_path).sealing() == second


def test_a_recipient_opens_with_earlier_keys_until_they_are_deleted(ring: FileKeyring, at: datetime) -> None:
    sealed = sealing.seal(b"plain", ring.sealing().key, b"info")
    ring.refresh_sealing(at + 7 * DAY)
    assert ring.signer.open_sealed(sealed, b"info") == b"plain"
    ring.refresh_sealing(at + 37 * DAY - timedelta(seconds=1))
    assert ring.signer.open_sealed(sealed, b"info") == b"plain"
    ring.refresh_sealing(at + 37 * DAY)
    with pytest.raises(BadSeal):
        ring.signer.open_sealed(sealed, b"info")


def test_a_node_that_slept_for_months_keeps_what_it_may_still_need(ring: FileKeyring, at: datetime) -> None:
    sealed = sealing.seal(b"plain", ring.sealing().key, b"info")
    fresh = ring.refresh_sealing(at + 200 * DAY)
    assert ring.signer.open_sealed(sealed, b"info") == b"plain"
    assert fresh.made_at == at + 200 * DAY


def test_prepared_keys_sign_nothing_until_they_are_activated(ring: FileKeyring, tmp_path: Path) -> None:
    before = ring.current()
    prepared = ring.prepare(["signing"])
    assert (ring.current(), ring.prepared()) == (before, prepared)
    assert ring.signer.verify_key == before.verify_key
    assert (prepared.log_key, prepared.witness_mldsa44) == (before.log_key, before.witness_mldsa44)
    after_a_crash = reopened(tmp_path)
    assert after_a_crash.prepared() == prepared
    after_a_crash.activate(prepared)
    after_a_crash.activate(prepared)
    assert reopened(tmp_path).current() == after_a_crash.current() == prepared
    assert after_a_crash.prepared() is None
    assert verify(after_a_crash.signer.sign(KIND, b"{}"), prepared.verify_key, KIND) == b"{}"


def test_keys_that_are_not_held_are_not_activated(ring: FileKeyring) -> None:
    stale = ring.prepare(USES)
    fresh = ring.prepare(USES)
    assert len({stale.log_key, fresh.log_key, ring.current().log_key}) == 3
    with pytest.raises(KeysNotHeld):
        ring.activate(stale)


def test_other_processes_ask_the_signer_and_see_public_halves_only(remote: RemoteKeyring, at: datetime) -> None:
    asked: Keyring = remote
    before = asked.current()
    assert asked.prepared() is None
    prepared = asked.prepare(["signing", "witness"])
    assert asked.prepared() == prepared
    asked.activate(prepared)
    assert asked.current() == prepared != before
    assert remote.signer.verify_key == prepared.verify_key
    assert asked.refresh_sealing(at + 7 * DAY) == asked.sealing()
    with pytest.raises(SignerRefused):
        asked.activate(before)
    with pytest.raises(SignerRefused, match="unknown operation"):
        remote.signer.keyring({"do": "give me everything"})


def test_a_signer_without_a_key_file_changes_nothing(tmp_path: Path) -> None:
    keys = Keys.generate()
    with SignerServer(tmp_path / "run", keys, XA) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        signer = RemoteSigner(tmp_path / "run")
        with pytest.raises(SignerRefused):
            signer.keyring({"do": "prepare", "uses": []})
        assert signer.verify_key == LocalSigner(keys, XA).verify_key
        signer.close()
        server.shutdown()
