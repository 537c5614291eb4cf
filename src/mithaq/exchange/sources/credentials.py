"""Credentials of sources: sealed in the database under a key that lies in the data folder alone.

A copy of the database, or of a database server's disk, shows none of them; a sealed backup of the node holds both. What
is sealed is bound to its source and its origin, so it opens for no other address.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mithaq.exchange.sources.errors import BadSource, CredentialUnusable
from mithaq.exchange.sources.model import Auth, Source
from mithaq.exchange.sources.rules import origin
from mithaq.kernel.durable import sync_folder

MAX_SECRET_CHARACTERS: Final = 8192
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_FORBIDDEN_HEADERS: Final = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "accept-encoding", "cookie", "upgrade", "te"}
)
_HEADER_CHARACTERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


class Credential(msgspec.Struct, frozen=True):
    """What a source is asked with; its secret is in no text of it."""

    auth: Auth
    secret: str
    user: str = ""
    header: str = ""

    def headers(self) -> dict[str, str]:
        """Return the header that carries it."""
        match self.auth:
            case "basic":
                pair = base64.b64encode(f"{self.user}:{self.secret}".encode()).decode()
                return {"Authorization": f"Basic {pair}"}
            case "bearer":
                return {"Authorization": f"Bearer {self.secret}"}
            case "token":
                return {"Authorization": f"Token {self.secret}"}
            case "header":
                return {self.header: self.secret}
            case "none":
                return {}

    def __repr__(self) -> str:
        return f"Credential({self.auth!r}, <secret>)"


def demand_usable(credential: Credential) -> None:
    """Refuse what would break out of its header.

    Raises:
        BadSource: it is empty, too long, or has characters that no header carries.
    """
    if not 0 < len(credential.secret) <= MAX_SECRET_CHARACTERS or not credential.secret.isprintable():
        raise BadSource("a secret is one line of 1 to %(max)s printable characters", max=MAX_SECRET_CHARACTERS)
    if credential.auth != "basic" and not credential.secret.isascii():
        raise BadSource("a secret that travels in a header has only ASCII characters")
    if credential.auth == "basic" and (not credential.user or ":" in credential.user):
        raise BadSource("HTTP Basic needs a user without a colon")
    if credential.auth == "header":
        name = credential.header
        if not name or not _HEADER_CHARACTERS.issuperset(name) or name.lower() in _FORBIDDEN_HEADERS:
            raise BadSource("a credential cannot travel in the header %(header)s", header=name[:80] or "-")


class Vault:
    """Seal and open credentials; the key is made when the first one is sealed."""

    def __init__(self, key_file: Path) -> None:
        self._key_file = key_file

    def seal(self, source: Source, credential: Credential) -> bytes:
        """Return a credential sealed for one source."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + AESGCM(self._key(make=True)).encrypt(nonce, msgspec.msgpack.encode(credential), _bound(source))

    def open(self, source: Source, sealed: bytes) -> Credential:
        """Return the credential of a source.

        Raises:
            CredentialUnusable: the key file is missing or another one, or the source's address has changed.
        """
        nonce, body = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            plain = AESGCM(self._key()).decrypt(nonce, body, _bound(source))
            return msgspec.msgpack.decode(plain, type=Credential)
        except (OSError, ValueError, InvalidTag, msgspec.DecodeError) as error:
            raise CredentialUnusable(
                "its credential cannot be opened: give it again", subject=source.name, private=type(error).__name__
            ) from error

    def _key(self, *, make: bool = False) -> bytes:
        if make and not self._key_file.exists():
            self._make()
        key = self._key_file.read_bytes()
        if len(key) != _KEY_BYTES:
            raise ValueError("the key file has another length")
        return key

    def _make(self) -> None:
        """Write a new key, whole or not at all; where another process was first, its key stays."""
        self._key_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = self._key_file.with_name(f".{self._key_file.name}.{os.getpid()}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(fresh, self._key_file)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
        sync_folder(self._key_file.parent)


def _bound(source: Source) -> bytes:
    """Return what a credential is bound to: its source, and the place it is shown to."""
    return "\0".join((source.id, *map(str, origin(source.address)))).encode()
