"""Private keys at rest: one file, encrypted under a passphrase (scrypt, AES-256-GCM)."""

import os
from datetime import datetime
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from mithaq.kernel.durable import replace_whole
from mithaq.kernel.errors import Error
from mithaq.kernel.sealing import OpenKey
from mithaq.kernel.signing import SigningKey

_MAGIC = b"mithaq-keys-2\n"
_EARLIER = b"mithaq-keys-1\n"
_SALT_BYTES = 16
_NONCE_BYTES = 12
_SCRYPT_N = 2**15
MIN_PASSPHRASE = 16


class KeystoreLocked(Error):
    """The key file could not be opened."""

    code = "keystore-locked"


class Keys(msgspec.Struct, frozen=True):
    """All private keys of one node, one for each use.

    `open_keys` is newest first, older ones open what was sealed before. `prepared` waits for the root officials' word.

    Shapes: every signing key is a seed of 32 bytes. An open key is a 64-byte ML-KEM seed, 32 bytes of X25519, and when
        it was made. Prepared keys are the five signing seeds in the order of the fields.
    Units: seconds since 1970.
    """

    signing_ed25519: bytes
    signing_mldsa65: bytes
    log_ed25519: bytes
    witness_ed25519: bytes
    witness_mldsa44: bytes
    open_keys: list[tuple[bytes, bytes, float]]
    prepared: tuple[bytes, bytes, bytes, bytes, bytes] | None = None

    @staticmethod
    def generate(at: datetime | None = None) -> "Keys":
        """Draw a nation's first keys; without an instant the sealing key is due for its successor at once."""
        signing, opening = SigningKey.generate(), OpenKey.generate()
        return Keys(
            signing_ed25519=signing.ed25519_seed,
            signing_mldsa65=signing.mldsa65_seed,
            log_ed25519=Ed25519PrivateKey.generate().private_bytes_raw(),
            witness_ed25519=Ed25519PrivateKey.generate().private_bytes_raw(),
            witness_mldsa44=MLDSA44PrivateKey.generate().private_bytes_raw(),
            open_keys=[(opening.mlkem768_seed, opening.x25519_private, at.timestamp() if at else 0.0)],
        )

    @property
    def signing(self) -> SigningKey:
        """Return the signing key."""
        return SigningKey(self.signing_ed25519, self.signing_mldsa65)

    @property
    def opening(self) -> tuple[OpenKey, ...]:
        """Return the sealing keys, newest first."""
        return tuple(OpenKey(mlkem768, x25519) for mlkem768, x25519, _ in self.open_keys)

    @property
    def log_public(self) -> bytes:
        """Return the public half of the log key: 32 bytes of Ed25519."""
        return Ed25519PrivateKey.from_private_bytes(self.log_ed25519).public_key().public_bytes_raw()

    @property
    def witness_public(self) -> tuple[bytes, bytes]:
        """Return the public halves of the witness keys: 32 bytes of Ed25519, 1,312 bytes of ML-DSA-44."""
        return (
            Ed25519PrivateKey.from_private_bytes(self.witness_ed25519).public_key().public_bytes_raw(),
            MLDSA44PrivateKey.from_seed_bytes(self.witness_mldsa44).public_key().public_bytes_raw(),
        )

    def __repr__(self) -> str:
        return "Keys(<secret>)"


def _cipher(passphrase: bytes, salt: bytes) -> AESGCM:
    if len(passphrase) < MIN_PASSPHRASE:
        raise KeystoreLocked("the passphrase has fewer than %(min)s characters", min=MIN_PASSPHRASE)
    return AESGCM(Scrypt(salt=salt, length=32, n=_SCRYPT_N, r=8, p=1).derive(passphrase))


def write(path: Path, keys: Keys, passphrase: bytes) -> None:
    """Encrypt the keys into a file that only its owner may read; replaces it whole."""
    write_encrypted(path, _MAGIC, msgspec.msgpack.encode(keys), passphrase)


def write_encrypted(path: Path, magic: bytes, secret: bytes, passphrase: bytes) -> None:
    """Encrypt a secret into a file that only its owner may read; replaces it whole, also through a crash."""
    salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
    body = _cipher(passphrase, salt).encrypt(nonce, secret, magic)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    replace_whole(path, magic + salt + nonce + body)


def read(path: Path, passphrase: bytes) -> Keys:
    """Decrypt a key file.

    Raises:
        KeystoreLocked: the file is absent, changed, or the passphrase is wrong.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise KeystoreLocked("there is no key file; run `mithaq init` first", private=str(path)) from error
    if data.startswith(_EARLIER):
        raise KeystoreLocked(
            "the key file was made before nodes had keys for their log and as witnesses; found the node anew",
            private=str(path),
        )
    if not data.startswith(_MAGIC):
        raise KeystoreLocked("the key file is of an unknown format", private=str(path))
    try:
        return msgspec.msgpack.decode(decrypted(data, _MAGIC, passphrase), type=Keys)
    except msgspec.DecodeError as error:
        raise KeystoreLocked("the passphrase is wrong or the key file was changed") from error


def decrypted(data: bytes, magic: bytes, passphrase: bytes) -> bytes:
    """Return the secret of an encrypted file that begins with `magic`.

    Raises:
        KeystoreLocked: the passphrase is wrong, or the bytes were changed.
    """
    rest = data[len(magic) :]
    salt, nonce, body = (
        rest[:_SALT_BYTES],
        rest[_SALT_BYTES : _SALT_BYTES + _NONCE_BYTES],
        rest[_SALT_BYTES + _NONCE_BYTES :],
    )
    try:
        return _cipher(passphrase, salt).decrypt(nonce, body, magic)
    except InvalidTag as error:
        raise KeystoreLocked("the passphrase is wrong or the key file was changed") from error
