"""Members in a sealed stream: a head that says what it is, each file, and a manifest that repeats what was written.

A frame is one byte of kind, four bytes of length and a payload. A name is a relative path of plain parts; whatever
else it is, it is refused before a byte is written anywhere.
"""

import hashlib
import struct
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Annotated, BinaryIO, TypeVar

import msgspec

from mithaq.node.backup.errors import BackupFailed, BadBackup
from mithaq.node.backup.sealed_stream import SealedReader, SealedWriter
from mithaq.node.backup.settings import CHUNK_BYTES, FORMAT, MAX_MANIFEST_BYTES, MAX_NAME_BYTES

_HEAD, _MEMBER, _DATA, _END, _MANIFEST = b"H", b"M", b"D", b"E", b"Z"
_LIMITS = {_HEAD: 4096, _MEMBER: MAX_NAME_BYTES, _DATA: CHUNK_BYTES, _END: 0, _MANIFEST: MAX_MANIFEST_BYTES}
_T = TypeVar("_T")
Count = Annotated[int, msgspec.Meta(ge=0)]


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup is of; read before anything else."""

    format_version: int = FORMAT
    program: str
    nation: str
    made_at: datetime
    revision: str
    database: str


class Member(msgspec.Struct, frozen=True):
    """One file of a backup."""

    name: str
    size: Count
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What was written, to be compared with what was read: every member, and the rows of every table."""

    members: tuple[Member, ...]
    rows: dict[str, Count]
    journal: Count


class ArchiveWriter:
    """Write a backup file in one pass."""

    def __init__(self, file: BinaryIO, passphrase: bytes, head: Head) -> None:
        self._sealed = SealedWriter(file, passphrase)
        self._members: list[Member] = []
        self._frame(_HEAD, msgspec.json.encode(head))

    def add(self, name: str, blocks: Iterable[bytes]) -> Member:
        """Add one file.

        Raises:
            BackupFailed: its name could not be restored.
        """
        if not is_plain(name):
            raise BackupFailed("a file of this name cannot be kept in a backup", subject=name[:200])
        self._frame(_MEMBER, name.encode())
        digest, size = hashlib.sha256(), 0
        for block in blocks:
            for start in range(0, len(block), CHUNK_BYTES):
                part = block[start : start + CHUNK_BYTES]
                digest.update(part)
                size += len(part)
                self._frame(_DATA, part)
        self._frame(_END, b"")
        member = Member(name, size, digest.hexdigest())
        self._members.append(member)
        return member

    def finish(self, rows: dict[str, int], journal: int) -> Manifest:
        """Write the manifest and close the stream."""
        manifest = Manifest(members=tuple(self._members), rows=rows, journal=journal)
        self._frame(_MANIFEST, msgspec.json.encode(manifest))
        self._sealed.finish()
        return manifest

    def _frame(self, kind: bytes, payload: bytes) -> None:
        self._sealed.write(kind + struct.pack(">I", len(payload)) + payload)


class ArchiveReader:
    """Read a backup file in one pass; `manifest` is there once all members were read, and holds for all of them."""

    def __init__(self, file: BinaryIO, passphrase: bytes) -> None:
        self._sealed = SealedReader(file, passphrase)
        self._read: list[Member] = []
        self._manifest: Manifest | None = None
        kind, payload = self._frame()
        if kind != _HEAD:
            raise BadBackup("it does not begin with a head")
        self.head = _decoded(payload, Head)
        if self.head.format_version != FORMAT:
            raise BadBackup("backup format %(found)s is not read here", found=self.head.format_version)

    @property
    def manifest(self) -> Manifest:
        """Return what was written, after all of it was read.

        Raises:
            BadBackup: not everything was read yet.
        """
        if self._manifest is None:
            raise BadBackup("the manifest was not reached")
        return self._manifest

    def members(self) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Yield each file's name and blocks, which must be read before the next is asked for.

        Raises:
            BadBackup: a name that leads elsewhere, one that comes twice, or another content than the manifest says.
        """
        seen: set[str] = set()
        while True:
            kind, payload = self._frame()
            if kind == _MANIFEST:
                self._compare(_decoded(payload, Manifest))
                return
            if kind != _MEMBER:
                raise BadBackup("parts of the backup are in the wrong order")
            name = _name(payload)
            if name in seen:
                raise BadBackup("a file stands twice in the backup", subject=name)
            seen.add(name)
            yield name, self._blocks(name)

    def _blocks(self, name: str) -> Iterator[bytes]:
        digest, size = hashlib.sha256(), 0
        while True:
            kind, payload = self._frame()
            if kind == _END:
                self._read.append(Member(name, size, digest.hexdigest()))
                return
            if kind != _DATA:
                raise BadBackup("parts of the backup are in the wrong order", subject=name)
            digest.update(payload)
            size += len(payload)
            yield payload

    def _compare(self, manifest: Manifest) -> None:
        if tuple(self._read) != manifest.members:
            raise BadBackup("the files are not those of the manifest")
        if not self._sealed.is_at_end():
            raise BadBackup("something follows the manifest")
        self._manifest = manifest

    def _frame(self) -> tuple[bytes, bytes]:
        kind = self._sealed.read(1)
        (length,) = struct.unpack(">I", self._sealed.read(4))
        if length > _LIMITS.get(kind, -1):
            raise BadBackup("a part of the backup is of an unknown kind or over its limit")
        return kind, self._sealed.read(length)


def is_plain(name: str) -> bool:
    """Tell whether a name is a relative path of plain parts, which leads nowhere else.

    >>> [is_plain(name) for name in ("keys/node.keys", "../x", "/etc/x", "a//b", "a/./b", "a\\\\b", "")]
    [True, False, False, False, False, False, False]
    """
    if len(name.encode("utf-8", "surrogatepass")) > MAX_NAME_BYTES or not name.isprintable() or "\\" in name:
        return False
    return all(part not in {"", ".", ".."} for part in name.split("/"))


def _name(payload: bytes) -> str:
    try:
        name = payload.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadBackup("the name of a file is no UTF-8") from error
    if not is_plain(name):
        raise BadBackup("the name of a file leads out of the folder", subject=ascii(name)[:200])
    return name


def _decoded(payload: bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(payload, type=kind)
    except msgspec.DecodeError as error:
        raise BadBackup("the head or the manifest cannot be read: %(detail)s", detail=str(error)[:120]) from error
