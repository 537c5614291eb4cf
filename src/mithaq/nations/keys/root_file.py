"""An official's private key as a file of its own, under its own passphrase; the running node never reads one."""

from pathlib import Path

import msgspec

from mithaq.kernel.keystore import KeystoreLocked, decrypted, write_encrypted
from mithaq.kernel.signing import SigningKey, read_envelope, sign_with
from mithaq.nations.keys.model import STATEMENT_TYPE, Root
from mithaq.nations.keys.rules import read_statement
from mithaq.nations.keys.settings import MAX_STATEMENT_BYTES

_MAGIC = b"mithaq-root-1\n"


class RootKey(msgspec.Struct, frozen=True):
    """An official's name and the two seeds of 32 bytes."""

    name: str
    ed25519: bytes
    mldsa65: bytes

    @property
    def signing(self) -> SigningKey:
        """Return the private key."""
        return SigningKey(self.ed25519, self.mldsa65)

    @property
    def root(self) -> Root:
        """Return the public part."""
        return Root(self.name, self.signing.verify_key)

    def __repr__(self) -> str:
        return f"RootKey({self.name!r}, <secret>)"


def draw(name: str) -> RootKey:
    """Draw an official's key from the system's randomness."""
    key = SigningKey.generate()
    return RootKey(name, key.ed25519_seed, key.mldsa65_seed)


def write(path: Path, key: RootKey, passphrase: bytes) -> None:
    """Encrypt a root key into a file that only its owner may read."""
    write_encrypted(path, _MAGIC, msgspec.msgpack.encode(key), passphrase)


def read(data: bytes, passphrase: bytes) -> RootKey:
    """Decrypt a root key file.

    Raises:
        KeystoreLocked: it is no root key file, was changed, or the passphrase is wrong.
    """
    if not data.startswith(_MAGIC):
        raise KeystoreLocked("this is no root key file")
    try:
        return msgspec.msgpack.decode(decrypted(data, _MAGIC, passphrase), type=RootKey)
    except msgspec.DecodeError as error:
        raise KeystoreLocked("the passphrase is wrong or the key file was changed") from error


def sign(statement: bytes, key: RootKey) -> bytes:
    """Return a statement's envelope with this official's signature added; signing twice is signing once.

    Raises:
        BadJson, BadSignature, BadStatement: it is no key statement.
    """
    envelope = read_envelope(statement, subject="statement", max_bytes=MAX_STATEMENT_BYTES)
    read_statement(envelope)
    if envelope.holds_for(key.root.key):
        return envelope.encode()
    signed = sign_with(key.signing, STATEMENT_TYPE, envelope.payload)
    return envelope.joined(read_envelope(signed)).encode()
