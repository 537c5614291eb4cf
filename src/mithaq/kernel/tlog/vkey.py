"""Keys that sign notes, public and private.

Source: c2sp.org/signed-note v1.0.0 (verifier keys, type 1), c2sp.org/tlog-cosignature v1.1.0-rc.1 (types 4 and 6).
Left out: type 2 (ECDSA) and type 5 (RFC 6962 tree heads), which no log here uses.
"""

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from mithaq.kernel.tlog.errors import BadNote
from mithaq.kernel.tlog.lines import decode, encode
from mithaq.kernel.tlog.note import check_name

_ED25519_BYTES = 32
_MLDSA44_BYTES = 1312
_PARTS = 3


class KeyType(IntEnum):
    """What a key signs, and with which algorithm; the byte of the specification."""

    ED25519 = 1
    COSIGNATURE_ED25519 = 4
    COSIGNATURE_MLDSA44 = 6


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key under its name. Shapes: 32 bytes of Ed25519, or 1,312 of ML-DSA-44."""

    name: str
    type: KeyType
    public: bytes

    @property
    def key_id(self) -> bytes:
        """Return the four bytes by which signature lines name the key."""
        return sha256(self.name.encode() + b"\n" + bytes([self.type]) + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{encode(bytes([self.type]) + self.public)}"

    @staticmethod
    def parse(text: str) -> "VerifierKey":
        """Read a key in the form `name+id+base64`.

        Raises:
            BadNote: another form, an unknown type, a wrong length, or an id that is not the key's.
        """
        parts = text.split("+", 2)
        if len(parts) != _PARTS:
            raise BadNote("no verifier key")
        raw = decode(parts[2])
        try:
            kind = KeyType(raw[0])
        except (IndexError, ValueError) as error:
            raise BadNote("a verifier key of a type that is not accepted") from error
        key = VerifierKey(check_name(parts[0]), kind, raw[1:]).checked()
        if key.key_id.hex() != parts[1]:
            raise BadNote("the id of the verifier key is not the key's")
        return key

    def checked(self) -> "VerifierKey":
        """Return the key when its bytes are one.

        Raises:
            BadNote: they are not.
        """
        wanted = _MLDSA44_BYTES if self.type is KeyType.COSIGNATURE_MLDSA44 else _ED25519_BYTES
        if len(self.public) != wanted:
            raise BadNote("a public key of %(length)s bytes", length=len(self.public))
        try:
            _public(self.type, self.public)
        except ValueError as error:
            raise BadNote("no usable public key") from error
        return self

    def holds(self, signature: bytes, message: bytes) -> bool:
        """Tell whether the key signed the message."""
        try:
            _public(self.type, self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A private key under its name, kept as a 32-byte seed."""

    name: str
    type: KeyType
    seed: bytes

    @property
    def public(self) -> VerifierKey:
        """Return the public half."""
        public = _private(self.type, self.seed).public_key().public_bytes_raw()
        return VerifierKey(self.name, self.type, public)

    def sign(self, message: bytes) -> bytes:
        """Return the bare signature over a message."""
        return _private(self.type, self.seed).sign(message)

    def __repr__(self) -> str:
        return f"NoteKey({self.name!r}, <secret>)"


@lru_cache(maxsize=256)
def _public(kind: KeyType, public: bytes) -> Ed25519PublicKey | MLDSA44PublicKey:
    if kind is KeyType.COSIGNATURE_MLDSA44:
        return MLDSA44PublicKey.from_public_bytes(public)
    return Ed25519PublicKey.from_public_bytes(public)


@lru_cache(maxsize=8)
def _private(kind: KeyType, seed: bytes) -> Ed25519PrivateKey | MLDSA44PrivateKey:
    if kind is KeyType.COSIGNATURE_MLDSA44:
        return MLDSA44PrivateKey.from_seed_bytes(seed)
    return Ed25519PrivateKey.from_private_bytes(seed)
