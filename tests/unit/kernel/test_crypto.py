import base64
from dataclasses import replace
from pathlib import Path

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from mithaq.kernel import keystore, sealing, signing
from mithaq.kernel.keystore import Keys, KeystoreLocked
from mithaq.kernel.sealing import BadSeal, OpenKey
from mithaq.kernel.signing import BadSignature, Envelope, SigningKey, VerifyKey

KIND = "application/vnd.mithaq.test+json"
KEY = SigningKey.generate()


def test_an_envelope_signed_by_both_halves_yields_its_payload() -> None:
    assert signing.verify(signing.sign_with(KEY, KIND, b"{}"), KEY.verify_key, KIND) == b"{}"


@given(st.text(), st.binary(), st.lists(st.tuples(st.text(), st.binary())))
def test_an_envelope_is_canonical_json_with_standard_base64(
    kind: str, payload: bytes, signatures: list[tuple[str, bytes]]
) -> None:
    def text(data: bytes) -> str:
        return base64.b64encode(data).decode()

    value = {
        "payload": text(payload),
        "payloadType": kind,
        "signatures": [{"keyid": key_id, "sig": text(sig)} for key_id, sig in signatures],
    }
    data = Envelope(kind, payload, tuple(signatures)).encode()
    assert data == rfc8785.dumps(value)  # type: ignore[arg-type]
    if len(dict(signatures)) == len(signatures):
        assert signing.read_envelope(data) == Envelope(kind, payload, tuple(signatures))


@given(st.text("AQZaz09+/=-_ \nة\x00", max_size=9) | st.binary().map(lambda data: base64.b64encode(data).decode()))
def test_base64_is_read_exactly_as_strictly_as_by_the_standard_library(text: str) -> None:
    value = {"payload": text, "payloadType": KIND, "signatures": []}
    try:
        payload = base64.b64decode(text, validate=True)
    except ValueError:
        with pytest.raises(BadSignature, match="no DSSE envelope"):
            signing.read_envelope(rfc8785.dumps(value))
    else:
        assert signing.read_envelope(rfc8785.dumps(value)).payload == payload


@pytest.mark.parametrize("half", [0, 1])
def test_one_half_missing_or_wrong_refuses_the_whole(half: int) -> None:
    envelope = signing.read_envelope(signing.sign_with(KEY, KIND, b"{}"))
    only = replace(envelope, signatures=(envelope.signatures[half],))
    assert not only.holds_for(KEY.verify_key)
    spoiled = list(envelope.signatures)
    key_id, signature = spoiled[half]
    spoiled[half] = (key_id, signature[:-1] + bytes([signature[-1] ^ 1]))
    assert not replace(envelope, signatures=tuple(spoiled)).holds_for(KEY.verify_key)
    assert envelope.holds_for(KEY.verify_key)


def test_another_payload_type_key_or_payload_is_refused() -> None:
    data = signing.sign_with(KEY, KIND, b"{}")
    with pytest.raises(BadSignature, match="is due"):
        signing.verify(data, KEY.verify_key, "application/other")
    with pytest.raises(BadSignature, match="do not hold"):
        signing.verify(data, SigningKey.generate().verify_key, KIND)
    changed = replace(signing.read_envelope(data), payload=b"[]").encode()
    with pytest.raises(BadSignature, match="do not hold"):
        signing.verify(changed, KEY.verify_key, KIND)


def test_a_mixed_key_of_two_nations_is_neither() -> None:
    other = SigningKey.generate()
    mixed = VerifyKey(KEY.verify_key.ed25519, other.verify_key.mldsa65)
    with pytest.raises(BadSignature):
        signing.verify(signing.sign_with(KEY, KIND, b"{}"), mixed, KIND)


def test_only_the_recipient_opens_and_only_under_the_same_context() -> None:
    mine, other = OpenKey.generate(), OpenKey.generate()
    sealed = sealing.seal(b"secret", mine.seal_key, b"XA>XB 1")
    assert sealing.open_with(mine, sealed, b"XA>XB 1") == b"secret"
    for key, info, data in [
        (other, b"XA>XB 1", sealed),
        (mine, b"XA>XB 2", sealed),
        (mine, b"XA>XB 1", sealed[:-1] + bytes([sealed[-1] ^ 1])),
        (mine, b"XA>XB 1", sealed[:40]),
    ]:
        with pytest.raises(BadSeal):
            sealing.open_with(key, data, info)


def test_plaintexts_of_one_bucket_seal_to_one_length() -> None:
    key = OpenKey.generate().seal_key
    assert len({len(sealing.seal(b"x" * n, key, b"")) for n in (0, 1, 500, 1000)}) == 1


def test_a_key_file_opens_with_its_passphrase_alone(tmp_path: Path) -> None:
    path, keys = tmp_path / "keys" / "node.keys", Keys.generate()
    keystore.write(path, keys, b"correct horse battery")
    assert keystore.read(path, b"correct horse battery") == keys
    assert path.stat().st_mode & 0o077 == 0
    assert keys.signing_ed25519 not in path.read_bytes()
    with pytest.raises(KeystoreLocked, match="wrong"):
        keystore.read(path, b"correct horse batterz")
    with pytest.raises(KeystoreLocked, match="fewer"):
        keystore.write(path, keys, b"short")
    *rest, last = path.read_bytes()
    path.write_bytes(bytes([*rest, last ^ 1]))
    with pytest.raises(KeystoreLocked, match="changed"):
        keystore.read(path, b"correct horse battery")
    path.write_bytes(b"mithaq-keys-1\n" + path.read_bytes()[14:])
    with pytest.raises(KeystoreLocked, match="as witnesses"):
        keystore.read(path, b"correct horse battery")


def test_every_use_has_a_key_of_its_own() -> None:
    keys = Keys.generate()
    public = [keys.signing.verify_key.ed25519, keys.log_public, *keys.witness_public, keys.opening[0].seal_key.x25519]
    assert len(set(public)) == len(public)
    assert [len(key) for key in public] == [32, 32, 32, 1312, 32]
