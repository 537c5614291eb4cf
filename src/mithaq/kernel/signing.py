"""Hybrid signatures in a DSSE envelope: Ed25519 and ML-DSA-65, and both must verify.

Source: DSSE v1.0 (github.com/secure-systems-lab/dsse), RFC 8032, FIPS 204.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey, MLDSA65PublicKey

from mithaq.kernel import canonical
from mithaq.kernel.errors import Error

_CONTEXT = b"mithaq/v1"
_write = msgspec.json.Encoder(order="sorted").encode


class BadSignature(Error):
    """An envelope whose signatures do not hold."""

    code = "bad-signature"


@dataclass(frozen=True, slots=True)
class VerifyKey:
    """The public half of a hybrid signing key: 32 bytes of Ed25519, 1,952 bytes of ML-DSA-65."""

    ed25519: bytes
    mldsa65: bytes

    @property
    def key_id(self) -> str:
        """Return the SHA-256 of both halves, in hexadecimal."""
        return hashlib.sha256(self.ed25519 + self.mldsa65).hexdigest()

    def as_json(self) -> dict[str, str]:
        """Return the key as JSON values."""
        return {"ed25519": _b64(self.ed25519), "ml-dsa-65": _b64(self.mldsa65)}

    @staticmethod
    def of_json(value: dict[str, str]) -> "VerifyKey":
        """Read a key from its JSON values.

        Raises:
            BadSignature: a half is missing or has the wrong length.
        """
        try:
            key = VerifyKey(_unb64(value["ed25519"]), _unb64(value["ml-dsa-65"]))
            Ed25519PublicKey.from_public_bytes(key.ed25519)
            MLDSA65PublicKey.from_public_bytes(key.mldsa65)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadSignature("no usable hybrid signing key", private=str(error)) from error
        return key


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The private half, kept as two 32-byte seeds."""

    ed25519_seed: bytes
    mldsa65_seed: bytes

    @staticmethod
    def generate() -> "SigningKey":
        """Draw a new key from the system's randomness."""
        return SigningKey(
            Ed25519PrivateKey.generate().private_bytes_raw(), MLDSA65PrivateKey.generate().private_bytes_raw()
        )

    @property
    def verify_key(self) -> VerifyKey:
        """Return the public half."""
        return VerifyKey(
            Ed25519PrivateKey.from_private_bytes(self.ed25519_seed).public_key().public_bytes_raw(),
            MLDSA65PrivateKey.from_seed_bytes(self.mldsa65_seed).public_key().public_bytes_raw(),
        )

    def __repr__(self) -> str:
        return "SigningKey(<secret>)"


class Signer(Protocol):
    """Who holds a nation's private keys; usually another process."""

    @property
    def verify_key(self) -> VerifyKey:
        """Return the public half of the signing key."""
        ...

    def sign(self, payload_type: str, payload: bytes) -> bytes:
        """Return a DSSE envelope around the payload."""
        ...

    def sign_request(self, base: bytes) -> bytes:
        """Return the Ed25519 signature over an HTTP signature base (RFC 9421)."""
        ...

    def open_sealed(self, sealed: bytes, info: bytes) -> bytes:
        """Return the plaintext that was sealed to this nation."""
        ...

    def sign_checkpoint(self, text: str) -> bytes:
        """Return a checkpoint of one of this nation's logs, signed as a note."""
        ...

    def cosign(self, text: str, time_s: int) -> str:
        """Return this nation's lines of cosignature on a partner's checkpoint, at seconds since 1970."""
        ...

    def note_keys(self) -> tuple[bytes, bytes, bytes]:
        """Return the public halves that sign notes: the log's Ed25519, the witness's Ed25519 and ML-DSA-44."""
        ...


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _unb64(text: str) -> bytes:
    try:
        return msgspec.convert(text, bytes)  # four times as fast; what it does not read, the standard library judges
    except msgspec.ValidationError:
        return base64.b64decode(text, validate=True)


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return DSSE's pre-authentication encoding.

    >>> pae("http://example.com/HelloWorld", b"hello world")
    b'DSSEv1 29 http://example.com/HelloWorld 11 hello world'
    """
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


@lru_cache(maxsize=4)
def _loaded(key: SigningKey) -> tuple[Ed25519PrivateKey, MLDSA65PrivateKey, str]:
    """Expand the seeds once: ML-DSA's expansion costs as much as a tenth of a signature."""
    return (
        Ed25519PrivateKey.from_private_bytes(key.ed25519_seed),
        MLDSA65PrivateKey.from_seed_bytes(key.mldsa65_seed),
        key.verify_key.key_id,
    )


