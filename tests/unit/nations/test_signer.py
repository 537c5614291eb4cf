import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mithaq.kernel import sealing, signing
from mithaq.kernel.sealing import BadSeal, OpenKey
from mithaq.kernel.tlog.checkpoint import Checkpoint, verified
from mithaq.kernel.tlog.note import Note, read_note, read_signatures
from mithaq.nations.errors import SignerRefused, SignerUnreachable
from mithaq.nations.names import LogName, MembershipName, witness_keys
from mithaq.nations.signer import SOCKET_NAME, RemoteSigner, SignerServer
from tests.world import XA, XB, keys_of

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


def checkpoint(origin: str, size: int = 3, root: bytes = b"\7" * 32) -> str:
    return Checkpoint(origin, size, root).text


def test_the_signer_signs_checkpoints_of_its_own_log_alone_and_never_two_roots_for_one_size(
    signer: RemoteSigner,
) -> None:
    name = LogName(XA, 2026)
    log_key, ed25519, mldsa44 = signer.note_keys()
    assert (ed25519, mldsa44) == keys_of(XA).witness_public
    note = read_note(signer.sign_checkpoint(checkpoint(name.origin)))
    assert name.key(log_key) in verified(note, [name.key(log_key)])
    signer.sign_checkpoint(checkpoint(name.origin, 2))
    with pytest.raises(SignerRefused, match="another root"):
        signer.sign_checkpoint(checkpoint(name.origin, 3, b"\6" * 32))
    with pytest.raises(SignerRefused, match="own logs only"):
        signer.sign_checkpoint(checkpoint(LogName(XB, 2026).origin))
    for text in ("cert.xa.example/releases/2026\n+3\nAAAA\n", "anything", checkpoint("example.com/log")):
        with pytest.raises(SignerRefused):
            signer.sign_checkpoint(text)


def test_the_signer_treats_a_membership_log_as_any_log(signer: RemoteSigner) -> None:
    agreement_id = "agreement--11111111-1111-4111-8111-111111111111"
    own, other = (MembershipName(nation, agreement_id).origin for nation in (XA, XB))
    assert read_note(signer.sign_checkpoint(checkpoint(own))).text == checkpoint(own)
    assert signer.cosign(checkpoint(other), 1_700_000_000).count("\n") == 2
    with pytest.raises(SignerRefused, match="own logs only"):
        signer.sign_checkpoint(checkpoint(other))
    with pytest.raises(SignerRefused, match="no witness of its own log"):
        signer.cosign(checkpoint(own), 1_700_000_000)


def test_the_signer_cosigns_others_logs_alone_with_both_of_its_keys(signer: RemoteSigner) -> None:
    text = checkpoint(LogName(XB, 2026).origin)
    _, ed25519, mldsa44 = signer.note_keys()
    lines = read_signatures(signer.cosign(text, 1_700_000_000))
    keys = witness_keys(XA, ed25519, mldsa44)
    assert set(verified(Note(text, lines), keys)) == set(keys)
    with pytest.raises(SignerRefused, match="no witness of its own log"):
        signer.cosign(checkpoint(LogName(XA, 2026).origin), 1_700_000_000)
    with pytest.raises(SignerRefused):
        signer.cosign("no checkpoint", 1_700_000_000)
