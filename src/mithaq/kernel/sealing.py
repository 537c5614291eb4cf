"""Seal bytes to one recipient: HPKE with MLKEM768-X25519, padded so that the length says little.

Source: RFC 9180, draft-ietf-hpke-pq; padding: Padmé (Nikitin et al., PETS 2019), at most 12 % more.
"""

import base64
import hashlib
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from mithaq.kernel.errors import Error

SUITE_ID = "hpke-mlkem768x25519-sha256-aes256gcm"
_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_LENGTH_BYTES = 8
_SMALLEST = 1024


class BadSeal(Error):
    """Sealed bytes that this key cannot open."""

    code = "bad-seal"


@dataclass(frozen=True, slots=True)
class SealKey:
    """The public key to seal to: 1,184 bytes of ML-KEM-768 and 32 of X25519."""

    mlkem768: bytes
    x25519: bytes

    @property
    def key_id(self) -> str:
        """Return the SHA-256 of both halves, in hexadecimal."""
        return hashlib.sha256(self.mlkem768 + self.x25519).hexdigest()

    def as_json(self) -> dict[str, str]:
        """Return the key as JSON values."""
        return {
            "ml-kem-768": base64.b64encode(self.mlkem768).decode(),
            "x25519": base64.b64encode(self.x25519).decode(),
        }

    @staticmethod
    def of_json(value: dict[str, str]) -> "SealKey":
        """Read a key from its JSON values.

        Raises:
            BadSeal: a half is missing or unusable.
        """
        try:
            key = SealKey(
                base64.b64decode(value["ml-kem-768"], validate=True),
                base64.b64decode(value["x25519"], validate=True),
            )
            _public(key)
        except (KeyError, TypeError, ValueError) as error:
            raise BadSeal("no usable sealing key", private=str(error)) from error
        return key


@dataclass(frozen=True, slots=True)
class OpenKey:
    """The private sealing key: a 64-byte ML-KEM seed and 32 bytes of X25519."""

    mlkem768_seed: bytes
    x25519_private: bytes

    @staticmethod
    def generate() -> "OpenKey":
        """Draw a new key from the system's randomness."""
        return OpenKey(
            MLKEM768PrivateKey.generate().private_bytes_raw(), X25519PrivateKey.generate().private_bytes_raw()
        )

    @property
    def seal_key(self) -> SealKey:
        """Return the public half."""
        return SealKey(
            MLKEM768PrivateKey.from_seed_bytes(self.mlkem768_seed).public_key().public_bytes_raw(),
            X25519PrivateKey.from_private_bytes(self.x25519_private).public_key().public_bytes_raw(),
        )

    def __repr__(self) -> str:
        return "OpenKey(<secret>)"


def padded_length(length: int) -> int:
    """Return the bucket a plaintext of `length` bytes is padded to (Padmé, never below 1 KiB).

    >>> [padded_length(n) for n in (1, 1024, 1025, 20_000)]
    [1024, 1024, 1088, 20480]
    """
    if length <= _SMALLEST:
        return _SMALLEST
    exponent = length.bit_length() - 1
    bits = exponent.bit_length()
    mask = (1 << (exponent - bits)) - 1
    return (length + mask) & ~mask


@lru_cache(maxsize=256)
def _public(key: SealKey) -> MLKEM768X25519PublicKey:
    return MLKEM768X25519PublicKey(
        MLKEM768PublicKey.from_public_bytes(key.mlkem768), X25519PublicKey.from_public_bytes(key.x25519)
    )


def seal(plaintext: bytes, recipient: SealKey, info: bytes) -> bytes:
    """Encrypt to one recipient; `info` binds the context and must be repeated to open."""
    size = _LENGTH_BYTES + len(plaintext)
    padding = bytes(padded_length(size) - size)
    body = b"".join((len(plaintext).to_bytes(_LENGTH_BYTES, "big"), plaintext, padding))
    return _SUITE.encrypt(body, _public(recipient), info=info)


def open_with(key: OpenKey, sealed: bytes, info: bytes) -> bytes:
    """Decrypt what was sealed to this key under the same `info`.

    Raises:
        BadSeal: it was sealed to somebody else, under another context, or was changed on the way.
    """
    private = MLKEM768X25519PrivateKey(
        MLKEM768PrivateKey.from_seed_bytes(key.mlkem768_seed),
        X25519PrivateKey.from_private_bytes(key.x25519_private),
    )
    try:
        body = _SUITE.decrypt(sealed, private, info=info)
    except (InvalidTag, ValueError) as error:
        raise BadSeal("sealed to another key, under another context, or changed on the way") from error
    length = int.from_bytes(body[:_LENGTH_BYTES], "big")
    if length > len(body) - _LENGTH_BYTES:
        raise BadSeal("the sealed plaintext is shorter than it says")
    return body[_LENGTH_BYTES : _LENGTH_BYTES + length]
