"""Whatever was done to a backup file, it is refused with the reason, and nothing is left behind."""

import io
import json
import struct
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from mithaq.node.backup.archive import ArchiveReader, ArchiveWriter, Head
from mithaq.node.backup.errors import BackupFailed, BadBackup, RestoreRefused
from mithaq.node.backup.sealed_stream import SealedReader, SealedWriter
from mithaq.node.backup.service import restore
from mithaq.node.backup.settings import CHUNK_BYTES
from mithaq.node.migrations import DatabaseNewer, newest_revision
from tests.conftest import AT
from tests.unit.node.backup.conftest import PASSPHRASE, small_backup
from tests.unit.node.conftest import founded_node

HEADER = 32


def refused(source: Path, tmp_path: Path, expected: str, passphrase: bytes = PASSPHRASE) -> None:
    before = sorted(tmp_path.iterdir())
    with pytest.raises(BadBackup, match=expected):
        restore(source, tmp_path / "again", passphrase)
    assert sorted(tmp_path.iterdir()) == before


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A backup of a small node, as it was written."""
    folder = tmp_path_factory.mktemp("untouched")
    with closing(founded_node(folder, "", AT)) as node:
        return small_backup(node, folder, AT).read_bytes()


@pytest.fixture
def sealed(untouched: bytes, tmp_path: Path) -> Path:
    """A copy of it, to be tampered with."""
    path = tmp_path / "node.backup"
    path.write_bytes(untouched)
    return path


def test_a_wrong_passphrase_is_refused(sealed: Path, tmp_path: Path) -> None:
    refused(sealed, tmp_path, "passphrase is wrong", b"another passphrase for backups")


@pytest.mark.parametrize("place", [0, 20, HEADER, HEADER + 500, -1, -17])
def test_one_flipped_bit_is_refused(sealed: Path, tmp_path: Path, place: int) -> None:
    data = bytearray(sealed.read_bytes())
    data[place] ^= 1
    sealed.write_bytes(data)
    refused(sealed, tmp_path, "no backup of a node|was changed")


@pytest.mark.parametrize("kept", [0, 10, HEADER, HEADER + 1, HEADER + 1000, -1, -5000])
def test_a_file_that_was_cut_off_is_refused(sealed: Path, tmp_path: Path, kept: int) -> None:
    data = sealed.read_bytes()
    sealed.write_bytes(data[:kept])
    refused(sealed, tmp_path, "no backup of a node|changed|cut off")


def test_what_was_appended_is_refused(sealed: Path, tmp_path: Path) -> None:
    sealed.write_bytes(sealed.read_bytes() + b"x")
    refused(sealed, tmp_path, "was changed|appended")


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "foreign").write_bytes(b"PK\3\4" + bytes(5000))
    refused(tmp_path / "foreign", tmp_path, "no backup of a node")


def test_a_folder_that_exists_is_left_as_it_is(sealed: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "nowhere")
    for place in (there, dangling):
        with pytest.raises(RestoreRefused, match="new folder"):
            restore(sealed, place, PASSPHRASE)
    assert list(there.iterdir()) == []
    assert not (tmp_path / "nowhere").exists()


CHUNKS = (b"a" * CHUNK_BYTES, b"b" * CHUNK_BYTES, b"c" * 10)


@pytest.fixture(scope="module")
def stream() -> bytes:
    """Three sealed chunks."""
    file = io.BytesIO()
    writer = SealedWriter(file, PASSPHRASE)
    for chunk in CHUNKS:
        writer.write(chunk)
    writer.finish()
    return file.getvalue()


def test_a_stream_gives_back_what_was_written(stream: bytes) -> None:
    reader = SealedReader(io.BytesIO(stream), PASSPHRASE)
    whole = b"".join(CHUNKS)
    assert reader.read(5) + reader.read(len(whole) - 5) == whole
    assert reader.is_at_end()


SEALED_CHUNK = CHUNK_BYTES + 16


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: data[: HEADER + 2 * SEALED_CHUNK], "cut off after 2 MiB"),
        (lambda data: data[: HEADER + SEALED_CHUNK] + data[HEADER + 2 * SEALED_CHUNK :], "changed or cut off after 1"),
        (
            lambda data: (
                data[:HEADER]
                + data[HEADER + SEALED_CHUNK : HEADER + 2 * SEALED_CHUNK]
                + data[HEADER : HEADER + SEALED_CHUNK]
                + data[HEADER + 2 * SEALED_CHUNK :]
            ),
            "beginning of the file was changed",
        ),
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), "changed or cut off after 2 MiB"),
        (lambda data: data + bytes(SEALED_CHUNK), "changed or cut off after 2 MiB"),
    ],
    ids=["last chunk gone", "middle chunk gone", "chunks exchanged", "last byte flipped", "chunk appended"],
)
def test_chunks_hold_only_whole_and_in_their_order(
    stream: bytes, change: Callable[[bytes], bytes], reason: str
) -> None:
    reader = SealedReader(io.BytesIO(change(stream)), PASSPHRASE)
    with pytest.raises(BadBackup, match=reason):
        reader.read(sum(map(len, CHUNKS)))


def test_something_after_a_full_last_chunk_is_refused() -> None:
    file = io.BytesIO()
    writer = SealedWriter(file, PASSPHRASE)
    writer.write(CHUNKS[0])
    writer.finish()
    reader = SealedReader(io.BytesIO(file.getvalue() + b"x"), PASSPHRASE)
    with pytest.raises(BadBackup, match="appended"):
        reader.read(1)


def crafted(*frames: tuple[bytes, bytes]) -> io.BytesIO:
    """A file of somebody who knows the passphrase, with whatever frames in it."""
    file = io.BytesIO()
    writer = SealedWriter(file, PASSPHRASE)
    for kind, payload in frames:
        writer.write(kind + struct.pack(">I", len(payload)) + payload)
    writer.finish()
    return io.BytesIO(file.getvalue())


def head(**changes: object) -> tuple[bytes, bytes]:
    whole = {
        "format_version": 1, "program": "0.1.0", "nation": "XA", "made_at": "2026-11-23T12:00:00Z",
        "revision": newest_revision(), "database": "database.sqlite",
    }  # fmt: skip
    return b"H", json.dumps(whole | changes).encode()


@pytest.mark.parametrize(
    "name",
    ["../outside", "/etc/outside", "a/../../outside", "a//b", "./a", "a/.", "..", "", "a\\..\\b", "a\0b", "a\nb",
     "\u202eb", "x" * 1001],
)  # fmt: skip
def test_a_name_that_leads_elsewhere_is_refused_before_anything_is_written(tmp_path: Path, name: str) -> None:
    frames = (head(), (b"M", name.encode()), (b"D", b"owned"), (b"E", b""))
    (tmp_path / "evil").write_bytes(crafted(*frames).getvalue())
    refused(tmp_path / "evil", tmp_path, "leads out of the folder|over its limit")
    assert not (tmp_path.parent / "outside").exists()


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        ([(b"M", b"a"), (b"E", b"")], "begin with a head"),
        ([head(format_version=2)], "format 2 is not read"),
        ([(b"H", b"{}")], "cannot be read"),
        ([head(), (b"D", b"x")], "wrong order"),
        ([head(), (b"M", b"a"), (b"M", b"b")], "wrong order"),
        ([head(), (b"M", b"a"), (b"E", b""), (b"M", b"a")], "twice"),
        ([head(), (b"?", b"")], "unknown kind"),
        ([head(), (b"M", b"a"), (b"E", b"")], "ends in the middle"),
        ([head(), (b"M", b"a"), (b"E", b""), (b"Z", b'{"members":[],"rows":{},"journal":0}')], "not those of the"),
        ([head(), (b"Z", b'{"members":[],"rows":{},"journal":0}'), (b"Z", b"")], "follows the manifest"),
    ],
)
def test_parts_that_are_not_what_a_backup_is_made_of_are_refused(
    frames: list[tuple[bytes, bytes]], reason: str
) -> None:
    with pytest.raises(BadBackup, match=reason):
        for _, blocks in ArchiveReader(crafted(*frames), PASSPHRASE).members():
            assert b"".join(blocks) == b""


def test_a_file_and_a_folder_of_one_name_are_refused(tmp_path: Path) -> None:
    frames = (head(), (b"M", b"a"), (b"E", b""), (b"M", b"a/b"), (b"E", b""))
    (tmp_path / "evil").write_bytes(crafted(*frames).getvalue())
    refused(tmp_path / "evil", tmp_path, "File exists|Not a directory")


def test_a_backup_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    (tmp_path / "newer").write_bytes(crafted(head(revision="9999")).getvalue())
    with pytest.raises(DatabaseNewer, match="9999"):
        restore(tmp_path / "newer", tmp_path / "again", PASSPHRASE)


def test_a_name_that_could_not_be_restored_is_not_taken_in(at: datetime) -> None:
    whole = Head(program="0.1.0", nation="XA", made_at=at, revision="0001", database="database.sqlite")
    writer = ArchiveWriter(io.BytesIO(), PASSPHRASE, whole)
    with pytest.raises(BackupFailed, match="of this name"):
        writer.add("../x", [b"x"])
