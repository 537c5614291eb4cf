import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mithaq.kernel import sealing, signing
from mithaq.kernel.sealing import BadSeal, OpenKey
from mithaq.nations.errors import SignerRefused, SignerUnreachable
from mithaq.nations.signer import SOCKET_NAME, RemoteSigner, SignerServer
from tests.world import XA, keys_of

KIND = "application/vnd.mithaq.test+json"


@pytest.fixture
def signer(tmp_path: Path) -> Iterator[RemoteSigner]:
    with SignerServer(tmp_path / "run", keys_of(XA), XA) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        remote = RemoteSigner(tmp_path / "run")
        yield remote
        remote.close()
        server.shutdown()


def test_the_signer_process_signs_and_opens_without_giving_its_keys_away(signer: RemoteSigner) -> None:
    assert signer.is_reachable()
    assert signer.verify_key == keys_of(XA).signing.verify_key
    assert signing.verify(signer.sign(KIND, b"{}"), signer.verify_key, KIND) == b"{}"
    sealed = sealing.seal(b"x" * 3_000_000, keys_of(XA).opening[0].seal_key, b"info")
    assert len(signer.open_sealed(sealed, b"info")) == 3_000_000


def test_the_signer_refuses_foreign_types_bases_and_seals(signer: RemoteSigner) -> None:
    with pytest.raises(SignerRefused, match="Mithaq's documents only"):
        signer.sign("application/pdf", b"")
    with pytest.raises(SignerRefused, match="signature base"):
        signer.sign_request(signing.pae(KIND, b"{}"))
    with pytest.raises(BadSeal):
        signer.open_sealed(sealing.seal(b"x", OpenKey.generate().seal_key, b""), b"")


def test_an_absent_signer_is_named(tmp_path: Path) -> None:
    with pytest.raises(SignerUnreachable, match="is the node running"):
        RemoteSigner(tmp_path).sign(KIND, b"{}")


def test_a_socket_that_a_dead_signer_left_behind_is_not_taken_for_one(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(tmp_path / SOCKET_NAME))
    assert not RemoteSigner(tmp_path).is_reachable()