@lru_cache(maxsize=64)
def _loaded_public(key: VerifyKey) -> tuple[Ed25519PublicKey, MLDSA65PublicKey, str]:
    """Expand a public key once: ML-DSA's expansion costs a third of a verification."""
    return (
        Ed25519PublicKey.from_public_bytes(key.ed25519),
        MLDSA65PublicKey.from_public_bytes(key.mldsa65),
        key.key_id,
    )


def sign_with(key: SigningKey, payload_type: str, payload: bytes) -> bytes:
    """Sign with both halves and return the canonical envelope."""
    message = pae(payload_type, payload)
    ed25519_key, mldsa65_key, key_id = _loaded(key)
    ed25519 = ed25519_key.sign(message)
    mldsa65 = mldsa65_key.sign(message, _CONTEXT)
    return _encoded(payload_type, payload, ((f"ed25519:{key_id}", ed25519), (f"ml-dsa-65:{key_id}", mldsa65)))


def _encoded(payload_type: str, payload: bytes, signatures: Iterable[tuple[str, bytes]]) -> bytes:
    """Return the canonical envelope: keys of ASCII in order, bytes in base64 (RFC 4648 §4)."""
    named = [{"keyid": key_id, "sig": sig} for key_id, sig in signatures]
    return _write({"payload": payload, "payloadType": payload_type, "signatures": named})


@dataclass(frozen=True, slots=True)
class Envelope:
    """A DSSE envelope that was read but not yet verified."""

    payload_type: str
    payload: bytes
    signatures: tuple[tuple[str, bytes], ...]

    def holds_for(self, key: VerifyKey) -> bool:
        """Tell whether both halves of `key` signed this payload."""
        message = pae(self.payload_type, self.payload)
        by_id = dict(self.signatures)
        ed25519_key, mldsa65_key, key_id = _loaded_public(key)
        try:
            ed25519_key.verify(by_id[f"ed25519:{key_id}"], message)
            mldsa65_key.verify(by_id[f"ml-dsa-65:{key_id}"], message, _CONTEXT)
        except (KeyError, InvalidSignature):
            return False
        return True

    def encode(self) -> bytes:
        """Return the canonical bytes."""
        return _encoded(self.payload_type, self.payload, self.signatures)

    def joined(self, other: "Envelope") -> "Envelope":
        """Return one envelope with the signatures of both over the same payload.

        Raises:
            BadSignature: the two are around different payloads.
        """
        if (self.payload_type, self.payload) != (other.payload_type, other.payload):
            raise BadSignature("the signatures are over different documents")
        return Envelope(
            self.payload_type,
            self.payload,
            tuple(sorted({**dict(self.signatures), **dict(other.signatures)}.items())),
        )


def read_envelope(data: bytes, *, subject: str = "", max_bytes: int = canonical.MAX_SIGNED_BYTES) -> Envelope:
    """Read a DSSE envelope; nothing is verified yet.

    Raises:
        BadJson: the bytes are no strict JSON, or too large.
        BadSignature: the JSON is no DSSE envelope, or names a key twice.
    """
    value = canonical.loads(data, max_bytes=max_bytes, subject=subject)
    try:
        signatures = tuple((str(each["keyid"]), _unb64(each["sig"])) for each in value["signatures"])
        envelope = Envelope(str(value["payloadType"]), _unb64(value["payload"]), signatures)
    except (KeyError, TypeError, ValueError, binascii.Error, AttributeError) as error:
        raise BadSignature("no DSSE envelope", subject=subject, private=str(error)) from error
    if len({key_id for key_id, _ in signatures}) != len(signatures):
        raise BadSignature("a key signs twice in one envelope", subject=subject)
    return envelope


def verify(data: bytes, key: VerifyKey, payload_type: str, *, subject: str = "") -> bytes:
    """Return the payload of an envelope that `key` signed with both halves.

    Raises:
        BadJson: the bytes are no strict JSON.
        BadSignature: wrong type, a missing or a wrong signature.
    """
    envelope = read_envelope(data, subject=subject)
    if envelope.payload_type != payload_type:
        raise BadSignature(
            "a signed %(found)s where %(wanted)s is due",
            subject=subject,
            found=envelope.payload_type[:80],
            wanted=payload_type,
        )
    if not envelope.holds_for(key):
        raise BadSignature("the signatures (Ed25519 and ML-DSA-65, both must verify) do not hold", subject=subject)
    return envelope.payload
