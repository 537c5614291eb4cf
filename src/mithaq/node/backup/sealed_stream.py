"""A stream sealed with a passphrase: written and read in one pass, in bounded memory.

The key is drawn from the passphrase and a salt of this file alone, so a counter is a safe nonce. Every chunk is
authenticated with its place, and the last one says that it is the last: what was changed, exchanged, appended or cut
off does not open.

Source: the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár 2015) as in age v1, with AES-256-GCM and scrypt
(RFC 7914).
"""

import os
from collections.abc import Iterator
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from mithaq.kernel.keystore import MIN_PASSPHRASE
from mithaq.node.backup.errors import BackupFailed, BadBackup
from mithaq.node.backup.settings import CHUNK_BYTES, SCRYPT_N, SCRYPT_R

_MAGIC = b"mithaq-backup-1\n"
_SALT_BYTES = 16
_TAG_BYTES = 16


class SealedWriter:
    """Seal what is written into a file; only `finish` makes it whole."""

    def __init__(self, file: BinaryIO, passphrase: bytes) -> None:
        if len(passphrase) < MIN_PASSPHRASE:
            raise BackupFailed("the passphrase has fewer than %(min)s characters", min=MIN_PASSPHRASE)
        self._file = file
        self._header = _MAGIC + os.urandom(_SALT_BYTES)
        self._cipher = _cipher(passphrase, self._header)
        self._number = 0
        self._waiting = bytearray()
        file.write(self._header)

    def write(self, data: bytes) -> None:
        """Add bytes to the stream."""
        self._waiting += data
        while len(self._waiting) > CHUNK_BYTES:
            self._seal(bytes(self._waiting[:CHUNK_BYTES]), is_last=False)
            del self._waiting[:CHUNK_BYTES]

    def finish(self) -> None:
        """Seal what is left as the last chunk."""
        self._seal(bytes(self._waiting), is_last=True)

    def _seal(self, chunk: bytes, *, is_last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._number, is_last), chunk, self._header))
        self._number += 1


class SealedReader:
    """Open a sealed stream; every byte it returns was authenticated."""

    def __init__(self, file: BinaryIO, passphrase: bytes) -> None:
        self._header = file.read(len(_MAGIC) + _SALT_BYTES)
        if not self._header.startswith(_MAGIC) or len(self._header) != len(_MAGIC) + _SALT_BYTES:
            raise BadBackup("this is no backup of a node, or one of a format that is not read here")
        self._chunks = self._open(file, _cipher(passphrase, self._header))
        self._ready = bytearray()

    def read(self, count: int) -> bytes:
        """Return exactly so many bytes.

        Raises:
            BadBackup: the passphrase is wrong, or the file was changed or cut off.
        """
        while len(self._ready) < count:
            chunk = next(self._chunks, None)
            if chunk is None:
                raise BadBackup("the stream ends in the middle of a part")
            self._ready += chunk
        taken = bytes(self._ready[:count])
        del self._ready[:count]
        return taken

    def is_at_end(self) -> bool:
        """Tell whether everything was read, and the file ends where it says."""
        while not self._ready:
            chunk = next(self._chunks, None)
            if chunk is None:
                return True
            self._ready += chunk
        return False

    def _open(self, file: BinaryIO, cipher: AESGCM) -> Iterator[bytes]:
        number, sealed = 0, file.read(CHUNK_BYTES + _TAG_BYTES)
        while True:
            following = file.read(CHUNK_BYTES + _TAG_BYTES)
            yield self._chunk(cipher, number, sealed, is_last=not following)
            if not following:
                return
            number, sealed = number + 1, following

    def _chunk(self, cipher: AESGCM, number: int, sealed: bytes, *, is_last: bool) -> bytes:
        try:
            return cipher.decrypt(_nonce(number, is_last), sealed, self._header)
        except InvalidTag as error:
            raise self._refusal(cipher, number, sealed, is_last=is_last) from error

    def _refusal(self, cipher: AESGCM, number: int, sealed: bytes, *, is_last: bool) -> BadBackup:
        try:
            cipher.decrypt(_nonce(number, not is_last), sealed, self._header)
        except InvalidTag:
            if number == 0:
                return BadBackup("the passphrase is wrong, or the beginning of the file was changed")
            return BadBackup("the file was changed or cut off after %(size)s MiB", size=number)
        if is_last:
            return BadBackup("the file was cut off after %(size)s MiB", size=number + 1)
        return BadBackup("something was appended to the file")


def _cipher(passphrase: bytes, header: bytes) -> AESGCM:
    kdf = Scrypt(salt=header[len(_MAGIC) :], length=32, n=SCRYPT_N, r=SCRYPT_R, p=1)
    return AESGCM(kdf.derive(passphrase))


def _nonce(number: int, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([is_last])
