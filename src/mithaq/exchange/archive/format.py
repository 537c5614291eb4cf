"""An archive as bytes: a clear header, sealed papers with the sender's signed manifest, and sealed frames.

`mithaq archive 1`, then parts, each a letter and four bytes of length: `H` the canonical header, which is the HPKE
`info` of the papers, `P` the papers, `F` frames and `Q` proofs as they would go over the channel, each sealed alone.
The papers are parts again: `M` the manifest, `C` the card, `R` receipts, `L` letters, `A` attestations. The manifest
names the digest of everything else, so that no part can be left out, added or changed. Nothing is a path.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from mithaq.exchange.archive.errors import BadArchive
from mithaq.exchange.archive.settings import MAX_ARCHIVE_BYTES, MAX_FRAMES, MAX_PAPERS_BYTES
from mithaq.exchange.settings import MAX_NUMBER
from mithaq.kernel import canonical, sealing
from mithaq.kernel.clock import from_rfc3339, rfc3339
from mithaq.kernel.ids import NationId
from mithaq.nations.errors import BadCard
from mithaq.nations.rules import nation_code

MANIFEST_TYPE: Final = "application/vnd.mithaq.archive+json"
FORMAT: Final = 1
INFO: Final = b"mithaq/archive/1\0"
_MAGIC: Final = b"mithaq archive 1\n"
_MAX_HEADER: Final = 4096
_MAX_PARTS: Final = 2 * MAX_FRAMES + 2
_MAX_PAPERS: Final = 10_000
_MAX_NAMED: Final = 10_000

Part = tuple[bytes, bytes]
"""A letter, and the bytes of the part."""


@dataclass(frozen=True, slots=True)
class Header:
    """Who sends this to whom, and to which key its papers are sealed."""

    sender: NationId
    recipient: NationId
    key_id: str

    def encode(self) -> bytes:
        """Return the canonical bytes, which are also the sealing context."""
        return canonical.dumps(
            {
                "format_version": FORMAT,
                "suite": sealing.SUITE_ID,
                "sender": self.sender,
                "recipient": self.recipient,
                "key_id": self.key_id,
            }
        )


@dataclass(frozen=True, slots=True)
class Manifest:
    """The sender's signed word about one archive.

    `taken`: the number up to which it has taken the recipient's releases. `receipted`: up to which it has the
    recipient's receipts. `owed`: numbers whose proof it still wants. `took`: digests of the letters and attestations
    it took from earlier archives. `parts`: digests of frames and proofs, in order; `papers`: of all papers but this.
    """

    sender: NationId
    recipient: NationId
    at: datetime
    taken: int
    receipted: int
    owed: tuple[int, ...]
    took: tuple[str, ...]
    parts: tuple[str, ...]
    papers: str

    def encode(self) -> bytes:
        """Return the canonical bytes that the sender signs."""
        return canonical.dumps(
            {
                "format_version": FORMAT,
                "sender": self.sender,
                "recipient": self.recipient,
                "at": rfc3339(self.at),
                "taken": self.taken,
                "receipted": self.receipted,
                "owed": list(self.owed),
                "took": list(self.took),
                "parts": list(self.parts),
                "papers": self.papers,
            }
        )


@dataclass(frozen=True, slots=True)
class Split:
    """An archive in its parts; nothing in it is believed yet."""

    header: Header
    header_bytes: bytes
    papers: bytes
    parts: tuple[Part, ...]


def joined(parts: Iterable[Part]) -> bytes:
    """Return parts as bytes."""
    return b"".join(kind + struct.pack(">I", len(body)) + body for kind, body in parts)


def written(header: Header, papers: bytes, parts: Sequence[Part]) -> bytes:
    """Return the file."""
    return _MAGIC + joined([(b"H", header.encode()), (b"P", papers), *parts])


def split_archive(data: bytes) -> Split:
    """Take a file apart.

    Raises:
        BadArchive: it is no archive, or a part or its header is cut off, misplaced or malformed.
        BadJson: the header is not canonical JSON.
    """
    if len(data) > MAX_ARCHIVE_BYTES:
        raise BadArchive("larger than the limit of %(max)s bytes", max=MAX_ARCHIVE_BYTES)
    if not data.startswith(_MAGIC):
        raise BadArchive("it is no archive of this format")
    parts = split_parts(data, len(_MAGIC), _MAX_PARTS)
    kinds = b"".join(kind for kind, _ in parts)
    if kinds[:2] != b"HP" or kinds[2:].strip(b"FQ"):
        raise BadArchive("its parts are not in the order of an archive")
    header, papers = parts[0][1], parts[1][1]
    return Split(_read_header(header), header, papers, tuple(parts[2:]))


def split_parts(data: bytes, start: int, most: int) -> list[Part]:
    """Return the parts of a file or of its papers.

    Raises:
        BadArchive: one is cut off, or there are too many.
    """
    parts: list[Part] = []
    at = start
    while at < len(data):
        kind, head = data[at : at + 1], data[at + 1 : at + 5]
        end = at + 5 + (struct.unpack(">I", head)[0] if len(head) == 4 else len(data))
        if end > len(data):
            raise BadArchive("the file is cut off, or was changed")
        parts.append((kind, data[at + 5 : end]))
        if len(parts) > most:
            raise BadArchive("more parts than an archive may have")
        at = end
    return parts


def split_papers(plaintext: bytes) -> tuple[bytes, list[Part]]:
    """Return the signed manifest and the other papers.

    Raises:
        BadArchive: they are malformed.
    """
    parts = split_parts(plaintext, 0, _MAX_PAPERS)
    if len(plaintext) > MAX_PAPERS_BYTES or not parts or parts[0][0] != b"M":
        raise BadArchive("its papers have no manifest, or are too large")
    return parts[0][1], parts[1:]


def digest(body: bytes) -> str:
    """Return the SHA-256 by which a part is named."""
    return hashlib.sha256(body).hexdigest()


def read_manifest(payload: bytes) -> Manifest:
    """Read a manifest whose signature was verified.

    Raises:
        BadJson: it is not canonical JSON.
        BadArchive: a newer format, or a field that is missing or malformed.
    """
    value = canonical.loads_canonical(payload, max_bytes=MAX_PAPERS_BYTES, subject="manifest")
    try:
        if value["format_version"] != FORMAT:
            raise BadArchive("archive format %(found)s is not read here", found=str(value["format_version"])[:20])
        return Manifest(
            sender=nation_code(value["sender"]),
            recipient=nation_code(value["recipient"]),
            at=from_rfc3339(value["at"]),
            taken=_number(value["taken"]),
            receipted=_number(value["receipted"]),
            owed=tuple(_number(each) for each in _listed(value["owed"])),
            took=tuple(str(each)[:64] for each in _listed(value["took"])),
            parts=tuple(str(each)[:64] for each in _listed(value["parts"], _MAX_PARTS)),
            papers=str(value["papers"]),
        )
    except (KeyError, TypeError, ValueError, BadCard) as error:
        raise BadArchive("a field of the manifest is malformed: %(detail)s", detail=str(error)[:80]) from error


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_NUMBER:
        raise ValueError("no number")
    return value


def _listed(value: Any, most: int = _MAX_NAMED) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise ValueError("no list, or too long")
    return value


def _read_header(data: bytes) -> Header:
    value = canonical.loads_canonical(data, max_bytes=_MAX_HEADER, subject="archive header")
    try:
        if value["format_version"] != FORMAT or value["suite"] != sealing.SUITE_ID:
            raise BadArchive("archive format %(found)s is not read here", found=str(value["format_version"])[:20])
        return Header(nation_code(value["sender"]), nation_code(value["recipient"]), str(value["key_id"])[:200])
    except (KeyError, TypeError, BadCard) as error:
        raise BadArchive("the header is malformed") from error
